//! From contents to numbered records, and back to what a record says was dropped.

use crmscope_proto::chain::{Digest, Head, Link, rows_digest, wire_link};
use crmscope_proto::payload::{Contents, open};
use crmscope_proto::v1::{Batch, DropRange, LaneState};
use crmscope_proto::{Id, Lane, seal};
use prost::Message as _;

use super::record::SEQUENCE_MAX;
use super::{Origin, Record};

/// Contents in the form in which they are stored and sent, without their numbers: the costly part of
/// an append, which needs no spool.
#[derive(Debug)]
pub struct Sealed {
    pub(super) lane: Lane,
    pub(super) created_ms: i64,
    batches: Vec<Made>,
    /// Rows of which a batch alone passes the limits.
    pub(super) left_out: u64,
}

/// A batch without its number.
#[derive(Debug)]
struct Made {
    batch: Batch,
    /// Whether it reports drops.
    drops: bool,
    /// Digest of its rows, where it belongs to a chain.
    rows_digest: Option<Digest>,
}

impl Sealed {
    /// Seals contents, in as many batches as the limits ask for.
    #[must_use]
    pub fn new(origin: &Origin, lane: Lane, contents: &Contents, created_ms: i64) -> Self {
        let envelope = Batch {
            agent_id: origin.agent_id.clone(),
            boot_id: origin.boot_id.to_wire(),
            start_id: origin.start_id.to_wire(),
            // As long as they can be, for the limits; see [`Sealed::number`].
            spool_id: Id::default().to_wire(),
            sequence: SEQUENCE_MAX,
            lane: lane.into(),
            created_ms,
            chain: (lane == Lane::Security).then(|| {
                let longest = Head {
                    sequence: SEQUENCE_MAX,
                    created_ms: i64::MIN,
                    link: Digest::default(),
                };
                wire_link(Digest::default(), Some(longest))
            }),
            ..Batch::default()
        };
        let mut batches = Vec::new();
        let left_out = seal_all(contents, &envelope, &mut batches);
        Self {
            lane,
            created_ms,
            batches,
            left_out,
        }
    }

    /// Records that belong together, numbered from `first_sequence`; those of a chain follow `head`.
    pub(super) fn number(
        &self,
        spool_id: Id,
        first_sequence: u64,
        mut head: Option<Head>,
    ) -> Vec<Record> {
        let numbered = self.batches.iter().zip(first_sequence..);
        let mut records: Vec<Record> = numbered
            .map(|(made, sequence)| {
                let batch = Batch {
                    spool_id: spool_id.to_wire(),
                    sequence,
                    chain: made.rows_digest.map(|digest| wire_link(digest, head)),
                    ..made.batch.clone()
                };
                if made.rows_digest.is_some() {
                    head = head_of(&batch);
                }
                Record {
                    sequence,
                    created_ms: self.created_ms,
                    items: batch.items,
                    continues: true,
                    drops: made.drops,
                    checkpoint: Vec::new(),
                    batch: batch.encode_to_vec(),
                    head,
                }
            })
            .collect();
        if let Some(last) = records.last_mut() {
            last.continues = false;
        }
        records
    }
}

/// In halves where contents are too large.
fn seal_all(contents: &Contents, envelope: &Batch, batches: &mut Vec<Made>) -> u64 {
    match seal(contents, envelope.clone()) {
        Ok(batch) => {
            let chained = batch.chain.is_some();
            batches.push(Made {
                batch,
                drops: !contents.drops.is_empty(),
                rows_digest: chained.then(|| rows_digest(&contents.security)),
            });
            0
        }
        // Kept, it would hold up its lane for ever.
        Err(error) if contents.items() < 2 => {
            tracing::error!(lane = envelope.lane, %error, "a row does not fit in a batch and is dropped; this is a bug");
            contents.items() as u64
        }
        Err(_) => {
            let (first, second) = contents.clone().split();
            seal_all(&first, envelope, batches) + seal_all(&second, envelope, batches)
        }
    }
}

/// The chain's head once this batch is in it; `None` where it is in none.
fn head_of(batch: &Batch) -> Option<Head> {
    Some(Link::of(batch).ok()??.head())
}

/// The same of an encoded batch.
pub(super) fn head_of_encoded(batch: &[u8]) -> Option<Head> {
    head_of(&Batch::decode(batch).ok()?)
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
