//! From counters to increments, for series whose counters may begin again at any time.
//!
//! Owns the last reading of one series. Promises: an increment is never negative and never more
//! than what the counter shows to have been added; a counter that fell has no increment for once
//! (nothing for an optional figure, 0 for a required one), is counted, and goes on from where it
//! stands. What was counted between the beginning anew and the reading is given up: how much of it
//! belongs to the row cannot be told, and a guess would be a peak that never was.

use crmscope_proto::catalog::{Behaviour, Metric, Presence};

/// Counters at the last reading, in catalog order; gauges have no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Baseline<const N: usize> {
    counters: [Option<u64>; N],
}

/// A row's values, and how many counters of it fell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advance<const N: usize> {
    pub(super) row: [Option<u64>; N],
    pub(super) resets: u64,
}

impl<const N: usize> Baseline<N> {
    /// The first reading: there is no row yet.
    pub(super) fn new(now: [Option<u64>; N]) -> Self {
        Self { counters: now }
    }

    /// The row from the reading before to `now`, which becomes the base of the next.
    pub(super) fn advance(&mut self, metrics: &[Metric], now: &[Option<u64>; N]) -> Advance<N> {
        let mut advance = Advance {
            row: *now,
            resets: 0,
        };
        let figures = advance.row.iter_mut().zip(&mut self.counters);
        for (metric, (value, base)) in metrics.iter().zip(figures) {
            if metric.behaviour == Behaviour::Gauge {
                continue;
            }
            let (before, now) = (std::mem::replace(base, *value), *value);
            let unknown = match metric.presence {
                Presence::Required => Some(0),
                Presence::Optional => None,
            };
            *value = match (before, now) {
                (Some(before), Some(now)) if now >= before => Some(now - before),
                (Some(_), Some(_)) => {
                    advance.resets += 1;
                    unknown
                }
                _ => unknown,
            };
        }
        advance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METRICS: [Metric; 3] = [
        metric("gauge", Behaviour::Gauge, Presence::Optional),
        metric("required", Behaviour::Increment, Presence::Required),
        metric("optional", Behaviour::Increment, Presence::Optional),
    ];

    const fn metric(name: &'static str, behaviour: Behaviour, presence: Presence) -> Metric {
        Metric {
            id: 1,
            name,
            behaviour,
            presence,
        }
    }

    #[test]
    fn counters_grow_fall_go_and_come_back() {
        let mut baseline = Baseline::new([Some(5), Some(10), Some(100)]);
        for (now, row, resets) in [
            (
                [Some(4), Some(15), Some(100)],
                [Some(4), Some(5), Some(0)],
                0,
            ),
            // Both began again; what they show is not taken for what was added.
            ([Some(9), Some(14), Some(99)], [Some(9), Some(0), None], 2),
            ([None, Some(20), Some(109)], [None, Some(6), Some(10)], 0),
            // Gone and back: the first reading primes.
            ([None, None, None], [None, Some(0), None], 0),
            ([None, Some(3), Some(3)], [None, Some(0), None], 0),
            ([None, Some(4), Some(4)], [None, Some(1), Some(1)], 0),
            (
                [None, Some(u64::MAX), Some(0)],
                [None, Some(u64::MAX - 4), None],
                1,
            ),
        ] {
            let want = Advance { row, resets };
            assert_eq!(baseline.advance(&METRICS, &now), want, "{now:?}");
        }
    }

    proptest! {
        /// However readings jump, the increments never exceed what the readings rose by.
        #[test]
        fn increments_are_the_rises_and_nothing_else(readings in prop::collection::vec(any::<u64>(), 2..50)) {
            let mut baseline = Baseline::new([None, Some(readings[0]), Some(readings[0])]);
            for pair in readings.windows(2) {
                let now = [None, Some(pair[1]), Some(pair[1])];
                let advance = baseline.advance(&METRICS, &now);
                let rise = pair[1].checked_sub(pair[0]);
                prop_assert_eq!(advance.row, [None, Some(rise.unwrap_or(0)), rise]);
                prop_assert_eq!(advance.resets, u64::from(rise.is_none()) * 2);
            }
        }
    }
}
