//! Settings of `[sources.salesforce]`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::http::Place;
use super::super::start::Start;
use super::super::{check_numbers, check_sections, check_text, secret};
use super::record::EventType;

/// Most orgs.
const ORGS_MAX: usize = 4;

/// Settings of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it runs; without an org it does not.
    pub enabled: bool,
    /// Orgs whose event log files are read, one section each.
    pub orgs: Vec<Org>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            orgs: Vec::new(),
        }
    }
}

/// Which files are read. Both hold the same events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Files {
    /// One a day and type.
    Daily,
    /// One an hour and type, and more for what comes late.
    #[default]
    Hourly,
}

impl Files {
    /// Salesforce's word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Daily => "Daily",
            Self::Hourly => "Hourly",
        }
    }

    /// What it is called in settings.
    pub(super) const fn setting(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Hourly => "hourly",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Daily => Self::Hourly,
            Self::Hourly => Self::Daily,
        }
    }
}

/// One org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Org {
    /// What it is called in errors; its position and its events' ids are kept by it.
    pub name: String,
    /// The org's own address (My Domain).
    pub instance_url: String,
    /// File with the consumer key of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id_file: Option<PathBuf>,
    /// Or a variable of the environment with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id_variable: Option<String>,
    /// File with the consumer secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// Or a variable of the environment with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_variable: Option<String>,
    /// Certificates that are trusted instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_ca_file: Option<PathBuf>,
    /// Version of the REST API.
    #[serde(default = "api_version")]
    pub api_version: String,
    /// Hourly or daily files.
    #[serde(default)]
    pub files: Files,
    /// Types of events.
    #[serde(default = "event_types")]
    pub event_types: Vec<EventType>,
    /// Time between polls, ms.
    #[serde(default = "interval_ms")]
    pub interval_ms: u64,
    /// How long an answer may take, or the next bytes of a file, ms.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// How long a file may take, ms.
    #[serde(default = "file_deadline_ms")]
    pub file_deadline_ms: u64,
    /// Largest file that is read, bytes.
    #[serde(default = "file_max_bytes")]
    pub file_max_bytes: u64,
    /// Polls in which a file may fail; then it is given up.
    #[serde(default = "file_tries_max")]
    pub file_tries_max: u32,
    /// How far behind the newest file others may still appear, ms.
    #[serde(default = "lookback_ms")]
    pub lookback_ms: u64,
    /// Where the first poll begins: "now", "beginning", or a time before now such as "24h".
    #[serde(default)]
    pub from: Start,
    /// Service of the events.
    #[serde(default = "service")]
    pub service: String,
}

fn api_version() -> String {
    "v62.0".to_owned()
}

fn event_types() -> Vec<EventType> {
    EventType::USUAL.to_vec()
}

const fn interval_ms() -> u64 {
    300_000
}

const fn deadline_ms() -> u64 {
    30_000
}

const fn file_deadline_ms() -> u64 {
    600_000
}

const fn file_max_bytes() -> u64 {
    1024 * 1024 * 1024
}

const fn file_tries_max() -> u32 {
    48
}

const fn lookback_ms() -> u64 {
    86_400_000
}

fn service() -> String {
    "salesforce".to_owned()
}

impl Config {
    /// Whether the values make sense.
    ///
    /// # Errors
    /// Names the key that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        check_sections(
            "sources.salesforce.orgs",
            &self.orgs,
            ORGS_MAX,
            |one| &one.name,
            Org::validate,
        )
    }
}

impl Org {
    /// Every key filled in: the names of all there are.
    #[must_use]
    pub fn template() -> Self {
        Self {
            name: String::new(),
            instance_url: String::new(),
            client_id_file: Some(PathBuf::new()),
            client_id_variable: Some(String::new()),
            client_secret_file: Some(PathBuf::new()),
            client_secret_variable: Some(String::new()),
            server_ca_file: Some(PathBuf::new()),
            api_version: api_version(),
            files: Files::default(),
            event_types: event_types(),
            interval_ms: interval_ms(),
            deadline_ms: deadline_ms(),
            file_deadline_ms: file_deadline_ms(),
            file_max_bytes: file_max_bytes(),
            file_tries_max: file_tries_max(),
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
        Place::parse("instance_url", &self.instance_url)?;
        let id = self.client_id_file.as_deref();
        secret::validate("client_id", id, self.client_id_variable.as_deref())?;
        let file = self.client_secret_file.as_deref();
        let variable = self.client_secret_variable.as_deref();
        secret::validate("client_secret", file, variable)?;
        let version = self.api_version.strip_prefix('v');
        let version = version.and_then(|version| version.strip_suffix(".0"));
        let version = version.and_then(|version| version.parse::<u16>().ok());
        if !version.is_some_and(|version| (37..1000).contains(&version)) {
            return Err(format!(
                "api_version is {:?}; use one from \"v37.0\" on, such as \"v62.0\"",
                self.api_version
            ));
        }
        let types: HashSet<_> = self.event_types.iter().collect();
        if types.is_empty() || types.len() < self.event_types.len() {
            return Err("event_types is empty or names one twice".to_owned());
        }
        check_numbers([
            ("interval_ms", self.interval_ms, 1_000..=86_400_000),
            ("deadline_ms", self.deadline_ms, 100..=300_000),
            ("file_deadline_ms", self.file_deadline_ms, 100..=86_400_000),
            ("file_max_bytes", self.file_max_bytes, 1024..=1 << 40),
            ("file_tries_max", u64::from(self.file_tries_max), 1..=10_000),
            ("lookback_ms", self.lookback_ms, 0..=7 * 86_400_000),
        ])
    }
}
