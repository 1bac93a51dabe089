//! What a lane gives up: the oldest for want of room, or what the disk lost.
//!
//! A range is first recorded in the presence lane and then given up, so that a crash between
//! leaves it recorded; the next start finds the record and finishes. A range is recorded once: what
//! lies above the settled sequence is kept in the state until that has passed it.

use std::io;

use crmscope_proto::v1::{DropRange, DropReason};

use super::LaneSpool;

/// Most ranges that a lane remembers to have reported; they are few, or the disk is beyond help.
const REPORTED_MAX: usize = 4096;

/// The oldest segment, to be given up.
pub(in crate::spool) struct Oldest {
    /// What is not settled of it.
    pub(in crate::spool) ranges: Vec<DropRange>,
    /// Batches in it that report drops, and must be said again.
    pub(in crate::spool) drops: Vec<Vec<u8>>,
}

impl LaneSpool {
    /// The oldest segment that is not settled; `None` when there is none.
    pub(in crate::spool) fn oldest(&self) -> io::Result<Option<Oldest>> {
        let Some(segment) = self
            .segments
            .iter()
            .find(|segment| segment.last_sequence > self.settled_sequence)
        else {
            return Ok(None);
        };
        let records = match segment.read_all(self.settled_sequence) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            outcome => outcome?,
        };
        // From the settled sequence on: nothing before may stay in doubt.
        let whole = DropRange {
            reason: DropReason::SpoolFull.into(),
            ..self.lost(
                self.settled_sequence + 1,
                segment.last_sequence,
                records.first().map_or(0, |record| record.created_ms),
                segment.last_ms,
            )
        };
        let mut ranges = self.unreported(&whole);
        for range in &mut ranges {
            let covered = range.first_sequence..=range.last_sequence;
            let items = records
                .iter()
                .filter(|record| covered.contains(&record.sequence));
            range.items = items.map(|record| u64::from(record.items)).sum();
        }
        let drops = records
            .into_iter()
            .filter(|record| record.drops)
            .map(|record| record.batch);
        Ok(Some(Oldest {
            ranges,
            drops: drops.collect(),
        }))
    }

    /// The parts of a range that are neither settled nor reported.
    pub(in crate::spool) fn unreported(&self, range: &DropRange) -> Vec<DropRange> {
        let mut known: Vec<(u64, u64)> = self
            .reported
            .iter()
            .map(|range| (range.first_sequence, range.last_sequence))
            .collect();
        known.push((0, self.settled_sequence));
        known.sort_unstable();
        let mut parts = Vec::new();
        let mut first_sequence = range.first_sequence;
        for (first, last) in known {
            if first > range.last_sequence {
                break;
            }
            if first_sequence < first {
                parts.push(DropRange {
                    first_sequence,
                    last_sequence: first - 1,
                    ..range.clone()
                });
            }
            first_sequence = first_sequence.max(last + 1);
        }
        if first_sequence <= range.last_sequence {
            parts.push(DropRange {
                first_sequence,
                ..range.clone()
            });
        }
        parts
    }

    /// Gives up a range that is recorded. Doing it again changes nothing.
    pub(in crate::spool) fn give_up(&mut self, range: &DropRange) -> io::Result<()> {
        let parts = self.unreported(range);
        if parts.is_empty() {
            return Ok(());
        }
        let batches = |range: &DropRange| range.last_sequence - range.first_sequence + 1;
        self.dropped_batches += parts.iter().map(batches).sum::<u64>();
        self.dropped_items += range.items;
        self.next_sequence = self.next_sequence.max(range.last_sequence + 1);
        self.reported.extend(parts);
        let excess = self.reported.len().saturating_sub(REPORTED_MAX);
        self.reported.drain(..excess);
        self.settle()?;
        self.write_state()?;
        self.free_settled()
    }

    /// Moves the settled sequence over what is reported, and the position along: what was dropped
    /// is recorded as dropped, and must not be read again.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let before = self.settled_sequence;
        while let Some(next) = self
            .reported
            .iter()
            .position(|range| range.first_sequence <= self.settled_sequence + 1)
        {
            let range = self.reported.swap_remove(next);
            self.settled_sequence = self.settled_sequence.max(range.last_sequence);
        }
        if self.settled_sequence == before {
            return Ok(());
        }
        for segment in &self.segments {
            if segment.last_sequence <= before || segment.first_sequence > self.settled_sequence {
                continue;
            }
            let records = match segment.read_all(before) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                outcome => outcome?,
            };
            let dropped = records
                .into_iter()
                .filter(|record| record.sequence <= self.settled_sequence)
                .rfind(|record| !record.checkpoint.is_empty());
            if let Some(record) = dropped {
                self.acked_checkpoint = record.checkpoint;
            }
        }
        let settled_sequence = self.settled_sequence;
        while self
            .sent_checkpoints
            .pop_front_if(|(sent, _)| *sent <= settled_sequence)
            .is_some()
        {}
        Ok(())
    }

    /// Counts rows that no batch could hold.
    pub(in crate::spool) const fn leave_out(&mut self, items: u64) {
        self.dropped_items += items;
    }

    /// Takes what was found to be gone since the last time, to be reported.
    pub(in crate::spool) fn take_vanished(&mut self) -> Vec<DropRange> {
        std::mem::take(&mut self.vanished)
    }

    /// Goes on without a segment whose file somebody removed.
    pub(super) fn forget_vanished(&mut self, first_sequence: u64) {
        let Some(position) = self
            .segments
            .iter()
            .position(|segment| segment.first_sequence == first_sequence)
        else {
            return;
        };
        if let Some(segment) = self.segments.remove(position) {
            let gone = self.lost(
                segment.first_sequence,
                segment.last_sequence,
                segment.last_ms,
                segment.last_ms,
            );
            let parts = self.unreported(&gone);
            self.vanished.extend(parts);
        }
        // What is appended next must not go into a file that has no name any more.
        self.active = None;
        self.cursor = super::Cursor::default();
    }
}
