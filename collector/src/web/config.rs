//! How pages are served.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ingest::check_listen;

/// Section `[web]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of pages, health and metrics.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach, without TLS or login.
    pub allow_plaintext: bool,
    /// Host names that may be asked for, besides localhost.
    pub allowed_hosts: Vec<String>,
    /// How often the page loads itself again, s.
    pub refresh_seconds: u32,
    /// How far back the page's rates reach, s.
    pub window_seconds: u32,
    /// Silence after which a host is stale, s.
    pub stale_after_seconds: u32,
    /// Address to show in the command that adds an agent.
    pub agent_endpoint: String,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An address others reach.
    #[error("{0}")]
    Listen(crate::ingest::ConfigError),
    /// Outside of its range.
    #[error("web.{key} is {got}; it must be {min} to {max}")]
    Range {
        /// Key.
        key: &'static str,
        /// Value.
        got: u32,
        /// Least.
        min: u32,
        /// Most.
        max: u32,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_plaintext: false,
            allowed_hosts: Vec::new(),
            refresh_seconds: 5,
            window_seconds: 300,
            stale_after_seconds: 30,
            agent_endpoint: String::new(),
        }
    }
}

impl Config {
    /// Checks the ranges and the address.
    ///
    /// # Errors
    /// Names the first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_listen("web", "web.listen", self.listen, self.allow_plaintext)
            .map_err(ConfigError::Listen)?;
        let ranges = [
            ("refresh_seconds", self.refresh_seconds, 1, 3600),
            ("window_seconds", self.window_seconds, 10, 7 * 86_400),
            ("stale_after_seconds", self.stale_after_seconds, 1, 86_400),
        ];
        match ranges
            .into_iter()
            .find(|(_, got, min, max)| got < min || got > max)
        {
            None => Ok(()),
            Some((key, got, min, max)) => Err(ConfigError::Range { key, got, min, max }),
        }
    }
}
