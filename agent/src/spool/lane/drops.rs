//! What a lane gives up: the oldest for want of room, or what the disk lost.
//!
//! A range is first recorded in the presence lane and then given up, so that a crash between
//! leaves it recorded; the next start finds the record and finishes. A range is recorded once: what
//! lies above the settled sequence is kept in the state until that has passed it.

use std::io;

use crmscope_proto::v1::{DropRange, DropReason};

use super::{LaneSpool, state};
use crate::spool::damage::Piece;

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
    pub(in crate::spool) fn oldest(&mut self) -> io::Result<Option<Oldest>> {
        self.commit_written();
        let Some(segment) = self
            .segments
            .iter()
            .find(|segment| segment.last_sequence > self.settled_sequence)
        else {
            return Ok(None);
        };
        let records = match segment.read_all(self.disk.as_ref(), self.settled_sequence) {
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

    /// Whether dropping the oldest segment makes room on the disk.
    pub(in crate::spool) fn frees_when_dropped(&self) -> bool {
        let waits = self.next_sequence - 1 > self.settled_sequence;
        waits && self.frees_room()
    }

    /// Gives up the room that is kept for the state file, until something is freed.
    pub(in crate::spool) fn release_reserve(&self) {
        state::release_reserve(self.disk.as_ref(), &self.directory);
    }

    /// The parts of a range that are neither settled nor reported.
    pub(in crate::spool) fn unreported(&self, range: &DropRange) -> Vec<DropRange> {
        self.without(range, &[])
    }

    /// The parts of a range that are neither settled nor reported, nor among others.
    fn without(&self, range: &DropRange, others: &[DropRange]) -> Vec<DropRange> {
        let mut known: Vec<(u64, u64)> = self
            .reported
            .iter()
            .chain(others)
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
        self.commit_written();
        self.noticed.retain(|noticed| !covers(range, noticed));
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
        self.settle_tail();
        self.settle()?;
        self.settle_tail();
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
            let records = match segment.read_all(self.disk.as_ref(), before) {
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

    /// Takes what was found damaged since the last time.
    pub(in crate::spool) fn take_pieces(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.pieces)
    }

    /// Takes the last error of something that was only tried.
    pub(in crate::spool) const fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Goes on without a segment whose file somebody removed.
    pub(super) fn forget_vanished(&mut self, first_sequence: u64) {
        // What is appended next must not go into a file that has no name any more.
        self.roll_back();
        let Some(position) = self
            .segments
            .iter()
            .position(|segment| segment.first_sequence == first_sequence)
        else {
            return;
        };
        if let Some(segment) = self.segments.remove(position)
            && segment.last_sequence >= segment.first_sequence
        {
            tracing::error!(lane = self.lane.name(), path = %segment.path.display(), "a segment was removed by somebody");
            let mut gaps = Gaps::from(segment.first_sequence.saturating_sub(1));
            gaps.end(segment.last_sequence, segment.last_ms);
            self.notice(&gaps);
        }
        self.cursor = super::Cursor::default();
    }

    /// Remembers what is missing, to be reported once.
    pub(super) fn notice(&mut self, gaps: &Gaps) {
        for gap in &gaps.found {
            let [first, last] = gap.sequences;
            let range = self.lost(first, last, gap.times_ms[0], gap.times_ms[1]);
            for part in self.without(&range, &self.noticed) {
                self.noticed.push(part.clone());
                self.vanished.push(part);
            }
        }
    }

    /// Syncs what is written, before something is done to its segment. Where that cannot be, the
    /// segment holds only what is durable.
    pub(super) fn commit_written(&mut self) {
        if self.tail.is_written()
            && let Err(error) = self.commit()
        {
            self.trouble = Some(error);
        }
    }
}

fn covers(outer: &DropRange, inner: &DropRange) -> bool {
    outer.first_sequence <= inner.first_sequence && inner.last_sequence <= outer.last_sequence
}

/// Finds numbers that are missing between records.
#[derive(Debug)]
pub(super) struct Gaps {
    pub(super) last_sequence: u64,
    last_ms: Option<i64>,
    found: Vec<Gap>,
}

#[derive(Debug)]
struct Gap {
    sequences: [u64; 2],
    times_ms: [i64; 2],
}

impl Gaps {
    /// Nothing up to `last_sequence` is looked for.
    pub(super) const fn from(last_sequence: u64) -> Self {
        Self {
            last_sequence,
            last_ms: None,
            found: Vec::new(),
        }
    }

    /// Time of the last record, 0 when there was none.
    pub(super) fn last_ms(&self) -> i64 {
        self.last_ms.unwrap_or(0)
    }

    /// A record is there.
    pub(super) fn pass(&mut self, sequence: u64, created_ms: i64) {
        self.end(sequence.saturating_sub(1), created_ms);
        self.last_sequence = self.last_sequence.max(sequence);
        self.last_ms = Some(created_ms);
    }

    /// There were to be records up to `sequence`, the last of about that time.
    pub(super) fn end(&mut self, sequence: u64, last_ms: i64) {
        if sequence > self.last_sequence {
            self.found.push(Gap {
                sequences: [self.last_sequence + 1, sequence],
                times_ms: [self.last_ms.unwrap_or(last_ms), last_ms],
            });
            self.last_sequence = sequence;
        }
    }
}
