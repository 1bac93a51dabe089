//! How far writers are with their partitions, as rows of `log_positions`.
//!
//! Owns the rows and their pace. Promises nothing about their being there: a look that cannot be stored
//! is left out, and who reads the table sees that nothing was told.

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::{Id, Lane};

use super::block::Source;
use crate::clock::now_ms;
use crate::storage::Storage;
use crate::writer::block::{Insert, LogPartition, Origin};
use crate::writer::native::Block;
use crate::writer::tables::{LANE, lane_number};

/// From one row of a partition to its next.
pub(super) const EVERY: Duration = Duration::from_secs(15);

/// One partition, as it is seen now.
#[derive(Clone, Debug)]
pub(super) struct Position {
    partition: Arc<LogPartition>,
    pub(super) lane: Lane,
    /// Everything before this offset is in the tables.
    position: i64,
    /// The offset that the next record gets.
    next_offset: i64,
}

impl Position {
    pub(super) fn new(source: &Source, position: i64, next_offset: i64) -> Self {
        Self {
            partition: Arc::clone(&source.partition),
            lane: source.lane,
            position,
            next_offset,
        }
    }

    /// Records that are not in the tables yet.
    pub(super) fn lag(&self) -> i64 {
        self.next_offset.saturating_sub(self.position).max(0)
    }
}

/// Stores what was seen; once.
pub(super) async fn store(storage: &Storage, collector_id: Id, positions: &[Position]) {
    let Some(insert) = insert(collector_id, now_ms(), positions) else {
        return;
    };
    if let Err(error) = storage.insert(&insert).await {
        tracing::debug!(%error, "where the writers are is not told this time");
    }
}

fn insert(collector_id: Id, at_ms: i64, positions: &[Position]) -> Option<Insert> {
    if positions.is_empty() {
        return None;
    }
    let offset = |offset: i64| offset.max(0).unsigned_abs();
    let mut native = Block::new(positions.len(), 48);
    native.datetime_ms("ts", positions.iter().map(|_| at_ms));
    native.text(
        "log_partition",
        positions.iter().map(|of| of.partition.name()),
    );
    native.enum8(
        "lane",
        LANE,
        positions.iter().map(|of| lane_number(of.lane.into())),
    );
    native.u64("position", positions.iter().map(|of| offset(of.position)));
    native.u64(
        "next_offset",
        positions
            .iter()
            .map(|of| offset(of.next_offset.max(of.position))),
    );
    let origin = Origin::Journal(at_ms.max(0).unsigned_abs());
    let mut insert = Insert::new("log_positions", &origin, positions.len(), native);
    // Several collectors may look in the same millisecond.
    insert.token = format!("{}-{collector_id}", insert.token);
    Some(insert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_lies_between_and_never_negative() {
        let source = Source {
            partition: Arc::new(LogPartition::new("crmscope.metrics.v1", 3, "writers")),
            lane: Lane::Metrics,
        };
        for (position, next_offset, lag) in [
            (7, 10, 3),
            (10, 10, 0),
            (11, 10, 0),
            (0, i64::MAX, i64::MAX),
        ] {
            assert_eq!(Position::new(&source, position, next_offset).lag(), lag);
        }
        let positions = [Position::new(&source, 7, 10)];
        let told = insert(Id([7; 16]), 1_000, &positions).unwrap();
        assert_eq!((told.table, told.rows), ("log_positions", 1));
        assert!(insert(Id([7; 16]), 1_000, &[]).is_none());
    }
}
