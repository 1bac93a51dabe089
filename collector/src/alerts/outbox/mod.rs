//! What is to be told to whom, and when.
//!
//! Owns what became of every incident at every target, and the queue of each target. Promises: an
//! incident's end is told only where its beginning was; each is told once, unless a record of it is missing;
//! what ends before its beginning was tried is not told; everything is bounded, and what goes is counted.
//! Pure: time and chance are the caller's. Its times are those of one clock that never goes back; the times
//! of incidents are only compared with one another. Leaves sending, and records, to [`super::desk`].

mod known;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crmscope_proto::Id;

use self::known::{Incidents, Known, Told};
use self::queue::{Queue, Waiting};
use super::metrics::{Fate, Metrics};
use super::notification::{Incident, Notification, Phase, Target};
use super::record::{Outcome, Record};

/// What decides about queues.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long incidents of a kind wait for others, and how far apart they may lie, ms.
    pub group_wait_ms: i64,
    /// First pause after a failure, ms; they double.
    pub retry_initial_ms: i64,
    /// Longest pause, ms.
    pub retry_max_ms: i64,
    /// Most notifications of one incident each that wait at a target; the oldest go.
    pub pending_max: usize,
    /// Most incidents that are in memory.
    pub known_max: usize,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// For good: taken, or refused in a way that a repetition would not change.
    Settled(Outcome),
    /// To be tried again, and not before so many ms where the receiver asks for it.
    Failed {
        /// Pause that the receiver asks for, ms.
        retry_after_ms: Option<i64>,
    },
}

/// Something to send now.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What; the same every time it is tried.
    pub notification: Arc<Notification>,
    /// Which attempt it is, from 1.
    pub number: u32,
}

/// The state of every notification.
#[derive(Debug)]
pub struct Outbox {
    settings: Settings,
    metrics: Metrics,
    queues: BTreeMap<Target, Queue>,
    known: Incidents,
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new(
        settings: Settings,
        targets: impl IntoIterator<Item = Target>,
        metrics: Metrics,
    ) -> Self {
        let queue = |target| (target, Queue::default());
        Self {
            settings,
            metrics,
            queues: targets.into_iter().map(queue).collect(),
            known: Incidents::new(settings.known_max),
        }
    }

    /// Whether records of this incident would say nothing new.
    #[must_use]
    pub fn knows(&self, incident_id: Id) -> bool {
        self.known.has(incident_id)
    }

    /// Takes an incident as it is now. `records` say what became of it before, where it is not known yet.
    pub fn tell(&mut self, incident: Incident, records: &[Record], now_ms: i64) {
        let incident_id = incident.incident_id;
        if !self.known.has(incident_id) && !self.known.make_room() {
            self.metrics.too_many.inc();
            return;
        }
        self.known.put(incident, self.queues.keys(), records);
        let targets: Vec<Target> = self.queues.keys().copied().collect();
        for target in targets {
            self.advance(incident_id, target, now_ms);
        }
        self.known.list(incident_id);
    }

    /// What is due at a target that is not busy; it is busy until [`Outbox::settle`].
    pub fn take(&mut self, target: Target, now_ms: i64) -> Option<Attempt> {
        let known = &self.known;
        self.queues.get_mut(&target)?.take(now_ms, |group| {
            let incident = |id: &Id| known.get(*id).map(|known| Arc::clone(&known.incident));
            Notification {
                target,
                phase: group.phase,
                kind: group.kind,
                incidents: group.members.iter().filter_map(incident).collect(),
            }
        })
    }

    /// Says how the attempt ended that the target is busy with. `jitter` is 0 to 1.
    pub fn settle(&mut self, target: Target, ended: Ended, now_ms: i64, jitter: f64) {
        let Some(queue) = self.queues.get_mut(&target) else {
            return;
        };
        let outcome = match ended {
            Ended::Failed { retry_after_ms } => {
                let settings = &self.settings;
                queue.retry_later(settings, retry_after_ms, now_ms, jitter);
                return;
            }
            Ended::Settled(outcome) => outcome,
        };
        let Some(group) = queue.finish() else {
            return;
        };
        let (told, fate) = match (group.phase, outcome) {
            (Phase::Firing, Outcome::Delivered) => (Told::Beginning, Fate::Delivered),
            (Phase::Resolved, Outcome::Delivered) => (Told::Over, Fate::Delivered),
            (_, Outcome::GivenUp) => (Told::Over, Fate::GivenUp),
        };
        self.leave(target, group.phase, &group.members, told, fate);
        for incident_id in group.members {
            self.advance(incident_id, target, now_ms);
            self.known.list(incident_id);
        }
    }

    /// When [`Outbox::take`] is worth asking next; none while every target is busy or idle.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.queues.values().filter_map(Queue::next_ms).min()
    }

    /// Keeps a target from taking anything; only one that is not busy.
    pub fn hold(&mut self, target: Target) -> bool {
        let queue = self.queues.get_mut(&target);
        queue.is_some_and(Queue::hold)
    }

    /// Lets a target that was held take again.
    pub fn release(&mut self, target: Target) {
        if let Some(queue) = self.queues.get_mut(&target) {
            queue.release();
        }
    }

    /// Whether a target is there, not busy and not held.
    #[must_use]
    pub fn is_free(&self, target: Target) -> bool {
        self.queues.get(&target).is_some_and(Queue::is_free)
    }

    /// Notifications of one incident each that wait at a target.
    #[must_use]
    pub fn pending(&self, target: Target) -> usize {
        self.queues.get(&target).map_or(0, Queue::pending)
    }

    /// What a target was told of and what is not over.
    #[must_use]
    pub fn firing(&self, target: Target) -> Vec<Arc<Incident>> {
        let is_firing = |known: &&Known| {
            known.told.get(&target) == Some(&Told::Beginning) && known.incident.ended_ms.is_none()
        };
        let known = self.known.iter().filter(is_firing);
        known.map(|known| Arc::clone(&known.incident)).collect()
    }

    /// Queues or withdraws what the incident's state asks for.
    fn advance(&mut self, incident_id: Id, target: Target, now_ms: i64) {
        let (Some(known), Some(queue)) = (
            self.known.get_mut(incident_id),
            self.queues.get_mut(&target),
        ) else {
            return;
        };
        let Some(told) = known.told.get_mut(&target) else {
            return;
        };
        let incident = &known.incident;
        let wanted = match (*told, incident.ended_ms) {
            (Told::Nothing, None) => Some((Phase::Firing, incident.began_ms)),
            (Told::Beginning, Some(ended_ms)) => Some((Phase::Resolved, ended_ms)),
            (Told::Queued(phase, group), ended_ms) => {
                // What was tried may have arrived, so it is told to the end.
                let is_moot = (phase == Phase::Firing) == ended_ms.is_some();
                if is_moot && queue.withdraw(group, incident_id) {
                    *told = match phase {
                        Phase::Firing => Told::Nothing,
                        Phase::Resolved => Told::Beginning,
                    };
                    self.metrics.fate(target, phase, Fate::Withdrawn, 1);
                }
                None
            }
            _ => None,
        };
        if let Some((phase, edge_ms)) = wanted {
            let waiting = Waiting {
                incident_id,
                kind: incident.kind,
                phase,
                edge_ms,
            };
            *told = Told::Queued(phase, queue.add(&waiting, &self.settings, now_ms));
            self.bound(target);
        }
        self.metrics.pending(target, self.pending(target));
    }

    fn bound(&mut self, target: Target) {
        while self.pending(target) > self.settings.pending_max {
            let oldest = self.queues.get_mut(&target).and_then(Queue::drop_oldest);
            let Some(group) = oldest else {
                return;
            };
            let (phase, members) = (group.phase, &group.members);
            self.leave(target, phase, members, Told::Over, Fate::Dropped);
            for &incident_id in members {
                self.known.list(incident_id);
            }
        }
    }

    fn leave(&mut self, target: Target, phase: Phase, ids: &BTreeSet<Id>, told: Told, fate: Fate) {
        self.metrics.fate(target, phase, fate, ids.len());
        for id in ids {
            if let Some(known) = self.known.get_mut(*id) {
                known.told.insert(target, told);
            }
        }
        self.metrics.pending(target, self.pending(target));
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
