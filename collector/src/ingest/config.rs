//! How agents reach the collector.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Agents take a stream that ends sooner for one that failed.
const CONNECTION_AGE_MIN_MS: u64 = 1_000;

/// Section `[ingest]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address agents connect to.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach, without TLS.
    pub allow_plaintext: bool,
    /// File with the tokens agents show, one a line.
    pub token_file: PathBuf,
    /// How long a connection may take to begin HTTP/2, and then a stream to say hello, ms.
    pub hello_timeout_ms: u64,
    /// Streams open at once.
    pub streams_max: usize,
    /// Batches one lane of a stream may have under way.
    pub window_batches: u32,
    /// Bytes one lane of a stream may have under way.
    pub window_bytes: u32,
    /// Pause asked of agents when the queue is crowded, ms.
    pub throttle_pause_ms: u32,
    /// Age at which a stream is ended, so that agents spread over new collectors, ms, give or take a
    /// tenth; 0 for never.
    pub connection_max_age_ms: u64,
    /// How often a silent connection is probed, ms.
    pub keepalive_interval_ms: u64,
    /// How long the answer to a probe may take, ms.
    pub keepalive_timeout_ms: u64,
}

/// Section `[agent_settings]`: what every agent is asked to use. 0 leaves the agent's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// Version of these settings; 0 sends none. Raise it with every change.
    pub version: u64,
    /// How often agents read their sources, ms.
    pub collect_interval_ms: u32,
    /// How often they close a batch, ms.
    pub batch_interval_ms: u32,
    /// How often they beat, ms.
    pub heartbeat_interval_ms: u32,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An address others reach, without TLS.
    #[error(
        "{key} is {listen}, which other machines reach, and the collector speaks no TLS yet: tokens and figures would cross the network readable; listen on 127.0.0.1 behind a proxy that ends TLS, or set {section}.allow_plaintext = true where the network itself is trusted"
    )]
    Plaintext {
        /// Key with the address.
        key: &'static str,
        /// Its section.
        section: &'static str,
        /// The address.
        listen: SocketAddr,
    },
    /// A number of nothing, or too much.
    #[error("ingest.{key} is {got}; it must be {min} to {max}")]
    Range {
        /// Key.
        key: &'static str,
        /// Value.
        got: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Settings without a version are never sent.
    #[error(
        "agent_settings has values but version = 0, so that no agent would be told; set agent_settings.version to 1 or more"
    )]
    SettingsVersion,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            allow_plaintext: false,
            token_file: PathBuf::from("/etc/crmscope/collector.token"),
            hello_timeout_ms: 10_000,
            streams_max: 10_000,
            window_batches: 64,
            window_bytes: 4 << 20,
            throttle_pause_ms: 2000,
            connection_max_age_ms: 1_800_000,
            keepalive_interval_ms: 20_000,
            keepalive_timeout_ms: 10_000,
        }
    }
}

/// Refuses an address that other machines reach, unless that was allowed.
///
/// # Errors
/// With the reason and what to do.
pub fn check_listen(
    section: &'static str,
    key: &'static str,
    listen: SocketAddr,
    allow_plaintext: bool,
) -> Result<(), ConfigError> {
    if listen.ip().is_loopback() || allow_plaintext {
        return Ok(());
    }
    Err(ConfigError::Plaintext {
        key,
        section,
        listen,
    })
}

impl Config {
    /// Checks the ranges and the address.
    ///
    /// # Errors
    /// Names the first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_listen("ingest", "ingest.listen", self.listen, self.allow_plaintext)?;
        // 0 is never, which no age is outside of.
        let connection_max_age_ms = match self.connection_max_age_ms {
            0 => CONNECTION_AGE_MIN_MS,
            age_ms => age_ms,
        };
        let ranges: [(&'static str, u64, u64, u64); 8] = [
            ("hello_timeout_ms", self.hello_timeout_ms, 1, 600_000),
            ("streams_max", self.streams_max as u64, 1, 1 << 20),
            ("window_batches", self.window_batches.into(), 1, 1 << 16),
            ("window_bytes", self.window_bytes.into(), 1 << 20, 1 << 30),
            (
                "throttle_pause_ms",
                self.throttle_pause_ms.into(),
                1,
                600_000,
            ),
            (
                "connection_max_age_ms",
                connection_max_age_ms,
                CONNECTION_AGE_MIN_MS,
                604_800_000,
            ),
            (
                "keepalive_interval_ms",
                self.keepalive_interval_ms,
                100,
                3_600_000,
            ),
            (
                "keepalive_timeout_ms",
                self.keepalive_timeout_ms,
                100,
                3_600_000,
            ),
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

impl AgentSettings {
    /// Checks that settings come with a version.
    ///
    /// # Errors
    /// When they do not.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        let any = self.collect_interval_ms | self.batch_interval_ms | self.heartbeat_interval_ms;
        if self.version == 0 && any != 0 {
            return Err(ConfigError::SettingsVersion);
        }
        Ok(())
    }
}
