//! Section `[identity]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File with the enrolment token.
    pub token_file: PathBuf,
    /// Certificate of an outside authority, in PEM; empty: the agent enrols.
    pub certificate_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// Whom to believe as a collector, in PEM; empty: as the token says, else the system's.
    pub authority_file: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token_file: PathBuf::from("/etc/crmscope/enrolment.token"),
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            authority_file: PathBuf::new(),
        }
    }
}

impl Config {
    /// Whether certificates come from elsewhere.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }

    /// Checks that a certificate comes with its key.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        let has_key = !self.key_file.as_os_str().is_empty();
        match (self.is_outside(), has_key) {
            (true, false) => Err(
                "identity.certificate_file is set and identity.key_file is not: a certificate goes with its key".to_owned(),
            ),
            (false, true) => Err(
                "identity.key_file is set and identity.certificate_file is not: a certificate goes with its key".to_owned(),
            ),
            _ => Ok(()),
        }
    }
}
