//! One file of a lane: records one after the other. Named by its first sequence.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::record::{Parsed, Record};

const EXTENSION: &str = "segment";

/// What is given up where the disk cannot be read.
const BLOCK_BYTES: usize = 4096;

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
    pub(super) fn create(directory: &Path, first_sequence: u64) -> io::Result<(Self, File)> {
        let path = directory.join(format!("{first_sequence:020}.{EXTENSION}"));
        // A file of that name can only be the rest of a failed append: nothing in it was ever sent.
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&path)?;
        File::open(directory)?.sync_all()?;
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
    pub(super) fn list(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
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
        Ok(found)
    }

    /// Opens the file for appending; what follows the last whole append is cut off.
    pub(super) fn reopen(&self) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(self.bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }

    /// Appends records and makes them durable. After a failure the file is to be reopened: what
    /// was written of them must not be followed by anything.
    pub(super) fn append(&mut self, file: &mut File, records: &[Record]) -> io::Result<()> {
        let mut encoded = Vec::new();
        records
            .iter()
            .for_each(|record| record.write_to(&mut encoded));
        file.write_all(&encoded)?;
        file.sync_data()?;
        self.bytes += encoded.len() as u64;
        self.batches += records.len() as u64;
        if let Some(last) = records.last() {
            self.last_sequence = last.sequence;
            self.last_ms = last.created_ms;
        }
        Ok(())
    }

    /// Records above `after`, from `offset` on, until a bound is reached. Returns the offset to go on from.
    pub(super) fn read(
        &self,
        offset: u64,
        after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> io::Result<(Vec<Record>, u64)> {
        let bytes = read_range(&File::open(&self.path)?, offset, self.bytes)?;
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
                Parsed::Torn | Parsed::Corrupt => at += Record::skip(&bytes[at..]),
            }
        }
        Ok((records, offset + at as u64))
    }

    /// All records above `after`.
    pub(super) fn read_all(&self, after: u64) -> io::Result<Vec<Record>> {
        Ok(self.read(0, after, usize::MAX, usize::MAX)?.0)
    }
}

/// Bytes of a file. Blocks that the disk cannot give read as zeros, which no record begins with:
/// one bad sector must not take a whole lane along.
pub(super) fn read_range(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let bad_sector = rustix::io::Errno::IO.raw_os_error();
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    let mut at = 0;
    while at < length {
        match file.read_at(&mut bytes[at..], from + at as u64) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(bad_sector) => {
                let end = length.min(at + BLOCK_BYTES);
                if let Ok(read) = file.read_at(&mut bytes[at..end], from + at as u64)
                    && read > 0
                {
                    at += read;
                } else {
                    bytes[at..end].fill(0);
                    at = end;
                }
            }
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(at);
    Ok(bytes)
}
