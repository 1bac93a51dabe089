//! How to reach ClickHouse.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::schema::Cluster;

/// Section `[clickhouse]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the HTTP interface.
    pub url: String,
    /// Whether `url` may be `http://` to another machine.
    pub allow_plaintext: bool,
    /// Certificates, with `https://`.
    pub tls: TlsConfig,
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
    /// The cluster of one shard whose replicas hold the tables; empty for a server by itself.
    pub cluster: String,
    /// With `cluster`, how many replicas have to have an insert before it counts: a number, or `auto` for
    /// more than half of them.
    pub insert_quorum: String,
    /// A cluster over several databases such as this one, to read them all as `crmscope_all`; empty for none.
    pub read_cluster: String,
}

/// Section `[clickhouse.tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Authorities that signed ClickHouse's certificate, PEM; empty takes the system's.
    pub ca_file: PathBuf,
    /// Certificate of this client, PEM; empty for none.
    pub certificate_file: PathBuf,
    /// Its key, PKCS #8 in PEM.
    pub key_file: PathBuf,
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
        "clickhouse.url is {0:?}; it must begin with https:// or http:// and have no user or password in it"
    )]
    Url(String),
    /// Another machine, without TLS.
    #[error(
        "clickhouse.url is {0:?}, another machine without TLS: password and figures would cross the network readable; write https://, or set clickhouse.allow_plaintext = true where the network itself is trusted"
    )]
    Plaintext(String),
    /// Certificates without TLS.
    #[error("clickhouse.tls.{0} is set, and clickhouse.url does not begin with https://")]
    NoTls(&'static str),
    /// One file without the other.
    #[error("clickhouse.tls.certificate_file and key_file go together: set both or none")]
    Half,
    /// A file of TLS.
    #[error("clickhouse.tls.{key} {path}: {what}")]
    Tls {
        /// Key.
        key: &'static str,
        /// Path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
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
    /// Not a cluster's name.
    #[error("clickhouse.{key} is {name:?}; a cluster is named by letters, digits and _ . -")]
    Cluster {
        /// Key.
        key: &'static str,
        /// What stands there.
        name: String,
    },
    /// Not a number of replicas.
    #[error(
        "clickhouse.insert_quorum is {0:?}; it is auto (more than half of the replicas), or a number of replicas from 1 on"
    )]
    Quorum(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            allow_plaintext: false,
            tls: TlsConfig::default(),
            user: "default".to_owned(),
            password_file: PathBuf::new(),
            compression: CompressionName::None,
            insert_timeout_ms: 60_000,
            query_timeout_ms: 10_000,
            migrate: true,
            cluster: String::new(),
            insert_quorum: "auto".to_owned(),
            read_cluster: String::new(),
        }
    }
}

impl Config {
    /// Checks what can be checked without connecting.
    ///
    /// # Errors
    /// When a value cannot be right.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_url()?;
        for (name, value) in [
            ("insert_timeout_ms", self.insert_timeout_ms),
            ("query_timeout_ms", self.query_timeout_ms),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        self.cluster()?;
        self.read_cluster()?;
        let quorum = self.insert_quorum.as_str();
        if quorum != "auto" && !quorum.parse::<u32>().is_ok_and(|replicas| replicas > 0) {
            return Err(ConfigError::Quorum(quorum.to_owned()));
        }
        self.password().map(|_| ())
    }

    /// The cluster of one shard that holds the tables, where there is one.
    ///
    /// # Errors
    /// When its name is none.
    pub fn cluster(&self) -> Result<Option<Cluster>, ConfigError> {
        named("cluster", &self.cluster)
    }

    /// The cluster over several databases, where there is one.
    ///
    /// # Errors
    /// When its name is none.
    pub fn read_cluster(&self) -> Result<Option<Cluster>, ConfigError> {
        named("read_cluster", &self.read_cluster)
    }

    fn validate_url(&self) -> Result<(), ConfigError> {
        let wrong = || ConfigError::Url(self.url.clone());
        let uri: hyper::Uri = self.url.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?;
        if self.url.contains('@') {
            return Err(wrong());
        }
        let tls = &self.tls;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") => {
                if !is_loopback(host) && !self.allow_plaintext {
                    return Err(ConfigError::Plaintext(self.url.clone()));
                }
                let files = [
                    ("ca_file", &tls.ca_file),
                    ("certificate_file", &tls.certificate_file),
                    ("key_file", &tls.key_file),
                ];
                let set = files.into_iter().find(|(_, path)| is_set(path));
                if let Some((key, _)) = set {
                    return Err(ConfigError::NoTls(key));
                }
            }
            _ => return Err(wrong()),
        }
        match is_set(&tls.certificate_file) == is_set(&tls.key_file) {
            true => Ok(()),
            false => Err(ConfigError::Half),
        }
    }

    /// Reads the password, where there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn password(&self) -> Result<Option<String>, ConfigError> {
        password(&self.password_file)
    }
}

fn named(key: &'static str, name: &str) -> Result<Option<Cluster>, ConfigError> {
    if name.is_empty() {
        return Ok(None);
    }
    let cluster = Cluster::new(name).ok_or_else(|| ConfigError::Cluster {
        key,
        name: name.to_owned(),
    });
    cluster.map(Some)
}

pub(super) fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

/// Whether what is sent to a host stays on this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Reads the password of a file; an empty path is none.
///
/// # Errors
/// When the file cannot be read.
pub fn password(file: &Path) -> Result<Option<String>, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => Err(ConfigError::PasswordFile {
            path: file.to_owned(),
            error,
        }),
    }
}
