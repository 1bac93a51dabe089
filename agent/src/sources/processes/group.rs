//! What the members of one group add up to.
//!
//! Owns the account of a group between two rows. Pure: readings come in, a row goes out. Promises
//! that an increment is the sum of what members were seen to add: a member that ends takes nothing
//! back, one that begins brings what it used since it began, and one that was there before it was
//! watched only primes.

use crmscope_proto::catalog::ProcessMetric;

/// One reading of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Since boot, ms.
    pub(super) start_ms: u64,
    pub(super) cpu_user_us: u64,
    pub(super) cpu_system_us: u64,
    pub(super) resident_bytes: u64,
    pub(super) threads: u64,
    pub(super) open_files: Option<u64>,
    /// Bytes read from and written to disks.
    pub(super) io_bytes: Option<[u64; 2]>,
}

/// How a member came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It began since processes were listed last.
    Born,
    /// It is known since, but was another program then: what that one used is not its own.
    Became,
    /// It was there before processes were watched.
    Found,
}

/// Increments since the last row, and what restarts are known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    cpu_user_us: u64,
    cpu_system_us: u64,
    io_bytes: [u64; 2],
    started: u64,
    restarts: u64,
    resets: u64,
    /// Start of the oldest member, when there last was one.
    oldest_ms: Option<u64>,
}

impl Account {
    /// A new member.
    pub(super) fn arrived(&mut self, arrival: Arrival, now: &Reading) {
        if arrival != Arrival::Found {
            self.started += 1;
        }
        if arrival == Arrival::Born {
            self.added(&Reading::default(), now);
        }
    }

    /// A member that was read before.
    pub(super) fn read_again(&mut self, before: &Reading, now: &Reading) {
        self.added(before, now);
    }

    fn added(&mut self, before: &Reading, now: &Reading) {
        let mut add = |total: &mut u64, before: u64, now: u64| match now.checked_sub(before) {
            Some(added) => *total += added,
            None => self.resets += 1,
        };
        add(&mut self.cpu_user_us, before.cpu_user_us, now.cpu_user_us);
        add(
            &mut self.cpu_system_us,
            before.cpu_system_us,
            now.cpu_system_us,
        );
        if let Some(now) = now.io_bytes {
            let before = before.io_bytes.unwrap_or(now);
            for (total, (before, now)) in self.io_bytes.iter_mut().zip(before.into_iter().zip(now))
            {
                add(total, before, now);
            }
        }
    }

    /// The row, and how many counters fell; the account begins anew. `uptime_ms` is the host's.
    pub(super) fn settle<'a>(
        &mut self,
        members: impl Iterator<Item = &'a Reading>,
        uptime_ms: Option<u64>,
    ) -> ([Option<u64>; ProcessMetric::COUNT], u64) {
        let mut oldest_ms = None;
        let (mut processes, mut resident_bytes, mut threads) = (0, 0u64, 0u64);
        let (mut open_files, mut io_known) = (Some(0u64), true);
        for member in members {
            processes += 1;
            resident_bytes = resident_bytes.saturating_add(member.resident_bytes);
            threads = threads.saturating_add(member.threads);
            open_files = open_files
                .zip(member.open_files)
                .map(|(sum, files)| sum.saturating_add(files));
            io_known &= member.io_bytes.is_some();
            oldest_ms = Some(oldest_ms.map_or(member.start_ms, |ms: u64| ms.min(member.start_ms)));
        }
        if let Some(now) = oldest_ms {
            let replaced = self
                .oldest_ms
                .replace(now)
                .is_some_and(|before| now > before);
            self.restarts += u64::from(replaced);
        }
        let mut row = [None; ProcessMetric::COUNT];
        for (metric, value) in [
            (ProcessMetric::Processes, Some(processes)),
            (ProcessMetric::CpuUser, Some(self.cpu_user_us)),
            (ProcessMetric::CpuSystem, Some(self.cpu_system_us)),
            (ProcessMetric::Resident, Some(resident_bytes)),
            (ProcessMetric::Threads, Some(threads)),
            (ProcessMetric::OpenFiles, open_files),
            (ProcessMetric::Started, Some(self.started)),
            (ProcessMetric::Restarts, Some(self.restarts)),
            (
                ProcessMetric::OldestAge,
                oldest_ms
                    .zip(uptime_ms)
                    .map(|(start, uptime)| uptime.saturating_sub(start)),
            ),
            (
                ProcessMetric::ReadBytes,
                io_known.then_some(self.io_bytes[0]),
            ),
            (
                ProcessMetric::WriteBytes,
                io_known.then_some(self.io_bytes[1]),
            ),
        ] {
            row[metric as usize] = value;
        }
        let resets = self.resets;
        *self = Self {
            oldest_ms: self.oldest_ms,
            ..Self::default()
        };
        (row, resets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(start_ms: u64, cpu_user_us: u64) -> Reading {
        Reading {
            start_ms,
            cpu_user_us,
            threads: 2,
            resident_bytes: 100,
            io_bytes: Some([cpu_user_us, 0]),
            ..Reading::default()
        }
    }

    #[test]
    fn increments_survive_members_that_come_and_go() {
        let mut account = Account::default();
        let value =
            |row: &[Option<u64>; ProcessMetric::COUNT], metric: ProcessMetric| row[metric as usize];
        let old = reading(1_000, 5_000_000);
        account.arrived(Arrival::Found, &old);
        let (row, _) = account.settle([&old].into_iter(), Some(11_000));
        assert_eq!(value(&row, ProcessMetric::CpuUser), Some(0), "only primes");
        assert_eq!(value(&row, ProcessMetric::OldestAge), Some(10_000));
        assert_eq!(value(&row, ProcessMetric::Restarts), Some(0));

        // Two workers come, the first ends; then the old one ends as well.
        let later = reading(1_000, 5_000_300);
        account.read_again(&old, &later);
        let [one, two] = [reading(12_000, 70), reading(12_001, 5)];
        account.arrived(Arrival::Born, &one);
        account.arrived(Arrival::Born, &two);
        let (row, _) = account.settle([&later, &two].into_iter(), Some(20_000));
        for (metric, want) in [
            (ProcessMetric::Processes, Some(2)),
            (ProcessMetric::CpuUser, Some(375)),
            (ProcessMetric::ReadBytes, Some(300)),
            (ProcessMetric::Started, Some(2)),
            (ProcessMetric::Restarts, Some(0)),
            (ProcessMetric::Threads, Some(4)),
            (ProcessMetric::OpenFiles, None),
        ] {
            let want = if metric == ProcessMetric::ReadBytes {
                Some(300)
            } else {
                want
            };
            assert_eq!(value(&row, metric), want, "{metric:?}");
        }
        let (row, _) = account.settle([&two].into_iter(), None);
        assert_eq!(value(&row, ProcessMetric::Restarts), Some(1));
        assert_eq!(value(&row, ProcessMetric::OldestAge), None);
        let (row, _) = account.settle(std::iter::empty(), Some(30_000));
        assert_eq!(value(&row, ProcessMetric::Processes), Some(0));
        assert_eq!(value(&row, ProcessMetric::Restarts), Some(0));
        // Down for a while and up again is one restart.
        let again = reading(40_000, 1);
        account.arrived(Arrival::Born, &again);
        let (row, resets) = account.settle([&again].into_iter(), Some(41_000));
        assert_eq!(value(&row, ProcessMetric::Restarts), Some(1));
        assert_eq!(resets, 0);
        account.read_again(&again, &reading(40_000, 0));
        let (row, resets) = account.settle([&again].into_iter(), Some(41_000));
        assert_eq!((value(&row, ProcessMetric::CpuUser), resets), (Some(0), 2));
    }
}
