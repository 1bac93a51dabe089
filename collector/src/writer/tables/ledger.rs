//! `ledger`: what became of every batch.

use crmscope_proto::Id;
use crmscope_proto::v1::{DropRange, DropReason};

use crate::judge::{Entry, Verdict, drop_times_ms};
use crate::writer::block::{Insert, Origin, uuid_order};
use crate::writer::native::Block;
use crate::writer::tables::{LANE, lane_number};

const DISPOSITION: &str = "Enum8('stored' = 1, 'dropped' = 2, 'sampled' = 3, 'rejected' = 4)";
const STORED: i8 = 1;
const DROPPED: i8 = 2;
const REJECTED: i8 = 4;

struct Row<'a> {
    entry: &'a Entry,
    spool_id: Id,
    lane: i8,
    first_sequence: u64,
    last_sequence: u64,
    items: u64,
    bytes: u64,
    disposition: i8,
    reason: &'static str,
    /// When the first and the last batch were made.
    first_created_ms: i64,
    created_ms: i64,
}

impl<'a> Row<'a> {
    fn of_batch(entry: &'a Entry) -> Self {
        let (disposition, reason) = match &entry.verdict {
            Verdict::Stored(_) => (STORED, ""),
            Verdict::Rejected(rejection) => (REJECTED, rejection.reason),
        };
        let identity = &entry.identity;
        Self {
            entry,
            spool_id: identity.spool_id,
            lane: lane_number(identity.lane.into()),
            first_sequence: identity.sequence,
            last_sequence: identity.sequence,
            items: entry.items.into(),
            bytes: entry.encoded.len() as u64,
            disposition,
            reason,
            first_created_ms: entry.created_ms,
            created_ms: entry.created_ms,
        }
    }

    fn of_range(entry: &'a Entry, range: &DropRange) -> Self {
        let (first_created_ms, created_ms) = drop_times_ms(range, entry);
        Self {
            entry,
            spool_id: Id::from_wire(&range.spool_id).unwrap_or_default(),
            lane: lane_number(range.lane),
            first_sequence: range.first_sequence,
            last_sequence: range.last_sequence,
            items: range.items,
            bytes: 0,
            disposition: DROPPED,
            reason: match range.reason() {
                DropReason::SpoolFull => "spool_full",
                DropReason::SpoolCorrupt => "spool_corrupt",
                DropReason::Unspecified => "unspecified",
            },
            first_created_ms,
            created_ms,
        }
    }
}

/// One row for each batch, and one for each range an agent dropped. There is always one.
#[must_use]
pub fn insert(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<Row<'_>> = entries
        .iter()
        .flat_map(|entry| {
            let drops = entry.contents().map_or(&[][..], |contents| &contents.drops);
            let ranges = drops.iter().map(move |range| Row::of_range(entry, range));
            std::iter::once(Row::of_batch(entry)).chain(ranges)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|a, b| {
        let agents = (a.entry.identity.agent_id).cmp(&b.entry.identity.agent_id);
        let key = |row: &Row<'_>| (uuid_order(row.spool_id), row.lane, row.first_sequence);
        agents.then_with(|| key(a).cmp(&key(b)))
    });
    let identity = || rows.iter().map(|row| &row.entry.identity);
    let mut native = Block::new(rows.len(), 128);
    native.text("agent_id", identity().map(|id| id.agent_id.as_str()));
    native.uuid("boot_id", identity().map(|id| id.boot_id));
    native.uuid("start_id", identity().map(|id| id.start_id));
    native.uuid("spool_id", rows.iter().map(|row| row.spool_id));
    native.enum8("lane", LANE, rows.iter().map(|row| row.lane));
    native.u64("first_sequence", rows.iter().map(|row| row.first_sequence));
    native.u64("last_sequence", rows.iter().map(|row| row.last_sequence));
    native.u64("items", rows.iter().map(|row| row.items));
    native.u64("bytes", rows.iter().map(|row| row.bytes));
    native.enum8(
        "disposition",
        DISPOSITION,
        rows.iter().map(|row| row.disposition),
    );
    native.text("reason", rows.iter().map(|row| row.reason));
    native.datetime_ms("created_at", rows.iter().map(|row| row.created_ms));
    let first_created = rows.iter().map(|row| row.first_created_ms);
    native.datetime_ms("first_created_at", first_created);
    native.datetime_ms("received_at", rows.iter().map(|row| row.entry.received_ms));
    native.u64("block", rows.iter().map(|_| origin.block()));
    native.text("log_partition", rows.iter().map(|_| origin.log_partition()));
    Some(Insert::new("ledger", origin, rows.len(), native))
}
