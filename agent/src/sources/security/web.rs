//! The row of a request that a rule matched.

use crmscope_proto::payload::SecurityRow;

use super::event::{Event, Kind, Origin, Status, event_id, row};

/// A request, with nothing in its texts that must not leave the host.
#[derive(Clone, Copy, Debug)]
pub(in crate::sources) struct WebRequest<'a> {
    pub(in crate::sources) time_ms: i64,
    pub(in crate::sources) service: &'a str,
    pub(in crate::sources) method: &'a str,
    pub(in crate::sources) status: u16,
    /// The client's, as logged.
    pub(in crate::sources) address: &'a str,
    pub(in crate::sources) detail: &'a str,
}

/// Where a line was read, and what it says: the same when it is read again.
#[derive(Clone, Copy, Debug)]
pub(in crate::sources) struct Place<'a> {
    pub(in crate::sources) path: &'a str,
    pub(in crate::sources) offset: u64,
    pub(in crate::sources) line: &'a [u8],
}

/// Its row, without the rules.
pub(in crate::sources) fn web_row(request: &WebRequest<'_>, place: &Place<'_>) -> SecurityRow {
    let status = match request.status {
        100..=399 => Status::Success,
        400..=599 => Status::Failure,
        _ => Status::Unknown,
    };
    let event = Event {
        method: request.method,
        address: request.address,
        detail: request.detail,
        ..Event::new(Kind::WebRequest, status)
    };
    let offset = place.offset.to_le_bytes();
    let origin = Origin {
        time_ms: request.time_ms,
        service: request.service,
        process_id: 0,
        event_id: event_id(&[b"web", place.path.as_bytes(), &offset, place.line]),
    };
    let mut row = row(&event, &origin);
    row.event.activity_id = activity(request.method);
    row
}

/// OCSF's number of a method.
fn activity(method: &str) -> u32 {
    let methods = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE",
    ];
    let known = methods.iter().zip(1..).find(|(name, _)| **name == method);
    known.map_or(99, |(_, number)| number)
}
