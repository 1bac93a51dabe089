//! Times that are down without a break, and what of a time is maintenance. Pure.

use std::ops::Range;

use serde::Serialize;

use super::Times;

/// A time in which something was down. Maintenance in the midst of it neither counts nor divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::presence) struct Down {
    /// First ms that counts, Unix.
    pub(in crate::presence) from_ms: i64,
    /// The ms after the last one that counts.
    pub(in crate::presence) to_ms: i64,
    /// How long it was down, without maintenance.
    pub(in crate::presence) down_ms: i64,
}

/// Outages as they are found, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::presence) struct Downs {
    pub(in crate::presence) found: Vec<Down>,
    /// Up to where it is down without a break, Unix ms, and whether that counts as an outage yet.
    open: Option<(i64, bool)>,
}

impl Downs {
    /// What follows; whether a new outage begins with it.
    pub(in crate::presence) fn add(
        &mut self,
        range: &Range<i64>,
        is_down: bool,
        in_maintenance: bool,
    ) -> bool {
        if !is_down {
            self.open = None;
            return false;
        }
        let before = self.open.filter(|&(to_ms, _)| to_ms == range.start);
        let counts_yet = before.is_some_and(|(_, counts)| counts);
        self.open = Some((range.end, counts_yet || !in_maintenance));
        if in_maintenance {
            return false;
        }
        let down_ms = range.end - range.start;
        if let Some(last) = self.found.last_mut().filter(|_| counts_yet) {
            last.to_ms = range.end;
            last.down_ms += down_ms;
            return false;
        }
        self.found.push(Down {
            from_ms: range.start,
            to_ms: range.end,
            down_ms,
        });
        true
    }
}

/// Mean time of an outage, with those that the asked time cuts off, and mean time up between them, ms;
/// `None` without any.
pub(in crate::presence) fn means(times: &Times, outages: usize) -> [Option<i64>; 2] {
    let count = i64::try_from(outages).unwrap_or(i64::MAX);
    [times.down_ms, times.up_ms].map(|ms| (count > 0).then(|| ms / count.max(1)))
}

/// A time cut where maintenance begins and ends, and whether each part is in it; `maintenance` is sorted
/// and apart.
pub(in crate::presence) fn split(
    whole: &Range<i64>,
    maintenance: &[Range<i64>],
) -> Vec<(Range<i64>, bool)> {
    let mut parts = Vec::new();
    let mut push = |from_ms: i64, to_ms: i64, in_maintenance: bool| {
        if from_ms < to_ms {
            parts.push((from_ms..to_ms, in_maintenance));
        }
    };
    let mut done_ms = whole.start;
    let first = maintenance.partition_point(|range| range.end <= whole.start);
    for range in &maintenance[first..] {
        if range.start >= whole.end {
            break;
        }
        push(done_ms, range.start, false);
        let to_ms = range.end.min(whole.end);
        push(range.start.max(done_ms), to_ms, true);
        done_ms = to_ms;
    }
    push(done_ms, whole.end, false);
    parts
}
