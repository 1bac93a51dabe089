//! Faults by chance: what happens to which part, and when it is mended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::proxy::Weather;
use super::{Fleet, Part};
use crate::PATIENCE;

/// What is done to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// kill -9; started again after a while.
    Kill,
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
    /// SIGTERM, and a new start.
    Restart,
    /// SIGTERM, and a new start after a while.
    Leave,
    /// Its connections break, and new ones too for a while.
    Cut,
    /// Its connections go silent for a while; what was sent meanwhile arrives late.
    Silence,
}

const PROCESS: [Fault; 4] = [Fault::Kill, Fault::Freeze, Fault::Restart, Fault::Leave];
const NETWORK: [Fault; 2] = [Fault::Cut, Fault::Silence];

/// How long faults last, at most: twice a writer's session. Beyond 30 s connections are given up,
/// which the longest here do.
const LONGEST: Duration = Duration::from_secs(12);
const LONGEST_SILENCE: Duration = Duration::from_secs(35);

/// A fault, and when it is over.
#[derive(Clone, Copy, Debug)]
struct Harm {
    part: Part,
    fault: Fault,
    due: Instant,
    /// Its process was begun again, and is not there yet.
    begun: bool,
}

/// Harms parts, and mends them.
pub struct Faults {
    random: Rng,
    begin: Instant,
    harms: Vec<Harm>,
    counts: BTreeMap<(&'static str, Fault), u64>,
    schedule: File,
}

impl Faults {
    /// A schedule out of a seed.
    ///
    /// # Panics
    /// When it cannot be written down.
    #[must_use]
    pub fn new(random: Rng, fleet: &Fleet) -> Self {
        Self {
            random,
            begin: Instant::now(),
            harms: Vec::new(),
            counts: BTreeMap::new(),
            schedule: File::create(fleet.path("schedule")).unwrap(),
        }
    }

    /// Harms parts of the fleet for so long; what is harmed at the end still is.
    pub fn run(&mut self, fleet: &mut Fleet, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let pause = Duration::from_millis(self.random.u64(50..1_500));
            std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
            self.mend_due(fleet, Instant::now());
            self.harm(fleet, time);
        }
    }

    /// Mends everything. Returns how often each fault happened.
    ///
    /// # Panics
    /// When a part does not end that was asked to.
    pub fn heal(&mut self, fleet: &mut Fleet) -> BTreeMap<(&'static str, Fault), u64> {
        let begin = Instant::now();
        let last = self.harms.iter().map(|harm| harm.due).max();
        self.say("all is mended");
        while !self.harms.is_empty() {
            self.mend_due(fleet, last.map_or(begin, |last| last.max(Instant::now())));
            let waiting = begin.elapsed();
            assert!(waiting < 3 * PATIENCE, "still harmed: {:?}", self.harms);
            std::thread::sleep(Duration::from_millis(50));
        }
        self.counts.clone()
    }

    fn say(&mut self, what: &str) {
        let line = format!("{:>7.2} s {what}", self.begin.elapsed().as_secs_f64());
        println!("{line}");
        writeln!(self.schedule, "{line}").unwrap();
    }

    /// The same numbers are drawn whatever comes of them, so that a seed stays a schedule.
    fn harm(&mut self, fleet: &mut Fleet, time: Duration) {
        let (kind, number) = (self.random.u8(..), self.random.usize(..));
        let (way, length) = (self.random.usize(..), self.random.f64());
        let part = draw_part(fleet, kind, number);
        let faults: Vec<Fault> = match part {
            Part::ToKafka(_) => NETWORK.to_vec(),
            Part::Broker(_) => PROCESS.to_vec(),
            Part::Agent(_) | Part::Collector(_) | Part::ClickHouse => {
                PROCESS.into_iter().chain(NETWORK).collect()
            }
        };
        let fault = faults[way % faults.len()];
        let longest = match fault {
            Fault::Silence if time > LONGEST_SILENCE * 2 => LONGEST_SILENCE,
            Fault::Restart => Duration::ZERO,
            _ => LONGEST.min(time / 3),
        };
        if self.is_harmed(part, fault) {
            return;
        }
        let lasts = longest.mul_f64(length);
        self.say(&format!("{fault:?} {part:?} for {lasts:.1?}"));
        *self.counts.entry((part.kind(), fault)).or_insert(0) += 1;
        match fault {
            Fault::Kill => fleet.kill(part),
            Fault::Freeze => fleet.freeze(part, true),
            Fault::Restart | Fault::Leave => fleet.ask_to_end(part),
            Fault::Cut => fleet.set(part, Weather::Cut),
            Fault::Silence => fleet.set(part, Weather::Silent),
        }
        self.harms.push(Harm {
            part,
            fault,
            due: Instant::now() + lasts,
            begun: false,
        });
    }

    /// A part that is gone cannot be frozen, and what is frozen would not end when asked.
    fn is_harmed(&self, part: Part, fault: Fault) -> bool {
        let is_network = NETWORK.contains(&fault);
        self.harms.iter().any(|harm| match (harm.part, part) {
            // With two of three away nothing is acknowledged, and nothing happens.
            (Part::Broker(_), Part::Broker(_)) => true,
            (harmed, part) => harmed == part && NETWORK.contains(&harm.fault) == is_network,
        })
    }

    fn mend_due(&mut self, fleet: &mut Fleet, now: Instant) {
        for mut harm in std::mem::take(&mut self.harms) {
            if harm.due > now || !mend(fleet, &mut harm) {
                self.harms.push(harm);
            }
        }
    }
}

/// Whether it is done.
fn mend(fleet: &mut Fleet, harm: &mut Harm) -> bool {
    let part = harm.part;
    match harm.fault {
        Fault::Cut | Fault::Silence => fleet.set(part, Weather::Fair),
        Fault::Freeze => fleet.freeze(part, false),
        Fault::Kill | Fault::Restart | Fault::Leave if harm.begun => {
            return fleet.is_settled(part);
        }
        Fault::Kill => {
            fleet.begin(part);
            harm.begun = true;
            return fleet.is_settled(part);
        }
        Fault::Restart | Fault::Leave => {
            if fleet.has_ended(part) {
                fleet.begin(part);
                harm.begun = true;
            }
            return false;
        }
    }
    true
}

/// Each kind of part as often as the others, however many there are of it.
fn draw_part(fleet: &Fleet, kind: u8, number: usize) -> Part {
    let agent = Part::Agent(number % fleet.agents.len());
    let collector = number % fleet.collectors.len();
    match fleet.broker_count() {
        0 => match kind % 3 {
            0 => agent,
            1 => Part::Collector(collector),
            _ => Part::ClickHouse,
        },
        brokers => match kind % 6 {
            0 => agent,
            1 | 2 => Part::Collector(collector),
            3 => Part::ClickHouse,
            4 => Part::Broker(number % brokers),
            _ => Part::ToKafka(collector),
        },
    }
}
