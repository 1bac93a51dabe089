//! Asking mounts for their figures, each of which may never answer.
//!
//! Owns the helper threads. Promises: asking takes no longer than the deadline and a little for
//! each mount that hangs; a mount that hangs holds one thread, no other mount, and is not asked
//! again until that thread has come back; a late answer is thrown away, since it is of no known
//! moment. With mounts that answer, one helper serves them all. A thread that hangs in the kernel
//! cannot be ended: it is left behind when the agent stops.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a helper may be quiet before another one goes on with the other mounts.
const PATIENCE: Duration = Duration::from_millis(50);

/// A helper does one system call.
const STACK_BYTES: usize = 64 * 1024;

/// What a mount answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) size_bytes: u64,
    pub(super) free_bytes: u64,
    pub(super) available_bytes: u64,
    pub(super) inodes: u64,
    pub(super) inodes_free: u64,
    pub(super) read_only: bool,
}

/// How a mount is asked: statvfs, but for tests of mounts that hang.
pub(super) type Ask = Arc<dyn Fn(&Path) -> io::Result<Usage> + Send + Sync>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// It has not answered within the deadline, now or in an earlier run.
    Late,
    /// Too many helpers hang; it was not asked.
    NoHelper,
    /// It answered with an error, or no thread could be started.
    Error(io::Error),
}

struct Job {
    path: Arc<Path>,
    /// The helper's own queue, handed back with the answer: whoever holds it keeps the helper.
    helper: Sender<Job>,
}

struct Answer {
    path: Arc<Path>,
    usage: io::Result<Usage>,
    helper: Sender<Job>,
}

/// Helpers, at work or idle.
pub(super) struct Probes {
    ask: Ask,
    deadline: Duration,
    helpers_max: usize,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
    idle: Vec<Sender<Job>>,
    /// Mounts whose helper has not come back from an earlier run.
    late: Vec<Arc<Path>>,
}

/// A mount that was asked in this run.
struct Asked {
    mount: usize,
    path: Arc<Path>,
    at: Instant,
}

impl Probes {
    pub(super) fn new(ask: Ask, deadline: Duration, helpers_max: usize) -> Self {
        let (answer, answers) = channel();
        Self {
            ask,
            deadline,
            helpers_max,
            answers,
            answer,
            idle: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Asks each mount; `publish` gets the mount's position and what came of it, in any order.
    pub(super) fn ask_all<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p Arc<Path>>,
        mut publish: impl FnMut(usize, Result<Usage, Silence>),
    ) {
        while let Ok(answer) = self.answers.try_recv() {
            self.came_back(&answer.path, answer.helper);
        }
        let mut asked: Vec<Asked> = Vec::new();
        for (mount, path) in paths.enumerate() {
            if self.late.contains(path) {
                publish(mount, Err(Silence::Late));
                continue;
            }
            if self.late.len() + asked.len() >= self.helpers_max {
                publish(mount, Err(Silence::NoHelper));
                continue;
            }
            if let Err(error) = self.send(path) {
                publish(mount, Err(Silence::Error(error)));
                continue;
            }
            let at = Instant::now();
            let path = Arc::clone(path);
            asked.push(Asked { mount, path, at });
            while asked.last().is_some_and(|last| last.mount == mount)
                && self.wait(&mut asked, at + PATIENCE, &mut publish)
            {}
        }
        while let Some(oldest) = asked.first() {
            let until = oldest.at + self.deadline;
            if !self.wait(&mut asked, until, &mut publish) {
                let oldest = asked.remove(0);
                publish(oldest.mount, Err(Silence::Late));
                self.late.push(oldest.path);
            }
        }
        // The others end as their queues are dropped.
        self.idle.truncate(1);
    }

    /// Hands over one answer, of whatever mount; false if none came in time.
    fn wait(
        &mut self,
        asked: &mut Vec<Asked>,
        until: Instant,
        publish: &mut impl FnMut(usize, Result<Usage, Silence>),
    ) -> bool {
        let patience = until.saturating_duration_since(Instant::now());
        let Ok(answer) = self.answers.recv_timeout(patience) else {
            return false;
        };
        match asked.iter().position(|asked| asked.path == answer.path) {
            Some(position) => {
                let asked = asked.remove(position);
                self.idle.push(answer.helper);
                publish(asked.mount, answer.usage.map_err(Silence::Error));
            }
            None => self.came_back(&answer.path, answer.helper),
        }
        true
    }

    fn came_back(&mut self, path: &Arc<Path>, helper: Sender<Job>) {
        self.late.retain(|late| late != path);
        self.idle.push(helper);
    }

    fn send(&mut self, path: &Arc<Path>) -> io::Result<()> {
        let helper = match self.idle.pop() {
            Some(helper) => helper,
            None => self.start()?,
        };
        let job = Job {
            path: Arc::clone(path),
            helper: helper.clone(),
        };
        helper
            .send(job)
            .map_err(|_| io::Error::other("the thread that asks file systems has ended"))
    }

    fn start(&self) -> io::Result<Sender<Job>> {
        let (helper, jobs) = channel::<Job>();
        let ask = Arc::clone(&self.ask);
        let answer = self.answer.clone();
        thread::Builder::new()
            .name("statvfs".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                while let Ok(Job { path, helper }) = jobs.recv() {
                    let usage = ask(&path);
                    // Nobody waits any more: the agent is stopping.
                    if answer
                        .send(Answer {
                            path,
                            usage,
                            helper,
                        })
                        .is_err()
                    {
                        break;
                    }
                }
            })?;
        Ok(helper)
    }
}
