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
use crate::storage::{JournalRow, JournalTable};
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;
use crate::writer::patient::Patient;

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

/// What a collector does with the newest block of the journal at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It was settled, as the ledger goes on after it; or there is none.
    Nothing,
    /// Repeat it: where it is whole already, its tokens are known and nothing changes.
    Repeat,
    /// It was restored from a backup and is whole: nothing would know a repetition.
    RestoredWhole,
    /// It was restored from a backup that was made while it was written.
    RestoredOpen,
}

impl Recovery {
    /// By the newest blocks of the journal and of the ledger, each 0 where there is none.
    #[must_use]
    pub const fn of(newest: u64, ledger: u64, table: JournalTable) -> Self {
        if newest == 0 || newest < ledger {
            return Self::Nothing;
        }
        let are_tokens_known = match table {
            // Written by an older version, which could not tell.
            JournalTable::Unnoted => true,
            JournalTable::KnownFrom(block) => newest >= block,
            JournalTable::Restored => false,
        };
        match (are_tokens_known, newest == ledger) {
            (true, _) => Self::Repeat,
            (false, true) => Self::RestoredWhole,
            (false, false) => Self::RestoredOpen,
        }
    }

    /// The entries to write again; tells what is done and why.
    ///
    /// # Errors
    /// When the block is damaged.
    pub async fn entries(
        self,
        newest: u64,
        patient: &Patient,
    ) -> Result<Option<Vec<Entry>>, Error> {
        match self {
            Self::Nothing => return Ok(None),
            Self::RestoredWhole => {
                tracing::info!(
                    block = newest,
                    "the journal was restored from a backup, and its newest block is whole: it is not repeated"
                );
                return Ok(None);
            }
            Self::RestoredOpen => tracing::warn!(
                block = newest,
                "the journal was restored from a backup that was made while its newest block was written; what the backup has of that block counts twice now: where that matters, restore a backup that was made with collectors stopped"
            ),
            Self::Repeat => {
                tracing::info!(block = newest, "repeating the newest block of the journal");
            }
        }
        let rows = patient
            .until_done("reading a journal block", || {
                patient.storage.journal_rows(newest)
            })
            .await;
        replay(newest, rows).map(Some)
    }
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
    fn a_block_is_repeated_only_where_its_tokens_are_known() {
        use JournalTable::{KnownFrom, Restored, Unnoted};
        for (newest, ledger, table, want) in [
            (0, 0, Restored, Recovery::Nothing),
            (5, 9, KnownFrom(0), Recovery::Nothing),
            (9, 9, Unnoted, Recovery::Repeat),
            (9, 7, Unnoted, Recovery::Repeat),
            (9, 9, KnownFrom(9), Recovery::Repeat),
            (9, 7, KnownFrom(0), Recovery::Repeat),
            // Restored, and a collector has been here since without writing a block of its own.
            (9, 9, KnownFrom(10), Recovery::RestoredWhole),
            (9, 9, Restored, Recovery::RestoredWhole),
            (9, 7, Restored, Recovery::RestoredOpen),
            (9, 7, KnownFrom(10), Recovery::RestoredOpen),
        ] {
            assert_eq!(
                Recovery::of(newest, ledger, table),
                want,
                "{newest} {ledger} {table:?}"
            );
        }
    }

    #[test]
    fn block_numbers_only_rise_whatever_the_clock_does() {
        assert_eq!(first_block(0, 1000), 1000);
        assert_eq!(first_block(5000, 1000), 5002);
        assert_eq!(next_block(5002, 1000), 5003);
        assert_eq!(next_block(5002, 9000), 9000);
    }
}
