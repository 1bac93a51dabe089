//! One target's queue: groups of incidents of a kind, and when each is tried.
//!
//! Promises: a group that was tried keeps its members, so that a repetition is known by its key; the target
//! is busy with one group at a time; a failing target is left in peace for longer and longer, and a group
//! that alone fails stands behind the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crmscope_proto::Id;

use super::{Attempt, Settings};
use crate::alerts::kind::Kind;
use crate::alerts::notification::{Notification, Phase};

/// A group is full; of an Alertmanager it makes a document of about 1 MB.
pub(super) const GROUP_MAX: usize = 1000;
/// Newest groups that are looked at for one that an incident fits into.
const LOOKED_AT_MAX: usize = 64;

/// One incident's beginning or end on its way into the queue.
pub(super) struct Waiting {
    pub(super) incident_id: Id,
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    /// When it began, or ended.
    pub(super) edge_ms: i64,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    pub(super) members: BTreeSet<Id>,
    /// Of the first member.
    edge_ms: i64,
    due_ms: i64,
    attempts: u32,
    /// What is sent, from the first attempt on.
    sent: Option<Arc<Notification>>,
}

impl Group {
    fn takes(&self, waiting: &Waiting, apart_max_ms: i64) -> bool {
        self.sent.is_none()
            && (self.kind, self.phase) == (waiting.kind, waiting.phase)
            && self.members.len() < GROUP_MAX
            && self.edge_ms.abs_diff(waiting.edge_ms) <= apart_max_ms.unsigned_abs()
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    groups: BTreeMap<u64, Group>,
    last_group: u64,
    pending: usize,
    busy_with: Option<u64>,
    is_held: bool,
    /// Failures since the last success.
    failures: u32,
    not_before_ms: i64,
}

impl Queue {
    pub(super) const fn pending(&self) -> usize {
        self.pending
    }

    pub(super) const fn is_free(&self) -> bool {
        self.busy_with.is_none() && !self.is_held
    }

    pub(super) fn hold(&mut self) -> bool {
        let is_free = self.is_free();
        self.is_held |= is_free;
        is_free
    }

    pub(super) const fn release(&mut self) {
        self.is_held = false;
    }

    /// Puts it into a group that waits, or a new one, and says which.
    pub(super) fn add(&mut self, waiting: &Waiting, settings: &Settings, now_ms: i64) -> u64 {
        self.pending += 1;
        let mut newest = self.groups.iter_mut().rev().take(LOOKED_AT_MAX);
        let fits = newest.find(|(_, group)| group.takes(waiting, settings.group_wait_ms));
        if let Some((&number, group)) = fits {
            group.members.insert(waiting.incident_id);
            return number;
        }
        self.last_group += 1;
        let group = Group {
            kind: waiting.kind,
            phase: waiting.phase,
            members: BTreeSet::from([waiting.incident_id]),
            edge_ms: waiting.edge_ms,
            due_ms: now_ms.saturating_add(settings.group_wait_ms),
            attempts: 0,
            sent: None,
        };
        self.groups.insert(self.last_group, group);
        self.last_group
    }

    /// Takes an incident out of a group that was not tried yet; says whether it was.
    pub(super) fn withdraw(&mut self, number: u64, incident_id: Id) -> bool {
        let Some(group) = self.groups.get_mut(&number) else {
            return false;
        };
        if group.sent.is_some() || !group.members.remove(&incident_id) {
            return false;
        }
        self.pending -= 1;
        if group.members.is_empty() {
            self.groups.remove(&number);
        }
        true
    }

    /// What is due, the least tried first; `write` makes the notification of a new group.
    pub(super) fn take(
        &mut self,
        now_ms: i64,
        write: impl FnOnce(&Group) -> Notification,
    ) -> Option<Attempt> {
        if !self.is_free() || now_ms < self.not_before_ms {
            return None;
        }
        let due = self
            .groups
            .iter_mut()
            .filter(|(_, group)| group.due_ms <= now_ms);
        let (&number, group) = due.min_by_key(|(number, group)| (group.attempts, **number))?;
        let notification = match &group.sent {
            Some(sent) => Arc::clone(sent),
            None => {
                let written = Arc::new(write(group));
                group.sent = Some(Arc::clone(&written));
                written
            }
        };
        group.attempts = group.attempts.saturating_add(1);
        self.busy_with = Some(number);
        Some(Attempt {
            notification,
            number: group.attempts,
        })
    }

    /// The group that the target was busy with has left.
    pub(super) fn finish(&mut self) -> Option<Group> {
        self.failures = 0;
        self.not_before_ms = i64::MIN;
        let group = self.groups.remove(&self.busy_with.take()?)?;
        self.pending -= group.members.len();
        Some(group)
    }

    /// It is tried again, and nothing before the target's own pause is over.
    pub(super) fn retry_later(
        &mut self,
        settings: &Settings,
        retry_after_ms: Option<i64>,
        now_ms: i64,
        jitter: f64,
    ) {
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after_ms.unwrap_or(0);
        let later = |failures| now_ms.saturating_add(asked.max(pause(settings, failures, jitter)));
        self.not_before_ms = later(self.failures);
        let busy_with = self.busy_with.take();
        if let Some(group) = busy_with.and_then(|number| self.groups.get_mut(&number)) {
            group.due_ms = later(group.attempts);
        }
    }

    /// Makes room; what is under way stays.
    pub(super) fn drop_oldest(&mut self) -> Option<Group> {
        let busy_with = self.busy_with;
        let mut numbers = self.groups.keys().copied();
        let oldest = numbers.find(|&number| Some(number) != busy_with)?;
        let group = self.groups.remove(&oldest)?;
        self.pending -= group.members.len();
        Some(group)
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        if !self.is_free() {
            return None;
        }
        let first = self.groups.values().map(|group| group.due_ms).min()?;
        Some(first.max(self.not_before_ms))
    }
}

/// Between half of the step and all of it, so that collectors and targets do not come in step.
fn pause(settings: &Settings, failures: u32, jitter: f64) -> i64 {
    let doubled = settings
        .retry_initial_ms
        .saturating_mul(1 << failures.saturating_sub(1).min(30));
    let step = doubled.clamp(1, settings.retry_max_ms.max(1));
    // At most an hour by the configuration, which a float holds exactly.
    let half = step / 2;
    let share = (half as f64 * jitter.clamp(0.0, 1.0)) as i64;
    step - half + share
}
