//! The agent's own control group: its limits and what it uses of them.
//!
//! Owns finding the group (/proc/self/cgroup) and its files, of version 2, version 1 or the two
//! mixed. Every figure is optional: what is missing or not understood is left out. Limits of
//! parent groups are not followed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crmscope_proto::catalog::HostMetric;

use super::file::{Extent, KernelFile};
use super::text::{Fields, digits, first_line, lines};
use super::values::HostValues;

/// Version 1 prints the largest multiple of a page for "no limit"; nothing real comes near.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// Throttled time of version 1 is in ns, of version 2 in µs.
const THROTTLED: [(&[u8], u64); 2] = [(b"throttled_time ", 1000), (b"throttled_usec ", 1)];

/// The group and its limits as last read.
pub(super) struct Cgroup {
    membership: KernelFile,
    mounts: PathBuf,
    files: Option<Files>,
    memory_max_bytes: Option<u64>,
    cpu_max_us: Option<u64>,
}

struct Files {
    memory_max: KernelFile,
    memory_used: KernelFile,
    /// Version 2 has quota and period in one file.
    cpu_quota: KernelFile,
    cpu_period: Option<KernelFile>,
    cpu_stat: KernelFile,
}

impl Cgroup {
    pub(super) fn new(proc_path: &Path, sys_path: &Path) -> Self {
        Self {
            membership: KernelFile::new(proc_path.join("self/cgroup"), Extent::Pieces),
            mounts: sys_path.join("fs/cgroup"),
            files: None,
            memory_max_bytes: None,
            cpu_max_us: None,
        }
    }

    /// Finds the group again, which may have changed, and reads its limits: rarely.
    pub(super) fn refresh(&mut self, buffer: &mut Vec<u8>) {
        self.files = self
            .membership
            .read(buffer)
            .ok()
            .and_then(|text| Files::find(text, &self.mounts));
        (self.memory_max_bytes, self.cpu_max_us) = match &mut self.files {
            Some(files) => (
                files.memory_max.read_optional(buffer).and_then(parse_bytes),
                files.cpu_max(buffer),
            ),
            None => (None, None),
        };
    }

    /// Fills in limits as known and usage as it is now: at every tick.
    pub(super) fn collect(&mut self, buffer: &mut Vec<u8>, values: &mut HostValues) {
        let Some(files) = &mut self.files else { return };
        if let Some(bytes) = self.memory_max_bytes {
            values.set(HostMetric::CgroupMemoryMax, bytes);
        }
        if let Some(bytes) = files
            .memory_used
            .read_optional(buffer)
            .and_then(parse_bytes)
        {
            values.set(HostMetric::CgroupMemoryUsed, bytes);
        }
        // Without a limit of its own the group is never throttled, and reading the file is not
        // cheap: the kernel sums statistics over all cores for it.
        if let Some(max) = self.cpu_max_us {
            values.set(HostMetric::CgroupCpuMax, max);
            if let Some(us) = files
                .cpu_stat
                .read_optional(buffer)
                .and_then(parse_throttled)
            {
                values.set(HostMetric::CgroupThrottled, us);
            }
        }
    }
}

impl Files {
    fn find(membership: &[u8], mounts: &Path) -> Option<Self> {
        let unified = group_of(membership, b"").and_then(|group| folder(mounts, group));
        let old = |controller: &str| {
            let group = group_of(membership, controller.as_bytes())?;
            folder(&mounts.join(controller), group)
        };
        let one = |folder: &Path, file: &str| KernelFile::new(folder.join(file), Extent::OnePiece);
        let (memory_max, memory_used) = match (old("memory"), &unified) {
            (Some(folder), _) => (
                one(&folder, "memory.limit_in_bytes"),
                one(&folder, "memory.usage_in_bytes"),
            ),
            (None, Some(folder)) => (one(folder, "memory.max"), one(folder, "memory.current")),
            (None, None) => return None,
        };
        let (cpu_quota, cpu_period, cpu_stat) = match (old("cpu"), &unified) {
            (Some(folder), _) => (
                one(&folder, "cpu.cfs_quota_us"),
                Some(one(&folder, "cpu.cfs_period_us")),
                one(&folder, "cpu.stat"),
            ),
            (None, Some(folder)) => (one(folder, "cpu.max"), None, one(folder, "cpu.stat")),
            (None, None) => return None,
        };
        Some(Self {
            memory_max,
            memory_used,
            cpu_quota,
            cpu_period,
            cpu_stat,
        })
    }

    fn cpu_max(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        let mut fields = Fields::new(first_line(self.cpu_quota.read_optional(buffer)?)?);
        // `max` and -1, which stand for no limit, are no numbers.
        let quota = fields.number()?;
        let period = match &mut self.cpu_period {
            None => fields.number()?,
            Some(file) => parse_bytes(file.read_optional(buffer)?)?,
        };
        quota.checked_mul(1_000_000)?.checked_div(period)
    }
}

/// Path of the group of a controller in /proc/self/cgroup (`4:cpu,cpuacct:/a/b`); version 2 is the
/// line without controllers (`0::/a/b`).
fn group_of<'a>(text: &'a [u8], controller: &[u8]) -> Option<&'a [u8]> {
    lines(text).find_map(|line| {
        let mut parts = line.splitn(3, |&byte| byte == b':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = if controller.is_empty() {
            controllers.is_empty()
        } else {
            controllers
                .split(|&byte| byte == b',')
                .any(|one| one == controller)
        };
        ours.then_some(group)
    })
}

/// Folder of a group below its mount. A container that sees the host's path but only its own
/// group has that group at the mount itself; a group outside the namespace (`/../x`) has none.
fn folder(mount: &Path, group: &[u8]) -> Option<PathBuf> {
    if group.split(|&byte| byte == b'/').any(|part| part == b"..") {
        return None;
    }
    let below = group.strip_prefix(b"/")?;
    let path = mount.join(OsStr::from_bytes(below));
    [path, mount.to_owned()]
        .into_iter()
        .find(|path| path.is_dir())
}

fn parse_bytes(text: &[u8]) -> Option<u64> {
    digits(first_line(text)?).filter(|&bytes| bytes < NO_LIMIT_BYTES)
}

fn parse_throttled(text: &[u8]) -> Option<u64> {
    lines(text).find_map(|line| {
        THROTTLED.iter().find_map(|(key, divisor)| {
            let number = Fields::new(line.strip_prefix(*key)?).number()?;
            Some(number / divisor)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn collect(membership: &str, files: &[(&str, &str)]) -> HostValues {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [("self/cgroup", membership)].iter().chain(files) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut cgroup = Cgroup::new(root.path(), root.path());
        let mut values = HostValues::default();
        let mut buffer = Vec::new();
        cgroup.refresh(&mut buffer);
        cgroup.collect(&mut buffer, &mut values);
        values
    }

    fn check(values: &HostValues, want: [Option<u64>; 4]) {
        let got = [
            HostMetric::CgroupMemoryMax,
            HostMetric::CgroupMemoryUsed,
            HostMetric::CgroupCpuMax,
            HostMetric::CgroupThrottled,
        ]
        .map(|metric| values.get(metric));
        assert_eq!(got, want);
    }

    #[test]
    fn version_2_limits_and_usage() {
        let files = [
            ("fs/cgroup/a/memory.max", "1048576\n"),
            ("fs/cgroup/a/memory.current", "4096\n"),
            ("fs/cgroup/a/cpu.max", "50000 100000\n"),
            (
                "fs/cgroup/a/cpu.stat",
                "usage_usec 9\nnr_throttled 1\nthrottled_usec 77\n",
            ),
        ];
        let want = [Some(1_048_576), Some(4096), Some(500_000), Some(77)];
        check(&collect("0::/a\n", &files), want);
        // A container: the path is the host's, the mount is the container's own group.
        let mounted = files.map(|(path, text)| (path.replace("/a/", "/"), text));
        let mounted: Vec<_> = mounted.iter().map(|(p, t)| (p.as_str(), *t)).collect();
        check(&collect("0::/kubepods/pod1\n", &mounted), want);
        check(&collect("0::/../outside\n", &mounted), [None; 4]);
    }

    #[test]
    fn version_1_and_mixed() {
        let files = [
            ("fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n"),
            ("fs/cgroup/memory/a/memory.usage_in_bytes", "4096\n"),
            ("fs/cgroup/cpu/a/cpu.cfs_quota_us", "200000\n"),
            ("fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"),
            (
                "fs/cgroup/cpu/a/cpu.stat",
                "nr_periods 0\nthrottled_time 5000\n",
            ),
            ("fs/cgroup/unified/x", ""),
        ];
        let values = collect("4:memory:/a\n1:cpuacct,cpu:/a\n0::/\n", &files);
        check(
            &values,
            [Some(1_048_576), Some(4096), Some(2_000_000), Some(5)],
        );
    }

    #[test]
    fn no_limit_is_no_figure() {
        let files = [
            ("fs/cgroup/memory.max", "max\n"),
            ("fs/cgroup/memory.current", "4096\n"),
            ("fs/cgroup/cpu.max", "max 100000\n"),
            ("fs/cgroup/cpu.stat", "throttled_usec 77\n"),
        ];
        check(&collect("0::/\n", &files), [None, Some(4096), None, None]);
        let files = [
            (
                "fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("fs/cgroup/cpu/cpu.cfs_period_us", "0\n"),
        ];
        check(&collect("2:memory:/\n1:cpu:/\n", &files), [None; 4]);
    }

    #[test]
    fn hostile_files_give_nothing() {
        for membership in [
            "",
            "\n",
            "0:\n",
            "::\n",
            "0::no/slash\n",
            "0::/cut off",
            "4:memory\n",
        ] {
            check(
                &collect(membership, &[("fs/cgroup/memory.current", "1\n")]),
                [None; 4],
            );
        }
        let files = [
            ("fs/cgroup/memory.max", "12"),
            ("fs/cgroup/memory.current", "\n"),
            ("fs/cgroup/cpu.max", "1000 0\n"),
        ];
        check(&collect("0::/\n", &files), [None; 4]);
    }
}
