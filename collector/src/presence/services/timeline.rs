//! What the runs of probes prove of a service: a pure function of a *set* of runs.
//!
//! A *place* is an agent that asks, a *target* what it asks for; a service is all its targets together.
//!
//! - What came of a run holds from its start until the next run of the same place and target, and at most
//!   for twice its interval ([`HOLD_MAX_MS`] at most): one run that is lost or late makes no hole, as with
//!   a pace that is known the next is there by then; a second one that is missing is silence.
//! - A target *answered* where any place got a good answer, and did not where all that know something
//!   failed. It answered *everywhere* where all that know something got a good answer. A place that knows
//!   nothing counts for neither.
//! - A target is expected from a run on, for an hour, or for as long as the run holds where that is more.
//!   So one that is taken out of the configuration is unknown for an hour and is then not counted, and one
//!   that was never asked is not counted. A service of which nothing was asked for longer than that is
//!   unknown for a day, and then not expected any more: a monitor that is away is neither up nor down.
//! - A service is down where an expected target is, else unknown where one is, else up.
//!
//! Of one place and target, runs at the same ms count as the worse of them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Interval, clip};
use crate::presence::timeline::State;

/// A run holds no longer than this, ms: twice the longest interval that agents take.
pub(super) const HOLD_MAX_MS: i64 = 2 * 3_600_000;
/// A target is expected for so long after a run of it, ms.
const TARGET_EXPECTED_MS: i64 = 3_600_000;
/// A service is expected for so long after a run of any of its targets, ms.
pub(super) const SERVICE_EXPECTED_MS: i64 = 24 * 3_600_000;

/// One time that a target was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// When it began, Unix ms.
    pub at_ms: i64,
    /// Whether the answer was as it should be.
    pub up: bool,
    /// Time since the run before it, or else as configured, ms.
    pub interval_ms: i64,
}

/// Runs of one place and target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Who asked.
    pub agent_id: String,
    /// For what.
    pub target: String,
    /// In any order, any of them any number of times.
    pub runs: Vec<Run>,
}

/// All that is known of a service in a time and shortly before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// In any order; a place and target may have several.
    pub tracks: Vec<Track>,
    /// A run of the service before those, if any: after it the service is expected.
    pub last_ms: Option<i64>,
}

impl Run {
    fn holds_ms(&self) -> i64 {
        self.interval_ms.saturating_mul(2).clamp(0, HOLD_MAX_MS)
    }
}

/// How many places know what of a target, and of how many runs it is expected.
#[derive(Clone, Copy, Default)]
struct Count {
    good: i32,
    failed: i32,
    expected: i32,
}

impl Count {
    /// Whether it answered, and everywhere; `None`: it is not expected.
    const fn states(self) -> Option<[State; 2]> {
        match (self.expected > 0, self.good > 0, self.failed > 0) {
            (false, ..) => None,
            (_, true, true) => Some([State::Up, State::Down]),
            (_, true, false) => Some([State::Up; 2]),
            (_, false, true) => Some([State::Down; 2]),
            (_, false, false) => Some([State::Unknown; 2]),
        }
    }
}

/// What changes at a moment, and of which target; of none where it is about the service.
type Edge = (i64, Option<usize>, Count);

/// The service's intervals within `asked` (Unix ms), up to `now_ms`; nothing where it is not expected.
#[must_use]
pub fn timeline(evidence: &Evidence, asked: &Range<i64>, now_ms: i64) -> Vec<Interval> {
    let mut edges = Vec::new();
    let mut by_target: BTreeMap<&str, BTreeMap<&str, Vec<Run>>> = BTreeMap::new();
    for track in &evidence.tracks {
        let places = by_target.entry(&track.target).or_default();
        let runs = places.entry(&track.agent_id).or_default();
        runs.extend(&track.runs);
    }
    let targets = by_target.len();
    for (target, places) in by_target.into_values().enumerate() {
        for runs in places.into_values() {
            add_runs(&mut edges, target, runs);
        }
    }
    if let Some(last_ms) = evidence.last_ms {
        expect(&mut edges, None, last_ms..last_ms + SERVICE_EXPECTED_MS);
    }
    edges.sort_unstable_by_key(|&(at_ms, target, _)| (at_ms, target));
    clip(
        sweep(&edges, targets),
        &(asked.start..asked.end.min(now_ms)),
    )
}

/// What the runs of a place and target say.
fn add_runs(edges: &mut Vec<Edge>, target: usize, mut runs: Vec<Run>) {
    // The worse of the same moment comes first, and stays.
    runs.sort_unstable();
    runs.dedup_by_key(|run| run.at_ms);
    let mut known: Option<(Range<i64>, bool)> = None;
    let mut expected: [Option<Range<i64>>; 2] = [None, None];
    let mut next = runs.iter().skip(1).map(|run| run.at_ms);
    for run in &runs {
        let end_ms = next.next().unwrap_or(i64::MAX);
        let holds = run.at_ms..end_ms.min(run.at_ms + run.holds_ms());
        match &mut known {
            Some((span, up)) if span.end == holds.start && *up == run.up => span.end = holds.end,
            _ => {
                if let Some(before) = known.replace((holds, run.up)) {
                    know(edges, target, before);
                }
            }
        }
        let lengths = [TARGET_EXPECTED_MS.max(run.holds_ms()), SERVICE_EXPECTED_MS];
        for ((span, length), of) in expected.iter_mut().zip(lengths).zip([Some(target), None]) {
            let (from_ms, to_ms) = (run.at_ms, run.at_ms + length);
            match span {
                Some(span) if from_ms <= span.end => span.end = span.end.max(to_ms),
                _ => {
                    if let Some(before) = span.replace(from_ms..to_ms) {
                        expect(edges, of, before);
                    }
                }
            }
        }
    }
    if let Some(last) = known {
        know(edges, target, last);
    }
    for (span, of) in expected.into_iter().zip([Some(target), None]) {
        if let Some(last) = span {
            expect(edges, of, last);
        }
    }
}

fn know(edges: &mut Vec<Edge>, target: usize, (span, up): (Range<i64>, bool)) {
    let count = |one: i32| Count {
        good: if up { one } else { 0 },
        failed: if up { 0 } else { one },
        expected: 0,
    };
    edges.push((span.start, Some(target), count(1)));
    edges.push((span.end, Some(target), count(-1)));
}

fn expect(edges: &mut Vec<Edge>, target: Option<usize>, span: Range<i64>) {
    let count = |expected: i32| Count {
        expected,
        ..Count::default()
    };
    edges.push((span.start, target, count(1)));
    edges.push((span.end, target, count(-1)));
}

/// How many targets are in each state: up, down, unknown.
type Tally = [i32; 3];

/// From edges in order to intervals.
fn sweep(edges: &[Edge], targets: usize) -> Vec<Interval> {
    let mut counts = vec![Count::default(); targets];
    let mut service = 0;
    let mut tallies: [Tally; 2] = [[0; 3]; 2];
    let mut intervals = Vec::new();
    let mut edges = edges.iter().peekable();
    while let Some(&&(from_ms, ..)) = edges.peek() {
        while let Some((_, target, by)) = edges.next_if(|(at_ms, ..)| *at_ms == from_ms) {
            let Some(count) = target.and_then(|target| counts.get_mut(target)) else {
                service += by.expected;
                continue;
            };
            tally(&mut tallies, *count, -1);
            count.good += by.good;
            count.failed += by.failed;
            count.expected += by.expected;
            tally(&mut tallies, *count, 1);
        }
        let Some(&&(to_ms, ..)) = edges.peek() else {
            break;
        };
        let [answered, everywhere] = tallies.map(|tally| match tally {
            [_, down, _] if down > 0 => Some(State::Down),
            [.., unknown] if unknown > 0 => Some(State::Unknown),
            [up, ..] if up > 0 => Some(State::Up),
            _ => (service > 0).then_some(State::Unknown),
        });
        if let (Some(answered), Some(everywhere)) = (answered, everywhere) {
            intervals.push(Interval {
                from_ms,
                to_ms,
                answered,
                everywhere,
            });
        }
    }
    intervals
}

fn tally(tallies: &mut [Tally; 2], count: Count, by: i32) {
    for (tally, state) in tallies.iter_mut().zip(count.states().into_iter().flatten()) {
        let position = match state {
            State::Up => 0,
            State::Down => 1,
            State::Unknown => 2,
        };
        tally[position] += by;
    }
}
