//! A disk in memory that refuses, fails, fills up and loses power.
//!
//! It keeps apart what is there and what is durable: bytes become durable by a sync of the file,
//! names by a sync of the directory. [`SimulatedDisk::lose_power`] keeps what is durable and, of the
//! rest, what chance gives: nothing, all, a part torn at any byte, or a hole of zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use crate::spool::Spool;
use crate::spool::disk::{Disk, DiskFile, Lock};

/// What of a disk goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// `ENOSPC`, after a part of a write was taken.
    Full,
    /// `EROFS`.
    ReadOnly,
    /// `EIO` from everything that writes.
    Failing,
    /// `EIO`, `ENOSPC` or a part only, from every so many-th operation.
    Flaky(u8),
    /// No answer: the operation under way is done later, or never; all others end at once.
    Stalled,
    /// This error from everything.
    Unreadable(rustix::io::Errno),
    /// `EACCES` from everything that writes.
    Forbidden,
    /// The process is killed: what it still tries does nothing.
    Killed,
}

#[derive(Debug)]
enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Write {
    fn apply(&self, content: &mut Vec<u8>, torn: Option<usize>) {
        match self {
            Self::Bytes { at, bytes } => {
                let bytes = &bytes[..torn.unwrap_or(bytes.len()).min(bytes.len())];
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

#[derive(Debug, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Debug)]
enum NameChange {
    Set(PathBuf, u64),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Set(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Removed(path) => {
                names.remove(path);
            }
            Self::Renamed(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }

    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Set(path, _) | Self::Removed(path) | Self::Renamed(_, path) => path.parent(),
        }
    }
}

#[derive(Debug)]
struct World {
    random: fastrand::Rng,
    trouble: Option<Trouble>,
    capacity: usize,
    next_inode: u64,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    changes: Vec<NameChange>,
    directories: BTreeSet<PathBuf>,
    /// The last read failed: the one after it does not, or it would be a bad sector.
    read_failed: bool,
    syncs: u64,
    /// An operation has no answer yet.
    late: bool,
}

/// When an operation that is done says so.
#[derive(Clone, Copy, Debug)]
enum Answer {
    InTime,
    Late,
}

impl Answer {
    fn give<T>(self, value: T) -> io::Result<T> {
        match self {
            Self::InTime => Ok(value),
            Self::Late => Err(error(rustix::io::Errno::TIMEDOUT)),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct SimulatedDisk(Arc<Mutex<World>>);

fn error(errno: rustix::io::Errno) -> io::Error {
    errno.into()
}

impl World {
    fn refuse(&mut self) -> io::Result<Answer> {
        use rustix::io::Errno;
        match self.trouble {
            None | Some(Trouble::Full) => Ok(Answer::InTime),
            Some(Trouble::ReadOnly) => Err(error(Errno::ROFS)),
            Some(Trouble::Failing | Trouble::Killed) => Err(error(Errno::IO)),
            Some(Trouble::Unreadable(errno)) => Err(error(errno)),
            Some(Trouble::Forbidden) => Err(error(Errno::ACCESS)),
            Some(Trouble::Stalled) => {
                if self.is_late() {
                    return Ok(Answer::Late);
                }
                Err(error(Errno::TIMEDOUT))
            }
            Some(Trouble::Flaky(every)) if self.random.u8(0..every) == 0 => {
                Err(error(if self.random.bool() {
                    Errno::IO
                } else {
                    Errno::NOSPC
                }))
            }
            Some(Trouble::Flaky(_)) => Ok(Answer::InTime),
        }
    }

    /// Nothing can be read while there is no answer.
    fn answer(&self) -> io::Result<()> {
        match self.trouble {
            Some(Trouble::Stalled) => Err(error(rustix::io::Errno::TIMEDOUT)),
            Some(Trouble::Unreadable(errno)) => Err(error(errno)),
            _ => Ok(()),
        }
    }

    /// Whether this operation is the one that hangs, and is done all the same in the end.
    fn is_late(&mut self) -> bool {
        self.trouble == Some(Trouble::Stalled)
            && !std::mem::replace(&mut self.late, true)
            && self.random.bool()
    }

    /// Bytes that there is room for.
    fn room(&self) -> usize {
        if self.trouble == Some(Trouble::Full) {
            return 0;
        }
        let used: usize = self
            .names
            .values()
            .map(|inode| self.inodes[inode].content.len())
            .sum();
        self.capacity.saturating_sub(used)
    }

    fn inode(&mut self, path: &Path) -> io::Result<u64> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl SimulatedDisk {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self(Arc::new(Mutex::new(World {
            random,
            trouble: None,
            capacity: usize::MAX,
            next_inode: 1,
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            directories: BTreeSet::new(),
            read_failed: false,
            syncs: 0,
            late: false,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(super) fn trouble(&self, trouble: Option<Trouble>) {
        let mut world = self.world();
        world.trouble = trouble;
        world.late = false;
    }

    pub(super) fn set_capacity(&self, bytes: usize) {
        self.world().capacity = bytes;
    }

    /// Bytes of all files.
    pub(super) fn used(&self) -> usize {
        let world = self.world();
        let lengths = world
            .names
            .values()
            .map(|inode| world.inodes[inode].content.len());
        lengths.sum()
    }

    /// Length of a file.
    pub(super) fn length(&self, path: &Path) -> u64 {
        let world = self.world();
        world.inodes[&world.names[path]].content.len() as u64
    }

    /// How often a file was synced.
    pub(super) fn syncs(&self) -> u64 {
        self.world().syncs
    }

    /// The process is gone with its spool, the machine is not: what was written is there.
    pub(super) fn kill(&self, spool: Spool) {
        let before = self.world().trouble.replace(Trouble::Killed);
        drop(spool);
        self.world().trouble = before;
    }

    /// The power fails: what is not durable is there in part, or not.
    pub(super) fn lose_power(&self) {
        let mut world = self.world();
        let world = &mut *world;
        world.trouble = None;
        let mut kept = BTreeMap::new();
        for change in std::mem::take(&mut world.changes) {
            // Changes of a directory reach the disk in order, up to some point.
            let directory = change.directory().unwrap().to_owned();
            let random = &mut world.random;
            let keeps = kept.entry(directory).or_insert_with(|| random.u8(0..8));
            if *keeps > 0 {
                *keeps = keeps.saturating_sub(1);
                change.apply(&mut world.durable_names);
            }
        }
        world.names = world.durable_names.clone();
        for inode in world.inodes.values_mut() {
            let writes = std::mem::take(&mut inode.unsynced);
            let before = inode.durable.len();
            let all = writes.len();
            let kept = match world.random.u8(0..4) {
                0 => 0,
                1 => all,
                _ => world.random.usize(0..=all),
            };
            for write in &writes[..kept] {
                write.apply(&mut inode.durable, None);
            }
            if let Some(Write::Bytes { bytes, .. }) = writes.get(kept)
                && world.random.bool()
            {
                let torn = world.random.usize(0..=bytes.len());
                writes[kept].apply(&mut inode.durable, Some(torn));
            }
            // The length was there before the bytes.
            if inode.durable.len() > before && world.random.u8(0..4) == 0 {
                let from = world.random.usize(before..inode.durable.len());
                inode.durable[from..].fill(0);
            }
            inode.content.clone_from(&inode.durable);
        }
    }

    /// Changes a file behind everybody's back, for good.
    pub(super) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let number = world.names[path];
        let inode = world.inodes.get_mut(&number).unwrap();
        change(&mut inode.content);
        inode.durable.clone_from(&inode.content);
        inode.unsynced.clear();
    }

    /// Paths below a directory whose names end so.
    pub(super) fn files(&self, directory: &Path, suffix: &str) -> Vec<PathBuf> {
        let world = self.world();
        let names = world.names.keys();
        names
            .filter(|path| path.starts_with(directory))
            .filter(|path| path.to_string_lossy().ends_with(suffix))
            .cloned()
            .collect()
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    inode: u64,
}

impl Disk for SimulatedDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.answer()?;
        if !world.directories.contains(path) {
            world.refuse()?;
            world.directories.insert(path.to_owned());
        }
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Lock>> {
        self.world().answer()?;
        Ok(Some(Lock::default()))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let world = self.world();
        world.answer()?;
        if !world.directories.contains(directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = world.names.keys();
        Ok(names
            .filter(|path| path.parent() == Some(directory))
            .cloned()
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.world();
        world.answer()?;
        let inode = world.inode(path)?;
        drop(world);
        let disk = self.clone();
        Ok(Box::new(SimulatedFile { disk, inode }))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.world().refuse()?.give(())?;
        self.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.world();
        let answer = world.refuse()?;
        let inode = match world.inode(path) {
            Ok(inode) => inode,
            Err(_) => {
                let inode = world.next_inode;
                world.next_inode += 1;
                world.inodes.insert(inode, Inode::default());
                world.change(NameChange::Set(path.to_owned(), inode));
                inode
            }
        };
        drop(world);
        let disk = self.clone();
        let file = SimulatedFile { disk, inode };
        file.cut(0);
        answer.give(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        let answer = world.refuse()?;
        world.inode(from)?;
        world.change(NameChange::Renamed(from.to_owned(), to.to_owned()));
        answer.give(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.inode(path)?;
        let answer = world.refuse()?;
        world.change(NameChange::Removed(path.to_owned()));
        answer.give(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        let answer = world.refuse()?;
        let world = &mut *world;
        let names = &mut world.durable_names;
        world.changes.retain(|change| {
            let here = change.directory() == Some(path);
            if here {
                change.apply(names);
            }
            !here
        });
        answer.give(())
    }
}

impl SimulatedFile {
    fn write(&self, write: Write) {
        let mut world = self.disk.world();
        let inode = world.inodes.get_mut(&self.inode).unwrap();
        write.apply(&mut inode.content, None);
        inode.unsynced.push(write);
    }

    fn cut(&self, length: usize) {
        self.write(Write::Length(length));
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let world = self.disk.world();
        world.answer()?;
        Ok(world.inodes[&self.inode].content.len() as u64)
    }

    fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut world = self.disk.world();
        world.answer()?;
        if let Some(Trouble::Flaky(every)) = world.trouble
            && !world.read_failed
            && world.random.u8(0..every) == 0
        {
            world.read_failed = true;
            return Err(error(rustix::io::Errno::IO));
        }
        world.read_failed = false;
        let content = &world.inodes[&self.inode].content;
        let from = usize::try_from(offset).unwrap().min(content.len());
        let end = content.len().min(from.saturating_add(length));
        Ok(content[from..end].to_vec())
    }

    fn write_at(&self, bytes: &Bytes, offset: u64) -> io::Result<usize> {
        let mut world = self.disk.world();
        let answer = world.refuse()?;
        let at = usize::try_from(offset).unwrap();
        let length = world.inodes[&self.inode].content.len();
        // What is overwritten needs no room.
        let room = world.room() + length.saturating_sub(at);
        let mut taken = bytes.len().min(room);
        if matches!(world.trouble, Some(Trouble::Flaky(_))) && taken > 0 {
            taken = world.random.usize(1..=taken);
        }
        drop(world);
        if taken == 0 {
            return Err(error(rustix::io::Errno::NOSPC));
        }
        let bytes = bytes[..taken].to_vec();
        self.write(Write::Bytes { at, bytes });
        answer.give(taken)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let answer = self.disk.world().refuse()?;
        self.cut(usize::try_from(length).unwrap());
        answer.give(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        world.syncs += 1;
        let refused = world.refuse();
        let killed = world.trouble == Some(Trouble::Killed);
        let stalled = world.trouble == Some(Trouble::Stalled);
        let lost = refused.is_err() && !killed && !stalled && world.random.bool();
        let inode = world.inodes.get_mut(&self.inode).unwrap();
        if refused.is_ok() {
            for write in std::mem::take(&mut inode.unsynced) {
                write.apply(&mut inode.durable, None);
            }
        } else if lost {
            // As Linux does: what could not be written counts as clean, and a later sync as done.
            inode
                .unsynced
                .retain(|write| matches!(write, Write::Length(_)));
        }
        refused?.give(())
    }
}
