//! The desk at work: takes incidents in, asks what became of them before, and sends what is due.
//!
//! Owns the order of it all; what is due is [`Outbox`]'s to say. Promises that no receiver and no ClickHouse
//! that is away holds up the others. What was started goes on when the desk is aborted, up to its timeout,
//! and what it delivered is recorded: an abort in between would only make repetitions.

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Id;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::desk::Desk;
use super::failure::Failure;
use super::metrics::Metrics;
use super::notification::{Incident, Target};
use super::outbox::{Attempt, Ended, Outbox};
use super::receivers::Receivers;
use super::record::{self, Entry, Outcome, Record, Recorder};
use super::unread::{UNREAD_MAX, Unread};
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::storage::Storage;
use crate::storage::retry::Backoff;

/// More than can be under way: an attempt at each target, a refresh and a question.
pub(super) const EVENTS_MAX: usize = 8;
/// Longest sleep while nothing is due.
const IDLE: Duration = Duration::from_secs(3600);
/// The first refresh after a start: soon, as what is firing may be about to lapse.
const FIRST_REFRESH_MS: i64 = 5_000;

/// What was started and has ended.
pub(super) enum Event {
    Read(Vec<Id>, Result<Vec<Record>, Error>),
    Tried(Target, Ended),
    Refreshed,
}

/// The desk at work.
pub(super) struct Clerk {
    receivers: Arc<Receivers>,
    metrics: Metrics,
    storage: Storage,
    recorder: Recorder,
    outbox: Outbox,
    unread: Unread,
    /// Pauses between questions to a ClickHouse that does not answer.
    backoff: Backoff,
    events: mpsc::Sender<Event>,
    /// Times of the outbox count from here.
    started: Instant,
    refresh_ms: i64,
    next_refresh_ms: i64,
}

impl Clerk {
    pub(super) fn new(desk: Desk, storage: Storage, events: mpsc::Sender<Event>) -> Self {
        let Desk {
            settings,
            refresh_ms,
            receivers,
            metrics,
        } = desk;
        Self {
            recorder: Recorder::start(storage.clone(), metrics.clone()),
            outbox: Outbox::new(settings, receivers.targets(), metrics.clone()),
            unread: Unread::default(),
            backoff: asking(),
            started: Instant::now(),
            next_refresh_ms: refresh_ms.min(FIRST_REFRESH_MS),
            receivers,
            metrics,
            storage,
            events,
            refresh_ms,
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn has_room(&self) -> bool {
        self.unread.len() < UNREAD_MAX
    }

    pub(super) fn take_in(&mut self, incident: Incident) {
        self.metrics.changes.inc();
        let now_ms = self.now_ms();
        if self.outbox.knows(incident.incident_id) {
            self.outbox.tell(incident, &[], now_ms);
        } else {
            self.unread.put(incident, now_ms);
        }
    }

    pub(super) fn take_event(&mut self, event: Event) {
        let now_ms = self.now_ms();
        match event {
            Event::Read(ids, Ok(records)) => {
                self.backoff = asking();
                for incident in self.unread.answered(&ids) {
                    self.outbox.tell(incident, &records, now_ms);
                }
            }
            Event::Read(_, Err(error)) => {
                let pause_ms =
                    i64::try_from(self.backoff.next_pause().as_millis()).unwrap_or(i64::MAX);
                let waiting = self.unread.len();
                tracing::warn!(%error, pause_ms, waiting, "it is not known what was told of incidents before");
                for incident in self.unread.unanswered(now_ms, pause_ms) {
                    self.metrics.guessed.inc();
                    self.outbox.tell(incident, &[], now_ms);
                }
            }
            Event::Tried(target, ended) => {
                self.outbox.settle(target, ended, now_ms, fastrand::f64());
            }
            Event::Refreshed => self.outbox.release(Target::Alertmanager),
        }
    }

    pub(super) fn start_what_is_due(&mut self) {
        let now_ms = self.now_ms();
        if let Some(ids) = self.unread.ask(now_ms) {
            self.ask(ids);
        }
        self.metrics.unread(self.unread.len());
        if now_ms >= self.next_refresh_ms && self.outbox.hold(Target::Alertmanager) {
            self.next_refresh_ms = now_ms.saturating_add(self.refresh_ms);
            self.refresh();
        }
        for target in self.receivers.targets() {
            if let Some(attempt) = self.outbox.take(target, now_ms) {
                self.attempt(target, attempt);
            }
        }
    }

    fn ask(&self, ids: Vec<Id>) {
        let storage = self.storage.clone();
        let bug = Error::new(Code::Internal, "the question ended in a panic");
        let work = async move {
            let records = record::read(&storage, &ids).await;
            Event::Read(ids, records)
        };
        self.start(work, Event::Read(Vec::new(), Err(bug)));
    }

    /// Nothing else is sent there meanwhile: an end that overtakes it would be undone.
    fn refresh(&self) {
        let firing = self.outbox.firing(Target::Alertmanager);
        let (receivers, metrics) = (Arc::clone(&self.receivers), self.metrics.clone());
        let work = async move {
            if let Some(alertmanager) = &receivers.alertmanager
                && let Err(failure) = alertmanager.refresh(&firing).await
            {
                metrics.refresh_failures.inc();
                let incidents = firing.len();
                tracing::warn!(reason = %failure, incidents, "Alertmanager was not told what is still firing");
            }
            Event::Refreshed
        };
        self.start(work, Event::Refreshed);
    }

    fn attempt(&self, target: Target, attempt: Attempt) {
        let (receivers, recorder) = (Arc::clone(&self.receivers), self.recorder.clone());
        let metrics = self.metrics.clone();
        let work = async move {
            let sent = receivers.send(&attempt.notification).await;
            if sent.is_err() {
                metrics.failure(target);
            }
            let ended = judge(&attempt, sent);
            if let Ended::Settled(outcome) = ended {
                let (notification, attempts) = (&attempt.notification, attempt.number);
                recorder.put(Entry::new(notification, outcome, now_ms(), attempts));
            }
            Event::Tried(target, ended)
        };
        let retry_after_ms = None;
        self.start(work, Event::Tried(target, Ended::Failed { retry_after_ms }));
    }

    /// Starts what ends in an event. A panic in it is a bug, which must not leave a target busy for ever.
    fn start(&self, work: impl Future<Output = Event> + Send + 'static, otherwise: Event) {
        let events = self.events.clone();
        let work = tokio::spawn(work);
        tokio::spawn(async move {
            let event = work.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a bug in alerts");
                otherwise
            });
            let _ = events.send(event).await;
        });
    }

    /// When there may be something to start without an event.
    pub(super) fn wake(&self) -> Instant {
        let refresh = self.outbox.is_free(Target::Alertmanager);
        let times = [
            self.outbox.next_ms(),
            self.unread.next_ms(),
            refresh.then_some(self.next_refresh_ms),
        ];
        let next = times.into_iter().flatten().min();
        let next = next.map(|at_ms| Duration::from_millis(u64::try_from(at_ms).unwrap_or(0)));
        let idle = self.started.elapsed() + IDLE;
        self.started + next.unwrap_or(idle).min(idle)
    }
}

const fn asking() -> Backoff {
    Backoff::new(200, 10_000)
}

/// What an attempt means, said in the log.
fn judge(attempt: &Attempt, sent: Result<(), Failure>) -> Ended {
    let notification = &attempt.notification;
    let what = format!("{} {}", notification.phase.name(), notification.kind.name());
    let target = notification.target.name();
    let (incidents, attempt) = (notification.incidents.len(), attempt.number);
    match sent {
        Ok(()) => {
            tracing::info!(target, what, incidents, attempt, "notified");
            Ended::Settled(Outcome::Delivered)
        }
        Err(Failure {
            reason,
            is_permanent: true,
            ..
        }) => {
            tracing::error!(
                target,
                what,
                incidents,
                attempt,
                reason,
                "refused for good; nobody is told"
            );
            Ended::Settled(Outcome::GivenUp)
        }
        Err(Failure {
            reason,
            retry_after_ms,
            ..
        }) => {
            tracing::warn!(
                target,
                what,
                incidents,
                attempt,
                reason,
                "will be tried again"
            );
            Ended::Failed { retry_after_ms }
        }
    }
}
