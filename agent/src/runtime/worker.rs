//! Workers: threads that run sources, one thread for each thing that can block them.
//!
//! Sources with a position that share a worker are of one lane, and share that lane's position
//! ([`Positions`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::payload::Contents;

use super::budget::{Economy, SharedEconomy};
use super::gatherer::Gatherer;
use super::positions::Positions;
use super::settings::Settings;
use crate::outbox::Outbox;
use crate::settings::health::Outcomes;
use crate::sources::{Moment, Rows, Source, SourceStatistics, Worker};
use crate::spool::SpoolError;

/// Rows a source with a position may hold while the disk refuses; then it stops reading.
const HELD_MAX_ITEMS: usize = 100_000;

/// Time between looks for a position that is not known yet.
const RESTORE_INTERVAL: Duration = Duration::from_secs(1);

/// Longest time between runs that are made rarer.
pub(crate) const STRETCHED_MAX: Duration = Duration::from_secs(60);

const PANICKED: &str = "the source panicked; this is a bug in crmscope-agent";

/// How long the same error of a source is not said again.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(600);

/// Tells every worker to finish.
#[derive(Debug, Default)]
pub struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Begins the end.
    pub fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until `until`, or until the end began. Returns whether it did.
    fn wait_until(&self, until: Instant) -> bool {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stopped {
            let Some(left) = until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                return false;
            };
            stopped = self
                .changed
                .wait_timeout(stopped, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

/// A source's figures, and since when its present run goes on.
#[derive(Debug)]
pub struct SourceWatch {
    /// The source's name.
    pub name: &'static str,
    /// What its runs did.
    pub statistics: SourceStatistics,
    /// Whether it reads logs, and so has figures of lost lines.
    pub reads_logs: bool,
    /// It may be another one with other settings.
    deadline_ms: AtomicU64,
    /// A worker runs it.
    runs: AtomicBool,
    epoch: Instant,
    /// Start of the present run, ms after `epoch` plus 1; 0 between runs.
    running_since_ms: AtomicU64,
    good: AtomicU64,
    failed: AtomicU64,
    failed_in_a_row: AtomicU64,
}

impl SourceWatch {
    /// Watches a source.
    #[must_use]
    pub fn new(source: &dyn Source) -> Self {
        Self {
            name: source.name(),
            statistics: SourceStatistics::default(),
            reads_logs: matches!(source.worker(), Worker::Requests | Worker::Security),
            deadline_ms: AtomicU64::new(millis(source.deadline())),
            runs: AtomicBool::new(true),
            epoch: Instant::now(),
            running_since_ms: AtomicU64::new(0),
            good: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failed_in_a_row: AtomicU64::new(0),
        }
    }

    /// Whether a worker runs the source: settings may turn one off.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    /// What became of its runs.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        Outcomes {
            name: self.name,
            good: self.good.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            failed_in_a_row: self.failed_in_a_row.load(Ordering::Relaxed),
        }
    }

    fn note(&self, failed: bool) {
        if failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        } else {
            self.good.fetch_add(1, Ordering::Relaxed);
            self.failed_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    fn begin(&self) {
        self.running_since_ms
            .store(self.elapsed_ms() + 1, Ordering::Release);
        self.statistics.add(SourceMetric::Runs, 1);
    }

    /// Ends a run. A run that [`SourceWatch::check_overdue`] counted already is not counted again.
    fn end(&self, duration: Duration, failed: bool) {
        let since = self.running_since_ms.swap(0, Ordering::AcqRel);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.statistics.add(SourceMetric::Duration, duration_us);
        if failed {
            self.statistics.add(SourceMetric::Failures, 1);
        }
        // One that was past its deadline has failed already.
        if !failed || since != 0 {
            self.note(failed);
        }
        if millis(duration) > self.deadline_ms.load(Ordering::Relaxed) && since != 0 {
            self.statistics.add(SourceMetric::Timeouts, 1);
        }
    }

    /// Counts a run that is still going on after its deadline, once.
    pub fn check_overdue(&self) {
        let since = self.running_since_ms.load(Ordering::Acquire);
        let deadline_ms = self.deadline_ms.load(Ordering::Relaxed);
        if since != 0
            && self.elapsed_ms() + 1 > since.saturating_add(deadline_ms)
            && self
                .running_since_ms
                .compare_exchange(since, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            self.statistics.add(SourceMetric::Timeouts, 1);
            self.note(true);
            tracing::warn!(
                source = self.name,
                deadline_ms,
                "source is past its deadline and still running"
            );
        }
    }

    fn elapsed_ms(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Watches of all sources that ever ran; each keeps its place.
#[derive(Debug, Default)]
pub struct Watches(Mutex<Vec<Arc<SourceWatch>>>);

impl Watches {
    /// The watch of a source that is to run: of the one before of that name, where there was one.
    pub fn of(&self, source: &dyn Source) -> Arc<SourceWatch> {
        let mut all = self.lock();
        if let Some(watch) = all.iter().find(|watch| watch.name == source.name()) {
            let deadline_ms = millis(source.deadline());
            watch.deadline_ms.store(deadline_ms, Ordering::Relaxed);
            watch.runs.store(true, Ordering::Relaxed);
            return Arc::clone(watch);
        }
        let watch = Arc::new(SourceWatch::new(source));
        all.push(Arc::clone(&watch));
        watch
    }

    /// Sources of these names run no more.
    pub fn ended(&self, names: &[&str]) {
        let all = self.lock();
        let ended = all.iter().filter(|watch| names.contains(&watch.name));
        ended.for_each(|watch| watch.runs.store(false, Ordering::Relaxed));
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<SourceWatch>> {
        self.lock().clone()
    }

    /// Looks for runs that are past their deadline.
    pub fn check_overdue(&self) {
        self.lock().iter().for_each(|watch| watch.check_overdue());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<SourceWatch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a worker shares with the rest of the agent.
#[derive(Clone)]
pub struct Surroundings {
    /// Where batches go.
    pub outbox: Arc<Outbox>,
    /// Where metrics rows go.
    pub gatherer: Arc<Gatherer>,
    /// Intervals in force.
    pub settings: Arc<Settings>,
    /// What is shed.
    pub economy: Arc<SharedEconomy>,
    /// The end.
    pub stop: Arc<Stop>,
}

struct Task {
    source: Box<dyn Source>,
    watch: Arc<SourceWatch>,
    /// Rows of a source with a position; metrics rows go to the gatherer.
    held: Contents,
    due: Instant,
    flush_due: Instant,
    /// The source has its position, or needs none.
    restored: bool,
    /// The disk refused the last batch: the next attempt waits, also for what is urgent.
    refused: bool,
    /// The last error said, and when.
    complained: Option<(String, Instant)>,
}

/// Starts the worker's thread.
///
/// # Errors
/// When the system has no more threads.
pub fn spawn(
    worker: Worker,
    sources: Vec<(Box<dyn Source>, Arc<SourceWatch>)>,
    surroundings: Surroundings,
) -> std::io::Result<JoinHandle<()>> {
    let start = Instant::now();
    let mut tasks: Vec<Task> = sources
        .into_iter()
        .map(|(source, watch)| Task {
            restored: source.lane() == Lane::Metrics,
            source,
            watch,
            held: Contents::default(),
            due: start,
            flush_due: start + surroundings.settings.batch_interval(),
            refused: false,
            complained: None,
        })
        .collect();
    std::thread::Builder::new()
        .name(format!("{worker:?}").to_lowercase())
        .spawn(move || {
            let mut positions = None;
            loop {
                let next = tasks
                    .iter()
                    .map(Task::next)
                    .min()
                    .unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
                if surroundings.stop.wait_until(next) {
                    break;
                }
                for task in &mut tasks {
                    task.step(&surroundings, &mut positions);
                }
            }
            for task in &mut tasks {
                task.finish(&surroundings, &mut positions);
            }
        })
}

/// Time between a source's runs.
pub(super) fn interval_of(source: &dyn Source, settings: &Settings, economy: Economy) -> Duration {
    let interval = match settings.collect_interval() {
        Some(interval) if source.worker() == Worker::Kernel => interval,
        _ => source.interval(),
    };
    let stretch = source
        .subject()
        .map_or(1, |subject| economy.stretch(subject));
    // What is rare already is made no rarer: it costs nothing.
    interval
        .saturating_mul(stretch)
        .min(interval.max(STRETCHED_MAX))
}

impl Task {
    fn next(&self) -> Instant {
        if self.has_position() {
            self.due.min(self.flush_due)
        } else {
            self.due
        }
    }

    fn has_position(&self) -> bool {
        self.source.lane() != Lane::Metrics
    }

    /// Returns whether the source knows where to go on from. It waits for a spool that is not open:
    /// read from anywhere else, lines would count twice or not at all.
    fn restore(&mut self, surroundings: &Surroundings, positions: &mut Option<Positions>) -> bool {
        if self.restored {
            return true;
        }
        let lane = self.source.lane();
        if positions.is_none() {
            let checkpoint = surroundings.outbox.checkpoint(lane);
            *positions = checkpoint.map(|bytes| Positions::decode(lane.name(), &bytes));
        }
        if let Some(positions) = positions {
            self.restored = true;
            let own = positions.of(self.source.name());
            if !own.is_empty() {
                self.source.restore(own);
            }
        }
        self.restored
    }

    fn step(&mut self, surroundings: &Surroundings, positions: &mut Option<Positions>) {
        let now = Instant::now();
        if !self.restore(surroundings, positions) {
            self.due = now + RESTORE_INTERVAL;
            self.flush_due = self.due;
            return;
        }
        if now >= self.due {
            let economy = surroundings.economy.get();
            let interval = interval_of(self.source.as_ref(), &surroundings.settings, economy);
            // Missed runs are skipped, not made up for.
            self.due += interval;
            if self.due <= now {
                self.due = now + interval;
            }
            let subject = self.source.subject();
            let stopped = subject.is_some_and(|subject| economy.stops(subject));
            if self.held.items() < HELD_MAX_ITEMS && !stopped {
                self.collect(surroundings);
            }
        }
        let urgent = self.source.lane() == Lane::Security && self.held.items() > 0 && !self.refused;
        if self.has_position() && (urgent || now >= self.flush_due) {
            self.flush(surroundings, positions);
            self.flush_due = now + surroundings.settings.batch_interval();
        }
    }

    fn collect(&mut self, surroundings: &Surroundings) {
        let moment = Moment::now();
        let economy = surroundings.economy.get();
        self.watch.begin();
        let worker = self.source.worker();
        let source = &mut self.source;
        let statistics = &self.watch.statistics;
        let mut run = |contents: &mut Contents| {
            let mut rows = Rows::new(contents, statistics);
            catch_unwind(AssertUnwindSafe(|| {
                source.economise(economy);
                source.collect(moment, &mut rows)
            }))
        };
        let outcome = match worker {
            Worker::Kernel => surroundings.gatherer.lend(run),
            Worker::Filesystems | Worker::Slow => {
                let mut contents = Contents::default();
                let outcome = run(&mut contents);
                surroundings.gatherer.merge(contents);
                outcome
            }
            Worker::Requests | Worker::Security => run(&mut self.held),
        };
        let error = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(PANICKED.to_owned()),
        };
        self.watch.end(moment.monotonic.elapsed(), error.is_some());
        if let Some(error) = error {
            self.complain("source fails; it is tried again", error);
        }
    }

    /// Says an error when it is new, or again after a while; the counters tell the rest.
    fn complain(&mut self, what: &str, error: String) {
        let said = self.complained.as_ref();
        if said.is_none_or(|(text, when)| *text != error || when.elapsed() > COMPLAINT_INTERVAL) {
            tracing::warn!(source = self.watch.name, %error, "{what}");
            self.complained = Some((error, Instant::now()));
        }
    }

    /// Makes a batch of what is held, together with the position that covers it.
    fn flush(&mut self, surroundings: &Surroundings, positions: &mut Option<Positions>) {
        let mut rows = Rows::new(&mut self.held, &self.watch.statistics);
        let source = &mut self.source;
        let position = catch_unwind(AssertUnwindSafe(|| {
            source.drain(Moment::now(), &mut rows);
            source.checkpoint()
        }));
        let Ok(position) = position else {
            // Without a position there is no batch: it would not match the rows.
            self.watch.statistics.add(SourceMetric::Failures, 1);
            self.complain(
                "rows are held; they are asked for again",
                PANICKED.to_owned(),
            );
            return;
        };
        let lane = self.source.lane();
        // The other sources of the lane stand where their last stored batch left them.
        let next = position.map(|position| {
            let before = positions.clone().unwrap_or_default();
            before.with(self.source.name(), position)
        });
        // First the events: with the position, their lines count as read.
        let outcome = self.flush_events(surroundings).and_then(|()| {
            let whole = next.as_ref().map(|next| next.encode(lane.name()));
            surroundings.outbox.append(lane, &self.held, whole)
        });
        self.refused = outcome.is_err();
        match outcome {
            Ok(()) => {
                self.held = Contents::default();
                if next.is_some() {
                    *positions = next;
                }
            }
            // Rows and position stay together: both are given again at the next flush.
            Err(error) => self.complain("batch cannot be spooled; it is held", error.to_string()),
        }
    }

    /// Makes a batch of what a source of another lane found for the security lane.
    fn flush_events(&mut self, surroundings: &Surroundings) -> Result<(), SpoolError> {
        if self.source.lane() == Lane::Security || self.held.security.is_empty() {
            return Ok(());
        }
        let events = Contents {
            security: std::mem::take(&mut self.held.security),
            ..Contents::default()
        };
        let outcome = surroundings.outbox.append(Lane::Security, &events, None);
        if outcome.is_err() {
            self.held.security = events.security;
        }
        outcome
    }

    fn finish(&mut self, surroundings: &Surroundings, positions: &mut Option<Positions>) {
        if self.has_position() && self.restore(surroundings, positions) {
            self.collect(surroundings);
            self.flush(surroundings, positions);
        }
        self.source.stop();
    }
}
