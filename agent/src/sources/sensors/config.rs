//! Settings of `[sources.sensors]`.

use serde::{Deserialize, Serialize};

/// How temperatures are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether temperatures are read, where there are any.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long one sensor may take to answer.
    pub sensor_deadline_ms: u64,
    /// Most sensors that are read; the rest is counted as dropped.
    pub sensors_max: usize,
    /// Where the kernel's device file system is mounted.
    pub sys_path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 30_000,
            sensor_deadline_ms: 1_000,
            sensors_max: 64,
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
            sensor_deadline_ms,
            sensors_max,
            ..
        } = *self;
        if !(1_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 1000 to 3600000"));
        }
        if !(10..=10_000).contains(&sensor_deadline_ms) {
            return Err(format!(
                "sensor_deadline_ms is {sensor_deadline_ms}; use 10 to 10000"
            ));
        }
        if !(1..=1024).contains(&sensors_max) {
            return Err(format!("sensors_max is {sensors_max}; use 1 to 1024"));
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
