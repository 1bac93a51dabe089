//! How pages are served.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sign_in::config::{ProxyConfig, SignInError, TokenConfig, validate};
use crate::ingest::{both, check_listen};
use crate::{storage, tls};

/// Section `[web]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of pages, API, health and metrics.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach, without TLS.
    pub allow_plaintext: bool,
    /// Certificate of the address.
    pub tls: tls::Config,
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
    /// Whether `/metrics` is for anybody.
    pub open_metrics: bool,
    /// Who may sign in by a token.
    pub tokens: Vec<TokenConfig>,
    /// A proxy that knows who somebody is.
    pub proxy: ProxyConfig,
    /// As whom the API asks ClickHouse.
    pub clickhouse: ClickHouseConfig,
    /// What the API may take.
    pub api: ApiConfig,
}

/// Section `[web.clickhouse]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// User that may only read; empty: the one of `[clickhouse]`.
    pub user: String,
    /// File that holds its password; empty for none.
    pub password_file: PathBuf,
}

/// Section `[web.api]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Questions that ClickHouse is asked at once.
    pub queries_max: usize,
    /// Longest that one may take, s.
    pub query_seconds_max: u32,
    /// Most memory that ClickHouse may take for one.
    pub query_memory_max_bytes: u64,
    /// Largest answer.
    pub answer_max_bytes: usize,
    /// Memory for answers that are kept for a moment.
    pub cache_max_bytes: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            queries_max: 8,
            query_seconds_max: 10,
            query_memory_max_bytes: 1 << 30,
            answer_max_bytes: 16 << 20,
            cache_max_bytes: 64 << 20,
        }
    }
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
        got: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Who may sign in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The password of the user that reads.
    #[error("web.{0}")]
    Password(storage::ConfigError),
    /// A password for nobody.
    #[error("web.clickhouse.user is empty, so its password_file means nothing")]
    PasswordOfNobody,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_plaintext: false,
            tls: tls::Config::default(),
            allowed_hosts: Vec::new(),
            refresh_seconds: 5,
            window_seconds: 300,
            stale_after_seconds: 30,
            agent_endpoint: String::new(),
            open_metrics: false,
            tokens: Vec::new(),
            proxy: ProxyConfig::default(),
            clickhouse: ClickHouseConfig::default(),
            api: ApiConfig::default(),
        }
    }
}

impl Config {
    /// Checks the ranges and the address.
    ///
    /// # Errors
    /// Names the first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        both("web.tls", &self.tls.certificate_file, &self.tls.key_file)
            .map_err(ConfigError::Listen)?;
        if !self.tls.is_on() {
            check_listen("web", "web.listen", self.listen, self.allow_plaintext)
                .map_err(ConfigError::Listen)?;
        }
        validate(self.listen, &self.tokens, &self.proxy)?;
        match (
            self.clickhouse.user.is_empty(),
            self.clickhouse.password_file.as_os_str(),
        ) {
            (true, file) if !file.is_empty() => return Err(ConfigError::PasswordOfNobody),
            _ => {
                storage::password(&self.clickhouse.password_file).map_err(ConfigError::Password)?
            }
        };
        let api = &self.api;
        let ranges = [
            ("refresh_seconds", self.refresh_seconds.into(), 1, 3600),
            ("window_seconds", self.window_seconds.into(), 10, 7 * 86_400),
            (
                "stale_after_seconds",
                self.stale_after_seconds.into(),
                1,
                86_400,
            ),
            ("api.queries_max", api.queries_max as u64, 1, 256),
            (
                "api.query_seconds_max",
                api.query_seconds_max.into(),
                1,
                300,
            ),
            (
                "api.query_memory_max_bytes",
                api.query_memory_max_bytes,
                16 << 20,
                1 << 40,
            ),
            (
                "api.answer_max_bytes",
                api.answer_max_bytes as u64,
                64 << 10,
                128 << 20,
            ),
            ("api.cache_max_bytes", api.cache_max_bytes, 0, 1 << 36),
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
