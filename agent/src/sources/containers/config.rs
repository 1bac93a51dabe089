//! Settings of `[sources.containers]`.

use serde::{Deserialize, Serialize};

/// How containers are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether containers are looked for.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long a reading may take; the containers left are counted as dropped.
    pub deadline_ms: u64,
    /// Most containers that are followed; the rest is counted as dropped.
    pub containers_max: usize,
    /// Where the kernel's device file system is mounted.
    pub sys_path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 15_000,
            deadline_ms: 500,
            containers_max: 256,
            sys_path: "/sys".to_owned(),
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
            containers_max,
            ..
        } = *self;
        if !(1_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 1000 to 3600000"));
        }
        if !(10..=10_000).contains(&deadline_ms) {
            return Err(format!("deadline_ms is {deadline_ms}; use 10 to 10000"));
        }
        if !(1..=4096).contains(&containers_max) {
            return Err(format!("containers_max is {containers_max}; use 1 to 4096"));
        }
        if !self.sys_path.starts_with('/') {
            return Err(format!(
                "sys_path is {:?}; use an absolute path",
                self.sys_path
            ));
        }
        Ok(())
    }
}
