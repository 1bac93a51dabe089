//! Records of services and databases become events, by the same mapping as lines of logs.
//!
//! Pure. A record is a JSON object; which of its members is what, config says, or the source's own
//! mapping.

use crmscope_proto::payload::truncate;
use serde_json::Value;

use super::super::event::event_id;
use super::super::logs::config::LogConfig;
use super::super::logs::json::Json;
use super::super::reading::{Outcome, Reading};
use crate::rules::record::TEXT_MAX_BYTES;
use crate::sources::line_counts::LineCounts;
use crate::sources::tail::zone::Zone;

/// An event, ready to become a row.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) reading: Box<Reading>,
    pub(super) event_id: [u8; 16],
    /// The record as rules see it, as much as they look at.
    pub(super) line: String,
}

/// Reads records.
#[derive(Debug)]
pub(super) struct Reader {
    /// First parts of an event's id: the source and what it was read from.
    origin: [String; 2],
    zone: Zone,
    json: Json,
}

impl Reader {
    /// By a mapping as for logs in JSON; the error names the key. Times without a zone are of the
    /// config's, or UTC.
    pub(super) fn new(source: &str, place: &str, config: &LogConfig) -> Result<Self, String> {
        Ok(Self {
            origin: [source.to_owned(), place.to_owned()],
            zone: Zone::of(config.zone.as_deref().unwrap_or("+00:00")),
            json: Json::of(config)?,
        })
    }

    /// The event of a record, if it is one. `key` tells it from all others of its place.
    pub(super) fn read(
        &mut self,
        record: &Value,
        key: &str,
        now_ms: i64,
        counts: &mut LineCounts,
    ) -> Option<Polled> {
        self.read_as(record, record, key, now_ms, counts)
    }

    /// The same of a record that was put into other words: those are read, and rules see its own.
    pub(super) fn read_as(
        &mut self,
        words: &Value,
        record: &Value,
        key: &str,
        now_ms: i64,
        counts: &mut LineCounts,
    ) -> Option<Polled> {
        counts.line();
        match self.json.read_object(words, &self.zone, now_ms) {
            Outcome::Nothing => None,
            Outcome::Unknown => {
                counts.unparsed();
                None
            }
            Outcome::Event(reading) => {
                let [source, place] = &self.origin;
                Some(Polled {
                    reading,
                    event_id: event_id(&[source.as_bytes(), place.as_bytes(), key.as_bytes()]),
                    line: truncate(&record.to_string(), TEXT_MAX_BYTES).to_owned(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Fields, LogFormat};
    use super::*;

    #[test]
    fn of_a_record_as_much_is_held_as_rules_look_at() {
        let config = LogConfig {
            format: LogFormat::Json,
            service: Some("crm".to_owned()),
            kind: Some("app_login".to_owned()),
            fields: Fields {
                time: Some("at".to_owned()),
                ..Fields::default()
            },
            ..LogConfig::default()
        };
        let mut reader = Reader::new("sql", "crm", &config).unwrap();
        let long = "ä".repeat(100_000);
        let record = serde_json::json!({"at": "2026-11-25T09:35:36Z", "note": long});
        let mut counts = LineCounts::default();
        let polled = reader.read(&record, "1", 1_795_599_336_000, &mut counts);
        let line = polled.unwrap().line;
        assert!(line.len() <= TEXT_MAX_BYTES && line.len() > TEXT_MAX_BYTES - 4);
        assert!(line.starts_with("{\"at\":"), "{}", &line[..50]);
    }
}
