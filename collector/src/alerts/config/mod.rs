//! Who is notified, and how patiently.

mod check;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(super) use self::check::{mailbox, secret, uri};

/// Section `[alerts]`. Without any target there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long incidents of a kind wait for others that begin about the same time, ms.
    pub group_wait_ms: u64,
    /// First pause before a failed notification is repeated, ms; pauses double.
    pub retry_initial_ms: u64,
    /// Longest pause, ms.
    pub retry_max_ms: u64,
    /// Longest an attempt may take, ms.
    pub timeout_ms: u64,
    /// Most that wait at a target; the oldest go.
    pub pending_max: usize,
    /// Whether a token or password may go to other machines without TLS.
    pub allow_plaintext: bool,
    /// Alertmanagers.
    pub alertmanager: Alertmanager,
    /// A program.
    pub webhook: Webhook,
    /// People.
    pub mail: Mail,
}

/// Section `[alerts.alertmanager]`. Without URLs there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alertmanager {
    /// Addresses, each of one Alertmanager; all of a cluster.
    pub urls: Vec<String>,
    /// File that holds a bearer token; empty for none.
    pub token_file: PathBuf,
    /// How often what is firing is told again, ms; it lapses after five times as long.
    pub refresh_ms: u64,
}

/// Section `[alerts.webhook]`. Without a URL there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Where documents are posted to.
    pub url: String,
    /// File that holds a bearer token; empty for none.
    pub token_file: PathBuf,
}

/// Section `[alerts.mail]`. Without a host there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// The SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// User name; empty for none.
    pub user: String,
    /// File that holds the password; empty for none.
    pub password_file: PathBuf,
    /// Sender.
    pub from: String,
    /// Receivers.
    pub to: Vec<String>,
}

/// How the connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    None,
    /// The server is asked for it, and has to have it.
    Starttls,
    /// From the first byte.
    Tls,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not an address.
    #[error(
        "alerts.{key} has an address that cannot be used: {reason}; write http://host:port/path or https://…"
    )]
    Url {
        /// Key.
        key: &'static str,
        /// What is wrong with it. The address may hold a secret and is not shown.
        reason: &'static str,
    },
    /// Not a mail address.
    #[error("alerts.mail.{key} has {got:?}: {reason}; write name@host or Name <name@host>")]
    Address {
        /// Key.
        key: &'static str,
        /// Value.
        got: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret that others could read.
    #[error(
        "alerts.{key} would go to {host} without TLS; use {remedy}, or set alerts.allow_plaintext = true if the network is trusted"
    )]
    Plaintext {
        /// Key of the secret.
        key: &'static str,
        /// Where it would go.
        host: String,
        /// What would protect it.
        remedy: &'static str,
    },
    /// Outside of its range.
    #[error("alerts.{key} is {got}; it must be {min} to {max}")]
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
    /// Parts that do not fit one another.
    #[error("alerts.{key}: {reason}")]
    Contradiction {
        /// Key.
        key: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A secret that cannot be used.
    #[error("alerts.{key} {path}: {reason}")]
    Secret {
        /// Key.
        key: &'static str,
        /// Path.
        path: PathBuf,
        /// What happened, and what to do.
        reason: String,
    },
    /// TLS of this machine does not work.
    #[error("alerts: TLS cannot be set up: {0}; look at OpenSSL's configuration and certificates")]
    Tls(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group_wait_ms: 10_000,
            retry_initial_ms: 1000,
            retry_max_ms: 60_000,
            timeout_ms: 10_000,
            pending_max: 10_000,
            allow_plaintext: false,
            alertmanager: Alertmanager::default(),
            webhook: Webhook::default(),
            mail: Mail::default(),
        }
    }
}

impl Default for Alertmanager {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            token_file: PathBuf::new(),
            refresh_ms: 60_000,
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: Tls::Starttls,
            user: String::new(),
            password_file: PathBuf::new(),
            from: String::new(),
            to: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
