//! One reading of the host and what was added since the one before.
//!
//! Owns the values of a host row while they are gathered, counters as the kernel has them, and the
//! step from two readings to increments. Promises that the increments of any number of rows add up
//! to what the kernel counted. Leaves reading and parsing to the files beside it.

use crmscope_proto::catalog::{Behaviour, HostMetric};

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

    /// The row from `self`, the reading before, to `now`; `self` becomes the base of the next row.
    ///
    /// A counter that one of the two lacks has no increment.
    pub(super) fn advance(&mut self, now: &Self) -> [Option<u64>; HostMetric::COUNT] {
        let mut row = now.0;
        for (position, metric) in HostMetric::METRICS.iter().enumerate() {
            if metric.behaviour == Behaviour::Gauge {
                continue;
            }
            let cpu_time = position <= HostMetric::CpuSteal as usize;
            row[position] = match (&mut self.0[position], now.0[position]) {
                (Some(base), Some(now)) if cpu_time => Some(cpu_time_increment(base, now)),
                (Some(base), Some(now)) => Some(increment(base, now)),
                (base, now) => {
                    *base = now;
                    None
                }
            };
        }
        row
    }
}

/// A counter lower than before began again at zero.
fn increment(base: &mut u64, now: u64) -> u64 {
    let before = std::mem::replace(base, now);
    now.checked_sub(before).unwrap_or(now)
}

fn cpu_time_increment(base: &mut u64, now: u64) -> u64 {
    match base.checked_sub(now) {
        // Stepped back: nothing was added, and the base stays so that nothing is added twice.
        Some(fall) if fall > 0 && fall <= CPU_TIME_HELD_US => 0,
        _ => increment(base, now),
    }
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
        let row = base.advance(&now);
        assert_eq!(row[HostMetric::Forks as usize], Some(2));
        assert_eq!(row[HostMetric::MemFree as usize], Some(400));
        assert_eq!(row[HostMetric::PressureCpuSome as usize], None, "gone");
        assert_eq!(row[HostMetric::OomKills as usize], None, "new: primes");
        now.set(HostMetric::OomKills, 4);
        assert_eq!(base.advance(&now)[HostMetric::OomKills as usize], Some(1));
    }

    #[test]
    fn a_counter_that_fell_began_again() {
        for (before, now, want) in [(100, 130, 30), (100, 30, 30), (u64::MAX, 0, 0), (5, 5, 0)] {
            let mut base = before;
            assert_eq!(increment(&mut base, now), want, "{before} to {now}");
            assert_eq!(base, now);
        }
    }

    #[test]
    fn a_cpu_time_that_steps_back_stands_still() {
        let mut base = 50_000_000;
        let steps = [
            (49_000_000, 0),
            (49_990_000, 0),
            (50_010_000, 10_000),
            // Too far for a step: the counters began again.
            (20_000, 20_000),
            (30_000, 10_000),
        ];
        for (now, want) in steps {
            assert_eq!(cpu_time_increment(&mut base, now), want, "to {now}");
        }
    }
}
