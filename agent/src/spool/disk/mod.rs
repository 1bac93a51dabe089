//! The disk as the spool sees it: every read, write, sync, rename, removal and listing.
//!
//! Owns the seam behind which tests put a disk that fails, fills up and loses power. Promises what
//! POSIX does and no more: a write is there after a power loss once the file was synced, a name once
//! its directory was. Leaves what to make of an error to the spool.

mod deadline;
mod first;
mod real;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};

pub(super) use deadline::DeadlineDisk;
use deadline::DiskThread;
pub(super) use first::FirstDisk;
pub(super) use real::RealDisk;

/// What is given up where the disk cannot be read.
const BLOCK_BYTES: usize = 4096;

/// A place for files.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Makes a directory and those above it; no error when it is there.
    ///
    /// # Errors
    /// When the disk refuses.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock of that name; `None` when somebody else has it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;

    /// Paths of what is in a directory, in any order.
    ///
    /// # Errors
    /// When the disk refuses.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Opens a file to be read.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that is there to be written.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes an empty file, in place of one of that name.
    ///
    /// # Errors
    /// When the disk refuses.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file, in place of one of that name.
    ///
    /// # Errors
    /// When the disk refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Whether everything is only in memory, because the disk does not take it yet.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Moves what is only in memory to the disk, and takes the lock there. Files that are open must
    /// be closed before.
    ///
    /// # Errors
    /// When the disk refuses; all is as before then.
    fn settle(&self, lock: &Path) -> io::Result<Lock> {
        self.lock(lock)?
            .ok_or_else(|| io::ErrorKind::ResourceBusy.into())
    }
}

/// An open file.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// When the disk refuses.
    fn length(&self) -> io::Result<u64>;

    /// Reads some bytes at `offset`, at most `length`; none at the end. They are handed over, as they
    /// may come from another thread.
    ///
    /// # Errors
    /// When the disk refuses.
    fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>>;

    /// Writes some of the bytes at `offset`, and returns how many.
    ///
    /// # Errors
    /// When the disk refuses.
    fn write_at(&self, bytes: &Bytes, offset: u64) -> io::Result<usize>;

    /// Cuts the file off.
    ///
    /// # Errors
    /// When the disk refuses.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes what was written durable. After an error nothing is known of what was written since
    /// the last sync: it is to be written again.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync_data(&self) -> io::Result<()>;
}

/// Keeps other agents out of the directory.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    file: Option<LockFile>,
    /// Where it is released.
    thread: Option<Arc<DiskThread>>,
}

impl Lock {
    fn of(file: File) -> Self {
        Self {
            file: Some(LockFile(file)),
            thread: None,
        }
    }

    /// The file that is locked.
    #[cfg(test)]
    pub(in crate::spool) fn file(&self) -> Option<&File> {
        self.file.as_ref().map(|file| &file.0)
    }

    fn released_on(mut self, thread: Arc<DiskThread>) -> Self {
        self.thread = Some(thread);
        self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(thread) = &self.thread {
            thread.leave(self.file.take());
            // Whoever opens the directory next must find it free.
            thread.settle();
        }
    }
}

#[derive(Debug)]
struct LockFile(File);

impl Drop for LockFile {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started has the file open until it
        // runs its own program.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// Whether the disk says nothing of what is there, so that it may be whole.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::TimedOut
    )
}

/// Writes all of the bytes.
pub(super) fn write_all_at(file: &dyn DiskFile, mut bytes: Bytes, mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(&bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes.advance(written.min(bytes.len()));
                at += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Replaces a file as a whole: after a crash there is the one before or this one.
pub(super) fn replace(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let temporary = directory.join(format!("{name}.new"));
    let file = disk.create(&temporary)?;
    write_all_at(file.as_ref(), Bytes::copy_from_slice(bytes), 0)?;
    file.sync_data()?;
    disk.rename(&temporary, &directory.join(name))?;
    disk.sync_directory(directory)
}

/// A file's bytes, as [`read_range`] gives them.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    read_range(file.as_ref(), 0, file.length()?)
}

/// The first bytes of a file, or the error.
pub(super) fn read_exactly(file: &dyn DiskFile, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match file.read_at(length - bytes.len(), bytes.len() as u64) {
            Ok(more) if more.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => append(&mut bytes, more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Bytes of a file. Blocks that the disk cannot give read as zeros, which no record begins with:
/// one bad sector must not take a whole lane along.
pub(super) fn read_range(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let bad_sector = rustix::io::Errno::IO.raw_os_error();
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let (left, at) = (length - bytes.len(), from + bytes.len() as u64);
        match file.read_at(left, at) {
            Ok(more) if more.is_empty() => break,
            Ok(more) => append(&mut bytes, more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(bad_sector) => {
                let block = left.min(BLOCK_BYTES);
                match file.read_at(block, at) {
                    Ok(more) if !more.is_empty() => append(&mut bytes, more),
                    _ => bytes.resize(bytes.len() + block, 0),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Mostly the first piece is all there is, and needs no copy.
fn append(bytes: &mut Vec<u8>, more: Vec<u8>) {
    if bytes.is_empty() {
        *bytes = more;
    } else {
        bytes.extend_from_slice(&more);
    }
}
