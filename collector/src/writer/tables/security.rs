//! `security_events`.

use std::collections::BTreeSet;

use crmscope_proto::Id;
use crmscope_proto::payload::SecurityRow;

use crate::judge::{Entry, Identity};
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

const HOUR_MS: i64 = 3_600_000;
/// As roll-ups by user cut names.
const USER_MAX_CHARACTERS: usize = 256;

/// The security events. Narrow fields were checked at the door.
#[must_use]
pub fn insert(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&Identity, &SecurityRow)> = entries
        .iter()
        .filter_map(|entry| Some((&entry.identity, entry.contents()?)))
        .flat_map(|(identity, contents)| contents.security.iter().map(move |row| (identity, row)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|(id_a, a), (id_b, b)| {
        let hour = |row: &SecurityRow| row.event.time_ms.div_euclid(HOUR_MS);
        hour(a)
            .cmp(&hour(b))
            .then_with(|| a.kind.cmp(&b.kind))
            .then_with(|| id_a.agent_id.cmp(&id_b.agent_id))
            .then_with(|| a.event.time_ms.cmp(&b.event.time_ms))
    });
    let each = || rows.iter().map(|(_, row)| *row);
    let event = || rows.iter().map(|(_, row)| &row.event);
    let mut native = Block::new(rows.len(), 192);
    native.uuid(
        "event_id",
        event().map(|event| Id::from_wire(&event.event_id).unwrap_or_default()),
    );
    native.datetime_ms("ts", event().map(|event| event.time_ms));
    let identity = || rows.iter().map(|(identity, _)| *identity);
    native.text("agent_id", identity().map(|id| id.agent_id.as_str()));
    native.u16("class_uid", event().map(|event| narrow(event.class_uid)));
    native.u8(
        "activity_id",
        event().map(|event| narrow(event.activity_id)),
    );
    native.u8("status_id", event().map(|event| narrow(event.status_id)));
    native.u8(
        "severity_id",
        event().map(|event| narrow(event.severity_id)),
    );
    native.text("kind", each().map(|row| row.kind.as_str()));
    native.text("service", each().map(|row| row.service.as_str()));
    native.text("method", each().map(|row| row.method.as_str()));
    native.string("user", event().map(|event| event.user.as_bytes()));
    native.string(
        "target_user",
        event().map(|event| event.target_user.as_bytes()),
    );
    native.string(
        "source_address",
        event().map(|event| event.source_address.as_bytes()),
    );
    native.u16(
        "source_port",
        event().map(|event| narrow(event.source_port)),
    );
    native.u32("process_id", event().map(|event| event.process_id));
    // A message that leaves the field out still tells of one event.
    native.u32("count", event().map(|event| event.count.max(1)));
    native.u64("records", event().map(|event| event.records));
    native.string("detail", event().map(|event| event.detail.as_bytes()));
    let rules: Vec<Vec<&str>> = event()
        .map(|event| event.rules.iter().map(String::as_str).collect())
        .collect();
    native.string_arrays("rules", &rules);
    native.uuid("spool_id", identity().map(|id| id.spool_id));
    native.u64("sequence", identity().map(|id| id.sequence));
    Some(Insert::new("security_events", origin, rows.len(), native))
}

/// What each rule matched, for whoever correlates: a row for each event and rule.
#[must_use]
pub fn arrivals(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let rows: Vec<(&str, &str, &SecurityRow)> = entries
        .iter()
        .filter_map(|entry| Some((entry.identity.agent_id.as_str(), entry.contents()?)))
        .flat_map(|(agent_id, contents)| contents.security.iter().map(move |row| (agent_id, row)))
        .flat_map(|(agent_id, row)| {
            let rules = row.event.rules.iter();
            rules.map(move |rule| (rule.as_str(), agent_id, row))
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let each = || rows.iter().map(|(.., row)| *row);
    let event = || rows.iter().map(|(.., row)| &row.event);
    let mut native = Block::new(rows.len(), 96);
    native.text("rule", rows.iter().map(|(rule, ..)| *rule));
    native.datetime_ms("ts", event().map(|event| event.time_ms));
    native.text("agent_id", rows.iter().map(|(_, agent_id, _)| *agent_id));
    native.text("kind", each().map(|row| row.kind.as_str()));
    native.text("service", each().map(|row| row.service.as_str()));
    native.text("method", each().map(|row| row.method.as_str()));
    native.string("user", event().map(|event| event.user.as_bytes()));
    native.string(
        "target_user",
        event().map(|event| event.target_user.as_bytes()),
    );
    native.string(
        "source_address",
        event().map(|event| event.source_address.as_bytes()),
    );
    Some(Insert::new("security_arrivals", origin, rows.len(), native))
}

/// Which users have new events of which hours, for whoever knows what is usual of them.
#[must_use]
pub fn of_users(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let rows: BTreeSet<(i64, &str)> = entries
        .iter()
        .filter_map(Entry::contents)
        .flat_map(|contents| &contents.security)
        .filter(|row| !row.event.user.is_empty())
        .map(|row| {
            let hour = row.event.time_ms.div_euclid(HOUR_MS);
            (hour, first_characters(&row.event.user, USER_MAX_CHARACTERS))
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let mut native = Block::new(rows.len(), 48);
    // What lies before 1970 or far from now was refused at the door.
    let seconds = |&(hour, _): &(i64, &str)| u32::try_from(hour * 3_600).unwrap_or_default();
    native.datetime("t", rows.iter().map(seconds));
    native.string("user", rows.iter().map(|(_, user)| user.as_bytes()));
    Some(Insert::new("baseline_arrivals", origin, rows.len(), native))
}

fn first_characters(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map(|(end, _)| end);
    end.map_or(text, |end| &text[..end])
}

fn narrow<T: TryFrom<u32> + Default>(value: u32) -> T {
    T::try_from(value).unwrap_or_default()
}
