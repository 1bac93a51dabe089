//! The process file system: which processes there are, and files of one of them.
//!
//! Owns the kept handle and the buffers. The names in it come with the number of their inode, which
//! the kernel draws anew for every process: a number that is the same means the same process,
//! without a file being opened.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use crate::sources::SourceError;
use crate::sources::host::text::digits;

/// Names that one call brings: some 250.
const NAMES_BYTES: usize = 8 * 1024;

/// Read of one file.
const FILE_MAX_BYTES: usize = 4096;

/// Open files counted one by one, where the kernel does not tell their number.
const OPEN_FILES_MAX: u64 = 65_536;

/// A process as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    pub(super) pid: u32,
    pub(super) inode: u64,
}

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: Option<OwnedFd>,
    names: Vec<u8>,
    file: Vec<u8>,
    /// Files opened so far.
    #[cfg(test)]
    pub(super) opened: u64,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            handle: None,
            names: Vec::with_capacity(NAMES_BYTES),
            file: vec![0; FILE_MAX_BYTES],
            #[cfg(test)]
            opened: 0,
        }
    }

    /// All processes, by number.
    pub(super) fn list(&mut self, listed: &mut Vec<Listed>) -> Result<(), SourceError> {
        listed.clear();
        let result = self.read_names(listed);
        listed.sort_unstable();
        result.map_err(|errno| {
            self.handle = None;
            SourceError::Read {
                path: self.path.display().to_string(),
                error: errno.into(),
            }
        })
    }

    fn read_names(&mut self, listed: &mut Vec<Listed>) -> Result<(), Errno> {
        let handle = match &mut self.handle {
            Some(handle) => handle,
            closed => closed.insert(rustix::fs::open(
                &self.path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?),
        };
        rustix::fs::seek(&*handle, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(&*handle, self.names.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let number = digits(entry.file_name().to_bytes());
            if let Some(pid) = number.and_then(|number| u32::try_from(number).ok()) {
                let inode = entry.ino();
                listed.push(Listed { pid, inode });
            }
        }
        Ok(())
    }

    /// The beginning of a file of a process.
    pub(super) fn read(&mut self, pid: u32, name: &str) -> Result<&[u8], Errno> {
        let handle = self.handle.as_ref().ok_or(Errno::BADF)?;
        #[cfg(test)]
        {
            self.opened += 1;
        }
        let file = rustix::fs::openat(
            handle,
            format!("{pid}/{name}"),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        // These files come in one piece, as far as there is room for them.
        let filled = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut self.file[..]))?;
        Ok(&self.file[..filled])
    }

    /// Path of the program. One that was replaced since it started has the path it had.
    pub(super) fn executable(&self, pid: u32) -> Result<Vec<u8>, Errno> {
        let handle = self.handle.as_ref().ok_or(Errno::BADF)?;
        let path = rustix::fs::readlinkat(handle, format!("{pid}/exe"), Vec::new())?;
        let path = path.into_bytes();
        Ok(path
            .strip_suffix(b" (deleted)")
            .map_or(path.clone(), <[u8]>::to_vec))
    }

    /// How many files the process has open; `None` where that is not permitted.
    pub(super) fn open_files(&mut self, pid: u32) -> Option<u64> {
        let handle = self.handle.as_ref()?;
        let path = format!("{pid}/fd");
        let stat = rustix::fs::statat(handle, &path, AtFlags::empty()).ok()?;
        // Since 6.2 the size is the number.
        if stat.st_size > 0 {
            return u64::try_from(stat.st_size).ok();
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(handle, &path, flags, Mode::empty()).ok()?;
        let mut entries = RawDir::new(&folder, self.names.spare_capacity_mut());
        let mut count = 0;
        while let Some(entry) = entries.next() {
            if !entry.ok()?.file_name().to_bytes().starts_with(b".") {
                count += 1;
            }
            if count == OPEN_FILES_MAX {
                break;
            }
        }
        Some(count)
    }
}
