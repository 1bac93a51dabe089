//! Writers that crash, freeze and take over, in every order, against a simulated log, group and
//! store: every record is in every table once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Record = (u8, u64);

/// Tables of a block, in the order of inserting; the ledger is last.
const TABLES: usize = 3;
const LEDGER: usize = TABLES - 1;

/// What a table holds: by token, as the store counts each once.
type Table = BTreeMap<(i64, i64), Vec<Record>>;

#[derive(Default)]
struct World {
    log: Vec<Record>,
    mark: Option<Mark>,
    generation: u32,
    tables: [Table; TABLES],
}

impl World {
    fn commit(&mut self, generation: u32, mark: Mark) -> Outcome {
        if generation != self.generation {
            return Outcome::Fenced;
        }
        self.mark = Some(mark);
        Outcome::Done
    }

    fn insert(&mut self, table: usize, plan: Plan, rows: &[Record]) {
        let token = (plan.begin, plan.end);
        if !rows.is_empty() {
            self.tables[table].entry(token).or_insert(rows.to_vec());
        }
    }

    /// The highest sequence of an agent in the ledger's blocks before this one.
    fn settled(&self, agent: u8, before: i64) -> u64 {
        let blocks = self.tables[LEDGER].iter();
        let rows = blocks.filter(|((begin, _), _)| *begin < before);
        let of_agent = rows.flat_map(|(_, rows)| rows).filter(|row| row.0 == agent);
        of_agent.map(|row| row.1).max().unwrap_or(0)
    }

    fn fresh(&self, plan: Plan, marks: &mut BTreeMap<u8, u64>, before: i64) -> Vec<Record> {
        let begin = usize::try_from(plan.begin).unwrap();
        let end = usize::try_from(plan.end).unwrap();
        let records = self.log[begin..end].iter();
        let fresh = records.filter(|(agent, sequence)| {
            let mark = marks
                .entry(*agent)
                .or_insert_with(|| self.settled(*agent, before));
            let fresh = sequence > mark;
            *mark = (*mark).max(*sequence);
            fresh
        });
        fresh.copied().collect()
    }
}

/// What a writer has begun and what has not reached the world yet.
enum Flight {
    Commit(Mark),
    Insert(Plan, usize),
}

struct Writer {
    generation: u32,
    claim: Claim,
    marks: BTreeMap<u8, u64>,
    rows: Vec<Record>,
    flight: Option<Flight>,
}

/// How a step of a writer ends.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Good,
    /// It was done, but the answer is lost.
    NoAnswer,
    /// It never arrived.
    Lost,
}

impl Writer {
    fn new(generation: u32) -> Self {
        Self {
            generation,
            claim: Claim::default(),
            marks: BTreeMap::new(),
            rows: Vec::new(),
            flight: None,
        }
    }

    /// Begins its next action, or ends the one that is in flight. Returns whether anything was done.
    fn step(&mut self, world: &mut World, luck: Luck, most: usize) -> bool {
        match self.flight.take() {
            Some(flight) => {
                self.land(world, flight, luck);
                true
            }
            None => self.begin(world, most),
        }
    }

    fn land(&mut self, world: &mut World, flight: Flight, luck: Luck) {
        match (flight, luck) {
            (Flight::Commit(mark), Luck::Good) => {
                let outcome = world.commit(self.generation, mark);
                self.claim.committed(outcome);
            }
            (Flight::Commit(mark), Luck::NoAnswer) => {
                world.commit(self.generation, mark);
                self.claim.committed(Outcome::Unknown);
            }
            (Flight::Commit(_), Luck::Lost) => self.claim.committed(Outcome::Unknown),
            (Flight::Insert(plan, table), Luck::Good) => {
                world.insert(table, plan, &self.rows);
                if table == LEDGER {
                    self.claim.inserted();
                } else {
                    self.flight = Some(Flight::Insert(plan, table + 1));
                }
            }
            (Flight::Insert(plan, table), Luck::NoAnswer) => {
                world.insert(table, plan, &self.rows);
                self.claim.doubt();
            }
            (Flight::Insert(..), Luck::Lost) => self.claim.doubt(),
        }
    }

    fn begin(&mut self, world: &World, most: usize) -> bool {
        match self.claim.action() {
            Action::Read => self.claim.read(world.mark.clone()).unwrap(),
            Action::Commit(mark) => self.flight = Some(Flight::Commit(mark)),
            Action::Repeat(plan) => {
                self.rows = world.fresh(plan, &mut BTreeMap::new(), plan.begin);
                self.flight = Some(Flight::Insert(plan, 0));
            }
            Action::Gather(begin) => {
                let end = world.log.len().min(usize::try_from(begin).unwrap() + most);
                let end = i64::try_from(end).unwrap();
                if end == begin {
                    return false;
                }
                let plan = self.claim.gathered(end, 7).unwrap();
                self.rows = world.fresh(plan, &mut self.marks, i64::MAX);
            }
            Action::Insert(plan) => self.flight = Some(Flight::Insert(plan, 0)),
            Action::Stop => return false,
        }
        true
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// An agent's next batch, or one of its earlier ones again.
    Append { agent: u8, again: Option<u64> },
    Step {
        writer: usize,
        luck: Luck,
        most: usize,
    },
    /// The partition gets a new owner; the one before does not know.
    TakeOver,
    /// A writer dies with what it has in flight.
    Crash(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let luck = prop_oneof![8 => Just(Luck::Good), 1 => Just(Luck::NoAnswer), 1 => Just(Luck::Lost)];
    prop_oneof![
        4 => (0u8..3, prop::option::weighted(0.3, 1u64..20))
            .prop_map(|(agent, again)| Event::Append { agent, again }),
        20 => (0usize..3, luck, 1usize..6)
            .prop_map(|(writer, luck, most)| Event::Step { writer, luck, most }),
        1 => Just(Event::TakeOver),
        1 => (0usize..3).prop_map(Event::Crash),
    ]
}

fn run(events: Vec<Event>) {
    let mut world = World::default();
    let mut sequences = [0u64; 3];
    // The newest is last; those before are frozen, or do not know yet that they lost it.
    let mut writers = vec![Writer::new(0)];
    for event in events {
        match event {
            Event::Append { agent, again } => {
                let last = &mut sequences[usize::from(agent)];
                let sequence = again
                    .filter(|sequence| sequence <= last)
                    .unwrap_or_else(|| {
                        *last += 1;
                        *last
                    });
                world.log.push((agent, sequence));
            }
            Event::Step { writer, luck, most } => {
                let count = writers.len();
                if let Some(writer) = writers.get_mut(count.saturating_sub(1 + writer)) {
                    writer.step(&mut world, luck, most);
                }
            }
            Event::TakeOver => {
                world.generation += 1;
                writers.push(Writer::new(world.generation));
            }
            Event::Crash(writer) => {
                if writer < writers.len() {
                    writers.remove(writers.len() - 1 - writer);
                }
            }
        }
    }
    // Somebody lives in the end, and everybody who was frozen goes on, in whatever order.
    world.generation += 1;
    writers.push(Writer::new(world.generation));
    for writer in writers.iter_mut().rev() {
        while writer.step(&mut world, Luck::Good, 4) {}
    }
    let wanted: BTreeSet<Record> = world.log.iter().copied().collect();
    for (position, table) in world.tables.iter().enumerate() {
        let mut rows: Vec<Record> = table.values().flatten().copied().collect();
        rows.sort_unstable();
        let once: Vec<Record> = wanted.iter().copied().collect();
        assert_eq!(rows, once, "table {position}");
    }
    let end = i64::try_from(world.log.len()).unwrap();
    if end > 0 {
        let mark = world.mark.unwrap();
        assert_eq!((mark.offset, mark.metadata.as_str()), (end, ""));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_record_is_stored_once_whoever_crashes_freezes_or_takes_over(
        events in prop::collection::vec(event(), 0..150),
    ) {
        run(events);
    }
}

#[test]
fn a_claim_that_is_overtaken_is_made_again() {
    let mut claim = Claim::default();
    let mark = |offset, metadata: &str| Mark {
        offset,
        metadata: metadata.to_owned(),
    };
    claim.read(Some(mark(5, ""))).unwrap();
    assert_eq!(claim.action(), Action::Commit(mark(5, "")));
    claim.committed(Outcome::Unknown);
    assert_eq!(claim.action(), Action::Commit(mark(5, "")));
    claim.committed(Outcome::Done);
    assert_eq!(claim.action(), Action::Read);
    claim.read(Some(mark(5, "v1 5 9 1"))).unwrap();
    assert_eq!(claim.action(), Action::Commit(mark(5, "v1 5 9 1")));
    claim.committed(Outcome::Done);
    claim.read(Some(mark(5, "v1 5 9 1"))).unwrap();
    let plan = Plan {
        begin: 5,
        end: 9,
        announced_ms: 1,
    };
    assert_eq!(claim.action(), Action::Repeat(plan));
    claim.doubt();
    assert_eq!(claim.action(), Action::Commit(mark(5, "v1 5 9 1")));
    claim.committed(Outcome::Done);
    assert_eq!(claim.action(), Action::Repeat(plan));
    claim.inserted();
    assert_eq!(claim.action(), Action::Commit(mark(9, "")));
    claim.committed(Outcome::Done);
    assert_eq!(claim.action(), Action::Gather(9));
}

#[test]
fn a_refused_commit_ends_it() {
    let mut claim = Claim::default();
    claim.read(None).unwrap();
    claim.committed(Outcome::Fenced);
    assert_eq!(claim.action(), Action::Stop);
    for _ in 0..2 {
        claim.committed(Outcome::Done);
        assert_eq!(claim.gathered(9, 1), None);
        claim.inserted();
        claim.read(None).unwrap();
        assert_eq!(claim.action(), Action::Stop);
    }
}

#[test]
fn metadata_that_is_no_plan_is_refused() {
    let mark = Mark {
        offset: 3,
        metadata: "somebody".to_owned(),
    };
    let error = Claim::default().read(Some(mark)).unwrap_err();
    assert!(error.to_string().contains("\"somebody\""), "{error}");
}
