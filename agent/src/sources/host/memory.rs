//! /proc/meminfo and /proc/vmstat: long files of which a few lines are wanted.
//!
//! A line is looked for where it was the last time and searched only if it has moved, which
//! happens when a number before it gains or loses a digit.

use crmscope_proto::catalog::HostMetric;
use memchr::memmem;

use super::text::{Fields, Malformed, first_line};
use super::values::HostValues;

/// A wanted line: how it begins, with the line feed before it, and what it means.
type Key = (&'static [u8], HostMetric, Option<Malformed>);

/// Lines of /proc/meminfo, in KiB.
const MEMINFO: [Key; 11] = [
    (b"\nMemTotal:", HostMetric::MemTotal, Some("no MemTotal")),
    (b"\nMemFree:", HostMetric::MemFree, Some("no MemFree")),
    (
        b"\nMemAvailable:",
        HostMetric::MemAvailable,
        Some("no MemAvailable: kernels before 3.14 are not supported"),
    ),
    (b"\nBuffers:", HostMetric::MemBuffers, Some("no Buffers")),
    (b"\nCached:", HostMetric::MemCached, Some("no Cached")),
    (b"\nSwapTotal:", HostMetric::SwapTotal, Some("no SwapTotal")),
    (b"\nSwapFree:", HostMetric::SwapFree, Some("no SwapFree")),
    (b"\nDirty:", HostMetric::MemDirty, Some("no Dirty")),
    (b"\nShmem:", HostMetric::MemShared, Some("no Shmem")),
    (b"\nSlab:", HostMetric::MemSlab, Some("no Slab")),
    (
        b"\nCommitted_AS:",
        HostMetric::MemCommitted,
        Some("no Committed_AS"),
    ),
];

/// Lines of /proc/vmstat.
const VMSTAT: [Key; 5] = [
    (b"\npswpin ", HostMetric::SwapIn, Some("no pswpin")),
    (b"\npswpout ", HostMetric::SwapOut, Some("no pswpout")),
    (b"\npgfault ", HostMetric::PageFaults, Some("no pgfault")),
    (
        b"\npgmajfault ",
        HostMetric::MajorPageFaults,
        Some("no pgmajfault"),
    ),
    // Since 4.13.
    (b"\noom_kill ", HostMetric::OomKills, None),
];

/// Where the wanted lines were.
#[derive(Debug)]
pub(super) struct Positions<const N: usize> {
    keys: [Key; N],
    unit: u64,
    starts: [usize; N],
}

impl Positions<{ MEMINFO.len() }> {
    pub(super) fn meminfo() -> Self {
        Self {
            keys: MEMINFO,
            unit: 1024,
            starts: [0; MEMINFO.len()],
        }
    }
}

impl Positions<{ VMSTAT.len() }> {
    pub(super) fn vmstat() -> Self {
        Self {
            keys: VMSTAT,
            unit: 1,
            starts: [0; VMSTAT.len()],
        }
    }
}

impl<const N: usize> Positions<N> {
    /// Fills in the wanted figures.
    pub(super) fn parse(&mut self, text: &[u8], values: &mut HostValues) -> Result<(), Malformed> {
        for ((key, metric, missing), start) in self.keys.iter().zip(&mut self.starts) {
            match value(text, key, start) {
                Some(number) => values.set(*metric, number.saturating_mul(self.unit)),
                None => {
                    if let Some(missing) = missing {
                        return Err(missing);
                    }
                }
            }
        }
        Ok(())
    }
}

fn value(text: &[u8], key: &[u8], start: &mut usize) -> Option<u64> {
    if !begins_at(text, key, *start) {
        *start = if begins_at(text, key, 0) {
            0
        } else {
            memmem::find(text, key)? + 1
        };
    }
    // `key` without its line feed is what was found at `start`.
    let line = first_line(text.get(*start + key.len() - 1..)?)?;
    Fields::new(line).number()
}

/// Whether the line that begins at `start` begins with `key`.
fn begins_at(text: &[u8], key: &[u8], start: usize) -> bool {
    match start.checked_sub(1) {
        Some(before) => text.get(before..).is_some_and(|rest| rest.starts_with(key)),
        None => text.starts_with(&key[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = "MemTotal:       24684084 kB
MemFree:        23654508 kB
MemAvailable:   24279048 kB
Buffers:            3356 kB
Cached:           754452 kB
SwapCached:            1 kB
SwapTotal:            20 kB
SwapFree:             10 kB
Dirty:             18520 kB
Shmem:              8872 kB
Slab:             198744 kB
Committed_AS:      62524 kB
";

    #[test]
    fn memory_is_in_bytes_and_moved_lines_are_found_again() {
        let mut positions = Positions::meminfo();
        let moved = MEMORY.replace("23654508", "123654508");
        let reordered = format!("New:  1 kB\n{MEMORY}");
        for text in [MEMORY, &moved, MEMORY, &reordered] {
            let mut values = HostValues::default();
            positions.parse(text.as_bytes(), &mut values).unwrap();
            assert_eq!(values.get(HostMetric::MemTotal), Some(24_684_084 * 1024));
            assert_eq!(
                values.get(HostMetric::MemCached),
                Some(754_452 * 1024),
                "not SwapCached"
            );
            assert_eq!(values.get(HostMetric::MemCommitted), Some(62_524 * 1024));
            assert_eq!(values.get(HostMetric::SwapFree), Some(10 * 1024));
        }
    }

    #[test]
    fn a_kernel_without_oom_kill_has_no_such_figure() {
        let text = b"nr_free_pages 5\npswpin 1\npswpout 2\npgfault 3\npgmajfault 4\n";
        let mut values = HostValues::default();
        Positions::vmstat().parse(text, &mut values).unwrap();
        assert_eq!(values.get(HostMetric::PageFaults), Some(3));
        assert_eq!(values.get(HostMetric::OomKills), None);
    }

    #[test]
    fn cut_or_hostile_text_is_an_error_not_a_figure() {
        // Remembered positions that no longer exist must not be read either.
        let mut positions = Positions::meminfo();
        positions
            .parse(MEMORY.as_bytes(), &mut HostValues::default())
            .unwrap();
        for length in 0..MEMORY.len() {
            let cut = &MEMORY.as_bytes()[..length];
            assert!(
                positions.parse(cut, &mut HostValues::default()).is_err(),
                "{length} bytes"
            );
        }
        for hostile in [
            &b""[..],
            b"\n",
            b"MemTotal:\n",
            b"MemTotal: -5 kB\n",
            b"MemTotal: 99999999999999999999 kB\n",
            b"\0MemTotal: 1 kB\n",
        ] {
            let error = Positions::meminfo().parse(hostile, &mut HostValues::default());
            assert_eq!(error, Err("no MemTotal"));
        }
    }
}
