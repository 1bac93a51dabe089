//! What makes a file the same file: device, inode and first bytes; and how it is opened.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sources::SourceError;

/// How many of a file's first bytes tell it apart from another that has its inode.
pub(super) const FINGERPRINT_BYTES: usize = 256;

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

/// Checksum of a file's first bytes. It grows with the file until it covers enough of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) length: usize,
    pub(super) crc32: u32,
}

impl Fingerprint {
    /// Of the first `length` bytes, or of as many as there are.
    pub(super) fn take(file: &File, length: usize) -> io::Result<Self> {
        let mut bytes = [0; FINGERPRINT_BYTES];
        let mut have = 0;
        let want = length.min(FINGERPRINT_BYTES);
        while have < want {
            match file.read_at(&mut bytes[have..want], have as u64)? {
                0 => break,
                read => have += read,
            }
        }
        Ok(Self {
            length: have,
            crc32: crc32fast::hash(&bytes[..have]),
        })
    }

    /// Whether the file begins with what this was taken of.
    pub(super) fn matches(self, file: &File) -> io::Result<bool> {
        Ok(Self::take(file, self.length)? == self)
    }
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
