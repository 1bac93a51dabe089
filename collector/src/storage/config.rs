//! How to reach ClickHouse.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Section `[clickhouse]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the HTTP interface.
    pub url: String,
    /// User.
    pub user: String,
    /// File that holds the password; empty for none.
    pub password_file: PathBuf,
    /// Compression on the way there: `none` or `lz4`.
    pub compression: CompressionName,
    /// Longest an insert may take before it is repeated, ms.
    pub insert_timeout_ms: u64,
    /// Longest a question may take, ms.
    pub query_timeout_ms: u64,
    /// Whether `run` migrates the schema on start.
    pub migrate: bool,
}

/// Compression of inserts and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionName {
    /// None: right on one machine.
    None,
    /// LZ4: right over a network.
    Lz4,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not an address.
    #[error(
        "clickhouse.url is {0:?}; it must begin with http:// and have no user or password in it"
    )]
    Url(String),
    /// The password file.
    #[error("clickhouse.password_file {path}: {error}")]
    PasswordFile {
        /// Path.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// A duration of nothing.
    #[error("clickhouse.{0} must be at least 1")]
    Zero(&'static str),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            user: "default".to_owned(),
            password_file: PathBuf::new(),
            compression: CompressionName::None,
            insert_timeout_ms: 60_000,
            query_timeout_ms: 10_000,
            migrate: true,
        }
    }
}

impl Config {
    /// Checks what can be checked without connecting.
    ///
    /// # Errors
    /// When a value cannot be right.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.url.starts_with("http://") || self.url.contains('@') {
            return Err(ConfigError::Url(self.url.clone()));
        }
        for (name, value) in [
            ("insert_timeout_ms", self.insert_timeout_ms),
            ("query_timeout_ms", self.query_timeout_ms),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        self.password().map(|_| ())
    }

    /// Reads the password, where there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn password(&self) -> Result<Option<String>, ConfigError> {
        if self.password_file.as_os_str().is_empty() {
            return Ok(None);
        }
        match std::fs::read_to_string(&self.password_file) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => Err(ConfigError::PasswordFile {
                path: self.password_file.clone(),
                error,
            }),
        }
    }
}
