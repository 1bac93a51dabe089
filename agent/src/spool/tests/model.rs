//! The spool against a model in memory, on a disk that fails and loses power.
//!
//! `CRMSCOPE_SEED` repeats a run, `CRMSCOPE_MODEL_CASES` makes it longer. The model knows what was
//! appended, and an observer remembers every batch that could ever have been sent, by its number.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};

use super::simulated::{SimulatedDisk, Trouble};
use super::*;
use crate::spool::SpoolState;

const LANES: [Lane; 3] = [Lane::Metrics, Lane::Security, Lane::Presence];
const QUOTA_BYTES: u64 = 1536 * 1024;

/// Beyond the quota there may be a segment's worth that was appended last, and records of drops.
const QUOTA_EXCESS_BYTES: u64 = 512 * 1024;

#[derive(Clone, Debug)]
enum Step {
    Append { lane: usize, large: bool },
    Read { lane: usize },
    Acknowledge { lane: usize, part: u8 },
    Sync,
    Trouble(Option<Trouble>),
    Restart,
    Kill,
    PowerLoss,
    FlipBit { lane: usize, at: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let lane = || 0..LANES.len();
    prop_oneof![
        10 => (lane(), prop::bool::weighted(0.2)).prop_map(|(lane, large)| Step::Append { lane, large }),
        4 => lane().prop_map(|lane| Step::Read { lane }),
        3 => (lane(), any::<u8>()).prop_map(|(lane, part)| Step::Acknowledge { lane, part }),
        2 => Just(Step::Sync),
        2 => prop_oneof![
            Just(None),
            Just(Some(Trouble::Full)),
            Just(Some(Trouble::ReadOnly)),
            Just(Some(Trouble::Failing)),
            Just(Some(Trouble::Stalled)),
            (2u8..12).prop_map(|every| Some(Trouble::Flaky(every))),
        ].prop_map(Step::Trouble),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        2 => Just(Step::PowerLoss),
        // What reports drops is not damaged: nothing would be left to prove the rest by.
        1 => (0..2usize, any::<u32>()).prop_map(|(lane, at)| Step::FlipBit { lane, at }),
    ]
}

/// A batch that was taken and not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Held {
    beat: u64,
    /// It may be gone after the power was lost, or the process with the disk refusing.
    uncertain: bool,
}

struct Bench {
    disk: SimulatedDisk,
    random: fastrand::Rng,
    spool: Option<Spool>,
    troubled: bool,
    beat: u64,
    held: [BTreeMap<u64, Held>; 3],
    /// Every beat that was ever given to a lane, also in vain.
    offered: [Vec<u64>; 3],
    /// What could have been sent, by spool id, lane and number.
    seen: BTreeMap<(Id, usize, u64), Vec<u8>>,
    dropped: Vec<DropRange>,
    read_up_to: [u64; 3],
    /// What was not durable may be gone, and was not looked at since.
    just_lost: bool,
}

fn config() -> Config {
    Config {
        metrics_max_bytes: QUOTA_BYTES,
        security_max_bytes: QUOTA_BYTES,
        presence_max_bytes: QUOTA_BYTES,
        ..Config::default()
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

impl Bench {
    fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let mut bench = Self {
            disk: SimulatedDisk::new(fastrand::Rng::with_seed(seed ^ 1)),
            random,
            spool: None,
            troubled: false,
            beat: 0,
            held: Default::default(),
            offered: Default::default(),
            seen: BTreeMap::new(),
            dropped: Vec::new(),
            read_up_to: [0; 3],
            just_lost: false,
        };
        bench.open();
        bench
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    fn open(&mut self) {
        let path = PathBuf::from("/spool");
        let (mut spool, lost) = Spool::open_on(Arc::new(self.disk.clone()), &path, config())
            .unwrap_or_else(|error| panic!("it does not start: {error}"));
        self.dropped.extend(lost.iter().cloned());
        let _ = spool.record_drops(&origin(), lost, 1_000);
        self.spool = Some(spool);
        self.read_up_to = [0; 3];
    }

    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
        // Whatever was, without trouble it goes on.
        self.trouble(None);
        for (lane, name) in LANES.into_iter().enumerate() {
            assert!(self.append(lane, false), "{name:?} does not recover");
        }
        self.sync();
        self.check();
        for (lane, name) in LANES.into_iter().enumerate() {
            self.acknowledge(lane, u8::MAX);
            let queued = state(self.spool(), name).queued_batches;
            assert_eq!(queued, 0, "{name:?} does not get empty");
        }
        let spool_state = self.spool().spool_state();
        assert!(
            matches!(spool_state, SpoolState::Good | SpoolState::Quota),
            "{spool_state:?}"
        );
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append { lane, large } => {
                self.append(lane, large);
            }
            Step::Read { lane } => {
                self.read(lane);
            }
            Step::Acknowledge { lane, part } => self.acknowledge(lane, part),
            Step::Sync => self.sync(),
            Step::Trouble(trouble) => self.trouble(trouble),
            Step::Restart => {
                self.spool = None;
                self.crashed(self.troubled);
            }
            Step::Kill => {
                let spool = self.spool.take().unwrap();
                self.disk.kill(spool);
                self.crashed(self.troubled);
            }
            Step::PowerLoss => {
                let spool = self.spool.take().unwrap();
                self.disk.kill(spool);
                self.disk.lose_power();
                self.crashed(true);
            }
            Step::FlipBit { lane, at } => self.flip_bit(lane, at),
        }
    }

    fn trouble(&mut self, trouble: Option<Trouble>) {
        self.disk.trouble(trouble);
        self.troubled |= trouble.is_some();
    }

    fn append(&mut self, lane: usize, large: bool) -> bool {
        self.beat += 1;
        let beat = self.beat;
        let mut contents = super::beat(beat);
        if large {
            let rows = bulk(&mut self.random, 4_000);
            contents.heartbeats.extend(rows.heartbeats);
        }
        self.offered[lane].push(beat);
        let spool = self.spool();
        let outcome = spool.append(&origin(), LANES[lane], &contents, None, 1_000);
        let next = state(spool, LANES[lane]).next_sequence;
        if outcome.is_ok() {
            let durable = LANES[lane] == Lane::Security;
            let held = Held {
                beat,
                uncertain: !durable,
            };
            self.held[lane].insert(next - 1, held);
        }
        let used = self.lane_bytes(lane);
        assert!(
            used <= QUOTA_BYTES + QUOTA_EXCESS_BYTES,
            "{:?} holds {used} bytes",
            LANES[lane]
        );
        outcome.is_ok()
    }

    fn lane_bytes(&self, lane: usize) -> u64 {
        let directory = PathBuf::from("/spool").join(LANES[lane].name());
        let files = self.disk.files(&directory, ".segment");
        files.iter().map(|path| self.disk.length(path)).sum()
    }

    /// Everything of a lane, as the uplink could send it.
    fn read(&mut self, lane: usize) -> Option<Vec<Record>> {
        let id = self.spool().spool_id();
        let records = self
            .spool()
            .read(LANES[lane], 0, usize::MAX, usize::MAX)
            .ok()?;
        let (mut last_sequence, mut last_beat) = (0, 0);
        for record in &records {
            assert!(record.sequence > last_sequence, "out of order");
            last_sequence = record.sequence;
            let before = self
                .seen
                .entry((id, lane, record.sequence))
                .or_insert_with(|| record.batch.clone());
            assert!(
                *before == record.batch,
                "{:?} {} was something else before",
                LANES[lane],
                record.sequence
            );
            let contents = open(&Batch::decode(record.batch.as_slice()).unwrap()).unwrap();
            self.dropped.extend(contents.drops);
            let Some(heartbeat) = contents.heartbeats.first() else {
                continue;
            };
            assert!(
                self.offered[lane].binary_search(&heartbeat.beat).is_ok(),
                "invented"
            );
            assert!(heartbeat.beat > last_beat, "out of order");
            last_beat = heartbeat.beat;
            if let Some(held) = self.held[lane].get_mut(&record.sequence) {
                // One that had no answer may be there, in the place of one that is gone.
                let is_replaced = held.uncertain && self.just_lost;
                let is_other = held.beat != heartbeat.beat;
                assert!(
                    !is_other || is_replaced,
                    "{:?} {}: {} instead of {}",
                    LANES[lane],
                    record.sequence,
                    heartbeat.beat,
                    held.beat
                );
                // It may be sent, so from here on it is durable, or missed with a record.
                (held.beat, held.uncertain) = (heartbeat.beat, false);
            }
        }
        self.read_up_to[lane] = last_sequence;
        Some(records)
    }

    fn acknowledge(&mut self, lane: usize, part: u8) {
        // Only what was read can have been sent.
        if self.read(lane).is_none() {
            return;
        }
        let first = self.held[lane].keys().next().copied().unwrap_or(0);
        let last = self.read_up_to[lane];
        if first > last {
            return;
        }
        let sequence = first + (last - first) * u64::from(part) / u64::from(u8::MAX);
        let _ = self.spool().acknowledge(LANES[lane], sequence);
        self.held[lane].retain(|&held, _| held > sequence);
    }

    fn sync(&mut self) {
        self.spool().sync_due(later());
        for (lane, name) in LANES.into_iter().enumerate() {
            if self.spool().lanes[position(name)]
                .unsynced_since()
                .is_none()
            {
                let held = self.held[lane].values_mut();
                held.for_each(|held| held.uncertain = false);
            }
        }
    }

    /// The process is gone. `lossy` says that what was not durable may be gone too.
    fn crashed(&mut self, lossy: bool) {
        self.trouble(None);
        self.troubled = false;
        self.open();
        self.just_lost = lossy;
        for lane in 0..self.held.len() {
            let Some(records) = self.read(lane) else {
                panic!("a healthy disk cannot be read");
            };
            let there: Vec<u64> = sequences(&records);
            self.held[lane].retain(|sequence, held| {
                there.binary_search(sequence).is_ok() || !(lossy && held.uncertain)
            });
        }
        self.just_lost = false;
        self.check();
    }

    /// Everything held is there, or recorded as dropped.
    fn check(&mut self) {
        // Records what was noticed since.
        self.append(2, false);
        for lane in [2, 0, 1] {
            self.read(lane).unwrap();
        }
        self.append(2, false);
        self.read(2).unwrap();
        for (lane, name) in LANES.into_iter().enumerate() {
            let records = self.read(lane).unwrap();
            let there = sequences(&records);
            let dropped = &self.dropped;
            self.held[lane].retain(|&sequence, held| {
                if there.binary_search(&sequence).is_ok() {
                    return true;
                }
                let covered = dropped.iter().any(|range| {
                    range.lane() == name
                        && (range.first_sequence..=range.last_sequence).contains(&sequence)
                });
                assert!(
                    covered,
                    "{name:?} {sequence} ({held:?}) is gone without a record; there: {there:?}"
                );
                false
            });
        }
    }

    fn flip_bit(&mut self, lane: usize, at: u32) {
        let directory = PathBuf::from("/spool").join(LANES[lane].name());
        let files = self.disk.files(&directory, ".segment");
        if files.is_empty() {
            return;
        }
        let path = &files[at as usize % files.len()];
        self.disk.damage(path, |bytes| {
            let bits = bytes.len() * 8;
            if bits > 0 {
                let bit = at as usize % bits;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        });
    }
}

fn position(lane: Lane) -> usize {
    lane.position().unwrap()
}

#[test]
fn whatever_the_disk_does_what_was_durable_is_read_back_and_no_number_means_two_things() {
    let seed = seeded().u64(..);
    let cases = std::env::var("CRMSCOPE_MODEL_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(200);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Cases {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Cases::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let steps = (any::<u64>(), prop::collection::vec(step(), 5..60));
    TestRunner::new_with_rng(config, random)
        .run(&steps, |(seed, steps)| {
            Bench::new(seed).run(&steps);
            Ok(())
        })
        .unwrap();
}
