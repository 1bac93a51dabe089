//! One followed file: what it is, how far it was read, and what became of it.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{LINE_MAX_BYTES, LineSink};
use crate::sources::SourceError;

/// How many of a file's first bytes tell it apart from another that has its inode.
pub(super) const FINGERPRINT_BYTES: usize = 256;

/// How far back the start of the last line is looked for.
const LAST_LINE_BYTES: usize = LINE_MAX_BYTES;

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

/// What a look at a file found.
#[derive(Debug)]
pub(super) enum Inspection {
    /// Nothing happened to it.
    Same,
    /// It starts anew; this is how it stood before.
    Truncated { before: Box<Followed> },
    /// Another file has taken its path.
    Replaced,
}

/// A file being read.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) pattern: usize,
    /// Where it was found; a rotated file keeps the path it had.
    pub(super) path: PathBuf,
    file: Option<File>,
    pub(super) identity: Identity,
    pub(super) fingerprint: Fingerprint,
    /// Start of the first line that was not handed over.
    pub(super) position: u64,
    /// Inside of a line that is too long.
    pub(super) skipping: bool,
    /// Its path belongs to another file, or to none.
    pub(super) rotated: bool,
    changed: Instant,
    seen: Option<(u64, i64, i64)>,
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

impl Followed {
    /// `None` when there is nothing to follow at the path.
    pub(super) fn open(
        pattern: usize,
        path: &Path,
        from_start: bool,
        now: Instant,
    ) -> Result<Option<Self>, SourceError> {
        let failed = |error| unreadable(path, error);
        let (file, metadata) = match open_regular(path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let position = if from_start {
            0
        } else {
            last_line_start(&file, metadata.len()).map_err(failed)?
        };
        let fingerprint = Fingerprint::take(&file, FINGERPRINT_BYTES).map_err(failed)?;
        Ok(Some(Self::at(
            pattern,
            path.to_owned(),
            file,
            &metadata,
            fingerprint,
            position,
            now,
        )))
    }

    /// A file found again, or found elsewhere.
    pub(super) fn at(
        pattern: usize,
        path: PathBuf,
        file: File,
        metadata: &Metadata,
        fingerprint: Fingerprint,
        position: u64,
        now: Instant,
    ) -> Self {
        Self {
            pattern,
            path,
            file: Some(file),
            identity: Identity::of(metadata),
            fingerprint,
            position,
            skipping: false,
            rotated: false,
            changed: now,
            seen: None,
        }
    }

    /// Looks whether the file shrank, was rewritten, or lost its path to another one.
    pub(super) fn inspect(&mut self, now: Instant) -> Result<Inspection, SourceError> {
        let Some(file) = &self.file else {
            return Ok(Inspection::Same);
        };
        let failed = |error| unreadable(&self.path, error);
        let metadata = file.metadata().map_err(failed)?;
        let stamp = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if self.seen != Some(stamp) {
            let rewritten = metadata.len() < self.position
                || !self.fingerprint.matches(file).map_err(failed)?;
            let covers = if rewritten {
                0
            } else {
                self.fingerprint.length
            };
            let fingerprint = if covers < FINGERPRINT_BYTES {
                Fingerprint::take(file, FINGERPRINT_BYTES).map_err(failed)?
            } else {
                self.fingerprint
            };
            self.seen = Some(stamp);
            if rewritten {
                let before = Box::new(Self {
                    file: None,
                    path: self.path.clone(),
                    ..*self
                });
                self.fingerprint = fingerprint;
                self.position = 0;
                self.skipping = false;
                self.changed = now;
                return Ok(Inspection::Truncated { before });
            }
            self.fingerprint = fingerprint;
        }
        if self.rotated {
            return Ok(Inspection::Same);
        }
        match std::fs::metadata(&self.path) {
            Ok(there) if Identity::of(&there) == self.identity => Ok(Inspection::Same),
            Ok(_) => {
                self.rotated = true;
                self.changed = now;
                Ok(Inspection::Replaced)
            }
            // Renamed, and its writer not told yet: it may go on writing for hours. Deleted: the
            // space is free only once it is closed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if metadata.nlink() == 0 {
                    self.rotated = true;
                    self.changed = now;
                }
                Ok(Inspection::Same)
            }
            Err(error) => Err(unreadable(&self.path, error)),
        }
    }

    /// Hands over complete lines of the next stretch. Returns how many bytes that was; 0 when there
    /// is no complete line, or the sink takes no more.
    pub(super) fn read<S: LineSink>(
        &mut self,
        buffer: &mut [u8],
        limit: usize,
        now: Instant,
        sink: &mut S,
    ) -> Result<usize, SourceError> {
        let Some(file) = &self.file else {
            return Ok(0);
        };
        let want = buffer.len().min(limit);
        let have = match file.read_at(&mut buffer[..want], self.position) {
            Ok(have) => have,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(unreadable(&self.path, error)),
        };
        let data = &buffer[..have];
        let mut start = 0;
        while start < have && sink.ready() {
            let rest = &data[start..];
            if let Some(length) = memchr::memchr(b'\n', rest) {
                if self.skipping {
                    self.skipping = false;
                } else if length > LINE_MAX_BYTES {
                    sink.dropped();
                } else {
                    sink.line(self.position + start as u64, &rest[..length]);
                }
                start += length + 1;
            } else if self.skipping {
                start = have;
            } else if rest.len() > LINE_MAX_BYTES {
                self.skipping = true;
                sink.dropped();
                start = have;
            } else {
                break;
            }
        }
        if start > 0 {
            self.position += start as u64;
            self.changed = now;
        }
        Ok(start)
    }

    /// Whether nothing more is to be expected of the file.
    pub(super) fn finished(&self, now: Instant, quiet: Duration) -> bool {
        let Some(file) = &self.file else {
            return true;
        };
        if !self.rotated || now.saturating_duration_since(self.changed) < quiet {
            return false;
        }
        // Quiet only because the sink takes no more is not finished.
        let mut rest = vec![0; LINE_MAX_BYTES];
        match file.read_at(&mut rest, self.position) {
            Ok(have) => memchr::memchr(b'\n', &rest[..have]).is_none() && have < rest.len(),
            Err(_) => true,
        }
    }

    /// Whether the file ends in a line without a newline.
    pub(super) fn has_open_end(&self) -> bool {
        let size = self.file.as_ref().and_then(|file| file.metadata().ok());
        !self.skipping && size.is_some_and(|metadata| metadata.len() > self.position)
    }
}

/// Where the line begins that is being written just now, so that it is read whole later.
fn last_line_start(file: &File, size: u64) -> io::Result<u64> {
    let reach = size.min(LAST_LINE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(reach).unwrap_or(LAST_LINE_BYTES)];
    file.read_exact_at(&mut bytes, size - reach)?;
    Ok(match memchr::memrchr(b'\n', &bytes) {
        Some(newline) => size - reach + newline as u64 + 1,
        None if reach == size => 0,
        None => size,
    })
}
