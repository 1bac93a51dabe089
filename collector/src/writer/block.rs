//! Blocks: from judged batches to the inserts of one block.
//!
//! Owns which tables a block is written to, in which order, and the tokens. Promises: a pure
//! function of the block's number and its journal rows; the same rows give the same bytes, however
//! they arrived. Leaves sending and retrying to the writer.

use bytes::Bytes;
use crmscope_proto::{Id, SeriesKind};

use crate::judge::Entry;
use crate::writer::native;
use crate::writer::tables;

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
    pub fn new(table: &'static str, block: u64, rows: usize, encoded: native::Block) -> Self {
        let (columns, body) = encoded.finish();
        Self {
            table,
            token: format!("{table}-{block}"),
            statement: format!(
                "INSERT INTO crmscope.{table} ({}) FORMAT Native",
                columns.join(", ")
            ),
            rows,
            body,
        }
    }
}

/// The inserts of a block. The ledger is last: a block that is in the ledger is whole.
#[must_use]
pub fn build(block: u64, entries: &[Entry]) -> Vec<Insert> {
    let series = SeriesKind::ALL
        .into_iter()
        .map(|kind| tables::series::insert(block, kind, entries));
    series
        .chain([
            tables::requests::insert(block, entries),
            tables::clients::insert(block, entries),
            tables::exemplars::exemplars(block, entries),
            tables::exemplars::sampling(block, entries),
            tables::security::insert(block, entries),
            tables::presence::heartbeats(block, entries),
            tables::presence::lane_states(block, entries),
            tables::ledger::dead_letters(block, entries),
            tables::ledger::insert(block, entries),
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
