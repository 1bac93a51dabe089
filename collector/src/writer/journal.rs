//! The journal: what a block is made of, kept until the block is whole in every table.
//!
//! Owns the journal's insert and the recovery of its open end. Promises: only the newest block of
//! the journal can be unsettled, because a block is journaled after the one before it is in the
//! ledger. An older block that is missing from the ledger was written by a collector that died
//! before it knew: it was never acknowledged, so its agents sent its batches again, and it is left
//! alone. Leaves the inserts themselves to the writer.

use crmscope_proto::v1::Batch;
use prost::Message;

use crate::error::{Code, Error};
use crate::judge::{Entry, judge};
use crate::storage::JournalRow;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// The insert that makes a block's content durable.
#[must_use]
pub fn insert(block: u64, entries: &[Entry]) -> Insert {
    let mut native = Block::new(entries.len(), 64);
    native.u64("block", entries.iter().map(|_| block));
    native.u32(
        "position",
        (0..entries.len()).map(|position| u32::try_from(position).unwrap_or(u32::MAX)),
    );
    native.datetime_ms("received_at", entries.iter().map(|entry| entry.received_ms));
    native.string("batch", entries.iter().map(|entry| &entry.encoded[..]));
    Insert::new("journal", &Origin::Journal(block), entries.len(), native)
}

/// The entries of a journal block, judged as they were at the door.
///
/// # Errors
/// When a row is no batch: the journal was damaged or written by a newer version.
pub fn replay(block: u64, rows: Vec<JournalRow>) -> Result<Vec<Entry>, Error> {
    let damaged = |position: usize, error: String| {
        Error::new(
            Code::Internal,
            format!(
                "journal block {block}, position {position}: {error}; start the version that wrote it, or, to give the block up, drop it from crmscope.journal: its agents were not told that it is stored"
            ),
        )
    };
    rows.into_iter()
        .enumerate()
        .map(|(position, row)| {
            let batch =
                Batch::decode(row.batch).map_err(|error| damaged(position, error.to_string()))?;
            judge(&batch, row.received_ms).map_err(|error| damaged(position, error.to_string()))
        })
        .collect()
}

/// The first block number of a collector that found `newest` in the tables. It leaves one number
/// out: a predecessor's last insert may still be on its way with that.
#[must_use]
pub fn first_block(newest: u64, now_ms: i64) -> u64 {
    (newest + 2).max(now_ms.unsigned_abs())
}

/// The number after `last`.
#[must_use]
pub fn next_block(last: u64, now_ms: i64) -> u64 {
    (last + 1).max(now_ms.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_numbers_only_rise_whatever_the_clock_does() {
        assert_eq!(first_block(0, 1000), 1000);
        assert_eq!(first_block(5000, 1000), 5002);
        assert_eq!(next_block(5002, 1000), 5003);
        assert_eq!(next_block(5002, 9000), 9000);
    }
}
