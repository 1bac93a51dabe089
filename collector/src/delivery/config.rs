//! Settings of `[agent_rules]`.

use std::path::PathBuf;

use crmscope_rules::limits::DIRECTORIES_MAX;
use serde::{Deserialize, Serialize};

/// Longest name of a set, bytes.
pub(super) const NAME_MAX_BYTES: usize = 64;

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

/// A section that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A number.
    #[error("agent_rules.check_interval_ms is {0}; it must be 200 to 3600000")]
    Interval(u64),
    /// Too many.
    #[error("agent_rules.sets has {0} sets; up to {DIRECTORIES_MAX} can be")]
    Many(usize),
    /// Its name.
    #[error(
        "agent_rules.sets: a set has the name {0:?}; a name has 1 to {NAME_MAX_BYTES} letters, digits, `.`, `_` and `-`, begins with a letter or digit, and stands once"
    )]
    Name(String),
    /// Its directory.
    #[error(
        "agent_rules.sets: {set}: the directory {directory:?} is no absolute path; write one such as /etc/crmscope/agent-rules"
    )]
    Directory {
        /// The set.
        set: String,
        /// As it was given.
        directory: PathBuf,
    },
    /// Its roles or groups.
    #[error(
        "agent_rules.sets: {0}: an empty role or group is that of no host; leave the list out for all hosts"
    )]
    Label(String),
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
        if !(200..=3_600_000).contains(&self.check_interval_ms) {
            return Err(ConfigError::Interval(self.check_interval_ms));
        }
        if self.sets.len() > DIRECTORIES_MAX {
            return Err(ConfigError::Many(self.sets.len()));
        }
        for (position, set) in self.sets.iter().enumerate() {
            let before = &self.sets[..position];
            if !is_name(&set.name) || before.iter().any(|other| other.name == set.name) {
                return Err(ConfigError::Name(set.name.clone()));
            }
            if !set.directory.is_absolute() {
                return Err(ConfigError::Directory {
                    set: set.name.clone(),
                    directory: set.directory.clone(),
                });
            }
            if set.roles.iter().chain(&set.groups).any(String::is_empty) {
                return Err(ConfigError::Label(set.name.clone()));
            }
        }
        Ok(())
    }
}

/// Whether a set may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = name.as_bytes().first();
    first.is_some_and(u8::is_ascii_alphanumeric)
        && name.len() <= NAME_MAX_BYTES
        && name.bytes().all(letters)
}
