//! One file of a lane: records one after the other. Named by its first sequence.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::record::{Parsed, Record};

const EXTENSION: &str = "segment";

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    pub(super) batches: u64,
    pub(super) items: u64,
    pub(super) bytes: u64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

/// What reading a segment from disk found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Sequences read, in order, with the items of each.
    pub(super) records: Vec<(u64, u32, i64)>,
    /// Bytes that belong to no whole record and are not a torn tail.
    pub(super) corrupt_bytes: u64,
    /// Length up to the end of the last whole append.
    pub(super) whole_bytes: u64,
    /// Whether bytes after `whole_bytes` are damaged rather than torn.
    pub(super) corrupt_tail: bool,
    /// Checkpoint of the last whole append that had one, and its sequence.
    pub(super) checkpoint: Option<(u64, Vec<u8>)>,
    /// The first batch, from which the spool id can be recovered.
    pub(super) first_batch: Option<Vec<u8>>,
}

impl Segment {
    pub(super) fn path_for(directory: &Path, first_sequence: u64) -> PathBuf {
        directory.join(format!("{first_sequence:020}.{EXTENSION}"))
    }

    pub(super) fn create(directory: &Path, first_sequence: u64) -> io::Result<(Self, File)> {
        let path = Self::path_for(directory, first_sequence);
        // A file of that name can only be the rest of a failed append: nothing in it was ever sent.
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&path)?;
        File::open(directory)?.sync_all()?;
        let segment = Self {
            path,
            first_sequence,
            last_sequence: first_sequence.saturating_sub(1),
            batches: 0,
            items: 0,
            bytes: 0,
            first_ms: 0,
            last_ms: 0,
        };
        Ok((segment, file))
    }

    /// Segment files of a lane, oldest first; other files are left alone.
    pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
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
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Reads a file; `None` for the segment when it holds no whole record.
    pub(super) fn scan(path: &Path) -> io::Result<(Option<Self>, Scan)> {
        let bytes = fs::read(path)?;
        let mut scan = Scan::default();
        let mut at = 0;
        // Records of an append whose end is not seen yet.
        let mut open: Vec<Record> = Vec::new();
        while at < bytes.len() {
            match Record::parse(&bytes[at..]) {
                Parsed::Whole(record, length) => {
                    at += length;
                    let last = !record.continues;
                    open.push(record);
                    if last {
                        scan.take(&mut open);
                        scan.whole_bytes = at as u64;
                        scan.corrupt_tail = false;
                    }
                }
                Parsed::Torn if Record::find(&bytes[at + 1..]).is_none() => break,
                Parsed::Torn | Parsed::Corrupt => {
                    // What was whole before the damage was synced with it, so it was an append.
                    scan.take(&mut open);
                    let skipped =
                        Record::find(&bytes[at + 1..]).map_or(bytes.len() - at, |next| next + 1);
                    scan.corrupt_bytes += skipped as u64;
                    at += skipped;
                    scan.whole_bytes = at as u64;
                    scan.corrupt_tail = true;
                }
            }
        }
        let segment = match (scan.records.first(), scan.records.last()) {
            (Some(&(first_sequence, _, first_ms)), Some(&(last_sequence, _, last_ms))) => {
                Some(Self {
                    path: path.to_owned(),
                    first_sequence,
                    last_sequence,
                    batches: scan.records.len() as u64,
                    items: scan
                        .records
                        .iter()
                        .map(|&(_, items, _)| u64::from(items))
                        .sum(),
                    bytes: scan.whole_bytes,
                    first_ms,
                    last_ms,
                })
            }
            _ => None,
        };
        Ok((segment, scan))
    }

    /// Opens the file for appending after `bytes`; what follows is cut off.
    pub(super) fn reopen(&self) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(self.bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }

    /// Appends encoded records and makes them durable. On failure the file is as before.
    pub(super) fn append(&mut self, file: &mut File, encoded: &[u8]) -> io::Result<()> {
        let written = file.write_all(encoded).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Best effort: a torn tail is also recognised at the next start.
            let _ = file.set_len(self.bytes);
            let _ = file.seek(SeekFrom::Start(self.bytes));
            return Err(error);
        }
        self.bytes += encoded.len() as u64;
        Ok(())
    }

    /// Records above `after`, from `offset` on, until a bound is reached. Returns the offset to go on from.
    pub(super) fn read(
        &self,
        mut offset: u64,
        after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> io::Result<(Vec<Record>, u64)> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(self.bytes.saturating_sub(offset))
            .read_to_end(&mut bytes)?;
        let (mut at, mut size, mut records) = (0, 0, Vec::new());
        while at < bytes.len() && records.len() < max_batches && size < max_bytes {
            match Record::parse(&bytes[at..]) {
                Parsed::Whole(record, length) => {
                    at += length;
                    if record.sequence > after {
                        size += record.batch.len();
                        records.push(record);
                    }
                }
                Parsed::Torn | Parsed::Corrupt => {
                    at += Record::find(&bytes[at + 1..]).map_or(bytes.len() - at, |next| next + 1);
                }
            }
        }
        offset += at as u64;
        Ok((records, offset))
    }
}

impl Scan {
    fn take(&mut self, open: &mut Vec<Record>) {
        for record in open.drain(..) {
            self.records
                .push((record.sequence, record.items, record.created_ms));
            if !record.checkpoint.is_empty() {
                self.checkpoint = Some((record.sequence, record.checkpoint));
            }
            if self.first_batch.is_none() {
                self.first_batch = Some(record.batch);
            }
        }
    }
}
