//! Settings of `[sources.sql]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::connect::is_local;
use super::super::reader::Reader;
use super::super::start::Start;
use super::super::{check_numbers, check_sections, check_text};
use super::cursor::CursorKind;
use super::statement::Statement;
use crate::sources::security::logs::config::{failure_words, success_words};
use crate::sources::security::{Condition, Fields, KindOf, LogConfig, LogFormat};
use crate::sources::tail::calendar::zone_ms;

/// Most databases.
const DATABASES_MAX: usize = 16;

/// What times without a zone may go back by: an hour, and what else is late.
const REPEATED_HOUR_MS: u64 = 3_660_000;

/// Settings of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it runs; without a database it does not.
    pub enabled: bool,
    /// Databases that hold login records, one section each.
    pub databases: Vec<Database>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            databases: Vec::new(),
        }
    }
}

/// What speaks at the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// PostgreSQL 10 and newer.
    #[default]
    PostgreSql,
    /// MySQL and MariaDB.
    MySql,
}

/// One query of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// What it is called in errors; its position and its events' ids are kept by it.
    pub name: String,
    /// PostgreSQL or MySQL.
    pub kind: Kind,
    /// A host, or the path of a socket: PostgreSQL's directory, or MySQL's file.
    pub host: String,
    /// The port; the usual one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database there.
    pub database: String,
    /// Who asks: a role that may read what the query needs, and nothing else.
    pub user: String,
    /// File with the password; none if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Whether the connection has TLS. Sockets never have.
    #[serde(default = "yes")]
    pub tls: bool,
    /// Certificates that are trusted instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_ca_file: Option<PathBuf>,
    /// Allows another host without TLS.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Allows a role that may write.
    #[serde(default)]
    pub allow_writer: bool,
    /// Time between polls, ms.
    #[serde(default = "interval_ms")]
    pub interval_ms: u64,
    /// How long a connection with its query may take, ms.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// The query, with `{cursor}` and `{limit}` in it.
    pub query: String,
    /// Column that grows.
    pub cursor: String,
    /// What it holds.
    #[serde(default)]
    pub cursor_kind: CursorKind,
    /// Column that tells rows apart, and never changes.
    pub key: String,
    /// How far behind the newest row others may still appear: ms, or numbers of an integer.
    #[serde(default = "lookback")]
    pub lookback: u64,
    /// Where the first poll begins: "now", "beginning", or a time before now such as "24h".
    #[serde(default)]
    pub from: Start,
    /// Rows of one query.
    #[serde(default = "limit")]
    pub limit: u32,
    /// Service of the events.
    pub service: String,
    /// Zone of times that carry none.
    #[serde(default = "utc")]
    pub zone: String,
    /// What a row is, where it does not say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What the row's own words for it mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindOf>,
    /// How it ended, where the row does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Words that mean success.
    #[serde(default = "success_words")]
    pub success: Vec<String>,
    /// Words that mean failure.
    #[serde(default = "failure_words")]
    pub failure: Vec<String>,
    /// Which rows are events.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Which column is what.
    #[serde(default)]
    pub fields: Fields,
}

const fn yes() -> bool {
    true
}

const fn interval_ms() -> u64 {
    10_000
}

const fn deadline_ms() -> u64 {
    10_000
}

const fn lookback() -> u64 {
    60_000
}

const fn limit() -> u32 {
    1000
}

fn utc() -> String {
    "+00:00".to_owned()
}

impl Config {
    /// Whether the values make sense.
    ///
    /// # Errors
    /// Names the key that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        check_sections(
            "sources.sql.databases",
            &self.databases,
            DATABASES_MAX,
            |one| &one.name,
            Database::validate,
        )
    }
}

impl Database {
    /// Every key filled in: the names of all there are.
    #[must_use]
    pub fn template() -> Self {
        let some = || Some(String::new());
        let log = LogConfig::template();
        Self {
            name: String::new(),
            kind: Kind::default(),
            host: String::new(),
            port: Some(0),
            database: String::new(),
            user: String::new(),
            password_file: Some(PathBuf::new()),
            tls: true,
            server_ca_file: Some(PathBuf::new()),
            allow_plaintext: false,
            allow_writer: false,
            interval_ms: interval_ms(),
            deadline_ms: deadline_ms(),
            query: String::new(),
            cursor: String::new(),
            cursor_kind: CursorKind::default(),
            key: String::new(),
            lookback: lookback(),
            from: Start::default(),
            limit: limit(),
            service: String::new(),
            zone: utc(),
            event: some(),
            kinds: log.kinds,
            outcome: some(),
            success: success_words(),
            failure: failure_words(),
            conditions: log.conditions,
            fields: log.fields,
        }
    }

    /// The port, also where it is left out.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.kind {
            Kind::PostgreSql => 5432,
            Kind::MySql => 3306,
        })
    }

    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Whether the connection stays within this host's kernel.
    pub(super) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// How rows become events.
    pub(super) fn reader(&self) -> Result<Reader, String> {
        let mapping = LogConfig {
            format: LogFormat::Json,
            service: Some(self.service.clone()),
            zone: Some(self.zone.clone()),
            kind: self.event.clone(),
            kinds: self.kinds.clone(),
            outcome: self.outcome.clone(),
            success: self.success.clone(),
            failure: self.failure.clone(),
            conditions: self.conditions.clone(),
            fields: self.fields.clone(),
            ..LogConfig::default()
        };
        // Here a row's kind is called event.
        Reader::new("sql", &self.name, &mapping)
            .map_err(|error| error.replacen("kind is missing", "event is missing", 1))
    }

    fn validate(&self) -> Result<(), String> {
        for (key, value) in [
            ("name", &self.name),
            ("database", &self.database),
            ("user", &self.user),
            ("cursor", &self.cursor),
            ("key", &self.key),
            ("service", &self.service),
        ] {
            check_text(key, value, 64)?;
        }
        check_text("host", &self.host, 253)?;
        check_numbers([
            ("interval_ms", self.interval_ms, 1_000..=86_400_000),
            ("deadline_ms", self.deadline_ms, 100..=300_000),
            ("limit", u64::from(self.limit), 10..=10_000),
            ("lookback", self.lookback, 0..=86_400_000),
        ])?;
        if self.zone != "local" && zone_ms(self.zone.as_bytes()).is_none() {
            return Err(format!(
                "zone is {:?}; use \"local\" or an offset such as \"+02:00\"",
                self.zone
            ));
        }
        if !self.tls && !self.allow_plaintext && !is_local(&self.host) {
            return Err(format!(
                "tls is off and {:?} is another host; logins would travel in the clear: set tls = true, or allow_plaintext for a network you trust",
                self.host
            ));
        }
        if matches!(
            (self.cursor_kind, self.from),
            (CursorKind::Integer, Start::Ago(_))
        ) {
            return Err(
                "from is a time, and cursor_kind \"integer\" tells none; use \"now\" or \"beginning\""
                    .to_owned(),
            );
        }
        if self.zone == "local"
            && self.cursor_kind == CursorKind::Timestamp
            && self.lookback < REPEATED_HOUR_MS
        {
            return Err(format!(
                "lookback is {}, and clocks of the zone \"local\" repeat an hour in autumn; use at least {REPEATED_HOUR_MS}, or a zone without that",
                self.lookback
            ));
        }
        Statement::new(&self.query)?;
        self.reader().map(|_| ())
    }
}
