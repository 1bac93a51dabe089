//! What a line means, and its row.

use std::net::IpAddr;

use crmscope_proto::payload::{SecurityRow, truncate};
use crmscope_proto::v1::SecurityEvent;
use sha2::{Digest, Sha256};

pub(super) use super::kind::{Kind, Status};

/// Longest text of an event, bytes.
const TEXT_MAX_BYTES: usize = 256;

/// A line that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    pub(super) kind: Kind,
    pub(super) status: Status,
    pub(super) method: &'a str,
    pub(super) user: &'a str,
    pub(super) target_user: &'a str,
    /// As logged; checked when it becomes a row.
    pub(super) address: &'a str,
    pub(super) port: u16,
    pub(super) count: u32,
    /// Data records concerned; 0 where the line tells none.
    pub(super) records: u64,
    pub(super) detail: &'a str,
    /// What the line makes worse than its kind is.
    pub(super) severity_at_least: u32,
}

impl<'a> Event<'a> {
    pub(super) fn new(kind: Kind, status: Status) -> Self {
        Self {
            kind,
            status,
            method: "",
            user: "",
            target_user: "",
            address: "",
            port: 0,
            count: 1,
            records: 0,
            detail: "",
            severity_at_least: 0,
        }
    }

    pub(super) fn from(self, peer: super::sshd::Peer<'a>) -> Self {
        Self {
            address: peer.address,
            port: peer.port,
            ..self
        }
    }
}

/// What a parser made of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// An event.
    Event(Event<'a>),
    /// Known, and no event: start messages, or what another line says better.
    Nothing,
    /// Not understood.
    Unknown,
}

impl<'a> From<Option<Event<'a>>> for Meaning<'a> {
    fn from(event: Option<Event<'a>>) -> Self {
        event.map_or(Self::Unknown, Self::Event)
    }
}

/// Who wrote a line, when and where it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) time_ms: i64,
    pub(super) service: &'a str,
    pub(super) process_id: u32,
    pub(super) event_id: [u8; 16],
}

/// Identity of an event: a hash of where it was read, so that reading it again gives the same.
pub(super) fn event_id(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    id
}

/// The row of an event, its texts bounded.
pub(super) fn row(event: &Event<'_>, origin: &Origin<'_>) -> SecurityRow {
    let bounded = |text: &str| truncate(text, TEXT_MAX_BYTES).to_owned();
    let (class_uid, activity_id) = event.kind.class(event.status);
    SecurityRow {
        event: SecurityEvent {
            event_id: origin.event_id.to_vec(),
            time_ms: origin.time_ms,
            class_uid,
            activity_id,
            status_id: event.status as u32,
            severity_id: event
                .kind
                .severity(event.status)
                .max(event.severity_at_least),
            user: bounded(event.user),
            target_user: bounded(event.target_user),
            source_address: address(event.address).to_owned(),
            source_port: u32::from(event.port),
            process_id: origin.process_id,
            count: event.count.max(1),
            records: event.records,
            detail: bounded(event.detail),
            ..SecurityEvent::default()
        },
        kind: event.kind.name().to_owned(),
        service: bounded(origin.service),
        method: bounded(event.method),
    }
}

/// The address if it is one, or a host name; empty for anything else.
fn address(text: &str) -> &str {
    // fe80::1%eth0: the zone is the host's own word.
    let bare = text.split_once('%').map_or(text, |(bare, _)| bare);
    let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let named =
        !text.is_empty() && text.len() <= 253 && text != "UNKNOWN" && text.bytes().all(host);
    if bare.parse::<IpAddr>().is_ok() && text.len() <= TEXT_MAX_BYTES || named {
        text
    } else {
        ""
    }
}
