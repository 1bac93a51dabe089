//! What a block is known by: its number in the journal, or its range of a partition of the log.
//!
//! Owns the deduplication tokens. Promises that two blocks of different contents never have the
//! same token, and that a block has the same tokens whoever inserts it.

use std::sync::Arc;

/// One partition of the log, as one group of writers reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPartition {
    /// Topic.
    pub topic: String,
    /// Partition; from 0.
    pub partition: i32,
    name: String,
}

impl LogPartition {
    /// A partition that `group` reads.
    #[must_use]
    pub fn new(topic: &str, partition: i32, group: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            // Another group begins at offset 0 again: its blocks are others.
            name: format!("{topic}/{partition}@{group}"),
        }
    }

    /// `topic/partition@group`: the ledger's `log_partition`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a block is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its number in the journal.
    Journal(u64),
    /// Offsets of a partition.
    Log {
        /// The partition.
        partition: Arc<LogPartition>,
        /// First offset.
        begin: u64,
        /// Offset after the last.
        end: u64,
    },
}

impl From<u64> for Origin {
    fn from(block: u64) -> Self {
        Self::Journal(block)
    }
}

impl Origin {
    /// The ledger's `block`: the number in the journal, or the first offset.
    #[must_use]
    pub const fn block(&self) -> u64 {
        match self {
            Self::Journal(block) => *block,
            Self::Log { begin, .. } => *begin,
        }
    }

    /// The ledger's `log_partition`; empty without a log.
    #[must_use]
    pub fn log_partition(&self) -> &str {
        match self {
            Self::Journal(_) => "",
            Self::Log { partition, .. } => partition.name(),
        }
    }

    /// Topic and partition; empty and 0 without a log.
    #[must_use]
    pub fn topic_partition(&self) -> (&str, u32) {
        match self {
            Self::Journal(_) => ("", 0),
            Self::Log { partition, .. } => (
                &partition.topic,
                u32::try_from(partition.partition).unwrap_or_default(),
            ),
        }
    }

    /// The token of this block's insert into a table.
    #[must_use]
    pub fn token(&self, table: &str) -> String {
        match self {
            Self::Journal(block) => format!("{table}-{block}"),
            Self::Log {
                partition,
                begin,
                end,
            } => format!("{table}-{}-{begin}-{end}", partition.name()),
        }
    }
}
