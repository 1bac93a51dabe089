//! Settings of `[rules]`.

use std::path::PathBuf;
use std::time::Duration;

use crmscope_rules::limits::DIRECTORIES_MAX;
use serde::{Deserialize, Serialize};

use super::local::LocalClock;

/// Settings of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether rules are looked for.
    pub enabled: bool,
    /// Where they are, each with the folders below it. A rule of a later directory takes the place
    /// of one with the same id in an earlier one.
    pub directories: Vec<PathBuf>,
    /// Whether rules that the collector delivers are taken as well. Those of the directories go before.
    pub from_collector: bool,
    /// Time between looks for files that changed, ms.
    pub check_interval_ms: u64,
    /// Zone of the local time that rules see; `local` is the host's.
    pub zone: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            directories: vec![
                PathBuf::from("/usr/share/crmscope/rules"),
                PathBuf::from("/etc/crmscope/rules.d"),
            ],
            from_collector: true,
            check_interval_ms: 30_000,
            zone: "local".to_owned(),
        }
    }
}

impl Config {
    /// Time between looks for files that changed.
    #[must_use]
    pub fn check_interval(&self) -> Duration {
        Duration::from_millis(self.check_interval_ms)
    }

    /// What local time is; UTC where the zone makes no sense.
    #[must_use]
    pub fn clock(&self) -> LocalClock {
        LocalClock::of(&self.zone).unwrap_or_default()
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// Names the key that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        if !(1_000..=3_600_000).contains(&self.check_interval_ms) {
            return Err(format!(
                "rules.check_interval_ms is {}; use 1000 to 3600000",
                self.check_interval_ms
            ));
        }
        if LocalClock::of(&self.zone).is_none() {
            return Err(format!(
                "rules.zone is {:?}, which this host does not know; use \"local\", an offset such as \"+02:00\", or a name such as \"Europe/Berlin\" of the host's time zone data",
                self.zone
            ));
        }
        if self.directories.len() > DIRECTORIES_MAX {
            return Err(format!(
                "rules.directories has {} entries; use at most {DIRECTORIES_MAX}",
                self.directories.len()
            ));
        }
        match self.directories.iter().find(|path| !path.is_absolute()) {
            Some(path) => Err(format!("rules.directories: {path:?} is not absolute")),
            None => Ok(()),
        }
    }
}
