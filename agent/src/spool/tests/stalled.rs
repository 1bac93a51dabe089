//! A disk that gives no answer: nobody waits for it, and what it does later counts once.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::simulated::SimulatedDisk;
use super::*;
use crate::outbox::Outbox;
use crate::spool::SpoolState;
use crate::spool::disk::{DeadlineDisk, Disk, DiskFile, Lock};

/// Short, so that the tests are; a busy machine may pass it too, so an append is tried again.
const DEADLINE: Duration = Duration::from_millis(250);

/// Operations wait here while it is closed.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn hang(&self, hangs: bool) {
        *self.0.0.lock().unwrap() = hangs;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let hangs = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(hangs, |hangs| *hangs).unwrap());
    }
}

#[derive(Debug)]
struct Hanging<T: ?Sized> {
    gate: Gate,
    inner: Box<T>,
}

impl Hanging<dyn Disk> {
    fn file(&self, inner: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        let gate = self.gate.clone();
        Ok(Box::new(Hanging {
            gate,
            inner: inner?,
        }))
    }
}

impl Disk for Hanging<dyn Disk> {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.gate.pass();
        self.inner.create_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        self.gate.pass();
        self.inner.lock(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.gate.pass();
        self.inner.list(directory)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.gate.pass();
        self.file(self.inner.open(path))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.gate.pass();
        self.file(self.inner.open_for_writing(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.gate.pass();
        self.file(self.inner.create(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass();
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.gate.pass();
        self.inner.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync_directory(path)
    }
}

impl DiskFile for Hanging<dyn DiskFile> {
    fn length(&self) -> io::Result<u64> {
        self.gate.pass();
        self.inner.length()
    }

    fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>> {
        self.gate.pass();
        self.inner.read_at(length, offset)
    }

    fn write_at(&self, bytes: &Bytes, offset: u64) -> io::Result<usize> {
        self.gate.pass();
        self.inner.write_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.gate.pass();
        self.inner.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync_data()
    }
}

struct Bench {
    gate: Gate,
    disk: SimulatedDisk,
}

impl Bench {
    fn new() -> Self {
        Self {
            gate: Gate::default(),
            disk: SimulatedDisk::new(fastrand::Rng::with_seed(1)),
        }
    }

    /// A disk of one process: what hangs in it is done before the next one begins.
    fn disk(&self) -> Arc<dyn Disk> {
        let hanging: Box<dyn Disk> = Box::new(self.disk.clone());
        let hanging = Hanging {
            gate: self.gate.clone(),
            inner: hanging,
        };
        Arc::new(DeadlineDisk::within(Arc::new(hanging), DEADLINE).unwrap())
    }

    fn open(&self) -> Spool {
        loop {
            match Spool::open_on(self.disk(), Path::new("/spool"), Config::default()) {
                Ok((spool, lost)) => {
                    assert!(lost.is_empty(), "{lost:?}");
                    return spool;
                }
                Err(error) => println!("again: {error}"),
            }
        }
    }
}

fn give(spool: &mut Spool, lane: Lane, number: u64) -> bool {
    let checkpoint = Some(number.to_le_bytes().to_vec());
    let outcome = spool.append(&origin(), lane, &beat(number), checkpoint, 1_000);
    outcome.is_ok()
}

fn give_until_taken(spool: &mut Spool, lane: Lane, number: u64) {
    while !give(spool, lane, number) {}
}

#[test]
fn a_disk_without_an_answer_holds_nobody_up_and_counts_nothing_twice() {
    for lane in [Lane::Security, Lane::Requests] {
        let bench = Bench::new();
        let mut spool = bench.open();
        for number in 1..=3 {
            give_until_taken(&mut spool, lane, number);
        }
        bench.gate.hang(true);
        for _ in 0..20 {
            assert!(!give(&mut spool, lane, 4));
            assert_eq!(spool.spool_state(), SpoolState::Stalled);
            let read = spool.read(lane, 0, usize::MAX, usize::MAX);
            assert!(read.is_err() || read.is_ok_and(|records| records.is_empty()));
        }
        bench.gate.hang(false);
        give_until_taken(&mut spool, lane, 4);
        assert_eq!(spool.spool_state(), SpoolState::Good);
        let expected: Vec<(u64, u64)> = (1..=4).map(|number| (number, number)).collect();
        let read = |spool: &mut Spool| loop {
            if let Ok(records) = spool.read(lane, 0, usize::MAX, usize::MAX) {
                return beats(&records);
            }
        };
        assert_eq!(read(&mut spool), expected);
        drop(spool);
        let mut spool = bench.open();
        assert_eq!(read(&mut spool), expected);
        assert_eq!(spool.checkpoint(lane), 4u64.to_le_bytes());
    }
}

#[test]
fn a_spool_on_a_disk_without_an_answer_is_not_taken_for_a_new_or_damaged_one() {
    let bench = Bench::new();
    let mut spool = bench.open();
    give_until_taken(&mut spool, Lane::Security, 1);
    let id = spool.spool_id();
    drop(spool);
    bench.gate.hang(true);
    let refused = Spool::open_or_hold(&bench.disk(), Path::new("/spool"), Config::default());
    assert!(refused.is_err());
    bench.gate.hang(false);
    let mut spool = bench.open();
    assert_eq!(spool.spool_id(), id);
    assert_eq!(beats(&all_of(&mut spool, Lane::Security)), [(1, 1)]);
    assert_eq!(spool.corrupt_bytes(), 0);
}

/// Heartbeats by the numbering they went out with.
fn sent(outbox: &Outbox) -> Vec<(u64, u64)> {
    loop {
        if let Ok(records) = outbox.read(Lane::Presence, 0, usize::MAX, usize::MAX) {
            return beats(&records);
        }
    }
}

#[test]
fn heartbeats_go_aside_while_the_disk_takes_none_and_each_goes_once() {
    use super::simulated::Trouble;
    for trouble in [None, Some(Trouble::ReadOnly), Some(Trouble::Failing)] {
        let bench = Bench::new();
        let outbox = Outbox::new(bench.open(), Vec::new(), origin())
            .with_aside()
            .unwrap();
        let aside = outbox.aside().unwrap();
        assert_ne!(aside.spool_id(), outbox.spool_id());
        let mut number = 0;
        let mut next = || {
            number += 1;
            let heartbeat = Heartbeat {
                beat: number,
                ..Heartbeat::default()
            };
            (number, outbox.beat(heartbeat).is_ok())
        };
        let first = std::iter::repeat_with(&mut next).find(|(_, taken)| *taken);
        let (first, _) = first.unwrap();
        // Not durable yet when the trouble begins, and so not sent before its end.
        match trouble {
            None => bench.gate.hang(true),
            trouble => bench.disk.trouble(trouble),
        }
        let (refused, taken) = next();
        assert!(!taken, "{trouble:?}: its outcome is not known");
        for _ in 0..5 {
            assert!(next().1, "{trouble:?}");
        }
        let held: Vec<u64> = sent(aside).into_iter().map(|(_, beat)| beat).collect();
        assert_eq!(held, (refused + 1..=refused + 5).collect::<Vec<_>>());
        let states = aside.states();
        assert_eq!(states[3].next_sequence, 6, "{states:?}");
        bench.gate.hang(false);
        bench.disk.trouble(None);
        // Any write tells that the disk is well again.
        while outbox.append(Lane::Security, &beat(1), None).is_err() {}
        let last = std::iter::repeat_with(&mut next).find(|(_, taken)| *taken);
        let (last, _) = last.unwrap();
        let told = sent(&outbox);
        assert_eq!(told.first(), Some(&(1, first)), "{trouble:?}");
        assert_eq!(
            told.last().map(|(_, beat)| *beat),
            Some(last),
            "{trouble:?}"
        );
        assert_eq!(outbox.spool_state(), SpoolState::Good);
        assert_eq!(sent(aside).len(), 5, "{trouble:?}");
    }
}
