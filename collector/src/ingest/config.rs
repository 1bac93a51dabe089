//! How agents reach the collector.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::identity::{AuthorityConfig, IdentityError, patterns};
use crate::tls::TlsError;

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
    /// Certificates of the address and of agents.
    pub tls: TlsConfig,
    /// The authority that signs certificates of agents.
    pub authority: AuthorityConfig,
    /// What one agent may send.
    pub quota: QuotaConfig,
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

/// Section `[ingest.tls]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificates in PEM, the collector's own first, then those above it; empty for no TLS.
    pub certificate_file: PathBuf,
    /// Its key in PEM.
    pub key_file: PathBuf,
    /// Authorities of agents' certificates besides `ingest.authority`, in PEM.
    pub client_ca_file: PathBuf,
    /// How their certificates name agents.
    pub identities: Vec<String>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            client_ca_file: PathBuf::new(),
            identities: vec!["spiffe://crmscope/agent/{agent_id}".to_owned()],
        }
    }
}

impl TlsConfig {
    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }
}

/// Section `[ingest.quota]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaConfig {
    /// Bytes of batches that one agent may send on average, a second; 0 for no limit.
    pub bytes_per_s: u64,
    /// Bytes that it may send at once after a time of rest.
    pub burst_bytes: u64,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            bytes_per_s: 16 << 20,
            burst_bytes: 64 << 20,
        }
    }
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An address others reach, without TLS.
    #[error(
        "{key} is {listen}, which other machines reach, without TLS: secrets and figures would cross the network readable; set {section}.tls.certificate_file and key_file (`crmscope-collector authority create` makes them), or {section}.allow_plaintext = true where the network itself is trusted"
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
    /// One file without the other.
    #[error(
        "{section}.{set} is set and {section}.{missing} is not: a certificate goes with its key"
    )]
    Half {
        /// Section.
        section: &'static str,
        /// The key that is set.
        set: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// Certificates of agents without TLS.
    #[error(
        "ingest.{0} is set, and ingest.tls.certificate_file is not: without TLS no agent shows a certificate"
    )]
    NoTls(&'static str),
    /// TLS that lets nobody in.
    #[error(
        "ingest.tls has a certificate, but nobody to sign those of agents: set ingest.authority.certificate_file and key_file (`crmscope-collector authority create` makes them), or ingest.tls.client_ca_file"
    )]
    NoAuthority,
    /// How certificates name agents.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file that cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            allow_plaintext: false,
            tls: TlsConfig::default(),
            authority: AuthorityConfig::default(),
            quota: QuotaConfig::default(),
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
        self.validate_tls()?;
        if !self.tls.is_on() {
            check_listen("ingest", "ingest.listen", self.listen, self.allow_plaintext)?;
        }
        // 0 is never, which no age is outside of.
        let connection_max_age_ms = match self.connection_max_age_ms {
            0 => CONNECTION_AGE_MIN_MS,
            age_ms => age_ms,
        };
        let quota = &self.quota;
        let ranges: [(&'static str, u64, u64, u64); 11] = [
            ("quota.bytes_per_s", quota.bytes_per_s, 0, 1 << 40),
            // A batch has to fit.
            ("quota.burst_bytes", quota.burst_bytes, 1 << 20, 1 << 40),
            (
                "authority.certificate_minutes",
                self.authority.certificate_minutes.into(),
                1,
                366 * 24 * 60,
            ),
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

impl Config {
    fn validate_tls(&self) -> Result<(), ConfigError> {
        let (tls, authority) = (&self.tls, &self.authority);
        both("ingest.tls", &tls.certificate_file, &tls.key_file)?;
        both(
            "ingest.authority",
            &authority.certificate_file,
            &authority.key_file,
        )?;
        let has_ca = !tls.client_ca_file.as_os_str().is_empty();
        patterns(&tls.identities)?;
        if tls.is_on() {
            return match authority.is_on() || has_ca {
                true => Ok(()),
                false => Err(ConfigError::NoAuthority),
            };
        }
        if authority.is_on() {
            return Err(ConfigError::NoTls("authority.certificate_file"));
        }
        if has_ca {
            return Err(ConfigError::NoTls("tls.client_ca_file"));
        }
        Ok(())
    }
}

/// A certificate and its key are named together.
///
/// # Errors
/// When only one is.
pub fn both(section: &'static str, certificate: &Path, key: &Path) -> Result<(), ConfigError> {
    let is_set = |path: &Path| !path.as_os_str().is_empty();
    let (set, missing) = match (is_set(certificate), is_set(key)) {
        (true, false) => ("certificate_file", "key_file"),
        (false, true) => ("key_file", "certificate_file"),
        _ => return Ok(()),
    };
    Err(ConfigError::Half {
        section,
        set,
        missing,
    })
}
