//! At which events of a key a rule fires. Pure.
//!
//! The window of an event holds the events of the key up to it, in the order of time and id, that are
//! younger than the timespan. Whatever stands before the first window that is asked for changes nothing, so
//! a reader may begin a timespan before the first event that is new.

use std::collections::{HashMap, VecDeque};

use crmscope_proto::Id;

use super::rule::{Kind, Rule};

/// An event of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened, Unix ms.
    pub at_ms: i64,
    /// Its id.
    pub event_id: Id,
    /// How often it happened.
    pub count: u64,
    /// The rules of [`Rule::bases`] that it matched, a bit each.
    pub bases: u32,
    /// What stands for its value where values are counted; empty for none.
    pub value: String,
}

/// An event at which a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    /// When, Unix ms.
    pub at_ms: i64,
    /// The event.
    pub event_id: Id,
}

/// Brings what was read in order, and what stands twice (an event that matched two rules) together. Of
/// events of one time, those of earlier rules come first: many logs are exact to the second, and what
/// happened within one is no reason to miss a chain.
pub fn arrange(events: &mut Vec<Event>) {
    events.sort_by_key(|event| (event.at_ms, event.event_id.0, event.bases));
    events.dedup_by(|again, event| {
        let is_same = (event.at_ms, event.event_id) == (again.at_ms, again.event_id);
        if is_same {
            event.bases |= again.bases;
            if event.value.is_empty() {
                event.value = std::mem::take(&mut again.value);
            }
        }
        is_same
    });
    events.sort_by_key(|event| (event.at_ms, event.bases.trailing_zeros(), event.event_id.0));
}

/// Where the rule fires, in order; `events` are arranged.
#[must_use]
pub fn firings(rule: &Rule, events: &[Event]) -> Vec<Firing> {
    let mut window = Window::new(rule);
    let mut firings = Vec::new();
    for event in events {
        if window.take(event) {
            firings.push(Firing {
                at_ms: event.at_ms,
                event_id: event.event_id,
            });
        }
    }
    firings
}

/// What of the past decides.
struct Window<'a> {
    rule: &'a Rule,
    recent: VecDeque<&'a Event>,
    count: u64,
    /// How many of `recent` have each value.
    values: HashMap<&'a str, usize>,
    /// When each rule had its last event, or since when the youngest chain up to it runs.
    since: Vec<Option<i64>>,
}

impl<'a> Window<'a> {
    fn new(rule: &'a Rule) -> Self {
        Self {
            rule,
            recent: VecDeque::new(),
            count: 0,
            values: HashMap::new(),
            since: vec![None; rule.bases.len()],
        }
    }

    /// Whether the rule fires at the next event.
    fn take(&mut self, event: &'a Event) -> bool {
        let horizon_ms = event.at_ms.saturating_sub(self.rule.timespan_ms);
        let matches = |place: usize| event.bases >> place & 1 == 1;
        match &self.rule.kind {
            Kind::EventCount { at_least } => {
                self.recent.push_back(event);
                self.count = self.count.saturating_add(event.count);
                while let Some(gone) = self.expired(horizon_ms) {
                    self.count = self.count.saturating_sub(gone.count);
                }
                self.count >= *at_least
            }
            Kind::ValueCount { at_least, .. } => {
                if event.value.is_empty() {
                    return false;
                }
                self.recent.push_back(event);
                *self.values.entry(&event.value).or_default() += 1;
                while let Some(gone) = self.expired(horizon_ms) {
                    let left = self.values.get_mut(gone.value.as_str());
                    if left.is_some_and(|left| {
                        *left -= 1;
                        *left == 0
                    }) {
                        self.values.remove(gone.value.as_str());
                    }
                }
                self.values.len() as u64 >= *at_least
            }
            Kind::Temporal(wanted) => {
                let mut bases = 0;
                for (place, since) in self.since.iter_mut().enumerate() {
                    if matches(place) {
                        *since = Some(event.at_ms);
                    }
                    bases |= u32::from(since.is_some_and(|at_ms| at_ms > horizon_ms)) << place;
                }
                wanted.is_met(bases)
            }
            Kind::Ordered => {
                let mut fires = false;
                // From the last to the first, so that no event stands twice in a chain.
                for place in (0..self.since.len()).rev().filter(|&place| matches(place)) {
                    let chain = match place {
                        0 => Some(event.at_ms),
                        _ => self.since[place - 1],
                    };
                    self.since[place] = self.since[place].max(chain);
                    fires |= place + 1 == self.since.len()
                        && chain.is_some_and(|at_ms| at_ms > horizon_ms);
                }
                fires
            }
        }
    }

    /// The oldest event, where it is too old.
    fn expired(&mut self, horizon_ms: i64) -> Option<&'a Event> {
        self.recent.pop_front_if(|event| event.at_ms <= horizon_ms)
    }
}
