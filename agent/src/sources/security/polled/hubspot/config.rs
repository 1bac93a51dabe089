//! Settings of `[sources.hubspot]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::http::Place;
use super::super::start::Start;
use super::super::{check_numbers, check_sections, check_text, secret};

/// Most accounts.
const ACCOUNTS_MAX: usize = 4;

/// Settings of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it runs; without an account it does not.
    pub enabled: bool,
    /// Accounts whose login history is read, one section each.
    pub accounts: Vec<Account>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            accounts: Vec::new(),
        }
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What it is called in errors; its position and its events' ids are kept by it.
    pub name: String,
    /// File with the access token of a private app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Or a variable of the environment with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_variable: Option<String>,
    /// Where the API is.
    #[serde(default = "url")]
    pub url: String,
    /// Certificates that are trusted instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_ca_file: Option<PathBuf>,
    /// Time between polls, ms.
    #[serde(default = "interval_ms")]
    pub interval_ms: u64,
    /// How long a page may take, ms.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// Pages that a poll looks through, 200 attempts each.
    #[serde(default = "pages_max")]
    pub pages_max: u32,
    /// How far behind the newest attempt others may still appear, ms.
    #[serde(default = "lookback_ms")]
    pub lookback_ms: u64,
    /// Where the first poll begins: "now", "beginning", or a time before now such as "24h".
    #[serde(default)]
    pub from: Start,
    /// Service of the events.
    #[serde(default = "service")]
    pub service: String,
}

fn url() -> String {
    "https://api.hubapi.com".to_owned()
}

const fn interval_ms() -> u64 {
    300_000
}

const fn deadline_ms() -> u64 {
    30_000
}

const fn pages_max() -> u32 {
    100
}

const fn lookback_ms() -> u64 {
    3_600_000
}

fn service() -> String {
    "hubspot".to_owned()
}

impl Config {
    /// Whether the values make sense.
    ///
    /// # Errors
    /// Names the key that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        check_sections(
            "sources.hubspot.accounts",
            &self.accounts,
            ACCOUNTS_MAX,
            |one| &one.name,
            Account::validate,
        )
    }
}

impl Account {
    /// Every key filled in: the names of all there are.
    #[must_use]
    pub fn template() -> Self {
        Self {
            name: String::new(),
            token_file: Some(PathBuf::new()),
            token_variable: Some(String::new()),
            url: url(),
            server_ca_file: Some(PathBuf::new()),
            interval_ms: interval_ms(),
            deadline_ms: deadline_ms(),
            pages_max: pages_max(),
            lookback_ms: lookback_ms(),
            from: Start::default(),
            service: service(),
        }
    }

    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    pub(super) fn lookback(&self) -> i64 {
        i64::try_from(self.lookback_ms).unwrap_or(i64::MAX)
    }

    fn validate(&self) -> Result<(), String> {
        check_text("name", &self.name, 64)?;
        check_text("service", &self.service, 64)?;
        Place::parse("url", &self.url)?;
        let file = self.token_file.as_deref();
        secret::validate("token", file, self.token_variable.as_deref())?;
        check_numbers([
            ("interval_ms", self.interval_ms, 1_000..=86_400_000),
            ("deadline_ms", self.deadline_ms, 100..=300_000),
            ("pages_max", u64::from(self.pages_max), 1..=1000),
            ("lookback_ms", self.lookback_ms, 0..=86_400_000),
        ])
    }
}
