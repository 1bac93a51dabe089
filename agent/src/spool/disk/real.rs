//! The machine's own file systems.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::buffer::spare_capacity;

use super::{Disk, DiskFile, Lock};

/// See the module.
#[derive(Debug)]
pub(in crate::spool) struct RealDisk;

/// The same error with the path. Errors of open files stay as they are: their numbers tell a bad
/// sector from other trouble.
fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Disk for RealDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path).map_err(at(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        // A lock that is there can be taken on a disk that takes no writes any more.
        let file = File::create(path)
            .or_else(|error| File::open(path).map_err(|_| error))
            .map_err(at(path))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock::of(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(at(path)(error.into())),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)
            .map_err(at(directory))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path).map_err(at(path))?))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).open(path);
        Ok(Box::new(file.map_err(at(path))?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(path).map_err(at(path))?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(at(from))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(at(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)
            .and_then(|directory| directory.sync_all())
            .map_err(at(path))
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        rustix::io::pread(self, spare_capacity(&mut bytes), offset)?;
        Ok(bytes)
    }

    fn write_at(&self, bytes: &Bytes, offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}
