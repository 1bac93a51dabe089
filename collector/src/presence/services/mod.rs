//! Services: whether those who asked for them, the agents' probes, got a good answer.
//!
//! Owns `service_hours`, `service_audit` and `availability --by service`. Picture: runs of probes are in
//! ClickHouse → [`evidence`] reads them → [`timeline`] says what they prove of a service (pure) →
//! [`hours`] keeps it, hour by hour, as [`plan`] says (pure) → [`report`] adds it up, without maintenance
//! (pure), [`targets`] names what failed in its outages, [`text`] has the words. Promises: times, never counts of runs; what no run tells is unknown;
//! the same set of runs gives the same, whatever their order and number. Times are those of the agents'
//! clocks, as the runs have them. Leaves asking to the agents, and what is promised of a service to
//! [`crate::objectives`].

mod evidence;
mod hours;
pub(crate) mod keeper;
mod plan;
mod report;
pub mod show;
mod targets;
mod text;
mod timeline;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub(crate) use self::evidence::intervals;
pub(crate) use self::report::report;
pub use self::timeline::{Evidence, Run, Track, timeline};
use super::timeline::State;

/// A time in which nothing changed for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// First ms, Unix.
    pub from_ms: i64,
    /// The ms after the last one.
    pub to_ms: i64,
    /// Whether it answered: each target somewhere.
    pub answered: State,
    /// Whether it answered everywhere: each target in all places that know something.
    pub everywhere: State,
}

/// What of the intervals is in the range, joined where nothing changes.
pub(crate) fn clip(
    intervals: impl IntoIterator<Item = Interval>,
    range: &Range<i64>,
) -> Vec<Interval> {
    let mut clipped: Vec<Interval> = Vec::new();
    for mut interval in intervals {
        interval.from_ms = interval.from_ms.max(range.start);
        interval.to_ms = interval.to_ms.min(range.end);
        if interval.from_ms >= interval.to_ms {
            continue;
        }
        let states = (interval.answered, interval.everywhere);
        match clipped.last_mut() {
            Some(last)
                if last.to_ms == interval.from_ms && (last.answered, last.everywhere) == states =>
            {
                last.to_ms = interval.to_ms;
            }
            _ => clipped.push(interval),
        }
    }
    clipped
}
