//! A kernel file that stays open.
//!
//! Opening by path costs more than reading what most of these files hold, so the handle is kept
//! and every reading is a `pread` at 0 into one buffer that all files share. Promises that a
//! reading is the whole file, bounded by [`FILE_MAX_BYTES`], and that a handle that failed is
//! opened again by the next reading. Leaves parsing to others.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::sources::SourceError;

/// Size a buffer begins with: each file of a host of up to some 50 cores fits.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// Largest file that is read. /proc/stat of 1,000 cores is a fifth of it.
const FILE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// In how many readings the kernel hands a file over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All at once if the buffer is large enough: files that the kernel prints in one piece.
    OnePiece,
    /// Page by page until nothing is left: files that the kernel prints record by record.
    Pieces,
}

/// One file, opened at the first reading.
#[derive(Debug)]
pub(crate) struct KernelFile {
    path: PathBuf,
    extent: Extent,
    handle: Option<OwnedFd>,
    /// Set once an optional file could not be read, until [`KernelFile::retry`].
    absent: bool,
}

impl KernelFile {
    pub(crate) fn new(path: PathBuf, extent: Extent) -> Self {
        Self {
            path,
            extent,
            handle: None,
            absent: false,
        }
    }

    /// Reads the file. The buffer grows as needed and keeps its size.
    pub(crate) fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], SourceError> {
        match self.fill(buffer) {
            Ok(filled) => Ok(&buffer[..filled]),
            Err(errno) => {
                self.handle = None;
                Err(SourceError::Read {
                    path: self.path.display().to_string(),
                    error: errno.into(),
                })
            }
        }
    }

    /// Reads a file that the kernel may lack. After a failure it is left alone until
    /// [`KernelFile::retry`], so that an absent file costs nothing.
    pub(crate) fn read_optional<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        if self.absent {
            return None;
        }
        match self.fill(buffer) {
            Ok(filled) => Some(&buffer[..filled]),
            Err(_) => {
                self.handle = None;
                self.absent = true;
                None
            }
        }
    }

    /// Lets the next [`KernelFile::read_optional`] try again.
    pub(crate) fn retry(&mut self) {
        self.absent = false;
    }

    /// The error for a text that is not as expected.
    pub(crate) fn malformed(&self, what: &str) -> SourceError {
        SourceError::Format {
            path: self.path.display().to_string(),
            what: what.to_owned(),
        }
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        if buffer.is_empty() {
            buffer.resize(BUFFER_BYTES, 0);
        }
        let handle = match &mut self.handle {
            Some(handle) => handle,
            closed => closed.insert(rustix::fs::open(
                &self.path,
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?),
        };
        let mut filled = 0usize;
        loop {
            let read = rustix::io::retry_on_intr(|| {
                rustix::io::pread(&*handle, &mut buffer[filled..], filled as u64)
            })?;
            filled += read;
            let full = filled == buffer.len();
            if read == 0 || (self.extent == Extent::OnePiece && !full) {
                return Ok(filled);
            }
            if full {
                if filled >= FILE_MAX_BYTES {
                    return Err(Errno::FBIG);
                }
                buffer.resize(filled * 2, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        for extent in [Extent::OnePiece, Extent::Pieces] {
            let path = folder.path().join("figures");
            let mut file = KernelFile::new(path.clone(), extent);
            let mut buffer = Vec::new();
            let error = file.read(&mut buffer).unwrap_err().to_string();
            assert!(error.contains("figures"), "{error}");
            // Sizes around the buffer's.
            for size in [
                0,
                1,
                BUFFER_BYTES - 1,
                BUFFER_BYTES,
                BUFFER_BYTES + 1,
                70_000,
            ] {
                let text = vec![b'x'; size];
                std::fs::write(&path, &text).unwrap();
                assert_eq!(file.read(&mut buffer).unwrap(), text, "{size} bytes");
            }
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let mut file = KernelFile::new("/dev/zero".into(), Extent::Pieces);
        assert!(file.read(&mut Vec::new()).is_err());
    }

    #[test]
    fn an_absent_optional_file_is_left_alone_until_retried() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pressure");
        let mut file = KernelFile::new(path.clone(), Extent::OnePiece);
        let mut buffer = Vec::new();
        assert_eq!(file.read_optional(&mut buffer), None);
        std::fs::write(&path, "here").unwrap();
        assert_eq!(file.read_optional(&mut buffer), None);
        file.retry();
        assert_eq!(file.read_optional(&mut buffer), Some(&b"here"[..]));
    }
}
