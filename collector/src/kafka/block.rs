//! From the records of a range to the inserts of its block.
//!
//! Promises that a block is a function of its records, its plan, and the marks before it. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use crmscope_proto::{Id, Lane};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::heads;
use super::intake::{Item, Unread};
use super::metrics::Metrics as LogMetrics;
use super::plan::Plan;
use crate::chain::ExternalHead;
use crate::error::{Code, Error};
use crate::judge::Entry;
use crate::storage::Since;
use crate::writer::block::{self, Beside, Insert, LogPartition, Origin, Unreadable};
use crate::writer::marks::Marks;
use crate::writer::metrics::{Disposition, Metrics};

/// A partition and what it carries.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The partition.
    pub(super) partition: Arc<LogPartition>,
    /// Its topic's lane.
    pub(super) lane: Lane,
}

/// What is counted once a block is settled.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) writer: Metrics,
    pub(super) log: LogMetrics,
}

/// Records of the next block.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    items: Vec<Item>,
    rows: usize,
    bytes: usize,
    room: Vec<OwnedSemaphorePermit>,
}

impl Gathered {
    pub(super) fn push(&mut self, item: Item, room: Option<OwnedSemaphorePermit>) {
        // A dead letter is one row, as a batch without rows has one in the ledger.
        self.rows += item.content.as_ref().map_or(1, Entry::rows);
        self.bytes += item.bytes;
        self.items.push(item);
        self.room.extend(room);
    }

    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Offset after the last record; 0 without any.
    pub(super) fn end(&self) -> i64 {
        self.items.last().map_or(0, |item| item.offset + 1)
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = &str> {
        let entries = self
            .items
            .iter()
            .filter_map(|item| item.content.as_ref().ok());
        entries.map(|entry| entry.identity.agent_id.as_str())
    }

    /// The lanes in it, each from its lowest sequence on.
    pub(super) fn lanes(&self) -> Vec<Since> {
        let mut lowest: BTreeMap<(&str, Id), (Lane, u64)> = BTreeMap::new();
        for entry in self
            .items
            .iter()
            .filter_map(|item| item.content.as_ref().ok())
        {
            let identity = &entry.identity;
            let key = (identity.agent_id.as_str(), identity.spool_id);
            let (_, sequence) = lowest
                .entry(key)
                .or_insert((identity.lane, identity.sequence));
            *sequence = identity.sequence.min(*sequence);
        }
        lowest
            .into_iter()
            .map(|((agent_id, spool_id), (lane, sequence))| Since {
                agent_id: agent_id.to_owned(),
                spool_id,
                lane,
                sequence,
            })
            .collect()
    }

    /// Tells fresh batches from those that are stored already, and builds the inserts.
    ///
    /// # Errors
    /// When building panics.
    pub(super) async fn prepare(
        self,
        source: &Source,
        plan: Plan,
        repeated: bool,
        marks: &mut Marks,
    ) -> Result<Prepared, Error> {
        let started = Instant::now();
        let mut fates = Vec::with_capacity(self.items.len());
        let mut poison = Vec::new();
        let (mut entries, mut offsets, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for item in self.items {
            match item.content {
                Ok(entry) => {
                    let fresh = marks.advance(&entry.identity);
                    fates.push((Disposition::of(fresh, &entry.verdict), entry.items));
                    if fresh {
                        entries.push(entry);
                        offsets.push(item.offset);
                    }
                }
                Err(unread) => {
                    poison.push(unread.poison.reason);
                    unreadable.push(dead(unread, item.offset, plan));
                }
            }
        }
        let origin = Origin::Log {
            partition: Arc::clone(&source.partition),
            begin: plan.begin.unsigned_abs(),
            end: plan.end.unsigned_abs(),
        };
        let heads = heads::newest(&entries);
        let build = tokio::task::spawn_blocking(move || {
            let beside = Beside {
                offsets: &offsets,
                unreadable: &unreadable,
            };
            block::build_with(&origin, &entries, beside)
        });
        let inserts = build.await.map_err(|error| {
            let name = source.partition.name();
            Error::new(
                Code::Internal,
                format!("building block {name} {plan}: {error}"),
            )
        })?;
        Ok(Prepared {
            lane: source.lane,
            plan,
            repeated,
            inserts,
            heads,
            done: 0,
            fates,
            poison,
            started,
            _room: self.room,
            turn: None,
        })
    }
}

fn dead(unread: Unread, offset: i64, plan: Plan) -> Unreadable {
    Unreadable {
        offset,
        received_ms: plan.announced_ms,
        key: unread.key,
        detail: unread.poison.detail,
        value: unread.value,
    }
}

/// A block that is ready to be inserted.
#[derive(Debug)]
pub(super) struct Prepared {
    lane: Lane,
    plan: Plan,
    repeated: bool,
    inserts: Vec<Insert>,
    heads: Vec<ExternalHead>,
    done: usize,
    fates: Vec<(Disposition, u32)>,
    poison: Vec<&'static str>,
    started: Instant,
    _room: Vec<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Prepared {
    pub(super) const fn plan(&self) -> Plan {
        self.plan
    }

    /// Keeps a permit until the block is settled.
    pub(super) fn hold(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turn = turn;
    }

    /// Heads of the chains that go on in it.
    pub(super) fn heads(&self) -> &[ExternalHead] {
        &self.heads
    }

    pub(super) fn next_insert(&self) -> Option<&Insert> {
        self.inserts.get(self.done)
    }

    pub(super) const fn inserted(&mut self) {
        self.done += 1;
    }

    /// Counts what became of it, and gives its room back.
    pub(super) fn settle(self, counts: &Counts) {
        for (disposition, items) in self.fates {
            counts.writer.batch(self.lane, disposition, items);
        }
        for reason in self.poison {
            counts.log.poison(self.lane, reason);
        }
        counts.writer.block(self.started.elapsed());
        if self.repeated {
            tracing::info!(
                from_offset = self.plan.begin,
                to_offset = self.plan.end,
                lane = self.lane.name(),
                "the block that was announced before is whole"
            );
        }
    }
}
