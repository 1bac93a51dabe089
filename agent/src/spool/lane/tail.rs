//! What was appended to a lane and is not durable yet.
//!
//! Records of a lane that is not synced at each append are written at once and synced later, for
//! several appends together; until then they are held here too. Nothing of them is sent before:
//! after a power loss their numbers are given out again. When a sync fails nobody knows what of the
//! file reached the disk, so the segment goes back to its last durable end and all of the tail is
//! written again.
//!
//! The presence lane may go on without a disk, for as long as the tail has room: its numbers are
//! reserved first, in the state file, for which `reserve` keeps room. After a crash reserved numbers
//! are not used again but reported as lost.

use std::io;
use std::time::Instant;

use super::{LaneSpool, SEGMENT_BYTES};
use crate::spool::disk::{read_exactly, write_all_at};
use crate::spool::record::{Record, SEQUENCE_MAX};
use crate::spool::segment::Segment;

/// Records that wait are synced before another append once they have so many bytes: as many as fill a
/// segment, so that one sync makes both durable. What is held without a disk stays below.
const TAIL_MAX_BYTES: u64 = SEGMENT_BYTES;

/// Numbers that are reserved at a time: an hour of heartbeats.
const RESERVED_SEQUENCES: u64 = 360;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) records: Vec<Record>,
    bytes: u64,
    /// When the oldest of them was appended.
    since: Option<Instant>,
    /// The last segment before them; `None` while none of them is written.
    base: Option<Segment>,
}

impl Tail {
    /// Whether they are in the file, and only a sync is missing.
    pub(super) const fn is_written(&self) -> bool {
        self.base.is_some()
    }

    fn push(&mut self, records: &[Record]) {
        self.records.extend_from_slice(records);
        self.bytes += bytes_of(records);
        self.since.get_or_insert_with(Instant::now);
    }
}

fn bytes_of(records: &[Record]) -> u64 {
    records
        .iter()
        .map(|record| record.encoded_bytes() as u64)
        .sum()
}

/// A number that would be damage at the next start is not given out.
fn check_number(sequence: u64) -> io::Result<()> {
    if sequence <= SEQUENCE_MAX {
        return Ok(());
    }
    Err(io::Error::other(
        "its files say that all numbers were given out, which no agent does; stop the agent and move the directory away to begin anew",
    ))
}

impl LaneSpool {
    /// Appends records as one step: after a crash all of them are there, or none. With `sync` they
    /// are durable then; otherwise [`LaneSpool::commit`] makes them so.
    pub(in crate::spool) fn append(&mut self, records: &[Record], sync: bool) -> io::Result<()> {
        let Some(last) = records.last() else {
            return Ok(());
        };
        check_number(last.sequence)?;
        let fits = self.tail.bytes < TAIL_MAX_BYTES;
        let written = self.tail.is_written() && !self.is_segment_full();
        let goes_on = self.tail.records.is_empty() || (fits && written);
        if !goes_on {
            self.commit()?;
        }
        if let Err(error) = self.write(records) {
            self.roll_back();
            // What was taken before fits in the room that it had; where not, it is tried again.
            let _ = self.commit();
            return Err(error);
        }
        let held = self.tail.records.len();
        self.tail.push(records);
        if sync && let Err(error) = self.commit() {
            self.tail.records.truncate(held);
            self.tail.bytes = bytes_of(&self.tail.records);
            return Err(error);
        }
        self.took(last);
        Ok(())
    }

    /// Holds records in memory although the disk refuses them, and lets them be sent.
    pub(in crate::spool) fn hold(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(last) = records.last() else {
            return Ok(());
        };
        check_number(last.sequence)?;
        if self.tail.bytes + bytes_of(records) > TAIL_MAX_BYTES {
            return Err(io::Error::other(
                "the disk refuses, and no more is held in memory",
            ));
        }
        self.roll_back();
        if last.sequence >= self.reserved_sequence {
            let before = self.reserved_sequence;
            let reserved = last.sequence + RESERVED_SEQUENCES;
            self.reserved_sequence = reserved.min(SEQUENCE_MAX + 1);
            if let Err(error) = self.write_state() {
                self.reserved_sequence = before;
                return Err(error);
            }
        }
        self.tail.push(records);
        self.took(last);
        Ok(())
    }

    /// Records that are sent out of memory.
    pub(super) fn held(&self) -> impl Iterator<Item = &Record> {
        let reserved = if self.tail.is_written() {
            0
        } else {
            self.reserved_sequence
        };
        self.tail
            .records
            .iter()
            .take_while(move |record| record.sequence < reserved)
    }

    fn took(&mut self, last: &Record) {
        if !last.checkpoint.is_empty() {
            self.newest_checkpoint.clone_from(&last.checkpoint);
        }
        self.next_sequence = last.sequence + 1;
        self.head = last.head.or(self.head);
    }

    /// When the oldest record that is not durable was appended; `None` when all are.
    pub(in crate::spool) const fn unsynced_since(&self) -> Option<Instant> {
        self.tail.since
    }

    /// Makes durable what is not yet.
    pub(in crate::spool) fn commit(&mut self) -> io::Result<()> {
        if self.tail.records.is_empty() {
            self.tail = Tail::default();
            return Ok(());
        }
        if let Err(error) = self.try_commit() {
            self.roll_back();
            return Err(error);
        }
        self.tail = Tail::default();
        if self.reserved_sequence > 0 {
            self.reserved_sequence = 0;
            self.unsaved = true;
            // Without it a crash would report numbers that were never used, which is no harm.
            let _ = self.write_state();
        }
        Ok(())
    }

    /// Makes durable what an earlier process left behind: it may have been killed, or have had an
    /// error, between a write and its sync. The same bytes are written again, in place, which needs
    /// no room; a sync alone would not tell of pages that were given up.
    pub(super) fn prove(&mut self) -> io::Result<()> {
        if !self.unproven {
            return Ok(());
        }
        if let Some(last) = self.segments.back() {
            let disk = self.disk.as_ref();
            let file = disk.open(&last.path)?;
            match disk.open_for_writing(&last.path) {
                Ok(writing) => {
                    // Where it cannot be read it cannot be written again either.
                    if let Ok(bytes) = read_exactly(file.as_ref(), last.bytes) {
                        write_all_at(writing.as_ref(), bytes.into(), 0)?;
                    }
                    writing.sync_data()?;
                    disk.sync_directory(&self.directory)?;
                }
                Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                    file.sync_data().or_else(|error| match error.kind() {
                        io::ErrorKind::ReadOnlyFilesystem => Ok(()),
                        _ => Err(error),
                    })?;
                }
                Err(error) => return Err(error),
            }
        }
        self.unproven = false;
        Ok(())
    }

    fn try_commit(&mut self) -> io::Result<()> {
        if !self.tail.is_written() {
            let records = std::mem::take(&mut self.tail.records);
            let outcome = self.write(&records);
            self.tail.records = records;
            outcome?;
        }
        match &self.active {
            Some(file) => file.sync_data()?,
            None => return Err(io::Error::other("the spool has no segment to append to")),
        }
        // After the contents, which many file systems make durable together with the name: before
        // them it would cost as much again.
        if self.unnamed {
            self.disk.sync_directory(&self.directory)?;
            self.unnamed = false;
        }
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        self.prove()?;
        if self.skipped {
            // Numbers that were settled without ever being on disk are not to be missed there.
            self.write_state()?;
        }
        // Out of `active` while it is written to: after a failure the file is reopened, which cuts
        // off what may have reached it.
        let file = self.take_active(first.sequence)?;
        let Some(segment) = self.segments.back_mut() else {
            return Err(io::Error::other("the spool has no segment to append to"));
        };
        let base = segment.clone();
        segment.write(file.as_ref(), records)?;
        self.active = Some(file);
        self.tail.base.get_or_insert(base);
        Ok(())
    }

    /// Closes the segment, with everything in it durable.
    pub(in crate::spool) fn close(&mut self) {
        self.commit_written();
        self.active = None;
    }

    /// Goes back to what is durable; the tail is to be written again.
    pub(super) fn roll_back(&mut self) {
        self.active = None;
        if let Some(base) = self.tail.base.take() {
            self.segments.pop_back();
            self.segments.push_back(base);
        }
    }

    /// Forgets what was settled while it was held.
    pub(super) fn settle_tail(&mut self) {
        if self.tail.is_written() {
            return;
        }
        let settled = self.settled_sequence;
        let before = self.tail.records.len();
        self.tail.records.retain(|record| record.sequence > settled);
        if self.tail.records.len() < before {
            self.tail.bytes = bytes_of(&self.tail.records);
            self.skipped = true;
            self.unsaved = true;
        }
        if self.tail.records.is_empty() {
            self.tail.since = None;
        }
    }
}
