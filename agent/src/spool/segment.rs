//! One file of a lane: records one after the other. Named by its first sequence.

use std::io;
use std::path::{Path, PathBuf};

use super::damage::Piece;
use super::disk::{Disk, DiskFile, read_range, write_all_at};
use super::record::{Parsed, Record};

const EXTENSION: &str = "segment";

/// What is read at first, as small batches stop at their number before its end; where a record reaches
/// beyond it, all that follows is read.
const READ_BYTES: u64 = 512 * 1024;

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    pub(super) batches: u64,
    /// Length up to the end of the last whole append.
    pub(super) bytes: u64,
    pub(super) last_ms: i64,
}

impl Segment {
    /// Makes the file. Its name is durable once the directory is synced.
    pub(super) fn create(
        disk: &dyn Disk,
        directory: &Path,
        first_sequence: u64,
    ) -> io::Result<(Self, Box<dyn DiskFile>)> {
        let path = directory.join(format!("{first_sequence:020}.{EXTENSION}"));
        // A file of that name can only be the rest of a failed append: nothing in it was ever sent.
        let file = disk.create(&path)?;
        Ok((Self::empty(path, first_sequence), file))
    }

    pub(super) const fn empty(path: PathBuf, first_sequence: u64) -> Self {
        Self {
            path,
            first_sequence,
            last_sequence: first_sequence.saturating_sub(1),
            batches: 0,
            bytes: 0,
            last_ms: 0,
        }
    }

    /// Segment files of a lane with the sequences in their names, oldest first; other files are
    /// left alone.
    pub(super) fn list(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for path in disk.list(directory)? {
            let named = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(|stem| stem.parse::<u64>().ok());
            if let (Some(sequence), Some(EXTENSION)) =
                (named, path.extension().and_then(|e| e.to_str()))
            {
                found.push((sequence, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Opens the file for appending; what follows the last whole append is cut off.
    pub(super) fn reopen(&self, disk: &dyn Disk) -> io::Result<Box<dyn DiskFile>> {
        let file = disk.open_for_writing(&self.path)?;
        file.set_length(self.bytes)?;
        Ok(file)
    }

    /// Writes records, which a sync makes durable. After a failure the file is to be reopened: what
    /// was written of them must not be followed by anything.
    pub(super) fn write(&mut self, file: &dyn DiskFile, records: &[Record]) -> io::Result<()> {
        let length = records.iter().map(Record::encoded_bytes).sum();
        let mut encoded = Vec::with_capacity(length);
        records
            .iter()
            .for_each(|record| record.write_to(&mut encoded));
        write_all_at(file, encoded.into(), self.bytes)?;
        self.bytes += length as u64;
        self.batches += records.len() as u64;
        if let Some(last) = records.last() {
            self.last_sequence = last.sequence;
            self.last_ms = last.created_ms;
        }
        Ok(())
    }

    /// Records above `after`, from `offset` on, until a bound is reached.
    pub(super) fn read(
        &self,
        disk: &dyn Disk,
        offset: u64,
        mut after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> io::Result<Reading> {
        let file = disk.open(&self.path)?;
        let read = |from, to| read_range(file.as_ref(), from, self.bytes.min(to));
        // A part of it, as small batches stop at their number long before its end.
        let (mut start, mut end) = (offset, offset + READ_BYTES);
        let mut bytes = read(start, end)?;
        let (mut at, mut size) = (0, 0);
        let mut reading = Reading::default();
        while reading.records.len() < max_batches && size < max_bytes {
            if at == bytes.len() {
                if bytes.is_empty() || end >= self.bytes {
                    break;
                }
                (start, end, at) = (start + at as u64, start + at as u64 + READ_BYTES, 0);
                bytes = read(start, end)?;
                continue;
            }
            match Record::parse(&bytes[at..]) {
                Parsed::Whole(record, length) => {
                    at += length;
                    // Also what a copy of an earlier segment repeats is passed over.
                    if record.sequence > after {
                        after = record.sequence;
                        size += record.batch.len();
                        reading.records.push(record);
                    }
                }
                // Cut off by the part's end, or damage, which is told with all that follows.
                Parsed::Torn | Parsed::Corrupt if end < self.bytes => {
                    (start, end, at) = (start + at as u64, self.bytes, 0);
                    bytes = read(start, end)?;
                }
                Parsed::Torn | Parsed::Corrupt => {
                    let skipped = Record::skip(&bytes[at..]);
                    let bad = &bytes[at..at + skipped];
                    Piece::note(&mut reading.pieces, self, start + at as u64, bad);
                    at += skipped;
                }
            }
        }
        // A file that got shorter has nothing more to say.
        reading.ended = at >= bytes.len() && (bytes.is_empty() || end >= self.bytes);
        reading.offset = start + at as u64;
        Ok(reading)
    }

    /// All records above `after`.
    pub(super) fn read_all(&self, disk: &dyn Disk, after: u64) -> io::Result<Vec<Record>> {
        let reading = self.read(disk, 0, after, usize::MAX, usize::MAX)?;
        Ok(reading.records)
    }
}

/// What was read of a segment.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) records: Vec<Record>,
    /// Where to go on from.
    pub(super) offset: u64,
    /// Whether nothing follows.
    pub(super) ended: bool,
    /// What belongs to no whole record.
    pub(super) pieces: Vec<Piece>,
}
