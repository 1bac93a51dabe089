//! The crew: the workers, and how they are put onto other settings while the agent runs.
//!
//! Promises that a worker of which no source has other settings goes on untouched; that one that is
//! replaced has ended before the next begins, so that no line is read by two; that it ends in good order,
//! with what it held handed on and its position stored. A worker that hangs is waited for: two at a time
//! would read what it reads twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::budget::{self, Subject};
use super::worker::{self, Stop, Surroundings, Watches};
use super::{HELD_PART, WORKER_DEADLINE};
use crate::rules::Rules;
use crate::settings::health::Outcomes;
use crate::sources::{Source, Worker};
use crate::uplink::SharedPace;

/// Time between looks at a worker that is to end.
const END_INTERVAL: Duration = Duration::from_millis(10);

/// Ceilings and subjects on their way to the supervisor.
pub type Ceilings = Mutex<Option<(budget::Config, Vec<Subject>)>>;

/// See the module.
pub struct Crew {
    surroundings: Surroundings,
    rules: Arc<Rules>,
    watches: Arc<Watches>,
    ceilings: Arc<Ceilings>,
    pace: SharedPace,
    hands: Vec<Hand>,
}

/// A worker that runs.
struct Hand {
    worker: Worker,
    names: Vec<&'static str>,
    subjects: Vec<Subject>,
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl Crew {
    /// Nobody yet.
    pub(crate) fn new(surroundings: Surroundings, rules: Arc<Rules>, pace: SharedPace) -> Self {
        Self {
            surroundings,
            rules,
            watches: Arc::default(),
            ceilings: Arc::default(),
            pace,
            hands: Vec::new(),
        }
    }

    /// What the sources do; those that came once stay.
    #[must_use]
    pub fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    /// Where other ceilings come, for the supervisor.
    #[must_use]
    pub fn ceilings(&self) -> &Arc<Ceilings> {
        &self.ceilings
    }

    /// What the running sources can shed, some of them several times.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject> {
        let all = self.hands.iter().flat_map(|hand| &hand.subjects);
        all.copied().collect()
    }

    /// What became of the runs of sources.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcomes> {
        let running = |name: &str| self.hands.iter().any(|hand| hand.names.contains(&name));
        let all = self.watches.all();
        let of_running = all.iter().filter(|watch| running(watch.name));
        of_running.map(|watch| watch.outcomes()).collect()
    }

    /// Starts workers for these sources.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(&mut self, mut sources: Vec<Box<dyn Source>>) -> std::io::Result<()> {
        for worker in Worker::ALL {
            let own: Vec<_> = sources
                .extract_if(.., |source| source.worker() == worker)
                .map(|source| {
                    let watch = self.watches.of(source.as_ref());
                    (source, watch)
                })
                .collect();
            if own.is_empty() {
                continue;
            }
            let subjects = own.iter().flat_map(|(source, _)| {
                let economises = source.economises().iter().copied();
                source.subject().into_iter().chain(economises)
            });
            let subjects = subjects.collect();
            let names = own.iter().map(|(source, _)| source.name()).collect();
            let stop = Arc::<Stop>::default();
            let surroundings = Surroundings {
                stop: Arc::clone(&stop),
                ..self.surroundings.clone()
            };
            self.hands.push(Hand {
                worker,
                names,
                subjects,
                stop,
                thread: worker::spawn(worker, own, surroundings)?,
            });
        }
        Ok(())
    }

    /// Puts another configuration of sources, intervals and ceilings into force. Where it is not known what
    /// was before, all workers are replaced. May be dropped at any await: then [`Crew::stop`] ends the rest.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub async fn adopt(
        &mut self,
        before: Option<&crate::Config>,
        after: &crate::Config,
        version: u64,
    ) -> std::io::Result<()> {
        let changed = match before {
            Some(before) => before.sources.workers_changed(&after.sources),
            None => Worker::ALL.to_vec(),
        };
        self.surroundings.settings.set(&after.intervals, version);
        let network_bytes_per_s = after.budget.network_max_bytes_per_s;
        self.pace.limit(network_bytes_per_s);
        let held_bytes = after.budget.memory_max_bytes / HELD_PART;
        self.surroundings.gatherer.hold(held_bytes);
        let is_changed = |hand: &&Hand| changed.contains(&hand.worker);
        // All at once, then one after the other.
        let leaving = self.hands.iter().filter(is_changed);
        leaving.for_each(|hand| hand.stop.stop());
        for &worker in &changed {
            self.ended(worker).await;
        }
        let sources = after.sources.build_for(&changed, &self.rules);
        self.start(sources)?;
        let ceilings = (after.budget.clone(), self.subjects());
        *self.ceilings.lock().unwrap_or_else(PoisonError::into_inner) = Some(ceilings);
        Ok(())
    }

    /// Waits for the end of a worker that was told to, however long that takes.
    async fn ended(&mut self, worker: Worker) {
        let Some(position) = self.hands.iter().position(|hand| hand.worker == worker) else {
            return;
        };
        let mut waited = Duration::ZERO;
        while !self.hands[position].thread.is_finished() {
            if waited == WORKER_DEADLINE {
                tracing::warn!(
                    worker = ?worker,
                    "worker hangs; its sources go on with other settings once it does not"
                );
            }
            tokio::time::sleep(END_INTERVAL).await;
            waited += END_INTERVAL;
        }
        let hand = self.hands.swap_remove(position);
        self.watches.ended(&hand.names);
    }

    /// Ends all workers; one that hangs is left behind.
    pub async fn stop(self) {
        self.hands.iter().for_each(|hand| hand.stop.stop());
        let ended = async {
            while self.hands.iter().any(|hand| !hand.thread.is_finished()) {
                tokio::time::sleep(END_INTERVAL).await;
            }
        };
        if tokio::time::timeout(WORKER_DEADLINE, ended).await.is_err() {
            let hang = self.hands.iter().filter(|hand| !hand.thread.is_finished());
            for hand in hang {
                let name = hand.thread.thread().name().unwrap_or("worker").to_owned();
                tracing::warn!(worker = name, "worker hangs and is left behind");
            }
        }
    }
}
