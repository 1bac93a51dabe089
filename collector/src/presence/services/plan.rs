//! Which hours of a service are to be judged. Pure, and without a memory: what is stored says it.
//!
//! An hour is judged with so many runs in it. Runs are only ever added, and the roll-up of runs counts
//! them exactly, so an hour is stale where it has another number now; and so is every hour after it that
//! it reaches into. Promises: what is judged last is the hour that told, so a crash in between loses nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use super::timeline::SERVICE_EXPECTED_MS;
use crate::presence::hours::{HOUR_MS, hour};

/// An hour is judged so long after its end, ms: agents send what they have every some seconds.
const LAG_MS: i64 = 120_000;
/// From one time that an hour is judged anew to the next, ms: a spool that is drained tells again and again.
pub(super) const REST_MS: i64 = 600_000;
/// Runs are kept for a week, part by part; hours of which all of them are there, ms.
pub(super) const KEPT_MS: i64 = 6 * 24 * HOUR_MS;
/// Hours judged in one go.
const HOURS_MAX: i64 = 24;
/// A run is of importance up to so many hours after its own.
const REACH_MS: i64 = SERVICE_EXPECTED_MS;

/// An hour of a service as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hour {
    /// Runs that began in it.
    pub(super) runs: u64,
    /// How many there were when it was judged, if it was.
    pub(super) judged: Option<u64>,
    /// It is not judged anew for runs in it before this, Unix ms.
    pub(super) rests_until_ms: i64,
}

impl Hour {
    /// Whether it tells of runs with which it was not judged.
    fn is_told(&self, now_ms: i64) -> bool {
        match self.judged {
            None => self.runs > 0,
            Some(runs) => runs != self.runs && now_ms >= self.rests_until_ms,
        }
    }
}

/// What is to be judged, in this order, of a service's hours by their first ms.
pub(super) fn due(hours: &BTreeMap<i64, Hour>, now_ms: i64) -> Vec<Range<i64>> {
    let kept_ms = hour(now_ms - KEPT_MS) + HOUR_MS;
    let end_ms = hour(now_ms - LAG_MS);
    let (mut asked_ms, mut told_ms) = (i64::MIN, i64::MIN);
    let mut ranges: Vec<Range<i64>> = Vec::new();
    let Some(&first_ms) = hours.keys().next() else {
        return ranges;
    };
    let mut at_ms = first_ms.max(kept_ms - REACH_MS);
    while at_ms < end_ms {
        let known = hours.get(&at_ms).copied().unwrap_or_default();
        if known.runs > 0 {
            asked_ms = at_ms;
        }
        if known.is_told(now_ms) && at_ms >= kept_ms {
            told_ms = at_ms;
        }
        let is_reached = |from_ms: i64| at_ms.saturating_sub(from_ms) <= REACH_MS;
        let is_new = known.judged.is_none() && is_reached(asked_ms);
        if at_ms >= kept_ms && (is_new || is_reached(told_ms)) {
            match ranges.last_mut() {
                Some(last) if last.end == at_ms && at_ms - last.start < HOURS_MAX * HOUR_MS => {
                    last.end += HOUR_MS;
                }
                _ => ranges.push(at_ms..at_ms + HOUR_MS),
            }
        }
        at_ms += HOUR_MS;
    }
    ranges.reverse();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 500_000 * HOUR_MS + 10 * 60_000;

    fn at(hours_ago: i64) -> i64 {
        500_000 * HOUR_MS - hours_ago * HOUR_MS
    }

    fn plan(hours: &[(i64, u64, Option<u64>)], now_ms: i64) -> Vec<(i64, i64)> {
        let hours = hours.iter().map(|&(ago, runs, judged)| {
            let rests_until_ms = 0;
            let hour = Hour {
                runs,
                judged,
                rests_until_ms,
            };
            (at(ago), hour)
        });
        let ago = |ms: i64| (at(0) - ms) / HOUR_MS;
        let due = due(&hours.collect(), now_ms);
        due.iter()
            .map(|range| (ago(range.start), ago(range.end)))
            .collect()
    }

    #[test]
    fn an_hour_is_judged_once_it_is_over_and_a_service_is_expected_for_a_day() {
        // The hour of now is not over, and the one before only just.
        assert_eq!(plan(&[(1, 120, None), (0, 5, None)], NOW), [(1, 0)]);
        assert_eq!(plan(&[(1, 120, None)], at(0) + 60_000), []);
        assert_eq!(plan(&[(1, 120, Some(120))], NOW), []);
        // Thirty hours ago it was asked last: 24 more are judged, the last ones first.
        assert_eq!(plan(&[(30, 9, None)], NOW), [(6, 5), (30, 6)]);
        assert_eq!(plan(&[], NOW), []);
        // What is older than the runs that are kept stays.
        assert_eq!(plan(&[(24 * 7, 9, None)], NOW), []);
        assert_eq!(plan(&[(24 * 7, 9, Some(5))], NOW), []);
    }

    #[test]
    fn late_runs_make_their_hour_stale_and_what_they_reach_into() {
        let judged = (1..=40).map(|ago| (ago, 120, Some(120)));
        let mut hours: Vec<(i64, u64, Option<u64>)> = judged.collect();
        assert_eq!(plan(&hours, NOW), []);
        // Of 31 hours ago one run more.
        hours[30].1 = 121;
        assert_eq!(plan(&hours, NOW), [(7, 6), (31, 7)]);
        // Not again at once.
        let just = Hour {
            runs: 121,
            judged: Some(120),
            rests_until_ms: NOW + 60_000,
        };
        let hours = BTreeMap::from([(at(1), just)]);
        assert_eq!(due(&hours, NOW), []);
        assert_eq!(due(&hours, NOW + 60_000).len(), 1);
    }
}
