//! How to reach Kafka, and what the topics are like.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crmscope_proto::Lane;
use serde::{Deserialize, Serialize};

use super::passthrough::{self, Refusal};
use crate::storage::is_loopback;

/// Longest topic prefix and group, bytes: Kafka's names have at most 249.
const NAME_MAX_BYTES: usize = 200;

/// Section `[kafka]`. Without brokers there is no Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses of brokers to begin with, `host:port`.
    pub brokers: Vec<String>,
    /// Stands before the name of every topic.
    pub topic_prefix: String,
    /// Consumer group of the writers.
    pub group: String,
    /// Partitions of each lane's topic.
    pub partitions: Partitions,
    /// Copies of each partition.
    pub replication_factor: i32,
    /// Copies that have to be in step for a record to be taken.
    pub min_insync_replicas: i32,
    /// How long records stay in the log, hours.
    pub retention_hours: u32,
    /// Compression of records on their way into the log.
    pub compression: CompressionName,
    /// Memory that batches may hold until Kafka has them, bytes.
    pub queue_max_bytes: usize,
    /// Whether brokers may be other machines without TLS.
    pub allow_plaintext: bool,
    /// How clients speak to brokers.
    pub security_protocol: Protocol,
    /// How clients prove who they are; with `sasl_*` protocols.
    pub sasl_mechanism: Mechanism,
    /// User name.
    pub sasl_username: String,
    /// File that holds the password; empty for none.
    pub sasl_password_file: PathBuf,
    /// Certificates of the authorities that signed the brokers' own, PEM; empty takes the system's.
    pub ssl_ca_file: PathBuf,
    /// Certificate of this client, PEM; empty for none.
    pub ssl_certificate_file: PathBuf,
    /// Its key, PEM.
    pub ssl_key_file: PathBuf,
    /// Further settings of librdkafka, by its own names.
    pub client: BTreeMap<String, serde_json::Value>,
}

/// Partitions of each lane's topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Partitions {
    /// Of the metrics.
    pub metrics: i32,
    /// Of the requests.
    pub requests: i32,
    /// Of the security events.
    pub security: i32,
    /// Of the heartbeats.
    pub presence: i32,
}

/// Compression of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionName {
    /// None: batches come compressed from agents.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// How clients speak to brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Readable by the network.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL, readable by the network.
    SaslPlaintext,
    /// SASL within TLS.
    SaslSsl,
}

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// Not at all.
    #[serde(rename = "")]
    None,
    /// The password as it is.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Challenge and response.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Challenge and response.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A broker's address.
    #[error("kafka.brokers has {0:?}; write host:port, such as \"kafka-1.example:9092\"")]
    Broker(String),
    /// Another machine, without TLS.
    #[error(
        "kafka.brokers has {0:?}, another machine, and kafka.security_protocol has no TLS: what agents send would cross the network readable; set it to \"ssl\" or \"sasl_ssl\", or kafka.allow_plaintext = true where the network itself is trusted"
    )]
    Plaintext(String),
    /// A name that Kafka would not take.
    #[error(
        "kafka.{key} is {got:?}; it has {least} to {NAME_MAX_BYTES} characters out of A-Z a-z 0-9 . _ -"
    )]
    Name {
        /// Key.
        key: &'static str,
        /// Value.
        got: String,
        /// Least length.
        least: usize,
    },
    /// Outside of its range.
    #[error("kafka.{key} is {got}; it must be {min} to {max}")]
    Range {
        /// Key.
        key: &'static str,
        /// Value.
        got: i64,
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// Parts that do not fit one another.
    #[error("kafka.{key}: {reason}")]
    Contradiction {
        /// Key.
        key: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A file.
    #[error("kafka.{key} {path}: {error}")]
    File {
        /// Key.
        key: &'static str,
        /// Path.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// A file with nothing in it.
    #[error("kafka.sasl_password_file {0} is empty; it holds the password in its only line")]
    NoPassword(PathBuf),
    /// A setting of `[kafka.client]`.
    #[error(transparent)]
    Client(#[from] Refusal),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic_prefix: String::new(),
            group: "crmscope-writer".to_owned(),
            partitions: Partitions::default(),
            replication_factor: 3,
            min_insync_replicas: 2,
            retention_hours: 168,
            compression: CompressionName::Zstd,
            queue_max_bytes: 64 << 20,
            allow_plaintext: false,
            security_protocol: Protocol::Plaintext,
            sasl_mechanism: Mechanism::None,
            sasl_username: String::new(),
            sasl_password_file: PathBuf::new(),
            ssl_ca_file: PathBuf::new(),
            ssl_certificate_file: PathBuf::new(),
            ssl_key_file: PathBuf::new(),
            client: BTreeMap::new(),
        }
    }
}

impl Default for Partitions {
    fn default() -> Self {
        Self {
            metrics: 8,
            requests: 8,
            security: 4,
            presence: 4,
        }
    }
}

impl Partitions {
    /// Of one lane's topic; 0 without a lane.
    #[must_use]
    pub const fn of(&self, lane: Lane) -> i32 {
        match lane {
            Lane::Metrics => self.metrics,
            Lane::Requests => self.requests,
            Lane::Security => self.security,
            Lane::Presence => self.presence,
            Lane::Unspecified => 0,
        }
    }
}

impl CompressionName {
    /// As librdkafka has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Protocol {
    /// As librdkafka has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

impl Mechanism {
    /// As librdkafka has it; empty for none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Config {
    /// Whether there is Kafka at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// Name of a lane's topic.
    #[must_use]
    pub fn topic(&self, lane: Lane) -> String {
        format!("{}crmscope.{}.v1", self.topic_prefix, lane.name())
    }

    /// Name of the topic of the chains' heads.
    #[must_use]
    pub fn heads_topic(&self) -> String {
        format!("{}crmscope.heads.v1", self.topic_prefix)
    }

    /// The lane whose topic this is.
    #[must_use]
    pub fn lane_of(&self, topic: &str) -> Option<Lane> {
        let mut lanes = Lane::BY_URGENCY.into_iter();
        lanes.find(|&lane| self.topic(lane) == topic)
    }

    /// Checks what can be checked without connecting; everything, also while there is no Kafka.
    ///
    /// # Errors
    /// Names the first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for broker in &self.brokers {
            check_broker(broker)?;
        }
        check_name("topic_prefix", &self.topic_prefix, 0)?;
        check_name("group", &self.group, 1)?;
        self.check_ranges()?;
        self.check_sasl()?;
        self.check_tls()?;
        self.check_plaintext()?;
        passthrough::check(&self.client)?;
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        let queue = i64::try_from(self.queue_max_bytes).unwrap_or(i64::MAX);
        let replicas = i64::from(self.replication_factor);
        let ranges: [(&'static str, i64, i64, i64); 8] = [
            (
                "partitions.metrics",
                self.partitions.metrics.into(),
                1,
                4096,
            ),
            (
                "partitions.requests",
                self.partitions.requests.into(),
                1,
                4096,
            ),
            (
                "partitions.security",
                self.partitions.security.into(),
                1,
                4096,
            ),
            (
                "partitions.presence",
                self.partitions.presence.into(),
                1,
                4096,
            ),
            ("replication_factor", replicas, 1, 15),
            (
                "min_insync_replicas",
                self.min_insync_replicas.into(),
                1,
                replicas,
            ),
            // Ten years; below a day, a writer that is away for a night would lose records.
            ("retention_hours", self.retention_hours.into(), 1, 87_600),
            // librdkafka counts in KiB and is given twice as much.
            ("queue_max_bytes", queue, 1 << 20, 1 << 39),
        ];
        let wrong = ranges
            .into_iter()
            .find(|(_, got, min, max)| got < min || got > max);
        wrong.map_or(Ok(()), |(key, got, min, max)| {
            Err(ConfigError::Range { key, got, min, max })
        })
    }

    fn check_sasl(&self) -> Result<(), ConfigError> {
        let given = self.sasl_mechanism != Mechanism::None
            || !self.sasl_username.is_empty()
            || !self.sasl_password_file.as_os_str().is_empty();
        if !self.security_protocol.has_sasl() {
            return if given {
                contradiction(
                    "security_protocol",
                    "sasl_* keys are set but would not be used; set it to \"sasl_ssl\" or \"sasl_plaintext\", or remove them",
                )
            } else {
                Ok(())
            };
        }
        if self.sasl_mechanism == Mechanism::None {
            return contradiction(
                "sasl_mechanism",
                "a sasl protocol needs one: \"SCRAM-SHA-512\", \"SCRAM-SHA-256\" or \"PLAIN\"",
            );
        }
        if self.sasl_username.is_empty() {
            return contradiction("sasl_username", "a sasl protocol needs one");
        }
        match self.sasl_password()? {
            Some(_) => Ok(()),
            None => contradiction("sasl_password_file", "a sasl protocol needs one"),
        }
    }

    /// Without TLS batches cross the network readable, and a password too where there is one.
    fn check_plaintext(&self) -> Result<(), ConfigError> {
        if self.allow_plaintext || self.security_protocol.has_tls() {
            return Ok(());
        }
        let host = |broker: &str| broker.rsplit_once(':').map(|(host, _)| host.to_owned());
        let far = self
            .brokers
            .iter()
            .find(|broker| !host(broker).is_some_and(|host| is_loopback(&host)));
        match far {
            Some(broker) => Err(ConfigError::Plaintext(broker.clone())),
            None => Ok(()),
        }
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let files = [
            ("ssl_ca_file", &self.ssl_ca_file),
            ("ssl_certificate_file", &self.ssl_certificate_file),
            ("ssl_key_file", &self.ssl_key_file),
        ];
        for (key, path) in files {
            if path.as_os_str().is_empty() {
                continue;
            }
            if !self.security_protocol.has_tls() {
                return contradiction(
                    "security_protocol",
                    "ssl_* keys are set but would not be used; set it to \"ssl\" or \"sasl_ssl\", or remove them",
                );
            }
            std::fs::File::open(path).map_err(|error| file_error(key, path, error))?;
        }
        let has_certificate = !self.ssl_certificate_file.as_os_str().is_empty();
        let has_key = !self.ssl_key_file.as_os_str().is_empty();
        match (has_certificate, has_key) {
            (true, false) => {
                contradiction("ssl_key_file", "the client's certificate needs its key")
            }
            (false, true) => contradiction(
                "ssl_certificate_file",
                "the client's key needs its certificate",
            ),
            _ => Ok(()),
        }
    }

    /// Reads the password, where there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or is empty.
    pub fn sasl_password(&self) -> Result<Option<String>, ConfigError> {
        let path = &self.sasl_password_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| file_error("sasl_password_file", path, error))?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(ConfigError::NoPassword(path.clone()));
        }
        Ok(Some(password.to_owned()))
    }
}

fn file_error(key: &'static str, path: &Path, error: std::io::Error) -> ConfigError {
    ConfigError::File {
        key,
        path: path.to_owned(),
        error,
    }
}

fn contradiction(key: &'static str, reason: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Contradiction { key, reason })
}

fn check_broker(broker: &str) -> Result<(), ConfigError> {
    let well_formed = broker.rsplit_once(':').is_some_and(|(host, port)| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '/' | '@');
        !host.is_empty() && !host.contains(odd) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if well_formed {
        Ok(())
    } else {
        Err(ConfigError::Broker(broker.to_owned()))
    }
}

fn check_name(key: &'static str, name: &str, least: usize) -> Result<(), ConfigError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (least..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(ConfigError::Name {
        key,
        got: name.to_owned(),
        least,
    })
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
