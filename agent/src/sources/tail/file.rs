//! One followed file: what it is, how far it was read, and what became of it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::identity::{FINGERPRINT_BYTES, Fingerprint, Identity, open_regular, unreadable};
use super::{LINE_MAX_BYTES, LineSink, Stretch};
use crate::sources::SourceError;

/// How far back the start of the last line is looked for.
const LAST_LINE_BYTES: usize = LINE_MAX_BYTES;

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
    /// See [`Stretch::number`].
    pub(super) number: u64,
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
            number: next_number(),
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
                self.number = next_number();
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
            let offset = self.position;
            if let Some(length) = memchr::memchr(b'\n', rest) {
                // Before the line is looked at: one that makes the parser panic is passed over, and
                // those before it are not counted again.
                self.position += length as u64 + 1;
                if self.skipping {
                    self.skipping = false;
                } else if length > LINE_MAX_BYTES {
                    sink.dropped();
                } else {
                    sink.line(offset, &rest[..length]);
                }
                start += length + 1;
            } else if self.skipping {
                self.position += rest.len() as u64;
                start = have;
            } else if rest.len() > LINE_MAX_BYTES {
                self.position += rest.len() as u64;
                self.skipping = true;
                sink.dropped();
                start = have;
            } else {
                break;
            }
        }
        if start > 0 {
            self.changed = now;
        }
        Ok(start)
    }

    /// What is about to be read.
    pub(super) fn stretch(&self) -> Stretch<'_> {
        Stretch {
            number: self.number,
            pattern: self.pattern,
            path: &self.path,
            position: self.position,
            file: self.file.as_ref(),
        }
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

/// Numbers are never used twice in a process.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
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
