//! One reading of the host and what was added since the one before.
//!
//! Owns the values of a host row while they are gathered, counters as the kernel has them, and the
//! step from two readings to increments. Promises that the increments of any number of rows add up
//! to what the kernel counted, and that a counter which falls makes no peak: how much of what it
//! shows then belongs to the row cannot be told (a guest that was moved, cores that were taken away,
//! a container's view of /proc that began again), so the row has 0 or nothing, the fall is counted,
//! and the next row goes on from there. Leaves reading and parsing to the files beside it.

use crmscope_proto::catalog::{Behaviour, HostMetric, Presence};

/// A CPU time that falls by no more than this stands still until it is reached again: the kernel
/// lets idle and I/O-wait times step back a little when a core wakes. As in node_exporter, 3 s.
const CPU_TIME_HELD_US: u64 = 3_000_000;

/// Values in catalog order; counters since boot, not increments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostValues([Option<u64>; HostMetric::COUNT]);

impl Default for HostValues {
    fn default() -> Self {
        Self([None; HostMetric::COUNT])
    }
}

impl HostValues {
    pub(super) fn set(&mut self, metric: HostMetric, value: u64) {
        self.0[metric as usize] = Some(value);
    }

    #[cfg(test)]
    pub(super) fn get(&self, metric: HostMetric) -> Option<u64> {
        self.0[metric as usize]
    }

    /// The row from `self`, the reading before, to `now`, and how many counters fell; `self` becomes
    /// the base of the next row.
    ///
    /// A counter that one of the two lacks has no increment.
    pub(super) fn advance(&mut self, now: &Self) -> ([Option<u64>; HostMetric::COUNT], u64) {
        let mut row = now.0;
        let mut resets = 0;
        for (position, metric) in HostMetric::METRICS.iter().enumerate() {
            if metric.behaviour == Behaviour::Gauge {
                continue;
            }
            let cpu_time = position <= HostMetric::CpuSteal as usize;
            row[position] = match (&mut self.0[position], now.0[position]) {
                (Some(base), Some(now)) => {
                    let held = if cpu_time { CPU_TIME_HELD_US } else { 0 };
                    let increment = increment(base, now, held);
                    resets += u64::from(increment.is_none());
                    match metric.presence {
                        Presence::Required => Some(increment.unwrap_or(0)),
                        Presence::Optional => increment,
                    }
                }
                (base, now) => {
                    *base = now;
                    None
                }
            };
        }
        (row, resets)
    }
}

/// What was added; `None` when the counter fell. One that fell by no more than `held` stands still:
/// nothing was added, and the base stays so that nothing is added twice.
fn increment(base: &mut u64, now: u64, held: u64) -> Option<u64> {
    if base
        .checked_sub(now)
        .is_some_and(|fall| fall > 0 && fall <= held)
    {
        return Some(0);
    }
    let before = std::mem::replace(base, now);
    now.checked_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_increments_and_gauges_stay() {
        let mut base = HostValues::default();
        base.set(HostMetric::Forks, 10);
        base.set(HostMetric::MemFree, 500);
        base.set(HostMetric::PressureCpuSome, 7);
        let mut now = HostValues::default();
        now.set(HostMetric::Forks, 12);
        now.set(HostMetric::MemFree, 400);
        now.set(HostMetric::OomKills, 3);
        let (row, resets) = base.advance(&now);
        assert_eq!(resets, 0);
        assert_eq!(row[HostMetric::Forks as usize], Some(2));
        assert_eq!(row[HostMetric::MemFree as usize], Some(400));
        assert_eq!(row[HostMetric::PressureCpuSome as usize], None, "gone");
        assert_eq!(row[HostMetric::OomKills as usize], None, "new: primes");
        now.set(HostMetric::OomKills, 4);
        assert_eq!(base.advance(&now).0[HostMetric::OomKills as usize], Some(1));
    }

    #[test]
    fn a_counter_that_fell_makes_no_peak_and_goes_on_from_there() {
        for (before, now, want) in [
            (100, 130, Some(30)),
            (5, 5, Some(0)),
            (100, 30, None),
            (u64::MAX, 0, None),
            // A guest that was moved: far below before, far above what a row can hold.
            (9_000_000_000, 8_000_000_000, None),
        ] {
            let mut base = before;
            assert_eq!(increment(&mut base, now, 0), want, "{before} to {now}");
            assert_eq!(base, now);
        }
        let mut base = HostValues::default();
        for metric in [
            HostMetric::Forks,
            HostMetric::OomKills,
            HostMetric::CpuIowait,
        ] {
            base.set(metric, 50_000_000);
        }
        let mut now = HostValues::default();
        for metric in [
            HostMetric::Forks,
            HostMetric::OomKills,
            HostMetric::CpuIowait,
        ] {
            now.set(metric, 40_000_000);
        }
        let (row, resets) = base.advance(&now);
        let figure = |metric: HostMetric| row[metric as usize];
        assert_eq!(figure(HostMetric::Forks), Some(0), "required");
        assert_eq!(figure(HostMetric::CpuIowait), Some(0), "required");
        assert_eq!(figure(HostMetric::OomKills), None);
        assert_eq!(resets, 3);
        assert_eq!(base.advance(&now).1, 0);
    }

    #[test]
    fn a_cpu_time_that_steps_back_stands_still() {
        let mut base = 50_000_000;
        let steps = [
            (49_000_000, Some(0)),
            (49_990_000, Some(0)),
            (50_010_000, Some(10_000)),
            // Too far for a step: the counters began again, or cores went.
            (20_000, None),
            (30_000, Some(10_000)),
        ];
        for (now, want) in steps {
            assert_eq!(
                increment(&mut base, now, CPU_TIME_HELD_US),
                want,
                "to {now}"
            );
        }
    }
}
