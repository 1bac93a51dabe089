//! The spool of one lane: its segments, its sequence, and what was acknowledged.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crmscope_proto::Lane;
use crmscope_proto::v1::{DropRange, DropReason, LaneState};

use super::record::{Parsed, Record};
use super::segment::Segment;

/// A new segment begins once the current one has this many bytes.
///
/// It bounds what is read at once and what an eviction takes.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// An acknowledged segment that is still appended to is replaced beyond this size.
const REWIND_BYTES: u64 = 64 * 1024;

const STATE_FILE: &str = "state";

/// One lane's queue on disk.
#[derive(Debug)]
pub(super) struct LaneSpool {
    lane: Lane,
    directory: PathBuf,
    segments: VecDeque<Segment>,
    active: Option<File>,
    next_sequence: u64,
    acked_sequence: u64,
    /// Everything up to here is settled: acknowledged, or dropped and recorded.
    settled_sequence: u64,
    acked_checkpoint: Vec<u8>,
    newest_checkpoint: Vec<u8>,
    /// Checkpoints of batches that were read for sending, to be kept on their ack.
    sent_checkpoints: VecDeque<(u64, Vec<u8>)>,
    cursor: Cursor,
    dropped_batches: u64,
    dropped_items: u64,
}

/// Where reading stopped, so that the next read need not begin at the segment's start.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    segment_first: u64,
    offset: u64,
    sequence: u64,
}

/// What opening a lane found beside healthy records.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Sequences that were given out and are gone.
    pub(super) lost: Vec<DropRange>,
    /// Bytes that belong to no record.
    pub(super) corrupt_bytes: u64,
    /// The first batch, from which the spool id can be recovered.
    pub(super) first_batch: Option<Vec<u8>>,
    /// Nothing tells any more which sequences were given out: numbering needs a new spool id.
    pub(super) numbering_lost: bool,
}

impl LaneSpool {
    pub(super) fn open(root: &Path, lane: Lane) -> io::Result<(Self, Damage)> {
        let directory = root.join(lane.name());
        fs::create_dir_all(&directory)?;
        let mut damage = Damage::default();
        let state = read_state(&directory.join(STATE_FILE), &mut damage);
        let known = state.is_some();
        let state = state.unwrap_or_default();
        let mut spool = Self {
            lane,
            directory,
            segments: VecDeque::new(),
            active: None,
            next_sequence: 1,
            acked_sequence: state.sequence,
            settled_sequence: state.created_ms.cast_unsigned().max(state.sequence),
            newest_checkpoint: state.checkpoint.clone(),
            acked_checkpoint: state.checkpoint,
            sent_checkpoints: VecDeque::new(),
            cursor: Cursor::default(),
            dropped_batches: 0,
            dropped_items: 0,
        };
        spool.load_segments(known, &mut damage)?;
        if !known {
            damage.numbering_lost = damage.corrupt_bytes > 0 && spool.segments.is_empty();
            spool.write_state()?;
        }
        Ok((spool, damage))
    }

    fn load_segments(&mut self, state_known: bool, damage: &mut Damage) -> io::Result<()> {
        let mut expected = self.settled_sequence + 1;
        let (mut last_ms, mut corrupt_tail) = (0, false);
        for path in Segment::list(&self.directory)? {
            let (segment, scan) = Segment::scan(&path)?;
            damage.corrupt_bytes += scan.corrupt_bytes;
            corrupt_tail = scan.corrupt_tail;
            let Some(segment) = segment else {
                // Kept beside the healthy ones, for whoever wants to know what happened.
                fs::rename(&path, path.with_extension("corrupt"))?;
                continue;
            };
            if !state_known && self.segments.is_empty() {
                // Without the state nobody knows what was acknowledged before the oldest record.
                expected = segment.first_sequence;
                self.settled_sequence = segment.first_sequence - 1;
                self.acked_sequence = self.settled_sequence;
            }
            for &(sequence, _, created_ms) in &scan.records {
                if sequence > expected {
                    damage
                        .lost
                        .push(self.lost(expected, sequence - 1, last_ms, created_ms));
                }
                expected = expected.max(sequence + 1);
                last_ms = created_ms;
            }
            // The state's own is newer than that of anything acknowledged.
            if let Some((_, checkpoint)) = scan
                .checkpoint
                .filter(|(sequence, _)| *sequence > self.acked_sequence)
            {
                self.newest_checkpoint = checkpoint;
            }
            if damage.first_batch.is_none() {
                damage.first_batch = scan.first_batch;
            }
            self.segments.push_back(segment);
        }
        if corrupt_tail {
            // The damaged records may have been sent: their numbers must not be used again.
            damage
                .lost
                .push(self.lost(expected, expected, last_ms, last_ms));
            expected += 1;
        }
        self.next_sequence = expected;
        self.dropped_batches = damage
            .lost
            .iter()
            .map(|range| range.last_sequence - range.first_sequence + 1)
            .sum();
        self.free_acknowledged()?;
        if let Some(last) = self.segments.back() {
            self.active = Some(last.reopen()?);
        }
        Ok(())
    }

    fn lost(
        &self,
        first_sequence: u64,
        last_sequence: u64,
        first_ms: i64,
        last_ms: i64,
    ) -> DropRange {
        DropRange {
            spool_id: Vec::new(),
            lane: self.lane.into(),
            first_sequence,
            last_sequence,
            items: 0,
            first_ms,
            last_ms,
            reason: DropReason::SpoolCorrupt.into(),
        }
    }

    pub(super) const fn next_sequence(&self) -> u64 {
        self.next_sequence
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
        self.acked_checkpoint.clone_from(&checkpoint);
        self.newest_checkpoint = checkpoint;
        self.write_state()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Appends records as one step: after a crash all of them are there, or none.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        let mut encoded = Vec::new();
        records
            .iter()
            .for_each(|record| record.write_to(&mut encoded));
        if self
            .segments
            .back()
            .is_none_or(|segment| segment.bytes >= SEGMENT_BYTES)
        {
            self.active = None;
        }
        if self.active.is_none() {
            let (segment, file) = Segment::create(&self.directory, first.sequence)?;
            self.segments.push_back(segment);
            self.active = Some(file);
        }
        let (Some(segment), Some(file)) = (self.segments.back_mut(), self.active.as_mut()) else {
            return Err(io::Error::other("the spool has no segment to append to"));
        };
        segment.append(file, &encoded)?;
        if segment.batches == 0 {
            segment.first_ms = first.created_ms;
        }
        segment.last_sequence = last.sequence;
        segment.last_ms = last.created_ms;
        segment.batches += records.len() as u64;
        segment.items += records
            .iter()
            .map(|record| u64::from(record.items))
            .sum::<u64>();
        if !last.checkpoint.is_empty() {
            self.newest_checkpoint.clone_from(&last.checkpoint);
        }
        self.next_sequence = last.sequence + 1;
        Ok(())
    }

    /// Batches above `after`, oldest first.
    pub(super) fn read(
        &mut self,
        after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> io::Result<Vec<Record>> {
        let after = after.max(self.settled_sequence);
        let mut cursor = if self.cursor.sequence == after {
            self.cursor
        } else {
            Cursor::default()
        };
        let mut records = Vec::new();
        let mut size = 0;
        for segment in self
            .segments
            .iter()
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
            let (read, offset) =
                segment.read(offset, after, max_batches - records.len(), max_bytes - size)?;
            size += read.iter().map(|record| record.batch.len()).sum::<usize>();
            records.extend(read);
            cursor = Cursor {
                segment_first: segment.first_sequence,
                offset,
                sequence: after,
            };
        }
        for record in &records {
            cursor.sequence = record.sequence;
            if !record.checkpoint.is_empty() {
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
        self.acked_sequence = sequence;
        self.settled_sequence = self.settled_sequence.max(sequence);
        while let Some((_, checkpoint)) = self
            .sent_checkpoints
            .pop_front_if(|(sent, _)| *sent <= sequence)
        {
            self.acked_checkpoint = checkpoint;
        }
        self.write_state()?;
        self.free_acknowledged()
    }

    /// Forgets checkpoints of batches under way: the connection they were sent on is gone.
    pub(super) fn rewind(&mut self) {
        self.sent_checkpoints.clear();
        self.cursor = Cursor::default();
    }

    fn free_acknowledged(&mut self) -> io::Result<()> {
        while let Some(segment) = self.segments.front() {
            let whole = segment.last_sequence <= self.settled_sequence;
            if !whole || (self.segments.len() == 1 && segment.bytes < REWIND_BYTES) {
                break;
            }
            fs::remove_file(&segment.path)?;
            self.segments.pop_front();
        }
        if self.segments.is_empty() {
            self.active = None;
        }
        Ok(())
    }

    /// The oldest segment as a range to be dropped; `None` when only settled ones are left.
    pub(super) fn oldest_range(&self, spool_id: &[u8]) -> Option<DropRange> {
        let segment = self
            .segments
            .front()
            .filter(|segment| segment.last_sequence > self.settled_sequence)?;
        Some(DropRange {
            spool_id: spool_id.to_vec(),
            lane: self.lane.into(),
            first_sequence: segment.first_sequence.max(self.settled_sequence + 1),
            last_sequence: segment.last_sequence,
            items: segment.items,
            first_ms: segment.first_ms,
            last_ms: segment.last_ms,
            reason: DropReason::SpoolFull.into(),
        })
    }

    /// Drops a range that was recorded.
    pub(super) fn drop_range(&mut self, range: &DropRange) -> io::Result<()> {
        self.settled_sequence = self.settled_sequence.max(range.last_sequence);
        self.dropped_batches += range.last_sequence - range.first_sequence + 1;
        self.dropped_items += range.items;
        self.write_state()?;
        if self.segments.len() == 1 {
            self.active = None;
        }
        if let Some(segment) = self
            .segments
            .pop_front_if(|segment| segment.last_sequence <= range.last_sequence)
        {
            fs::remove_file(&segment.path)?;
        }
        Ok(())
    }

    /// Where the lane's accounting stands.
    pub(super) fn state(&self) -> LaneState {
        let queued = self
            .segments
            .iter()
            .filter(|segment| segment.last_sequence > self.settled_sequence);
        LaneState {
            lane: self.lane.into(),
            next_sequence: self.next_sequence,
            acked_sequence: self.acked_sequence,
            queued_batches: (self.next_sequence - 1).saturating_sub(self.settled_sequence),
            queued_bytes: queued.map(|segment| segment.bytes).sum(),
            dropped_batches: self.dropped_batches,
            dropped_items: self.dropped_items,
        }
    }

    /// Replaces the state file. Durable before any segment it speaks of goes.
    fn write_state(&self) -> io::Result<()> {
        let state = Record {
            sequence: self.acked_sequence,
            // The settled sequence stands where a batch has its time.
            created_ms: self.settled_sequence.cast_signed(),
            checkpoint: self.acked_checkpoint.clone(),
            ..Record::default()
        };
        let mut encoded = Vec::new();
        state.write_to(&mut encoded);
        let temporary = self.directory.join("state.new");
        let mut file = File::create(&temporary)?;
        file.write_all(&encoded)?;
        file.sync_data()?;
        fs::rename(&temporary, self.directory.join(STATE_FILE))?;
        File::open(&self.directory)?.sync_all()
    }
}

/// The state, or `None` when there is none that can be read.
fn read_state(path: &Path, damage: &mut Damage) -> Option<Record> {
    let bytes = fs::read(path).ok()?;
    match Record::parse(&bytes) {
        Parsed::Whole(state, _) => Some(state),
        Parsed::Torn | Parsed::Corrupt => {
            damage.corrupt_bytes += bytes.len() as u64;
            None
        }
    }
}
