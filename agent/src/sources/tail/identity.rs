//! What makes a file the same file: device, inode and contents; and how it is opened.
//!
//! Device and inode are trusted only together with the contents: inodes are used again, copies and
//! compressed files have others, and network file systems change both. The contents are known by a
//! [`Mark`]: the first bytes, and the bytes just before the place that was read to. Both must be as
//! they were, so that a file written anew is told apart also when it begins as the old one did.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::sources::SourceError;

/// How many of a file's first bytes tell it apart: several lines, also where each file begins with
/// the same header.
pub(super) const FINGERPRINT_BYTES: usize = 1024;

/// How many bytes before the position are remembered. Also how many bytes must agree before
/// contents alone, against device and inode, say that a file is the same.
pub(super) const ANCHOR_BYTES: usize = 64;

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Changes with every write. The time of the last change of state cannot be set by programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Where the file system says it.
    born: Option<(i64, i64)>,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            born: metadata.created().ok().and_then(|born| {
                let since = born.duration_since(UNIX_EPOCH).ok()?;
                let seconds = i64::try_from(since.as_secs()).ok()?;
                Some((seconds, i64::from(since.subsec_nanos())))
            }),
        }
    }

    /// Whether a file of the same device and inode is another one, as they were not made at the same
    /// time. `false` where nobody knows.
    pub(super) fn is_another(&self, earlier: &Self) -> bool {
        self.born.is_some() && earlier.born.is_some() && self.born != earlier.born
    }

    /// When it was last written, ms.
    pub(super) fn modified_ms(&self) -> i64 {
        self.modified
            .0
            .saturating_mul(1000)
            .saturating_add(self.modified.1 / 1_000_000)
    }
}

/// Checksum of a file's first bytes. It grows with the file until it covers enough of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) length: usize,
    pub(super) crc32: u32,
}

impl Fingerprint {
    /// Of a file's first bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(FINGERPRINT_BYTES)];
        Self {
            length: bytes.len(),
            crc32: crc32fast::hash(bytes),
        }
    }

    /// Whether `bytes` begin with what this was taken of.
    pub(super) fn begins(self, bytes: &[u8]) -> bool {
        bytes
            .get(..self.length)
            .is_some_and(|start| crc32fast::hash(start) == self.crc32)
    }
}

/// How far a file was read, and what it says up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) head: Fingerprint,
    /// Checksum of the first [`ANCHOR_BYTES`]; `None` while there are fewer.
    pub(super) start: Option<u32>,
    /// Start of the first line that was not handed over.
    pub(super) position: u64,
    /// Checksum of the last bytes before the position; `None` out of an old checkpoint.
    pub(super) anchor: Option<u32>,
}

impl Mark {
    /// Of a file with these first bytes, at its start.
    pub(super) fn at_start(head: &[u8]) -> Self {
        let mut mark = Self {
            anchor: Some(anchor(&[])),
            ..Self::default()
        };
        mark.cover(head);
        mark
    }

    /// Takes over first bytes that came meanwhile.
    pub(super) fn cover(&mut self, head: &[u8]) {
        if head.len() > self.head.length {
            self.head = Fingerprint::of(head);
        }
        self.start = head.get(..ANCHOR_BYTES).map(crc32fast::hash);
    }

    /// How many bytes before the position the anchor covers.
    pub(super) fn anchor_bytes(&self) -> usize {
        usize::try_from(self.position).map_or(ANCHOR_BYTES, |position| position.min(ANCHOR_BYTES))
    }

    /// Whether these are the bytes before the position.
    pub(super) fn is_anchor(&self, bytes: &[u8]) -> bool {
        self.anchor.is_none_or(|sum| sum == anchor(bytes))
    }

    /// Whether the file says what it said, up to the position.
    pub(super) fn holds(&self, file: &File) -> io::Result<bool> {
        let head = head(file)?;
        if !self.head.begins(&head) {
            return Ok(false);
        }
        let bytes = before(file, self.position)?;
        Ok(bytes.len() == self.anchor_bytes() && self.is_anchor(&bytes))
    }
}

/// Checksum of the bytes before a position.
pub(super) fn anchor(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The last bytes before a position, as an anchor covers them; fewer when the file is shorter.
pub(super) fn before(file: &File, position: u64) -> io::Result<Vec<u8>> {
    let length = position.min(ANCHOR_BYTES as u64);
    read_up_to(file, position - length, length)
}

/// A file's first bytes, as a fingerprint covers them.
pub(super) fn head(file: &File) -> io::Result<Vec<u8>> {
    read_up_to(file, 0, FINGERPRINT_BYTES as u64)
}

fn read_up_to(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(FINGERPRINT_BYTES)];
    let mut have = 0;
    while have < bytes.len() {
        match file.read_at(&mut bytes[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// Opens a regular file without blocking on anything that only looks like one. `None` for what is
/// no regular file.
pub(super) fn open_regular(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

/// Whether the server of a network file system no longer knows the open file.
pub(super) fn is_stale(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StaleNetworkFileHandle
}

/// The error of a log that cannot be read, with the remedy.
pub(super) fn unreadable(path: &Path, error: io::Error) -> SourceError {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return SourceError::Other(format!(
            "cannot read {}: {error}; add the agent's user to the group that may read it (often adm), or chmod g+r it and its folder g+x",
            path.display()
        ));
    }
    SourceError::Read {
        path: path.display().to_string(),
        error,
    }
}
