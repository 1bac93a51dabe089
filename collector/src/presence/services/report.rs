//! Adding up the intervals of a service, and the document of what comes out. Pure.

use std::ops::Range;

use serde::Serialize;

use super::Interval;
use super::targets::{FailedBy, FailedTarget};
use crate::presence::availability::{Down, Downs, Figures, Times, means, split, state_name};
use crate::presence::timeline::State;

/// One way to look at a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// Without maintenance.
    pub(crate) times: Times,
    /// With it.
    pub(crate) raw: Times,
    pub(super) downs: Downs,
}

/// What is known of one service in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(super) service: String,
    /// Each target somewhere.
    pub(crate) answered: Part,
    /// Each target in all places that know something.
    pub(crate) everywhere: Part,
    /// How long it was in maintenance.
    pub(super) maintenance_ms: i64,
    /// Everything, in order, cut where maintenance begins and ends, and whether each is in it.
    pub(super) intervals: Vec<(Interval, bool)>,
}

#[derive(Serialize)]
struct PartDocument<'a> {
    #[serde(flatten)]
    figures: Figures,
    outages: Vec<OutageDocument<'a>>,
    /// Mean time of an outage, with those that the asked time cuts off; mean time up between them.
    mttr_ms: Option<i64>,
    mtbf_ms: Option<i64>,
}

#[derive(Serialize)]
struct OutageDocument<'a> {
    #[serde(flatten)]
    down: Down,
    /// Targets with the most failed runs in its minutes, and how many failed besides.
    failed_targets: &'a [FailedTarget],
    other_failed_targets: u64,
}

#[derive(Serialize)]
struct RawDocument {
    answered: Figures,
    everywhere: Figures,
}

#[derive(Serialize)]
struct IntervalDocument {
    from_ms: i64,
    to_ms: i64,
    answered: &'static str,
    everywhere: &'static str,
    in_maintenance: bool,
}

/// A report as JSON has it.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    from_ms: i64,
    to_ms: i64,
    service: &'a str,
    answered: PartDocument<'a>,
    everywhere: PartDocument<'a>,
    maintenance_ms: i64,
    raw: RawDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals: Option<Vec<IntervalDocument>>,
}

impl Part {
    fn add(&mut self, state: State, range: &Range<i64>, in_maintenance: bool) {
        let length_ms = range.end - range.start;
        self.raw.add(state, length_ms);
        if !in_maintenance {
            self.times.add(state, length_ms);
        }
        self.downs.add(range, state == State::Down, in_maintenance);
    }

    fn document<'a>(&self, failed: &'a FailedBy) -> PartDocument<'a> {
        let [mttr_ms, mtbf_ms] = self.means();
        let outage = |down: &Down| {
            let of = failed.get(&(down.from_ms, down.to_ms));
            OutageDocument {
                down: *down,
                failed_targets: of.map_or(&[], |of| &of.named),
                other_failed_targets: of.map_or(0, |of| of.others),
            }
        };
        PartDocument {
            figures: self.times.into(),
            outages: self.downs.found.iter().map(outage).collect(),
            mttr_ms,
            mtbf_ms,
        }
    }

    /// Mean time of an outage, and mean time up between them, ms.
    pub(super) fn means(&self) -> [Option<i64>; 2] {
        means(&self.times, self.downs.found.len())
    }
}

/// Adds up the intervals of a service. `maintenance` has its times of maintenance, sorted and apart.
pub(crate) fn report(service: &str, intervals: &[Interval], maintenance: &[Range<i64>]) -> Report {
    let mut report = Report {
        service: service.to_owned(),
        answered: Part::default(),
        everywhere: Part::default(),
        maintenance_ms: 0,
        intervals: Vec::with_capacity(intervals.len()),
    };
    for interval in intervals {
        let whole = interval.from_ms..interval.to_ms;
        for (range, in_maintenance) in split(&whole, maintenance) {
            if in_maintenance {
                report.maintenance_ms += range.end - range.start;
            }
            let (answered, everywhere) = (&mut report.answered, &mut report.everywhere);
            answered.add(interval.answered, &range, in_maintenance);
            everywhere.add(interval.everywhere, &range, in_maintenance);
            let part = Interval {
                from_ms: range.start,
                to_ms: range.end,
                ..interval.clone()
            };
            report.intervals.push((part, in_maintenance));
        }
    }
    report
}

impl Report {
    /// When it was down, everywhere or for some.
    pub(super) fn outages(&self) -> impl Iterator<Item = Range<i64>> {
        let parts = [&self.answered, &self.everywhere].into_iter();
        let downs = parts.flat_map(|part| &part.downs.found);
        downs.map(|down| down.from_ms..down.to_ms)
    }

    /// As JSON, of the time it is of, with the targets that failed in its outages, with the intervals or
    /// without.
    pub(super) fn document<'a>(
        &'a self,
        asked: &Range<i64>,
        failed: &'a FailedBy,
        intervals: bool,
    ) -> Document<'a> {
        let document = |(interval, in_maintenance): &(Interval, bool)| IntervalDocument {
            from_ms: interval.from_ms,
            to_ms: interval.to_ms,
            answered: state_name(interval.answered),
            everywhere: state_name(interval.everywhere),
            in_maintenance: *in_maintenance,
        };
        Document {
            from_ms: asked.start,
            to_ms: asked.end,
            service: &self.service,
            answered: self.answered.document(failed),
            everywhere: self.everywhere.document(failed),
            maintenance_ms: self.maintenance_ms,
            raw: RawDocument {
                answered: self.answered.raw.into(),
                everywhere: self.everywhere.raw.into(),
            },
            intervals: intervals.then(|| self.intervals.iter().map(document).collect()),
        }
    }
}
