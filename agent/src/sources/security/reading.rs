//! An event of a followed log, with texts of its own: unlike those of the journal's messages, they
//! are decoded (hexadecimal, JSON) before they mean something.

use super::event::{Event, Kind, Status};

/// What a log's line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) time_ms: i64,
    pub(super) kind: Kind,
    pub(super) status: Status,
    /// Empty: the one the log is configured with.
    pub(super) service: String,
    pub(super) method: String,
    pub(super) user: String,
    pub(super) target_user: String,
    /// As logged; checked when it becomes a row.
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) process_id: u32,
    pub(super) records: u64,
    pub(super) detail: String,
    pub(super) severity_at_least: u32,
}

impl Reading {
    pub(super) fn new(time_ms: i64, kind: Kind, status: Status) -> Self {
        Self {
            time_ms,
            kind,
            status,
            service: String::new(),
            method: String::new(),
            user: String::new(),
            target_user: String::new(),
            address: String::new(),
            port: 0,
            process_id: 0,
            records: 0,
            detail: String::new(),
            severity_at_least: 0,
        }
    }

    /// The event, to be made a row of.
    pub(super) fn event(&self) -> Event<'_> {
        Event {
            method: &self.method,
            user: &self.user,
            target_user: &self.target_user,
            address: &self.address,
            port: self.port,
            records: self.records,
            detail: &self.detail,
            severity_at_least: self.severity_at_least,
            ..Event::new(self.kind, self.status)
        }
    }
}

/// What a parser made of a log's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An event.
    Event(Box<Reading>),
    /// A line of another kind.
    Nothing,
    /// It should be an event, and was not understood.
    Unknown,
}

impl From<Option<Reading>> for Outcome {
    fn from(reading: Option<Reading>) -> Self {
        reading.map_or(Self::Unknown, |reading| Self::Event(Box::new(reading)))
    }
}
