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

mod accounts;
mod logins;
mod requests;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crmscope_tests::fleet::faults::Faults;
use crmscope_tests::fleet::generator::Truth;
use crmscope_tests::fleet::{Fleet, Part, Size};
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

    let end = Instant::now() + settle;
    wait_stored(&fleet, &truth, end);
    let agents: Vec<Part> = (0..size.agents).map(Part::Agent).collect();
    let acknowledged = loop {
        fleet.end(&agents);
        match accounts::acknowledged(&fleet) {
            Ok(acknowledged) => break acknowledged,
            // The last batches of an agent that had to end before they were answered.
            Err(waiting) => {
                assert!(Instant::now() < end, "{waiting}");
                println!("{waiting}; agents start again");
                agents.iter().for_each(|agent| fleet.begin(*agent));
                std::thread::sleep(Duration::from_secs(2));
            }
        }
    };
    accounts::wait_whole(&fleet, &acknowledged, end);
    println!("{:.1?}: all is stored", fleet.age());

    requests::compare(&fleet, &truth);
    logins::compare(&fleet, &truth.logins);
    accounts::check_heartbeats(&fleet);
    accounts::check_agents(&fleet);
    accounts::check_ledger(&fleet, &acknowledged);
    accounts::reconcile(&fleet);
    println!("{:.1?}: all is exact, CRMSCOPE_SEED={seed}", fleet.age());
}

fn number(fleet: &Fleet, sql: &str) -> u64 {
    let rows = fleet.query::<u64>(sql);
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))[0]
}

/// Waits for as many rows as were written; more would not go away by waiting.
fn wait_stored(fleet: &Fleet, truth: &Truth, end: Instant) {
    for (what, sql, wanted) in [
        (
            "lines",
            "SELECT toUInt64(sum(requests)) FROM requests_raw",
            truth.lines(),
        ),
        (
            "logins",
            "SELECT count() FROM security_events",
            truth.logins.len() as u64,
        ),
    ] {
        loop {
            let stored = fleet.query::<u64>(sql);
            match stored.as_deref() {
                Ok([stored]) if *stored >= wanted => break,
                seen => assert!(
                    Instant::now() < end,
                    "{wanted} {what} should be stored: {seen:?}\n{}",
                    fleet.collector_command(&["ledger"]).1
                ),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Says what differs between what was written and what is stored, and fails if anything does.
fn same<K, V>(
    fleet: &Fleet,
    what: &str,
    written: &std::collections::BTreeMap<K, V>,
    stored: &std::collections::BTreeMap<K, V>,
) where
    K: Ord + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    /// Differences that are shown.
    const SHOWN: usize = 20;
    let keys: std::collections::BTreeSet<&K> = written.keys().chain(stored.keys()).collect();
    let differing: Vec<&K> = keys
        .into_iter()
        .filter(|key| written.get(key) != stored.get(key))
        .collect();
    if differing.is_empty() {
        println!("{what}: {} cells", written.len());
        return;
    }
    println!("{} cells of {what} differ:", differing.len());
    for key in differing.iter().take(SHOWN) {
        let (written, stored) = (written.get(key), stored.get(key));
        println!("{key:?}\n  written {written:?}\n  stored  {stored:?}");
    }
    println!("{}", fleet.collector_command(&["ledger"]).1);
    panic!("{what} is not what was written");
}
