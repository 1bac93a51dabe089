//! The outbox against receivers that count: any order of changes, failures and restarts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alerts::tests::incident;

const TARGETS: [Target; 2] = [Target::Webhook, Target::Mail];
const INCIDENTS: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// An incident begins, or ends, or its end is taken back.
    Change {
        number: u32,
        is_over: bool,
    },
    /// An attempt is made, if one is due, and ends so.
    Try {
        target: usize,
        ended: Ended,
    },
    /// An attempt is made, and ends after the next steps, which may change what it is about.
    Begin {
        target: usize,
    },
    Wait {
        ms: i64,
    },
    /// Another collector takes over; it is told of all again, in some order.
    Restart {
        rotate: usize,
    },
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![
        4 => Just(Ended::Settled(Outcome::Delivered)),
        1 => Just(Ended::Settled(Outcome::GivenUp)),
        3 => prop::option::of(0..100_000i64).prop_map(|retry_after_ms| Ended::Failed { retry_after_ms }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..INCIDENTS, any::<bool>()).prop_map(|(number, is_over)| Step::Change { number, is_over }),
        4 => (0..TARGETS.len(), ended()).prop_map(|(target, ended)| Step::Try { target, ended }),
        2 => (0..TARGETS.len()).prop_map(|target| Step::Begin { target }),
        3 => (1..30_000i64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..INCIDENTS as usize).prop_map(|rotate| Step::Restart { rotate }),
    ]
}

struct World {
    outbox: Outbox,
    now_ms: i64,
    /// Every incident as it is.
    incidents: BTreeMap<u32, Incident>,
    /// What ClickHouse has.
    records: Vec<Record>,
    /// Attempts that have not ended.
    under_way: BTreeMap<Target, Arc<Notification>>,
}

fn fresh() -> Outbox {
    let settings = Settings {
        group_wait_ms: 10_000,
        retry_initial_ms: 1_000,
        retry_max_ms: 60_000,
        pending_max: 1_000,
        known_max: 1_000,
    };
    Outbox::new(settings, TARGETS, Metrics::default())
}

impl World {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Change { number, is_over } => {
                let mut now = incident(number);
                now.began_ms = i64::from(number) * 4_000;
                now.ended_ms = is_over.then_some(self.now_ms);
                self.incidents.insert(number, now.clone());
                self.outbox.tell(now, &self.records, self.now_ms);
            }
            Step::Try { target, ended } => {
                self.begin(TARGETS[target]);
                self.end(TARGETS[target], ended);
            }
            Step::Begin { target } => self.begin(TARGETS[target]),
            Step::Wait { ms } => self.now_ms += ms,
            Step::Restart { rotate } => {
                // What was under way is recorded: there is no crash between the two.
                for target in TARGETS {
                    self.end(target, Ended::Settled(Outcome::Delivered));
                }
                self.outbox = fresh();
                let mut all: Vec<_> = self.incidents.values().cloned().collect();
                let middle = rotate.min(all.len());
                all.rotate_left(middle);
                for incident in all {
                    self.outbox.tell(incident, &self.records, self.now_ms);
                }
            }
        }
    }

    fn begin(&mut self, target: Target) {
        if let Some(attempt) = self.outbox.take(target, self.now_ms) {
            self.under_way.insert(target, attempt.notification);
        }
    }

    fn end(&mut self, target: Target, ended: Ended) {
        let Some(notification) = self.under_way.remove(&target) else {
            return;
        };
        if let Ended::Settled(outcome) = ended {
            for one in &notification.incidents {
                self.records.push(Record {
                    incident_id: one.incident_id,
                    phase: notification.phase,
                    target,
                    outcome,
                });
            }
        }
        self.outbox.settle(target, ended, self.now_ms, 0.5);
    }

    /// Lets everything that is due be delivered.
    fn quiet_down(&mut self) {
        for target in TARGETS {
            self.end(target, Ended::Settled(Outcome::Delivered));
        }
        while let Some(next_ms) = self.outbox.next_ms() {
            self.now_ms = self.now_ms.max(next_ms);
            for target in TARGETS {
                self.begin(target);
                self.end(target, Ended::Settled(Outcome::Delivered));
            }
        }
    }

    fn outcomes(&self, number: u32, phase: Phase, target: Target) -> Vec<Outcome> {
        let id = incident(number).incident_id;
        let of = self.records.iter().filter(|record| {
            (record.incident_id, record.phase, record.target) == (id, phase, target)
        });
        of.map(|record| record.outcome).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_phase_is_told_once_whatever_happens(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World {
            outbox: fresh(),
            now_ms: 0,
            incidents: BTreeMap::new(),
            records: Vec::new(),
            under_way: BTreeMap::new(),
        };
        for step in &steps {
            world.take(step);
        }
        world.quiet_down();
        for target in TARGETS {
            prop_assert_eq!(world.outbox.pending(target), 0);
            for (&number, incident) in &world.incidents {
                let firing = world.outcomes(number, Phase::Firing, target);
                let resolved = world.outcomes(number, Phase::Resolved, target);
                prop_assert!(firing.len() <= 1 && resolved.len() <= 1, "{}: {:?} {:?}", number, firing, resolved);
                let was_told = firing == [Outcome::Delivered];
                if incident.ended_ms.is_none() {
                    prop_assert_eq!(firing.len(), 1, "{} goes on", number);
                } else {
                    prop_assert_eq!(resolved.len() == 1, was_told, "{} is over", number);
                }
                prop_assert!(was_told || resolved.is_empty(), "the end of {} without its beginning", number);
                let is_firing = world.outbox.firing(target).iter().any(|one| one.incident_id == incident.incident_id);
                prop_assert_eq!(is_firing, was_told && resolved.is_empty(), "{}", number);
            }
        }
    }
}
