//! What was found damaged, kept aside for whoever wants to know why.
//!
//! Each piece becomes a file `damaged/<lane>-<segment>-<offset>.bad` in the spool, as long as those
//! are few and small; the log names path, offset and size of every piece, once. Nothing reads them
//! again, and they may be removed at any time.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crmscope_proto::Lane;

use super::disk::{Disk, write_all_at};
use super::segment::Segment;

const DIRECTORY: &str = "damaged";

/// Most pieces that are kept.
const KEPT_MAX: usize = 64;

/// Most bytes that are kept of all pieces.
const KEPT_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Most pieces that are remembered to have been told; beyond it they are told again.
const TOLD_MAX: usize = 4096;

/// Bytes of a file that say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

impl Piece {
    /// Notes damage of a segment. What follows the last piece at once belongs to it.
    pub(super) fn note(pieces: &mut Vec<Self>, segment: &Segment, offset: u64, bytes: &[u8]) {
        if let Some(last) = pieces.last_mut()
            && last.offset + last.bytes.len() as u64 == offset
        {
            last.bytes.extend_from_slice(bytes);
            return;
        }
        pieces.push(Self {
            path: segment.path.clone(),
            offset,
            bytes: bytes.to_vec(),
        });
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Damaged {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    told: BTreeSet<(PathBuf, u64)>,
    bytes: u64,
}

impl Damaged {
    pub(super) fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self {
            disk,
            directory: root.join(DIRECTORY),
            told: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Bytes found damaged since the spool was opened.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells of pieces, and keeps them where there is room.
    pub(super) fn keep(&mut self, lane: Lane, pieces: Vec<Piece>) {
        for piece in pieces {
            if self.told.len() >= TOLD_MAX {
                self.told.clear();
            }
            if !self.told.insert((piece.path.clone(), piece.offset)) {
                continue;
            }
            let size_bytes = piece.bytes.len();
            // A file that cannot be read at all counts too.
            self.bytes += size_bytes.max(1) as u64;
            let kept = match self.store(lane, &piece) {
                Ok(Some(path)) => path.display().to_string(),
                Ok(None) => format!(
                    "no: {} holds enough already; remove what is in it to keep more",
                    self.directory.display()
                ),
                Err(error) => format!("no: {error}"),
            };
            tracing::error!(lane = lane.name(), path = %piece.path.display(), offset = piece.offset, size_bytes, kept, "damage in the spool; what was in it is reported as dropped");
        }
    }

    /// Where the piece is kept; `None` when there is enough already.
    fn store(&self, lane: Lane, piece: &Piece) -> io::Result<Option<PathBuf>> {
        let disk = self.disk.as_ref();
        let file = piece.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}-{file}-{:010}.bad", lane.name(), piece.offset);
        let path = self.directory.join(&name);
        disk.create_directory(&self.directory)?;
        let kept = disk.list(&self.directory)?;
        if kept.contains(&path) {
            return Ok(Some(path));
        }
        let lengths = kept
            .iter()
            .map(|path| disk.open(path).and_then(|file| file.length()));
        let bytes: u64 = lengths.map(|length| length.unwrap_or(0)).sum();
        if kept.len() >= KEPT_MAX || bytes + piece.bytes.len() as u64 > KEPT_MAX_BYTES {
            return Ok(None);
        }
        let written = disk
            .create(&path)
            .and_then(|file| write_all_at(file.as_ref(), piece.bytes.clone().into(), 0));
        if let Err(error) = written {
            // Half of it would tell nothing, and take room from what counts.
            let _ = disk.remove(&path);
            return Err(error);
        }
        Ok(Some(path))
    }
}
