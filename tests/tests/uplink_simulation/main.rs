//! The uplink's protocol under a hostile network, on virtual time.
//!
//! The agent's real uplink, windows, pace and spool talk to the collector's real streams over
//! connections that are late, cut, half open or gone, while agents and collectors are killed and
//! restarted and the log behind them stalls. Whatever happens: what an agent freed is in the log;
//! the log of a lane has no gap; once the faults end everything arrives.
//!
//! `CRMSCOPE_SEED` repeats one run, `CRMSCOPE_SIMULATION_SEEDS` says how many to try. A seed gives
//! the faults, the pieces and the delays; the order among tasks that are ready together is tokio's.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod agent;
mod collector;
mod log;
mod network;
mod scripted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crmscope_collector::ingest::Config;
use fastrand::Rng;
use tokio::time::Instant;

use agent::Agent;
use collector::{Collector, Surroundings};
use log::DurableLog;
use network::Network;

/// Seeds that are tried when nobody says how many.
const SEEDS: u64 = 40;

/// Virtual time after the last fault within which everything has to arrive: pauses, probes of dead
/// connections and waits between attempts all end long before.
const SETTLE: Duration = Duration::from_secs(600);

/// Virtual time in which faults happen.
const FAULTS: Duration = Duration::from_secs(40);

const AGENTS: usize = 2;
const COLLECTORS: usize = 2;
const TOKEN: &str = "token-of-the-simulation";

/// A directory in memory where there is one: every append syncs.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn token_file(directory: &Path) -> PathBuf {
    let path = directory.join("token");
    std::fs::write(&path, TOKEN).unwrap();
    path
}

/// Runs on virtual time: it goes on when everybody waits.
fn virtually<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn nothing_is_freed_before_it_is_settled_and_everything_arrives() {
    let seeds: Vec<u64> = match std::env::var("CRMSCOPE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => {
            let count = std::env::var("CRMSCOPE_SIMULATION_SEEDS");
            (1..=count.map_or(SEEDS, |count| count.parse().unwrap())).collect()
        }
    };
    let mut seen = BTreeMap::new();
    for seed in seeds {
        println!("CRMSCOPE_SEED={seed}");
        for (what, count) in virtually(simulate(seed)) {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    println!("{seen:?}");
}

struct World {
    random: Rng,
    surroundings: Surroundings,
    agents: Vec<Agent>,
    collectors: Vec<Option<Collector>>,
    freed: u64,
}

/// One run; what happened in it, counted.
async fn simulate(seed: u64) -> Vec<(&'static str, u64)> {
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let directory = directory();
    let token_file = token_file(directory.path());
    let network = Network::new(random.fork());
    // Without repeated acks both ends count the same as under way.
    let repeated = random.bool();
    let surroundings = Surroundings {
        network: network.clone(),
        log: DurableLog::default(),
        config: Config {
            token_file: token_file.clone(),
            streams_max: *random.choice(&[2, 100]).unwrap(),
            window_batches: *random.choice(&[1, 4, 64]).unwrap(),
            window_bytes: 1 << 20,
            connection_max_age_ms: *random.choice(&[0, 3_000, 20_000]).unwrap(),
            throttle_pause_ms: random.u32(100..3_000),
            ..Config::default()
        },
        queue_max_bytes: *random.choice(&[32 << 10, 4 << 20]).unwrap(),
        history: repeated.then(Default::default),
    };
    let agents: Vec<Agent> = (0..AGENTS)
        .map(|number| {
            let name = format!("agent-{number}");
            let path = directory.path().join(&name);
            let max_bytes_per_s = *random.choice(&[20_000, 1_000_000]).unwrap();
            Agent::start(
                &name,
                &path,
                network.dial(number),
                &token_file,
                max_bytes_per_s,
            )
        })
        .collect();
    let collectors = (0..COLLECTORS)
        .map(|number| Some(Collector::start(number, &surroundings, &mut random)))
        .collect();
    let producers: Vec<_> = agents
        .iter()
        .map(|agent| agent.produce(random.fork()))
        .collect();
    let mut world = World {
        random,
        surroundings,
        agents,
        collectors,
        freed: 0,
    };
    let faults_end = Instant::now() + FAULTS;
    let mut seen = Vec::new();
    while Instant::now() < faults_end {
        let pause = Duration::from_millis(world.random.u64(50..4_000));
        world.watch_for(pause).await;
        world.check();
        seen.push((world.fault().await, 1));
    }
    for producer in &producers {
        producer.abort();
        assert!(!producer.is_finished(), "a producer stopped by itself");
    }
    world.settle().await;
    seen.extend([
        ("batches", world.freed),
        ("duplicates in the log", world.surroundings.log.duplicates()),
        ("connections", network.attempts()),
    ]);
    for (what, counter) in [
        (
            "streams that grew old",
            "ingest_streams_refused_total{reason=\"max_age\"}",
        ),
        (
            "streams refused",
            "ingest_streams_refused_total{reason=\"streams_max\"}",
        ),
        ("pauses", "ingest_throttles_total"),
    ] {
        let counts = world.collectors.iter().flatten();
        seen.push((
            what,
            counts.map(|collector| collector.counter(counter)).sum(),
        ));
    }
    if !repeated {
        let beyond = world
            .collectors
            .iter()
            .flatten()
            .map(|collector| collector.counter("ingest_windows_exceeded_total"));
        assert_eq!(beyond.sum::<u64>(), 0, "batches beyond the window");
    }
    seen
}

impl World {
    /// Lets time pass and looks at what is true all along.
    async fn watch_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.check();
        }
    }

    /// What an agent freed is in the log.
    fn check(&mut self) {
        let mut freed = 0;
        let running = |collector: &Collector| collector.is_running();
        assert!(
            self.collectors.iter().flatten().all(running),
            "a check of the log failed"
        );
        for agent in &self.agents {
            assert!(agent.is_running(), "an uplink stopped");
            for (key, state) in agent.states() {
                let mark = self.surroundings.log.mark(&key);
                assert!(
                    state.acked_sequence <= mark,
                    "{key:?} freed {} while the log ends at {mark}",
                    state.acked_sequence
                );
                assert_eq!(state.dropped_batches, 0, "{key:?}");
                freed += state.acked_sequence;
            }
        }
        self.freed = freed;
    }

    /// Something goes wrong. Returns what.
    async fn fault(&mut self) -> &'static str {
        let network = self.surroundings.network.clone();
        let time = Duration::from_millis(self.random.u64(100..20_000));
        match self.random.u8(0..9) {
            0 | 1 => {
                network.cut(None);
                "cuts"
            }
            2 | 3 => {
                network.half_open();
                "half-open connections"
            }
            4 => {
                network.cut_off(self.random.usize(..AGENTS), time);
                "agents cut off"
            }
            5 => {
                let agent = self.random.usize(..AGENTS);
                let orderly = self.random.bool();
                self.agents[agent].restart(orderly).await;
                "agents restarted"
            }
            6 => {
                self.surroundings.log.stall(time);
                "stalls of the log"
            }
            which => {
                let number = self.random.usize(..COLLECTORS);
                let Some(collector) = self.collectors[number].take() else {
                    self.start_collector(number);
                    return "collectors started";
                };
                if which == 7 {
                    collector.stop().await;
                } else {
                    collector.crash().await;
                }
                if self.random.bool() {
                    self.start_collector(number);
                }
                "collectors ended"
            }
        }
    }

    fn start_collector(&mut self, number: usize) {
        let collector = Collector::start(number, &self.surroundings, &mut self.random);
        self.collectors[number] = Some(collector);
    }

    /// The faults end, and everything arrives.
    async fn settle(&mut self) {
        self.surroundings.network.heal();
        self.surroundings.log.heal();
        for number in 0..COLLECTORS {
            if self.collectors[number].is_none() {
                self.start_collector(number);
            }
        }
        let deadline = Instant::now() + SETTLE;
        loop {
            self.watch_for(Duration::from_millis(500)).await;
            let queued: Vec<_> = self
                .agents
                .iter()
                .flat_map(Agent::states)
                .filter(|(_, state)| state.queued_batches > 0)
                .collect();
            if queued.is_empty() {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "not acknowledged {SETTLE:?} after the last fault: {queued:?}"
            );
        }
        for (key, state) in self.agents.iter().flat_map(Agent::states) {
            let mark = self.surroundings.log.mark(&key);
            assert_eq!(state.next_sequence - 1, mark, "{key:?}");
        }
    }
}
