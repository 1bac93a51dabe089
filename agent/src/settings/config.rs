//! Settings of `[settings]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether a collector may set anything, and how it is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether settings that the collector delivers are taken.
    pub from_collector: bool,
    /// How long new ones are on probation, ms.
    pub probation_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            from_collector: true,
            probation_ms: 60_000,
        }
    }
}

impl Config {
    /// How long new settings are on probation.
    #[must_use]
    pub fn probation(&self) -> Duration {
        Duration::from_millis(self.probation_ms)
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// Names the key that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        match (1_000..=600_000).contains(&self.probation_ms) {
            true => Ok(()),
            false => Err(format!(
                "settings.probation_ms is {}; use 1000 to 600000",
                self.probation_ms
            )),
        }
    }
}
