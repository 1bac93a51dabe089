//! The disk of a first start at which the real one takes nothing: files in memory, until they can move.
//!
//! Promises that the real disk has either nothing of the spool or all of it: files are copied under
//! other names, and renamed once all are durable, the spool id first and the states before the
//! segments, so that no number of a half-moved spool is given out again. What is here when the
//! process ends is lost with its spool id, under which nothing will come again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Disk, DiskFile, Lock, write_all_at};

/// Most bytes that are held.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Ending of names while files move.
const MOVING: &str = "moving";

/// See the module.
#[derive(Debug)]
pub(in crate::spool) struct FirstDisk {
    real: Arc<dyn Disk>,
    /// `None` once they moved.
    files: Mutex<Option<BTreeMap<PathBuf, MemoryFile>>>,
    used_bytes: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct MemoryFile {
    bytes: Arc<Mutex<Vec<u8>>>,
    used_bytes: Arc<AtomicU64>,
}

type Files = BTreeMap<PathBuf, MemoryFile>;

impl FirstDisk {
    pub(in crate::spool) fn new(real: Arc<dyn Disk>) -> Self {
        Self {
            real,
            files: Mutex::new(Some(BTreeMap::new())),
            used_bytes: Arc::default(),
        }
    }

    fn files(&self) -> MutexGuard<'_, Option<Files>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self, files: &Files) -> io::Result<()> {
        for (path, file) in files {
            if let Some(directory) = path.parent() {
                self.real.create_directory(directory)?;
            }
            let copy = self.real.create(&path.with_added_extension(MOVING))?;
            let bytes = Bytes::copy_from_slice(&file.lock());
            write_all_at(copy.as_ref(), bytes, 0)?;
            copy.sync_data()?;
        }
        Ok(())
    }

    fn rename(&self, files: &Files) -> io::Result<()> {
        let mut paths: Vec<&PathBuf> = files.keys().collect();
        paths.sort_by_key(
            |path| match path.file_name().and_then(|name| name.to_str()) {
                Some("spool_id") => 0,
                Some("state") => 1,
                _ => 2,
            },
        );
        for path in paths {
            self.real.rename(&path.with_added_extension(MOVING), path)?;
            if let Some(directory) = path.parent() {
                self.real.sync_directory(directory)?;
            }
        }
        Ok(())
    }
}

impl Disk for FirstDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        match &*self.files() {
            Some(_) => Ok(()),
            None => self.real.create_directory(path),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        match &*self.files() {
            Some(_) => Ok(Some(Lock::default())),
            None => self.real.lock(path),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        match &*self.files() {
            Some(files) => Ok(files
                .keys()
                .filter(|path| path.parent() == Some(directory))
                .cloned()
                .collect()),
            None => self.real.list(directory),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match &*self.files() {
            Some(files) => match files.get(path) {
                Some(file) => Ok(Box::new(file.clone())),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            None => self.real.open(path),
        }
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if self.is_in_memory() {
            return self.open(path);
        }
        self.real.open_for_writing(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match &mut *self.files() {
            Some(files) => {
                let file = files.entry(path.to_owned()).or_insert_with(|| MemoryFile {
                    bytes: Arc::default(),
                    used_bytes: Arc::clone(&self.used_bytes),
                });
                file.set_length(0)?;
                Ok(Box::new(file.clone()))
            }
            None => self.real.create(path),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match &mut *self.files() {
            Some(files) => {
                let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
                match files.insert(to.to_owned(), file) {
                    Some(replaced) => replaced.set_length(0),
                    None => Ok(()),
                }
            }
            None => self.real.rename(from, to),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match &mut *self.files() {
            Some(files) => files
                .remove(path)
                .ok_or(io::ErrorKind::NotFound)?
                .set_length(0),
            None => self.real.remove(path),
        }
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match &*self.files() {
            Some(_) => Ok(()),
            None => self.real.sync_directory(path),
        }
    }

    fn is_in_memory(&self) -> bool {
        self.files().is_some()
    }

    fn settle(&self, lock: &Path) -> io::Result<Lock> {
        let mut held = self.files();
        if let Some(directory) = lock.parent() {
            self.real.create_directory(directory)?;
        }
        let taken = self.real.lock(lock)?;
        let taken = taken.ok_or_else(|| io::Error::other("another crmscope-agent has it"))?;
        let Some(files) = &*held else {
            return Ok(taken);
        };
        // What is kept for hard times is laid in again there.
        let counts = |path: &PathBuf| path.file_name().is_some_and(|name| name != "reserve");
        let files: Files = files
            .iter()
            .filter(|(path, _)| counts(path))
            .map(|(path, file)| (path.clone(), file.clone()))
            .collect();
        if let Err(error) = self.copy(&files).and_then(|()| self.rename(&files)) {
            // Without its id nothing of it is a spool.
            for path in files.keys() {
                let _ = self.real.remove(&path.with_added_extension(MOVING));
                let _ = self.real.remove(path);
            }
            return Err(error);
        }
        *held = None;
        Ok(taken)
    }
}

impl MemoryFile {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the file so many bytes, or fewer where no more are to be had. Returns how many.
    fn resize(&self, bytes: &mut Vec<u8>, length: usize) -> usize {
        let more = length.saturating_sub(bytes.len()) as u64;
        let room = MAX_BYTES.saturating_sub(self.used_bytes.load(Ordering::Relaxed));
        let cut = usize::try_from(more.saturating_sub(room)).unwrap_or(usize::MAX);
        let length = length.saturating_sub(cut);
        self.used_bytes
            .fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        bytes.resize(length, 0);
        self.used_bytes.fetch_add(length as u64, Ordering::Relaxed);
        length
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>> {
        let held = self.lock();
        let from = usize::try_from(offset).map_or(held.len(), |offset| offset.min(held.len()));
        let end = held.len().min(from.saturating_add(length));
        Ok(held[from..end].to_vec())
    }

    fn write_at(&self, bytes: &Bytes, offset: u64) -> io::Result<usize> {
        let mut held = self.lock();
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let wanted = held.len().max(from + bytes.len());
        let end = self.resize(&mut held, wanted).min(from + bytes.len());
        if end <= from {
            return Err(io::ErrorKind::StorageFull.into());
        }
        held[from..end].copy_from_slice(&bytes[..end - from]);
        Ok(end - from)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.resize(&mut self.lock(), length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}
