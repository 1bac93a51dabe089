//! Configuration of the file system source.

use serde::{Deserialize, Serialize};

/// Types that hold no files of their own, or live in memory, or are images and so always full.
const TYPES_EXCLUDED: [&str; 34] = [
    "autofs",
    "bdev",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "udf",
];

/// How file systems are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether file systems are read at all.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long one mount may take to answer.
    pub mount_deadline_ms: u64,
    /// Most mounts that are measured, and most that may hang; the rest is counted as dropped.
    pub mounts_max: usize,
    /// Types that are left out. Overlays other than at `/` always are.
    pub types_excluded: Vec<String>,
    /// Mount points that are left out, with all below them.
    pub mount_points_excluded: Vec<String>,
    /// Where the kernel's process file system is mounted.
    pub proc_path: String,
    /// Where the agent sees the host's root: another path than `/` in a container that has the
    /// host's file systems mounted (with mount propagation) to watch them.
    pub root_path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 10_000,
            mount_deadline_ms: 2_000,
            mounts_max: 512,
            types_excluded: TYPES_EXCLUDED.map(str::to_owned).to_vec(),
            mount_points_excluded: Vec::new(),
            proc_path: "/proc".to_owned(),
            root_path: "/".to_owned(),
        }
    }
}

impl Config {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// Says which key is wrong and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        let Self {
            interval_ms,
            mount_deadline_ms,
            mounts_max,
            ..
        } = *self;
        if !(1_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 1000 to 3600000"));
        }
        if !(100..=60_000).contains(&mount_deadline_ms) {
            return Err(format!(
                "mount_deadline_ms is {mount_deadline_ms}; use 100 to 60000"
            ));
        }
        if !(1..=1024).contains(&mounts_max) {
            return Err(format!("mounts_max is {mounts_max}; use 1 to 1024"));
        }
        if !self.proc_path.starts_with('/') {
            return Err(format!(
                "proc_path is {:?}; use an absolute path",
                self.proc_path
            ));
        }
        let absolute = |path: &str| path == "/" || path.starts_with('/') && !path.ends_with('/');
        if !absolute(&self.root_path) {
            return Err(format!(
                "root_path is {:?}; use an absolute path that ends in no slash",
                self.root_path
            ));
        }
        if let Some(path) = self
            .mount_points_excluded
            .iter()
            .find(|path| !absolute(path) || *path == "/")
        {
            return Err(format!(
                "mount_points_excluded has {path:?}; use absolute paths other than /, ending in no slash"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_the_configuration_are_named() {
        type Mistake = (&'static str, fn(&mut Config));
        assert_eq!(Config::default().validate(), Ok(()));
        let mistakes: [Mistake; 6] = [
            ("interval_ms", |c| c.interval_ms = 999),
            ("mount_deadline_ms", |c| c.mount_deadline_ms = 0),
            ("mounts_max", |c| c.mounts_max = 0),
            ("proc_path", |c| c.proc_path = String::new()),
            ("root_path", |c| c.root_path = "/host/".to_owned()),
            ("mount_points_excluded", |c| {
                c.mount_points_excluded = vec!["/".to_owned()];
            }),
        ];
        for (key, mistake) in mistakes {
            let mut config = Config::default();
            mistake(&mut config);
            let error = config.validate().unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
        assert!(serde_json::from_str::<Config>(r#"{"mounts": 5}"#).is_err());
    }
}
