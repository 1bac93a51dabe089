//! Settings of `[sources.transport]`.

use serde::{Deserialize, Serialize};

/// How TCP and UDP are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether they are read at all.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long counting sockets by state may take.
    pub deadline_ms: u64,
    /// Whether TCP sockets are counted by state.
    pub states: bool,
    /// Where the kernel's process file system is mounted.
    pub proc_path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 10_000,
            deadline_ms: 500,
            states: true,
            proc_path: "/proc".to_owned(),
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
            ..
        } = *self;
        if !(1_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 1000 to 3600000"));
        }
        if !(10..=10_000).contains(&deadline_ms) {
            return Err(format!("deadline_ms is {deadline_ms}; use 10 to 10000"));
        }
        if !self.proc_path.starts_with('/') {
            return Err(format!(
                "proc_path is {:?}; use an absolute path",
                self.proc_path
            ));
        }
        Ok(())
    }
}
