//! What was told to whom of each incident that is in memory.
//!
//! Promises that only so many are, and that only those go of which nothing more is to be told. What has gone
//! and comes again is known by its records.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crmscope_proto::Id;

use crate::alerts::notification::{Incident, Phase, Target};
use crate::alerts::record::{Outcome, Record};

/// How far a target is told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// Its beginning or its end waits in a group of the queue.
    Queued(Phase, u64),
    Beginning,
    /// Nothing more is to be told.
    Over,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) incident: Arc<Incident>,
    pub(super) told: BTreeMap<Target, Told>,
    listed_as_over: bool,
}

impl Known {
    fn is_over(&self) -> bool {
        let has_ended = self.incident.ended_ms.is_some();
        let mut told = self.told.values();
        told.all(|&told| told == Told::Over || (told == Told::Nothing && has_ended))
    }
}

/// Incidents by id.
#[derive(Debug)]
pub(super) struct Incidents {
    max: usize,
    known: HashMap<Id, Known>,
    /// Those of which nothing more is to be told, the oldest first.
    over: VecDeque<Id>,
}

impl Incidents {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            known: HashMap::new(),
            over: VecDeque::new(),
        }
    }

    pub(super) fn has(&self, incident_id: Id) -> bool {
        self.known.contains_key(&incident_id)
    }

    pub(super) fn get(&self, incident_id: Id) -> Option<&Known> {
        self.known.get(&incident_id)
    }

    pub(super) fn get_mut(&mut self, incident_id: Id) -> Option<&mut Known> {
        self.known.get_mut(&incident_id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    /// Takes an incident as it is now; by `records` where it is new.
    pub(super) fn put<'a>(
        &mut self,
        mut incident: Incident,
        targets: impl Iterator<Item = &'a Target>,
        records: &[Record],
    ) {
        let incident_id = incident.incident_id;
        if let Some(known) = self.known.get_mut(&incident_id) {
            // What receivers know it by stays.
            incident.kind = known.incident.kind;
            incident.agent_id.clone_from(&known.incident.agent_id);
            incident.labels.clone_from(&known.incident.labels);
            known.incident = Arc::new(incident);
            return;
        }
        let told = |target: &Target| (*target, before(incident_id, *target, records));
        let known = Known {
            told: targets.map(told).collect(),
            incident: Arc::new(incident),
            listed_as_over: false,
        };
        self.known.insert(incident_id, known);
    }

    /// Notes whether nothing more is to be told of it.
    pub(super) fn list(&mut self, incident_id: Id) {
        if let Some(known) = self.known.get_mut(&incident_id)
            && !known.listed_as_over
            && known.is_over()
        {
            known.listed_as_over = true;
            self.over.push_back(incident_id);
        }
    }

    /// Whether there is room for one more, after what was over first has gone.
    pub(super) fn make_room(&mut self) -> bool {
        if self.known.len() < self.max {
            return true;
        }
        while let Some(incident_id) = self.over.pop_front() {
            let Some(known) = self.known.get_mut(&incident_id) else {
                continue;
            };
            if known.is_over() {
                self.known.remove(&incident_id);
                return true;
            }
            // It is not over after all.
            known.listed_as_over = false;
        }
        false
    }
}

/// How far a target was told, by the records.
fn before(incident_id: Id, target: Target, records: &[Record]) -> Told {
    let of = |phase: Phase| {
        let is_it = |record: &&Record| {
            (record.incident_id, record.target, record.phase) == (incident_id, target, phase)
        };
        records.iter().find(is_it).map(|record| record.outcome)
    };
    match (of(Phase::Firing), of(Phase::Resolved)) {
        (None, None) => Told::Nothing,
        (Some(Outcome::Delivered), None) => Told::Beginning,
        _ => Told::Over,
    }
}
