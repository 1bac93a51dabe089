//! Followed logs: auditd's, and those of CRM applications, next to the journal.
//!
//! Owns what their lines mean: one file a format. Promises that a line gives at most one event,
//! that only the fields named here or in config leave the host, and that what a client typed
//! (a login, a name) is taken from between a line's own ends. A line of another kind is nothing; one
//! that should be an event and is not understood is counted. A log is as true as its writer: where
//! an application writes newlines from a login as they are, what stands behind is not believed, as
//! far as the log tells ([`doubt`]).

pub(super) mod config;
mod doubt;
pub(super) mod json;
mod mapping;
mod odoo;
mod pattern;
pub(super) mod sink;
mod suitecrm;
mod time;

use super::audit;
use super::reading::Outcome;
use crate::sources::tail::zone::Zone;
use config::{LogConfig, LogFormat};
use doubt::Doubt;
use json::Json;
use pattern::Pattern;

/// A log and how it is read.
#[derive(Debug)]
pub(super) struct FollowedLog {
    service: String,
    zone: Zone,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Audit,
    Odoo(Doubt),
    SuiteCrm(Doubt),
    Json(Box<Json>),
    Pattern(Box<Pattern>),
}

impl FollowedLog {
    /// auditd's log.
    pub(super) fn audit() -> Self {
        Self {
            service: audit::SERVICE.to_owned(),
            zone: Zone::Fixed(0),
            reader: Reader::Audit,
        }
    }

    /// A configured log; the error names the key.
    pub(super) fn build(config: &LogConfig) -> Result<Self, String> {
        let mapped = matches!(config.format, LogFormat::Json | LogFormat::Regex);
        let blank = LogConfig {
            path: config.path.clone(),
            format: config.format,
            service: config.service.clone(),
            zone: config.zone.clone(),
            ..LogConfig::default()
        };
        if !mapped && *config != blank {
            return Err(
                "only path, format, service and zone are used here; the rest is for json and regex"
                    .to_owned(),
            );
        }
        let (zone, reader) = match config.format {
            LogFormat::Odoo => ("+00:00", Reader::Odoo(Doubt::default())),
            LogFormat::SuiteCrm => ("local", Reader::SuiteCrm(Doubt::default())),
            LogFormat::Json => ("local", Reader::Json(Box::new(Json::of(config)?))),
            LogFormat::Regex => ("local", Reader::Pattern(Box::new(Pattern::of(config)?))),
        };
        let service = config.service_name();
        if service.is_empty() {
            return Err("service is missing; name the application".to_owned());
        }
        Ok(Self {
            service: service.to_owned(),
            zone: Zone::of(config.zone.as_deref().unwrap_or(zone)),
            reader,
        })
    }

    /// Service of events that do not name their own.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// Whether it is auditd's.
    pub(super) fn is_audit(&self) -> bool {
        matches!(self.reader, Reader::Audit)
    }

    /// What a line says.
    pub(super) fn read(&mut self, line: &str, now_ms: i64) -> Outcome {
        let zone = &self.zone;
        match &mut self.reader {
            Reader::Audit => audit::parse(line),
            Reader::Odoo(doubt) => doubt.judge(odoo::parse(line, zone, now_ms), now_ms),
            Reader::SuiteCrm(doubt) => doubt.judge(suitecrm::parse(line, zone, now_ms), now_ms),
            Reader::Json(json) => json.read(line, zone, now_ms),
            Reader::Pattern(pattern) => pattern.read(line, zone, now_ms),
        }
    }
}
