//! Settings of `[agent_rules]`.

use std::path::{Path, PathBuf};

use crmscope_rules::limits::DIRECTORIES_MAX;
use serde::{Deserialize, Serialize};

use crate::delivery::sets::{self, SetsError};

/// Section `[agent_rules]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time between looks for files and hosts that changed, ms.
    pub check_interval_ms: u64,
    /// What agents are given; empty: nothing is said to them about rules.
    pub sets: Vec<SetConfig>,
}

/// A set of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    /// What it is called in files' names, tables and messages.
    pub name: String,
    /// Where its files are, with the folders below.
    pub directory: PathBuf,
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
        }
    }
}

impl sets::SetConfig for SetConfig {
    const SECTION: &'static str = "agent_rules";
    const SETS_MAX: usize = DIRECTORIES_MAX;
    const TAKEN_NAME: Option<&'static str> = None;
    const PLACE: (&'static str, &'static str) = ("directory", "/etc/crmscope/agent-rules");

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &Path {
        &self.directory
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
    pub fn validate(&self) -> Result<(), SetsError> {
        sets::validate(self.check_interval_ms, &self.sets)
    }
}
