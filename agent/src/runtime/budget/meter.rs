//! Reads what this process costs: two system calls, no file opened.

use std::path::PathBuf;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use super::Reading;
use crate::outbox::Outbox;
use crate::sources::host::file::{Extent, KernelFile};

/// /proc/self/statm is one line of seven numbers.
const STATM_MAX_BYTES: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Meter {
    epoch: Instant,
    statm: KernelFile,
    buffer: Vec<u8>,
    page_bytes: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            statm: KernelFile::new(PathBuf::from("/proc/self/statm"), Extent::OnePiece),
            buffer: vec![0; STATM_MAX_BYTES],
            page_bytes: rustix::param::page_size() as u64,
        }
    }
}

impl Meter {
    /// What the agent cost up to now.
    pub fn read(&mut self, now: Instant, outbox: &Outbox) -> Reading {
        let spool = outbox.usage();
        Reading {
            at_ms: self.at_ms(now),
            cpu_us: cpu_us(),
            resident_bytes: self.resident_bytes(),
            made_bytes: spool.appended_bytes,
            spool_used_bytes: spool.fullest_used_bytes,
            spool_max_bytes: spool.fullest_max_bytes,
        }
    }

    /// A moment on the meter's scale, ms.
    #[must_use]
    pub fn at_ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// Resident memory of this process; 0 when the kernel does not say.
    pub fn resident_bytes(&mut self) -> u64 {
        let statm = self.statm.read(&mut self.buffer).unwrap_or(&[]);
        resident_pages(statm)
            .unwrap_or(0)
            .saturating_mul(self.page_bytes)
    }
}

/// CPU time of this process since its start, µs.
#[must_use]
pub fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
}

fn resident_pages(statm: &[u8]) -> Option<u64> {
    let statm = std::str::from_utf8(statm).ok()?;
    statm.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_is_the_resident_one() {
        for (text, pages) in [
            ("2034 517 400 10 0 300 0\n", Some(517)),
            ("2034\n", None),
            ("", None),
            ("a b c", None),
        ] {
            assert_eq!(resident_pages(text.as_bytes()), pages, "{text:?}");
        }
    }

    #[test]
    fn this_process_has_memory_and_has_worked() {
        let mut meter = Meter::default();
        assert!(meter.resident_bytes() > 100_000);
        assert!(cpu_us() > 0);
    }
}
