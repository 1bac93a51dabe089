//! Blocks: from judged batches to the inserts of one block.
//!
//! Owns which tables a block is written to, and in which order. Promises: a pure function of what
//! the block is known by and its batches; the same batches in the same order give the same bytes,
//! however they arrived. Leaves sending and retrying to the writer.

use bytes::Bytes;
use crmscope_proto::{Id, SeriesKind};

use crate::judge::Entry;
use crate::writer::native;
pub use crate::writer::origin::{LogPartition, Origin};
use crate::writer::tables;
pub use crate::writer::tables::dead_letters::Unreadable;

/// One insert: a table's rows of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// Table, without the database.
    pub table: &'static str,
    /// Makes any number of repetitions count once.
    pub token: String,
    /// `INSERT INTO … FORMAT Native`.
    pub statement: String,
    /// Rows.
    pub rows: usize,
    /// A block in the Native format.
    pub body: Bytes,
}

impl Insert {
    /// An insert of one encoded block.
    #[must_use]
    pub fn new(table: &'static str, origin: &Origin, rows: usize, encoded: native::Block) -> Self {
        let (columns, body) = encoded.finish();
        Self {
            table,
            token: origin.token(table),
            statement: format!(
                "INSERT INTO crmscope.{table} ({}) FORMAT Native",
                columns.join(", ")
            ),
            rows,
            body,
        }
    }
}

/// What a block out of the log has beside its batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Offset of each batch.
    pub offsets: &'a [i64],
    /// Records that are no batches.
    pub unreadable: &'a [Unreadable],
}

/// The inserts of a block of batches. The ledger is last: a block that is in the ledger is whole.
#[must_use]
pub fn build(origin: impl Into<Origin>, entries: &[Entry]) -> Vec<Insert> {
    build_with(&origin.into(), entries, Beside::default())
}

/// The same, of a block out of the log.
#[must_use]
pub fn build_with(origin: &Origin, entries: &[Entry], beside: Beside<'_>) -> Vec<Insert> {
    let series = SeriesKind::ALL
        .into_iter()
        .map(|kind| tables::series::insert(origin, kind, entries));
    series
        .chain([
            tables::requests::insert(origin, entries),
            tables::clients::insert(origin, entries),
            tables::exemplars::exemplars(origin, entries),
            tables::exemplars::sampling(origin, entries),
            tables::security::insert(origin, entries),
            tables::security::arrivals(origin, entries),
            tables::security::of_users(origin, entries),
            tables::chain::insert(origin, entries),
            tables::presence::heartbeats(origin, entries),
            tables::presence::refused_rules(origin, entries),
            tables::presence::arrivals(origin, entries),
            tables::presence::lane_states(origin, entries),
            tables::dead_letters::insert(origin, entries, beside),
            tables::ledger::insert(origin, entries),
        ])
        .flatten()
        .collect()
}

/// The order in which ClickHouse sorts a UUID: its second half first.
#[must_use]
pub fn uuid_order(id: Id) -> u128 {
    u128::from_be_bytes(id.0).rotate_left(64)
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
