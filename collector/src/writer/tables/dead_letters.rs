//! `dead_letters`: what no one could read, as it came and with the reason.

use bytes::Bytes;
use crmscope_proto::{Id, Lane};

use crate::judge::{Entry, Rejection, Verdict};
use crate::writer::block::{Beside, Insert, Origin};
use crate::writer::native::Block;
use crate::writer::tables::lane_number;

/// A record of the log that is no batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its offset.
    pub offset: i64,
    /// When its block was announced, Unix ms: a record that cannot be read has no time to trust.
    pub received_ms: i64,
    /// Its key: the agent id, if it were a batch.
    pub key: Bytes,
    /// Why it cannot be read.
    pub detail: String,
    /// Its value.
    pub value: Bytes,
}

struct Row<'a> {
    received_ms: i64,
    agent_id: &'a [u8],
    boot_id: Id,
    start_id: Id,
    spool_id: Id,
    lane: i8,
    sequence: u64,
    detail: &'a str,
    batch: &'a Bytes,
    offset: i64,
}

impl<'a> Row<'a> {
    fn of_batch(entry: &'a Entry, rejection: &'a Rejection, offset: i64) -> Self {
        let identity = &entry.identity;
        Self {
            received_ms: entry.received_ms,
            agent_id: identity.agent_id.as_bytes(),
            boot_id: identity.boot_id,
            start_id: identity.start_id,
            spool_id: identity.spool_id,
            lane: lane_number(Lane::into(identity.lane)),
            sequence: identity.sequence,
            detail: &rejection.detail,
            batch: &entry.encoded,
            offset,
        }
    }

    fn of_record(record: &'a Unreadable) -> Self {
        Self {
            received_ms: record.received_ms,
            agent_id: &record.key,
            boot_id: Id::default(),
            start_id: Id::default(),
            spool_id: Id::default(),
            lane: 0,
            sequence: 0,
            detail: &record.detail,
            batch: &record.value,
            offset: record.offset,
        }
    }
}

/// The rejected batches and the unreadable records, whole and with the reason.
#[must_use]
pub fn insert(origin: &Origin, entries: &[Entry], beside: Beside<'_>) -> Option<Insert> {
    let offsets = beside.offsets.iter().copied().chain(std::iter::repeat(0));
    let rejected = entries
        .iter()
        .zip(offsets)
        .filter_map(|(entry, offset)| match &entry.verdict {
            Verdict::Rejected(rejection) => Some(Row::of_batch(entry, rejection, offset)),
            Verdict::Stored(_) => None,
        });
    let unreadable = beside.unreadable.iter().map(Row::of_record);
    let mut rows: Vec<Row<'_>> = rejected.chain(unreadable).collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by_key(|row| (row.received_ms, row.agent_id));
    let (topic, partition) = origin.topic_partition();
    let mut native = Block::new(rows.len(), 1024);
    native.datetime_ms("received_at", rows.iter().map(|row| row.received_ms));
    native.string("agent_id", rows.iter().map(|row| row.agent_id));
    native.uuid("boot_id", rows.iter().map(|row| row.boot_id));
    native.uuid("start_id", rows.iter().map(|row| row.start_id));
    native.uuid("spool_id", rows.iter().map(|row| row.spool_id));
    native.i8("lane", rows.iter().map(|row| row.lane));
    native.u64("sequence", rows.iter().map(|row| row.sequence));
    native.string("reason", rows.iter().map(|row| row.detail.as_bytes()));
    native.u64("bytes", rows.iter().map(|row| row.batch.len() as u64));
    native.string("batch", rows.iter().map(|row| &row.batch[..]));
    native.text("topic", rows.iter().map(|_| topic));
    native.u32("partition", rows.iter().map(|_| partition));
    native.u64(
        "offset",
        rows.iter()
            .map(|row| u64::try_from(row.offset).unwrap_or_default()),
    );
    Some(Insert::new("dead_letters", origin, rows.len(), native))
}
