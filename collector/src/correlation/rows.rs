//! Rows of ClickHouse's answers.

use crmscope_proto::Id;
use serde::Deserialize;

use super::finding::{Figures, Finding};
use crate::error::{Code, Error};

/// What was stored lately.
#[derive(Deserialize)]
pub(super) struct News {
    /// By ClickHouse's clock.
    pub(super) now_ms: i64,
    pub(super) rules: Vec<String>,
}

/// Up to when whoever looked before looked.
#[derive(Deserialize)]
pub(super) struct Looked {
    pub(super) looked_ms: i64,
    pub(super) rules: String,
    pub(super) now_ms: i64,
}

/// A key with new events, and of what time they are.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Touched {
    pub(crate) key: Vec<String>,
    pub(crate) key_hash: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

#[derive(Deserialize)]
pub(super) struct EventRow {
    pub(super) key_place: usize,
    pub(super) rule_place: u32,
    pub(super) ts_ms: i64,
    pub(super) event_id: String,
    pub(super) events: u64,
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct FiguresRow {
    pub(super) place: usize,
    pub(super) events: u64,
    pub(super) distinct_values: u64,
    pub(super) hosts: Vec<String>,
    pub(super) hosts_total: u64,
    pub(super) users: Vec<String>,
    pub(super) users_total: u64,
    pub(super) sources: Vec<String>,
    pub(super) sources_total: u64,
    pub(super) events_from_ms: i64,
    pub(super) events_to_ms: i64,
}

#[derive(Deserialize)]
pub(super) struct FindingRow {
    pub(super) finding_id: String,
    pub(super) rule_id: String,
    pub(super) title: String,
    pub(super) level: String,
    pub(super) group_by: Vec<String>,
    pub(super) group_key: Vec<String>,
    pub(super) key_hash: u64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) timespan_ms: i64,
    pub(super) suppress_ms: i64,
    pub(super) events: u64,
    pub(super) distinct_values: u64,
    pub(super) hosts: Vec<String>,
    pub(super) hosts_total: u64,
    pub(super) users: Vec<String>,
    pub(super) users_total: u64,
    pub(super) sources: Vec<String>,
    pub(super) sources_total: u64,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) summary: String,
    pub(super) found_ms: i64,
    pub(super) changed_ms: i64,
    pub(super) ended_ms: i64,
    pub(super) merged_into: String,
    pub(super) generation: u16,
    pub(super) version: u64,
}

/// The row of an answer that has one.
pub(crate) fn only<T>(what: &str, rows: Vec<T>) -> Result<T, Error> {
    let row = rows.into_iter().next();
    row.ok_or_else(|| Error::new(Code::Internal, format!("ClickHouse: {what}: no row")))
}

/// An id out of a table.
pub(super) fn id(table: &str, text: &str) -> Result<Id, Error> {
    Id::parse(text).map_err(|error| Error::new(Code::Internal, format!("{table}: {error}")))
}

/// A finding out of its row.
pub(super) fn finding(row: FindingRow) -> Result<Finding, Error> {
    Ok(Finding {
        finding_id: id("findings", &row.finding_id)?,
        merged_into: id("findings", &row.merged_into)?,
        rule_id: row.rule_id,
        title: row.title,
        level: row.level,
        group_by: row.group_by,
        group_key: row.group_key,
        key_hash: row.key_hash,
        first_ms: row.first_ms,
        last_ms: row.last_ms,
        timespan_ms: row.timespan_ms,
        suppress_ms: row.suppress_ms,
        figures: Figures {
            events: row.events,
            distinct_values: row.distinct_values,
            hosts: row.hosts,
            hosts_total: row.hosts_total,
            users: row.users,
            users_total: row.users_total,
            sources: row.sources,
            sources_total: row.sources_total,
            from_ms: row.from_ms,
            to_ms: row.to_ms,
        },
        summary: row.summary,
        found_ms: row.found_ms,
        changed_ms: row.changed_ms,
        ended_ms: row.ended_ms,
        generation: row.generation,
    })
}
