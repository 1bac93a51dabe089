//! Settings of `[sources.security]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::logs::config::LOGS_MAX;
pub use super::logs::config::{Condition, Fields, KindOf, LogConfig, LogFormat};
use crate::sources::tail::calendar::zone_ms;

/// Whether events are read from systemd's journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalMode {
    /// Where there is one that the agent may read; else from the authentication logs.
    #[default]
    Auto,
    /// Always; the authentication logs are not read.
    On,
    /// Never; the authentication logs are read.
    Off,
}

impl Serialize for JournalMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::On => serializer.serialize_bool(true),
            Self::Off => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for JournalMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Switch(bool),
            Word(String),
        }
        // Values from the environment are words.
        match Value::deserialize(deserializer)? {
            Value::Switch(true) => Ok(Self::On),
            Value::Switch(false) => Ok(Self::Off),
            Value::Word(word) => match word.as_str() {
                "auto" => Ok(Self::Auto),
                "true" => Ok(Self::On),
                "false" => Ok(Self::Off),
                other => Err(serde::de::Error::custom(format!(
                    "journal is {other:?}; use \"auto\", true or false"
                ))),
            },
        }
    }
}

/// Settings of the security source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether security events are read.
    pub enabled: bool,
    /// Time between runs, ms.
    pub interval_ms: u64,
    /// Whether they are read from the journal: "auto", true or false.
    pub journal: JournalMode,
    /// The program that reads the journal.
    pub journal_program: PathBuf,
    /// Where the journal lives; `auto` looks here for one that can be read.
    pub journal_directories: Vec<PathBuf>,
    /// How long a reader is kept that has nothing to tell, ms; 0 is for ever.
    pub journal_idle_ms: u64,
    /// Authentication logs, read where the journal is not. Paths or globs.
    pub auth_logs: Vec<String>,
    /// Zone of times in authentication logs that carry none: "local" or an offset such as "+02:00".
    pub auth_log_zone: String,
    /// Logs of auditd. Paths or globs.
    pub audit_logs: Vec<String>,
    /// Most log files open at once, rotated ones included.
    pub max_files: usize,
    /// Logs of applications.
    pub logs: Vec<LogConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 1000,
            journal: JournalMode::Auto,
            journal_program: PathBuf::from("journalctl"),
            journal_directories: vec![
                PathBuf::from("/var/log/journal"),
                PathBuf::from("/run/log/journal"),
            ],
            journal_idle_ms: 30_000,
            auth_logs: vec!["/var/log/auth.log".to_owned(), "/var/log/secure".to_owned()],
            auth_log_zone: "local".to_owned(),
            audit_logs: Vec::new(),
            max_files: 64,
            logs: Vec::new(),
        }
    }
}

impl Config {
    /// Time between runs.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// The first that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        if !(100..=60_000).contains(&self.interval_ms) {
            return Err(format!(
                "sources.security.interval_ms is {}; use 100 to 60000",
                self.interval_ms
            ));
        }
        for (key, paths) in [
            ("auth_logs", &self.auth_logs),
            ("audit_logs", &self.audit_logs),
        ] {
            for path in paths {
                if !Path::new(path).is_absolute() {
                    return Err(format!("sources.security.{key}: {path:?} is not absolute"));
                }
                if let Err(error) = glob::Pattern::new(path) {
                    return Err(format!("sources.security.{key}: {path:?}: {error}"));
                }
            }
        }
        if self.journal_idle_ms != 0 && !(1_000..=3_600_000).contains(&self.journal_idle_ms) {
            return Err(format!(
                "sources.security.journal_idle_ms is {}; use 0, or 1000 to 3600000",
                self.journal_idle_ms
            ));
        }
        if !(1..=1024).contains(&self.max_files) {
            return Err(format!(
                "sources.security.max_files is {}; use 1 to 1024",
                self.max_files
            ));
        }
        if self.logs.len() > LOGS_MAX {
            return Err(format!(
                "sources.security.logs has {} sections; use at most {LOGS_MAX}",
                self.logs.len()
            ));
        }
        self.logs.iter().try_for_each(LogConfig::validate)?;
        if self.auth_log_zone != "local" && zone_ms(self.auth_log_zone.as_bytes()).is_none() {
            return Err(format!(
                "sources.security.auth_log_zone is {:?}; use \"local\" or an offset such as \"+02:00\"",
                self.auth_log_zone
            ));
        }
        if self.journal != JournalMode::Off && self.journal_program.as_os_str().is_empty() {
            return Err("sources.security.journal_program is empty; use \"journalctl\"".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_a_word_or_a_switch() {
        let read = |text: &str| serde_json::from_str::<Config>(text).map(|config| config.journal);
        assert_eq!(read(r#"{"journal":"auto"}"#).unwrap(), JournalMode::Auto);
        assert_eq!(read(r#"{"journal":true}"#).unwrap(), JournalMode::On);
        assert_eq!(read(r#"{"journal":"false"}"#).unwrap(), JournalMode::Off);
        assert!(read(r#"{"journal":"never"}"#).is_err());
        let good = Config::default();
        assert_eq!(good.validate(), Ok(()));
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), good);
        let zone = Config {
            auth_log_zone: "Europe/Berlin".to_owned(),
            ..Config::default()
        };
        assert!(zone.validate().is_err());
    }
}
