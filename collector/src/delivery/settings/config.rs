//! Settings of `[agent_settings]`.

use std::path::{Path, PathBuf};

use crmscope_proto::overlay::{Overlay, OverlayError};
use serde::{Deserialize, Serialize};

use crate::delivery::sets::{self, SetsError};

/// Name of the set of the three intervals that stand in the section itself.
pub(super) const OWN_SET: &str = "agent_settings";

/// Readings of figures that change rarely may be no more frequent than others. The agents' own default, ms.
const RARE_INTERVAL_MS: u32 = 10_000;

/// Section `[agent_settings]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time between looks for files and hosts that changed, ms.
    pub check_interval_ms: u64,
    /// What agents are given; empty: nothing is said to them about settings.
    pub sets: Vec<SetConfig>,
    /// What agents that know of three intervals only show as the version of these; 0: a hash.
    pub version: u64,
    /// How often agents read figures of the host, ms; 0 leaves it to the sets and the agents.
    pub collect_interval_ms: u32,
    /// How often they close a batch, ms.
    pub batch_interval_ms: u32,
    /// How often they beat, ms.
    pub heartbeat_interval_ms: u32,
}

/// A set of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    /// What it is called in tables and messages.
    pub name: String,
    /// Its file, with the sections of an agent's own.
    pub file: PathBuf,
    /// Roles of hosts that have it; empty: all.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Groups of hosts that have it; empty: all.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            check_interval_ms: 10_000,
            sets: Vec::new(),
            version: 0,
            collect_interval_ms: 0,
            batch_interval_ms: 0,
            heartbeat_interval_ms: 0,
        }
    }
}

/// A section that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// One of the three intervals.
    #[error("agent_settings.{key}: {error}")]
    Own {
        /// Key.
        key: &'static str,
        /// What is wrong with it, by the agents' own name of it.
        error: OverlayError,
    },
    /// Its sets.
    #[error(transparent)]
    Sets(#[from] SetsError),
}

impl sets::SetConfig for SetConfig {
    const SECTION: &'static str = "agent_settings";
    const SETS_MAX: usize = 16;
    const TAKEN_NAME: Option<&'static str> = Some(OWN_SET);
    const PLACE: (&'static str, &'static str) = ("file", "/etc/crmscope/agent-settings/all.toml");

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &Path {
        &self.file
    }

    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn groups(&self) -> &[String] {
        &self.groups
    }
}

impl SetConfig {
    /// With every key.
    #[must_use]
    pub fn template() -> Self {
        Self {
            roles: vec![String::new()],
            groups: vec![String::new()],
            ..Self::default()
        }
    }
}

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// Names what cannot be, and what it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.own()?;
        Ok(sets::validate(self.check_interval_ms, &self.sets)?)
    }

    /// Whether agents are told anything.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        let any = self.collect_interval_ms | self.batch_interval_ms | self.heartbeat_interval_ms;
        !self.sets.is_empty() || any != 0
    }

    /// The three intervals of the section itself.
    ///
    /// # Errors
    /// When one is out of range.
    pub(super) fn own(&self) -> Result<Overlay, ConfigError> {
        let mut overlay = Overlay::default();
        let mut set = |key: &'static str, of_agent: &str, interval_ms: u32| match interval_ms {
            0 => Ok(()),
            interval_ms => overlay
                .set(of_agent, interval_ms.into())
                .map_err(|error| ConfigError::Own { key, error }),
        };
        set(
            "batch_interval_ms",
            "intervals.batch_ms",
            self.batch_interval_ms,
        )?;
        set(
            "heartbeat_interval_ms",
            "intervals.heartbeat_ms",
            self.heartbeat_interval_ms,
        )?;
        let collect_ms = self.collect_interval_ms;
        set(
            "collect_interval_ms",
            "sources.host.interval_ms",
            collect_ms,
        )?;
        if collect_ms > RARE_INTERVAL_MS {
            set(
                "collect_interval_ms",
                "sources.host.rare_interval_ms",
                collect_ms,
            )?;
        }
        Ok(overlay)
    }
}
