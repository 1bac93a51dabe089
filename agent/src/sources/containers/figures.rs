//! Figures of one control group, of version 2 or version 1.
//!
//! Every figure is optional: what is missing or not understood is left out, and so is a limit that
//! is none.

use std::io::Read;
use std::path::{Path, PathBuf};

use crmscope_proto::catalog::ContainerMetric as M;

use crate::sources::host::text::{Fields, digits, first_line, lines};

/// Values in catalog order; counters as the kernel has them.
pub(super) type Values = [Option<u64>; M::COUNT];

/// Longest file that is read: io.stat with a line for each of some hundred devices.
const FILE_MAX_BYTES: usize = 16 * 1024;

/// Version 1 prints the largest multiple of a page for "no limit"; nothing real comes near.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// Where the groups of a host are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// One for everything.
    Version2(PathBuf),
    /// One for each controller, below this folder.
    Version1(PathBuf),
}

impl Hierarchy {
    /// Looks below `/sys/fs/cgroup`; `None` where there is nothing.
    pub(super) fn find(mounts: &Path) -> Option<Self> {
        if mounts.join("cgroup.controllers").is_file() {
            return Some(Self::Version2(mounts.to_owned()));
        }
        mounts
            .join("memory")
            .is_dir()
            .then(|| Self::Version1(mounts.to_owned()))
    }

    /// Where containers are looked for.
    pub(super) fn walked(&self) -> PathBuf {
        match self {
            Self::Version2(mount) => mount.clone(),
            Self::Version1(mounts) => mounts.join("memory"),
        }
    }

    /// Reads a group.
    pub(super) fn read(&self, group: &Path, buffer: &mut Vec<u8>, ticks_per_second: u64) -> Values {
        let mut values = [None; M::COUNT];
        match self {
            Self::Version2(mount) => version_2(&mount.join(group), buffer, &mut values),
            Self::Version1(mounts) => {
                version_1(mounts, group, buffer, ticks_per_second, &mut values);
            }
        }
        values
    }
}

fn version_2(folder: &Path, buffer: &mut Vec<u8>, values: &mut Values) {
    let mut read = |name: &str| file(&folder.join(name), buffer).map(<[u8]>::to_vec);
    let mut set = |metric: M, value: Option<u64>| values[metric as usize] = value;
    if let Some(text) = read("cpu.stat") {
        set(M::Cpu, keyed(&text, b"usage_usec"));
        set(M::CpuUser, keyed(&text, b"user_usec"));
        set(M::CpuSystem, keyed(&text, b"system_usec"));
        set(M::CpuPeriods, keyed(&text, b"nr_periods"));
        set(M::ThrottledPeriods, keyed(&text, b"nr_throttled"));
        set(M::Throttled, keyed(&text, b"throttled_usec"));
    }
    set(M::CpuMax, read("cpu.max").and_then(|text| quota(&text)));
    set(
        M::Memory,
        read("memory.current").and_then(|text| number(&text)),
    );
    set(
        M::MemoryMax,
        read("memory.max").and_then(|text| number(&text)),
    );
    let events = read("memory.events");
    set(
        M::OomKills,
        events.and_then(|text| keyed(&text, b"oom_kill")),
    );
    if let Some(text) = read("io.stat") {
        set(M::ReadBytes, io(&text, b"rbytes="));
        set(M::WriteBytes, io(&text, b"wbytes="));
    }
    set(
        M::Tasks,
        read("pids.current").and_then(|text| number(&text)),
    );
    set(M::TasksMax, read("pids.max").and_then(|text| number(&text)));
}

fn version_1(
    mounts: &Path,
    group: &Path,
    buffer: &mut Vec<u8>,
    ticks_per_second: u64,
    values: &mut Values,
) {
    let mut read = |controller: &str, name: &str| {
        let path = mounts.join(controller).join(group).join(name);
        file(&path, buffer).map(<[u8]>::to_vec)
    };
    let mut set = |metric: M, value: Option<u64>| values[metric as usize] = value;
    let usage = read("cpuacct", "cpuacct.usage").and_then(|text| number(&text));
    set(M::Cpu, usage.map(|nanoseconds| nanoseconds / 1000));
    if let Some(text) = read("cpuacct", "cpuacct.stat") {
        let us = |ticks: u64| ticks.saturating_mul(1_000_000) / ticks_per_second.max(1);
        set(M::CpuUser, keyed(&text, b"user").map(us));
        set(M::CpuSystem, keyed(&text, b"system").map(us));
    }
    if let Some(text) = read("cpu", "cpu.stat") {
        set(M::CpuPeriods, keyed(&text, b"nr_periods"));
        set(M::ThrottledPeriods, keyed(&text, b"nr_throttled"));
        let throttled = keyed(&text, b"throttled_time");
        set(
            M::Throttled,
            throttled.map(|nanoseconds| nanoseconds / 1000),
        );
    }
    let quota = read("cpu", "cpu.cfs_quota_us").and_then(|text| number(&text));
    let period = read("cpu", "cpu.cfs_period_us").and_then(|text| number(&text));
    let per_second =
        |(quota, period): (u64, u64)| quota.checked_mul(1_000_000)?.checked_div(period);
    set(M::CpuMax, quota.zip(period).and_then(per_second));
    let memory = |text: Vec<u8>| number(&text).filter(|&bytes| bytes < NO_LIMIT_BYTES);
    set(
        M::Memory,
        read("memory", "memory.usage_in_bytes").and_then(memory),
    );
    set(
        M::MemoryMax,
        read("memory", "memory.limit_in_bytes").and_then(memory),
    );
    let oom = read("memory", "memory.oom_control");
    set(M::OomKills, oom.and_then(|text| keyed(&text, b"oom_kill")));
    if let Some(text) = read("blkio", "blkio.throttle.io_service_bytes") {
        set(M::ReadBytes, service(&text, b"Read"));
        set(M::WriteBytes, service(&text, b"Write"));
    }
    set(
        M::Tasks,
        read("pids", "pids.current").and_then(|text| number(&text)),
    );
    set(
        M::TasksMax,
        read("pids", "pids.max").and_then(|text| number(&text)),
    );
}

/// The beginning of a file.
fn file<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    buffer.clear();
    let file = std::fs::File::open(path).ok()?;
    file.take(FILE_MAX_BYTES as u64).read_to_end(buffer).ok()?;
    Some(buffer)
}

/// A file that is one number; `max` and -1 are none.
fn number(text: &[u8]) -> Option<u64> {
    digits(first_line(text)?)
}

/// `50000 100000`: quota and period, as time per second.
fn quota(text: &[u8]) -> Option<u64> {
    let mut fields = Fields::new(first_line(text)?);
    let quota = fields.number()?;
    quota.checked_mul(1_000_000)?.checked_div(fields.number()?)
}

/// The number in the line that begins with this word.
fn keyed(text: &[u8], key: &[u8]) -> Option<u64> {
    lines(text).find_map(|line| {
        let mut fields = Fields::new(line);
        (fields.word()? == key).then(|| fields.number())?
    })
}

/// `254:0 rbytes=1 wbytes=2 …`, a line for each device: the sum.
fn io(text: &[u8], key: &[u8]) -> Option<u64> {
    let mut sum = 0u64;
    for line in lines(text) {
        let mut fields = Fields::new(line);
        while let Some(word) = fields.word() {
            if let Some(number) = word.strip_prefix(key) {
                sum = sum.saturating_add(digits(number)?);
            }
        }
    }
    Some(sum)
}

/// `254:0 Read 5`, a line for each device and kind, and `Total 7`: the sum of a kind.
fn service(text: &[u8], kind: &[u8]) -> Option<u64> {
    let mut sum = 0u64;
    for line in lines(text) {
        let mut fields = Fields::new(line);
        fields.word()?;
        if fields.word() == Some(kind) {
            sum = sum.saturating_add(fields.number()?);
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_files_give_nothing() {
        for text in [
            &b""[..],
            b"max\n",
            b"-1\n",
            b"12",
            b"99999999999999999999\n",
            b"\xff\xfe\n",
        ] {
            assert_eq!(number(text), None, "{}", text.escape_ascii());
            assert_eq!(quota(text), None);
            assert_eq!(keyed(text, b"usage_usec"), None);
        }
        assert_eq!(quota(b"50000 0\n"), None);
        assert_eq!(quota(b"max 100000\n"), None);
        assert_eq!(io(b"8:0 rbytes=x\n", b"rbytes="), None);
        assert_eq!(io(b"", b"rbytes="), Some(0), "no device was used yet");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..200), line in "[a-z_=: 0-9]{0,60}\n") {
            for text in [&text[..], line.as_bytes()] {
                let _ = (number(text), quota(text), keyed(text, b"a"), io(text, b"a="), service(text, b"a"));
            }
        }
    }
}
