//! The oracle: a fleet with known data, harmed for a while, and in the end every figure is exact.
//!
//! A seeded schedule kills, freezes, restarts and cuts off agents, collectors, ClickHouse and Kafka's
//! brokers; writers leave and come back. Once all is mended: every line of every log is counted once,
//! in raw rows and in each roll-up, with its bytes and its bucket of the sketch; every login is one
//! event; no heartbeat is missing or there twice; what agents had acknowledged is what the ledger
//! has, with nothing dropped; roll-ups are what the base rows say; and there is no row that nobody
//! wrote.
//!
//! Settings: `CRMSCOPE_ORACLE_AGENTS`, `CRMSCOPE_ORACLE_COLLECTORS`, `CRMSCOPE_ORACLE_BROKERS` (0
//! for none, 1 or 3), `CRMSCOPE_ORACLE_LINES_PER_SECOND` (of each agent), `CRMSCOPE_ORACLE_SECONDS`
//! (of faults) and `CRMSCOPE_ORACLE_SETTLE_SECONDS` (at most). `CRMSCOPE_SEED` repeats a schedule. A
//! run that fails leaves a directory with all data, logs and the schedule, and says where.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../exact/mod.rs"]
mod exact;

use std::sync::Mutex;
use std::time::Duration;

use crmscope_tests::fleet::faults::Faults;
use crmscope_tests::fleet::{Fleet, Size};
use crmscope_tests::{gate, seed};

/// Two fleets at once would only wait for each other.
static ONE_FLEET: Mutex<()> = Mutex::new(());

fn setting(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name);
    text.map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number"))
    })
}

fn size_setting(name: &str, otherwise: u64) -> usize {
    usize::try_from(setting(name, otherwise)).unwrap()
}

#[test]
fn every_figure_is_exact_after_every_fault() {
    let brokers = size_setting("CRMSCOPE_ORACLE_BROKERS", 1);
    let collectors = size_setting("CRMSCOPE_ORACLE_COLLECTORS", 3);
    if brokers == 0 || gate::kafka() {
        harm_and_compare(brokers, if brokers == 0 { 1 } else { collectors }, 4, 20);
    }
}

#[test]
fn every_figure_is_exact_without_kafka() {
    harm_and_compare(0, 1, 3, 10);
}

fn harm_and_compare(brokers: usize, collectors: usize, agents: u64, harmful_s: u64) {
    let _one = ONE_FLEET.lock();
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let size = Size {
        agents: size_setting("CRMSCOPE_ORACLE_AGENTS", agents),
        collectors,
        brokers,
        lines_per_s: setting("CRMSCOPE_ORACLE_LINES_PER_SECOND", 50),
    };
    let harmful = Duration::from_secs(setting("CRMSCOPE_ORACLE_SECONDS", harmful_s));
    let settle = Duration::from_secs(setting("CRMSCOPE_ORACLE_SETTLE_SECONDS", 240));
    println!("{size:?}, {harmful:?} of faults");
    let mut fleet = Fleet::start(&size, &mut random);
    println!("started in {:.1?}", fleet.age());
    let mut faults = Faults::new(random.fork(), &fleet);
    faults.run(&mut fleet, harmful);
    println!("faults: {:?}", faults.heal(&mut fleet));
    let truth = fleet.finish_logs();
    println!(
        "{:.1?}: {} lines in {} cells, {} logins",
        fleet.age(),
        truth.lines(),
        truth.requests.len(),
        truth.logins.len()
    );

    exact::prove(&mut fleet, &truth, settle);
    println!("CRMSCOPE_SEED={seed}");
}
