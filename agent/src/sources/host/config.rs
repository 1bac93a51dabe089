//! Configuration of the host source.

use serde::{Deserialize, Serialize};

/// How the host is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether the host is read at all.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// A reading that takes longer is counted as a timeout.
    pub deadline_ms: u64,
    /// Time between readings of what costs much or changes rarely: the number of processes, and
    /// the limits of the agent's control group. The last figures are repeated in between.
    pub rare_interval_ms: u64,
    /// Where the kernel's process file system is mounted.
    pub proc_path: String,
    /// Where the kernel's device file system is mounted.
    pub sys_path: String,
    /// Most disks that are followed; the rest is counted as dropped. 0 turns disks off.
    pub disks_max: usize,
    /// Disks whose names begin with one of these are left out.
    pub disks_excluded: Vec<String>,
    /// Most network interfaces that are followed; the rest is counted as dropped. 0 turns
    /// interfaces off.
    pub interfaces_max: usize,
    /// Interfaces whose names begin with one of these are left out.
    pub interfaces_excluded: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            enabled: true,
            interval_ms: 1_000,
            deadline_ms: 500,
            rare_interval_ms: 10_000,
            proc_path: "/proc".to_owned(),
            sys_path: "/sys".to_owned(),
            disks_max: 64,
            disks_excluded: owned(&["loop", "ram", "zram", "fd", "sr"]),
            interfaces_max: 64,
            interfaces_excluded: owned(&["veth", "cali", "lxc", "tap", "ifb", "dummy"]),
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
            deadline_ms,
            rare_interval_ms,
            ..
        } = *self;
        if !(100..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 100 to 3600000"));
        }
        if !(1..=interval_ms.max(60_000)).contains(&deadline_ms) {
            return Err(format!(
                "deadline_ms is {deadline_ms}; use 1 to 60000, or interval_ms"
            ));
        }
        if !(interval_ms..=86_400_000).contains(&rare_interval_ms) {
            return Err(format!(
                "rare_interval_ms is {rare_interval_ms}; use interval_ms ({interval_ms}) to 86400000"
            ));
        }
        for (key, path) in [("proc_path", &self.proc_path), ("sys_path", &self.sys_path)] {
            if !path.starts_with('/') {
                return Err(format!("{key} is {path:?}; use an absolute path"));
            }
        }
        for (key, max) in [
            ("disks_max", self.disks_max),
            ("interfaces_max", self.interfaces_max),
        ] {
            if max > 1024 {
                return Err(format!("{key} is {max}; use 0 to 1024"));
            }
        }
        for (key, prefixes) in [
            ("disks_excluded", &self.disks_excluded),
            ("interfaces_excluded", &self.interfaces_excluded),
        ] {
            if prefixes.iter().any(String::is_empty) {
                return Err(format!(
                    "{key} has an empty name, which would exclude everything"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_mistakes_are_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        type Mistake = (&'static str, fn(&mut Config));
        let mistakes: [Mistake; 8] = [
            ("interval_ms", |c| c.interval_ms = 0),
            ("deadline_ms", |c| c.deadline_ms = 0),
            ("rare_interval_ms", |c| c.rare_interval_ms = 10),
            ("proc_path", |c| c.proc_path = String::new()),
            ("sys_path", |c| c.sys_path = "sys".to_owned()),
            ("disks_max", |c| c.disks_max = 1025),
            ("interfaces_max", |c| c.interfaces_max = usize::MAX),
            ("disks_excluded", |c| c.disks_excluded.push(String::new())),
        ];
        for (key, mistake) in mistakes {
            let mut config = Config::default();
            mistake(&mut config);
            let error = config.validate().unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
    }

    #[test]
    fn unknown_keys_are_errors() {
        assert!(serde_json::from_str::<Config>(r#"{"intervall_ms": 5}"#).is_err());
        let config: Config = serde_json::from_str(r#"{"interval_ms": 5000}"#).unwrap();
        assert_eq!(config.interval_ms, 5000);
        assert_eq!(config.disks_max, 64);
    }
}
