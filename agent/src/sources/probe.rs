//! Asking things that may never answer: a file system of a server that is gone, a driver that waits
//! for its device.
//!
//! Owns the helper threads. Promises: asking takes no longer than the deadline and a little for
//! each that hangs; one that hangs holds one thread, no other, and is not asked again until that
//! thread has come back; a late answer is thrown away, since it is of no known moment. As long as
//! all answer, one helper serves them all. A thread that hangs in the kernel cannot be ended: it is
//! left behind when the agent stops.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a helper may be quiet before another one goes on with the others.
const PATIENCE: Duration = Duration::from_millis(50);

/// A helper does one system call.
const STACK_BYTES: usize = 64 * 1024;

/// How a path is asked; may block.
pub(super) type Ask<T> = Arc<dyn Fn(&Path) -> io::Result<T> + Send + Sync>;

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

struct Answer<T> {
    path: Arc<Path>,
    value: io::Result<T>,
    helper: Sender<Job>,
}

/// Helpers, at work or idle.
pub(super) struct Probes<T> {
    /// Name of the helper threads.
    name: &'static str,
    ask: Ask<T>,
    deadline: Duration,
    helpers_max: usize,
    answers: Receiver<Answer<T>>,
    answer: Sender<Answer<T>>,
    idle: Vec<Sender<Job>>,
    /// Those whose helper has not come back from an earlier run.
    late: Vec<Arc<Path>>,
}

/// One that was asked in this run.
struct Asked {
    position: usize,
    path: Arc<Path>,
    at: Instant,
}

impl<T: Send + 'static> Probes<T> {
    pub(super) fn new(
        name: &'static str,
        ask: Ask<T>,
        deadline: Duration,
        helpers_max: usize,
    ) -> Self {
        let (answer, answers) = channel();
        Self {
            name,
            ask,
            deadline,
            helpers_max,
            answers,
            answer,
            idle: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Asks each path; `publish` gets its position and what came of it, in any order.
    pub(super) fn ask_all<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p Arc<Path>>,
        mut publish: impl FnMut(usize, Result<T, Silence>),
    ) {
        while let Ok(answer) = self.answers.try_recv() {
            self.came_back(&answer.path, answer.helper);
        }
        let mut asked: Vec<Asked> = Vec::new();
        for (position, path) in paths.enumerate() {
            if self.late.contains(path) {
                publish(position, Err(Silence::Late));
                continue;
            }
            if self.late.len() + asked.len() >= self.helpers_max {
                publish(position, Err(Silence::NoHelper));
                continue;
            }
            if let Err(error) = self.send(path) {
                publish(position, Err(Silence::Error(error)));
                continue;
            }
            let at = Instant::now();
            let path = Arc::clone(path);
            asked.push(Asked { position, path, at });
            while asked.last().is_some_and(|last| last.position == position)
                && self.wait(&mut asked, at + PATIENCE, &mut publish)
            {}
        }
        while let Some(oldest) = asked.first() {
            let until = oldest.at + self.deadline;
            if !self.wait(&mut asked, until, &mut publish) {
                let oldest = asked.remove(0);
                publish(oldest.position, Err(Silence::Late));
                self.late.push(oldest.path);
            }
        }
        // The others end as their queues are dropped.
        self.idle.truncate(1);
    }

    /// Hands over one answer, of whatever path; false if none came in time.
    fn wait(
        &mut self,
        asked: &mut Vec<Asked>,
        until: Instant,
        publish: &mut impl FnMut(usize, Result<T, Silence>),
    ) -> bool {
        let patience = until.saturating_duration_since(Instant::now());
        let Ok(answer) = self.answers.recv_timeout(patience) else {
            return false;
        };
        match asked.iter().position(|asked| asked.path == answer.path) {
            Some(position) => {
                let asked = asked.remove(position);
                self.idle.push(answer.helper);
                publish(asked.position, answer.value.map_err(Silence::Error));
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
            .map_err(|_| io::Error::other("the thread that asks has ended"))
    }

    fn start(&self) -> io::Result<Sender<Job>> {
        let (helper, jobs) = channel::<Job>();
        let ask = Arc::clone(&self.ask);
        let answer = self.answer.clone();
        thread::Builder::new()
            .name(self.name.to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                while let Ok(Job { path, helper }) = jobs.recv() {
                    let value = ask(&path);
                    // Nobody waits any more: the agent is stopping.
                    if answer
                        .send(Answer {
                            path,
                            value,
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
