//! Settings of `[correlation]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Most directories.
const DIRECTORIES_MAX: usize = 16;

/// Section `[correlation]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where rules are: those of the agents, and those over many events. Empty: none is looked for.
    pub directories: Vec<PathBuf>,
}

/// A section that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Too many.
    #[error("correlation.directories has {0} directories; up to {DIRECTORIES_MAX} are read")]
    Many(usize),
    /// No path.
    #[error(
        "correlation.directories has {0:?}, which is no absolute path; write one such as /etc/crmscope/rules"
    )]
    Relative(PathBuf),
}

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// Names what cannot be, and what it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.directories.len() > DIRECTORIES_MAX {
            return Err(ConfigError::Many(self.directories.len()));
        }
        let relative = self.directories.iter().find(|path| !path.is_absolute());
        relative.map_or(Ok(()), |path| Err(ConfigError::Relative(path.clone())))
    }
}
