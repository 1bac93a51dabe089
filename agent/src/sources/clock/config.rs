//! Settings of `[sources.clock]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the host's clock is judged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it is read at all.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long chronyd may take to answer.
    pub deadline_ms: u64,
    /// The program that asks chronyd.
    pub chronyc: PathBuf,
    /// Where systemd-timesyncd leaves its mark.
    pub timesync_path: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 60_000,
            deadline_ms: 2_000,
            chronyc: PathBuf::from("chronyc"),
            timesync_path: PathBuf::from("/run/systemd/timesync"),
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
        if !(5_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 5000 to 3600000"));
        }
        if !(100..=30_000).contains(&deadline_ms) {
            return Err(format!("deadline_ms is {deadline_ms}; use 100 to 30000"));
        }
        if self.chronyc.as_os_str().is_empty() {
            return Err("chronyc is empty; use \"chronyc\"".to_owned());
        }
        if !self.timesync_path.is_absolute() {
            return Err(format!(
                "timesync_path is {:?}; use an absolute path",
                self.timesync_path
            ));
        }
        Ok(())
    }
}
