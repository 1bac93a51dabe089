//! The spool of one lane: its segments, its sequence, and what was acknowledged.

mod drops;
mod load;
mod state;
mod tail;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crmscope_proto::Lane;
use crmscope_proto::chain::Head;
use crmscope_proto::v1::{DropRange, LaneState};

use super::damage::Piece;
use super::disk::{Disk, DiskFile};
use super::record::Record;
use super::segment::Segment;
use drops::Gaps;
use state::State;
use tail::Tail;

/// A new segment begins once the current one has this many bytes.
///
/// It bounds what is read at once and what an eviction takes.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// An acknowledged segment that is still appended to is replaced beyond this size.
const REWIND_BYTES: u64 = 64 * 1024;

/// One lane's queue on disk.
#[derive(Debug)]
pub(super) struct LaneSpool {
    lane: Lane,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segments: VecDeque<Segment>,
    /// The last segment, open for appending; `None` when it must be opened (again) first.
    active: Option<Box<dyn DiskFile>>,
    /// The last segment was made and its directory not synced since.
    unnamed: bool,
    /// Appended, and not durable yet.
    tail: Tail,
    next_sequence: u64,
    /// Link of the newest batch, where the lane has a chain.
    head: Option<Head>,
    /// Numbers below are not used again after a crash; 0 when those of the segments say it all.
    reserved_sequence: u64,
    acked_sequence: u64,
    /// Everything up to here is settled: acknowledged, or dropped and recorded.
    settled_sequence: u64,
    /// Dropped and recorded, above what is settled.
    reported: Vec<DropRange>,
    acked_checkpoint: Vec<u8>,
    newest_checkpoint: Vec<u8>,
    /// Checkpoints of batches that were read for sending, to be kept on their ack.
    sent_checkpoints: VecDeque<(u64, Vec<u8>)>,
    cursor: Cursor,
    /// Found to be gone, and not reported yet.
    vanished: Vec<DropRange>,
    /// All that was found to be gone and is not given up yet.
    noticed: Vec<DropRange>,
    /// Found damaged, and not told yet.
    pieces: Vec<Piece>,
    /// Why the last read could not make the newest durable first.
    trouble: Option<io::Error>,
    dropped_batches: u64,
    dropped_items: u64,
    /// The next number as the state file has it.
    saved_next_sequence: u64,
    /// Acks that the state file does not have yet.
    unsaved: bool,
    /// What an earlier process left in the last segment may not be durable.
    unproven: bool,
    /// Numbers were settled that never were on disk, and the state file does not say so yet.
    skipped: bool,
}

/// Where reading stopped, so that the next read need not begin at the segment's start.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    segment_first: u64,
    offset: u64,
    sequence: u64,
}

impl LaneSpool {
    pub(super) const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// What the next batch of a chain follows.
    pub(super) const fn head(&self) -> Option<Head> {
        self.head
    }

    /// Where the lane's source stood when its newest kept batch was made.
    pub(super) fn checkpoint(&self) -> &[u8] {
        &self.newest_checkpoint
    }

    /// Keeps a position that no rows came with. While batches wait, theirs are newer on disk and
    /// what is read again after a restart gave no rows either.
    pub(super) fn keep_checkpoint(&mut self, checkpoint: Vec<u8>) -> io::Result<()> {
        let waiting = self.next_sequence - 1 > self.settled_sequence;
        if waiting || checkpoint == self.newest_checkpoint {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.acked_checkpoint, checkpoint.clone());
        if let Err(error) = self.write_state() {
            self.acked_checkpoint = before;
            return Err(error);
        }
        self.newest_checkpoint = checkpoint;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn is_segment_full(&self) -> bool {
        self.segments
            .back()
            .is_some_and(|last| last.bytes >= SEGMENT_BYTES)
    }

    /// The last segment's file, or that of a new segment when it is full or there is none.
    fn take_active(&mut self, first_sequence: u64) -> io::Result<Box<dyn DiskFile>> {
        let active = self.active.take();
        // Numbers in a segment have no gaps: what a damaged end may have held is told by the last
        // number before it.
        if let Some(last) = self.segments.back()
            && last.bytes < SEGMENT_BYTES
            && last.last_sequence + 1 == first_sequence
        {
            match active.map_or_else(|| last.reopen(self.disk.as_ref()), Ok) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let vanished = last.first_sequence;
                    self.forget_vanished(vanished);
                }
                outcome => return outcome,
            }
        }
        self.unnamed = true;
        let (segment, file) = Segment::create(self.disk.as_ref(), &self.directory, first_sequence)?;
        self.segments.push_back(segment);
        Ok(file)
    }

    /// Batches above `after`, oldest first: those that are durable, or whose numbers are reserved.
    pub(super) fn read(
        &mut self,
        after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> io::Result<Vec<Record>> {
        if self.tail.is_written()
            && let Err(error) = self.commit()
        {
            self.trouble = Some(error);
        }
        let after = after.max(self.settled_sequence);
        let mut cursor = if self.cursor.sequence == after {
            self.cursor
        } else {
            Cursor::default()
        };
        let (mut records, mut size, mut vanished) = (Vec::new(), 0, None);
        if let Err(error) = self.prove() {
            self.trouble = Some(error);
        }
        let proven = self.segments.len() - usize::from(self.unproven);
        let mut gaps = Gaps::from(after);
        for segment in self
            .segments
            .iter()
            .take(proven)
            .filter(|segment| segment.last_sequence > after)
        {
            if records.len() >= max_batches || size >= max_bytes {
                break;
            }
            let offset = if cursor.segment_first == segment.first_sequence {
                cursor.offset
            } else {
                0
            };
            let reading = segment.read(
                self.disk.as_ref(),
                offset,
                gaps.last_sequence,
                max_batches - records.len(),
                max_bytes - size,
            );
            let reading = match reading {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    vanished = Some(segment.first_sequence);
                    break;
                }
                outcome => outcome?,
            };
            for record in &reading.records {
                size += record.batch.len();
                gaps.pass(record.sequence, record.created_ms);
            }
            if reading.ended {
                gaps.end(segment.last_sequence, segment.last_ms);
            }
            records.extend(reading.records);
            self.pieces.extend(reading.pieces);
            cursor = Cursor {
                segment_first: segment.first_sequence,
                offset: reading.offset,
                sequence: after,
            };
        }
        if let Some(first_sequence) = vanished {
            self.forget_vanished(first_sequence);
            return self.read(after, max_batches, max_bytes);
        }
        self.notice(&gaps);
        for record in self.held() {
            if records.len() >= max_batches || size >= max_bytes {
                break;
            }
            if record.sequence > after {
                size += record.batch.len();
                records.push(record.clone());
            }
        }
        for record in &records {
            cursor.sequence = record.sequence;
            if !record.checkpoint.is_empty() {
                // Read once more to be sent again: not to be held twice.
                while self
                    .sent_checkpoints
                    .pop_back_if(|(sent, _)| *sent >= record.sequence)
                    .is_some()
                {}
                self.sent_checkpoints
                    .push_back((record.sequence, record.checkpoint.clone()));
            }
        }
        self.cursor = cursor;
        Ok(records)
    }

    /// Frees everything up to `sequence`. Anything not sent yet cannot be acknowledged.
    pub(super) fn acknowledge(&mut self, sequence: u64) -> io::Result<()> {
        let sequence = sequence.min(self.next_sequence - 1);
        if sequence <= self.acked_sequence {
            return Ok(());
        }
        self.commit_written();
        self.acked_sequence = sequence;
        self.settled_sequence = self.settled_sequence.max(sequence);
        while let Some((_, checkpoint)) = self
            .sent_checkpoints
            .pop_front_if(|(sent, _)| *sent <= sequence)
        {
            self.acked_checkpoint = checkpoint;
        }
        self.unsaved = true;
        self.settle_tail();
        self.settle()?;
        if self.frees_a_segment() {
            self.write_state()?;
            self.free_settled()?;
        }
        Ok(())
    }

    /// Whether the oldest segment can go. Only then must the state be on disk first: until then a
    /// forgotten ack costs nothing but a resend, which the collector knows as one. Syncing the state
    /// at every ack would be most of what an idle agent costs.
    fn frees_a_segment(&self) -> bool {
        let front = self.segments.front();
        front.is_some_and(|segment| segment.last_sequence <= self.settled_sequence)
            && self.frees_room()
    }

    /// Whether the oldest segment is worth freeing.
    fn frees_room(&self) -> bool {
        self.segments.len() > 1
            || self
                .segments
                .front()
                .is_some_and(|segment| segment.bytes >= REWIND_BYTES)
    }

    /// Begins at one again, with nothing but the position. Nothing may wait.
    pub(super) fn renumber(&mut self) -> io::Result<()> {
        self.rewind();
        (self.active, self.tail, self.reserved_sequence) = (None, Tail::default(), 0);
        self.unproven = false;
        while let Some(segment) = self.segments.front() {
            match self.disk.remove(&segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.segments.pop_front(),
            };
        }
        self.reported.clear();
        (self.next_sequence, self.acked_sequence) = (1, 0);
        // Another spool id, another chain.
        self.head = None;
        self.settled_sequence = 0;
        self.acked_checkpoint.clone_from(&self.newest_checkpoint);
        self.write_state()
    }

    /// Forgets checkpoints of batches under way: the connection they were sent on is gone.
    pub(super) fn rewind(&mut self) {
        self.sent_checkpoints.clear();
        self.cursor = Cursor::default();
    }

    fn free_settled(&mut self) -> io::Result<()> {
        while let Some(segment) = self.segments.front().filter(|_| self.frees_a_segment()) {
            match self.disk.remove(&segment.path) {
                // Somebody was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => outcome?,
            }
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            self.active = None;
        }
        state::keep_reserve(self.disk.as_ref(), &self.directory);
        Ok(())
    }

    /// Where the lane's accounting stands.
    pub(super) fn state(&self) -> LaneState {
        let queued = self
            .segments
            .iter()
            .filter(|segment| segment.last_sequence > self.settled_sequence);
        let reported = self
            .reported
            .iter()
            .map(|range| range.last_sequence - range.first_sequence + 1);
        LaneState {
            lane: self.lane.into(),
            next_sequence: self.next_sequence,
            acked_sequence: self.acked_sequence,
            queued_batches: (self.next_sequence - 1)
                .saturating_sub(self.settled_sequence)
                .saturating_sub(reported.sum()),
            queued_bytes: queued.map(|segment| segment.bytes).sum(),
            dropped_batches: self.dropped_batches,
            dropped_items: self.dropped_items,
            chain: self.head.map(Head::to_wire),
        }
    }

    pub(super) fn write_state(&mut self) -> io::Result<()> {
        let state = State {
            acked_sequence: self.acked_sequence,
            settled_sequence: self.settled_sequence,
            next_sequence: self.next_sequence.max(self.reserved_sequence),
            checkpoint: self.acked_checkpoint.clone(),
            reported: self.reported.clone(),
            head: self.head,
        };
        let next_sequence = state.next_sequence;
        state::write(self.disk.as_ref(), &self.directory, state)?;
        self.saved_next_sequence = next_sequence;
        (self.unsaved, self.skipped) = (false, false);
        Ok(())
    }
}

impl Drop for LaneSpool {
    fn drop(&mut self) {
        if let Err(error) = self.commit() {
            let lane = self.lane.name();
            tracing::warn!(lane, %error, batches = self.tail.records.len(), "the newest batches are not on disk and are lost");
        }
        // The next start is to know what was given out, whatever becomes of the segments.
        let stale = self.unsaved || self.saved_next_sequence < self.next_sequence;
        if stale && let Err(error) = self.write_state() {
            let lane = self.lane.name();
            tracing::warn!(lane, %error, "the state is not kept; what is acknowledged already may be sent again");
        }
    }
}
