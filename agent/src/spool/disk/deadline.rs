//! A disk whose answers are waited for only so long.
//!
//! Owns a thread that does one operation at a time, in order. Promises: nobody waits for an
//! operation longer than the deadline; what was not answered by then ends with `TimedOut`, and so
//! does everything after it, at once, until that operation has ended. Its effect is unknown
//! meanwhile, as with any failed write, but nothing overtakes it: what comes later finds it done or
//! not done, for good. So nothing waits in line but files to be closed, which are few. Leaves what
//! to make of it to the spool, which goes back to what it knows to be durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::{Disk, DiskFile, Lock};

/// A disk that is only slow answers by then; one that does not is not waited for.
const DEADLINE: Duration = Duration::from_secs(2);

type Job = Box<dyn FnOnce() + Send>;

/// See the module.
#[derive(Debug)]
pub(in crate::spool) struct DeadlineDisk {
    disk: Arc<dyn Disk>,
    thread: Arc<DiskThread>,
}

/// Where operations are done.
#[derive(Debug)]
pub(super) struct DiskThread {
    jobs: Sender<Job>,
    deadline: Duration,
    /// Of the operation that was not answered in time: closed once it has ended.
    late: Mutex<Option<Receiver<()>>>,
}

fn stalled(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl DiskThread {
    fn start(deadline: Duration) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("spool disk".to_owned())
            .spawn(move || waiting.into_iter().for_each(|job| job()))?;
        Ok(Self {
            jobs,
            deadline,
            late: Mutex::default(),
        })
    }

    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        // Held while it is waited, so that others come in order.
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = &*late
            && end.try_recv() == Err(TryRecvError::Empty)
        {
            return Err(stalled("an earlier operation has no answer yet"));
        }
        *late = None;
        let (reply, answer) = mpsc::sync_channel(1);
        let (ended, end) = mpsc::channel();
        let job = Box::new(move || {
            // Nobody may be there any more to hear it.
            let _ = reply.send(operation());
            drop(ended);
        });
        let gone = || io::Error::other("the thread of the spool's disk is gone");
        self.jobs.send(job).map_err(|_| gone())?;
        match answer.recv_timeout(self.deadline) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                *late = Some(end);
                let deadline_ms = self.deadline.as_millis();
                Err(stalled(&format!("no answer within {deadline_ms} ms")))
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    /// Drops a value there: closing a file may hang too.
    pub(super) fn leave(&self, value: impl Send + 'static) {
        let _ = self.jobs.send(Box::new(move || drop(value)));
    }

    /// Waits until what was left is dropped, as far as the deadline allows.
    pub(super) fn settle(&self) {
        let _ = self.run(|| Ok(()));
    }
}

impl DeadlineDisk {
    /// Waits so long for operations of `disk`.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(in crate::spool) fn new(disk: Arc<dyn Disk>) -> io::Result<Self> {
        Self::within(disk, DEADLINE)
    }

    pub(in crate::spool) fn within(disk: Arc<dyn Disk>, deadline: Duration) -> io::Result<Self> {
        let thread = Arc::new(DiskThread::start(deadline)?);
        Ok(Self { disk, thread })
    }

    fn run<T: Send + 'static>(
        &self,
        path: &Path,
        operation: impl FnOnce(&dyn Disk, &Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (disk, path) = (Arc::clone(&self.disk), path.to_owned());
        self.thread.run(move || operation(disk.as_ref(), &path))
    }

    fn open_with(
        &self,
        path: &Path,
        open: impl FnOnce(&dyn Disk, &Path) -> io::Result<Box<dyn DiskFile>> + Send + 'static,
    ) -> io::Result<Box<dyn DiskFile>> {
        let file = self.run(path, open)?;
        Ok(Box::new(DeadlineFile {
            file: Some(Arc::from(file)),
            thread: Arc::clone(&self.thread),
        }))
    }
}

impl Disk for DeadlineDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.run(path, |disk, path| disk.create_directory(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let lock = self.run(path, |disk, path| disk.lock(path))?;
        Ok(lock.map(|lock| lock.released_on(Arc::clone(&self.thread))))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.run(directory, |disk, path| disk.list(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_with(path, |disk, path| disk.open(path))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_with(path, |disk, path| disk.open_for_writing(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_with(path, |disk, path| disk.create(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let to = to.to_owned();
        self.run(from, move |disk, from| disk.rename(from, &to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(path, |disk, path| disk.remove(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.run(path, |disk, path| disk.sync_directory(path))
    }
}

#[derive(Debug)]
struct DeadlineFile {
    /// `None` once it is to be closed.
    file: Option<Arc<dyn DiskFile>>,
    thread: Arc<DiskThread>,
}

impl DeadlineFile {
    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&dyn DiskFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = self.file.clone().ok_or(io::ErrorKind::NotFound)?;
        self.thread.run(move || operation(file.as_ref()))
    }
}

impl DiskFile for DeadlineFile {
    fn length(&self) -> io::Result<u64> {
        self.run(|file| file.length())
    }

    fn read_at(&self, length: usize, offset: u64) -> io::Result<Vec<u8>> {
        self.run(move |file| file.read_at(length, offset))
    }

    fn write_at(&self, bytes: &Bytes, offset: u64) -> io::Result<usize> {
        let shared = bytes.clone();
        self.run(move |file| file.write_at(&shared, offset))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.run(move |file| file.set_length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(|file| file.sync_data())
    }
}

impl Drop for DeadlineFile {
    fn drop(&mut self) {
        self.thread.leave(self.file.take());
    }
}
