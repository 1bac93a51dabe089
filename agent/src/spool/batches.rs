//! From contents to numbered records, and back to what a record says was dropped.

use crmscope_proto::payload::{Contents, open};
use crmscope_proto::v1::{Batch, DropRange, LaneState};
use crmscope_proto::{Id, Lane, seal};
use prost::Message as _;

use super::record::SEQUENCE_MAX;
use super::{Origin, Record};

/// What is the same in all batches of one append.
pub(super) struct Envelope<'a> {
    pub(super) origin: &'a Origin,
    pub(super) spool_id: Vec<u8>,
    pub(super) lane: Lane,
    pub(super) created_ms: i64,
}

impl Envelope<'_> {
    /// Seals contents into records that belong together, numbered from `first_sequence`. Returns
    /// also how many rows were left out, because a batch of the row alone passes the limits.
    pub(super) fn seal(&self, contents: Contents, first_sequence: u64) -> (Vec<Record>, u64) {
        let envelope = Batch {
            agent_id: self.origin.agent_id.clone(),
            boot_id: self.origin.boot_id.to_wire(),
            start_id: self.origin.start_id.to_wire(),
            spool_id: self.spool_id.clone(),
            lane: self.lane.into(),
            created_ms: self.created_ms,
            ..Batch::default()
        };
        let mut records = Vec::new();
        let left_out = seal_all(contents, &envelope, first_sequence, &mut records);
        if let Some(last) = records.last_mut() {
            last.continues = false;
        }
        (records, left_out)
    }
}

/// In halves where contents are too large.
fn seal_all(
    contents: Contents,
    envelope: &Batch,
    first_sequence: u64,
    records: &mut Vec<Record>,
) -> u64 {
    let sequence = first_sequence + records.len() as u64;
    let numbered = Batch {
        sequence,
        ..envelope.clone()
    };
    match seal(&contents, numbered) {
        Ok(batch) => {
            records.push(Record {
                sequence,
                created_ms: envelope.created_ms,
                items: batch.items,
                continues: true,
                drops: !contents.drops.is_empty(),
                checkpoint: Vec::new(),
                batch: batch.encode_to_vec(),
            });
            0
        }
        // Kept, it would hold up its lane for ever.
        Err(error) if contents.items() < 2 => {
            tracing::error!(lane = envelope.lane, %error, "a row does not fit in a batch and is dropped; this is a bug");
            contents.items() as u64
        }
        Err(_) => {
            let (first, second) = contents.split();
            seal_all(first, envelope, first_sequence, records)
                + seal_all(second, envelope, first_sequence, records)
        }
    }
}

/// Ranges that an encoded batch of the presence lane reports.
pub(super) fn drops_of(batch: &[u8]) -> Vec<DropRange> {
    let contents = Batch::decode(batch)
        .ok()
        .and_then(|batch| open(&batch).ok());
    let mut drops = contents.map_or_else(Vec::new, |contents| contents.drops);
    drops.retain(|range| range.last_sequence <= SEQUENCE_MAX);
    drops
}

/// What the newest heartbeat of an encoded batch says of lanes that are numbered under `spool_id`.
pub(super) fn lane_states_of(batch: &[u8], spool_id: Option<Id>) -> Vec<LaneState> {
    let Ok(batch) = Batch::decode(batch) else {
        return Vec::new();
    };
    if Id::from_wire(&batch.spool_id).ok() != spool_id {
        return Vec::new();
    }
    let newest = open(&batch)
        .ok()
        .and_then(|mut contents| contents.heartbeats.pop());
    newest.map_or_else(Vec::new, |heartbeat| heartbeat.lanes)
}
