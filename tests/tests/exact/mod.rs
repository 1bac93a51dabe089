//! Whether everything that a fleet's logs hold is stored, once and in every cell.
//!
//! Shared by scenarios that harm a fleet in different ways. Leaves what is done to it to them.

mod accounts;
mod logins;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crmscope_tests::fleet::generator::Truth;
use crmscope_tests::fleet::{Fleet, Part};

/// Waits until all that was written is stored, ends the agents, and compares every figure.
///
/// # Panics
/// When a line, a login, a heartbeat or a batch is missing or there twice, or a cell is wrong.
pub(crate) fn prove(fleet: &mut Fleet, truth: &Truth, settle: Duration) {
    let end = Instant::now() + settle;
    wait_stored(fleet, truth, end);
    let agents: Vec<Part> = (0..fleet.agents.len()).map(Part::Agent).collect();
    let acknowledged = loop {
        fleet.end(&agents);
        match accounts::acknowledged(fleet) {
            Ok(acknowledged) => break acknowledged,
            // The last batches of an agent that had to end before they were answered.
            Err(waiting) => {
                assert!(Instant::now() < end, "{waiting}");
                println!("{waiting}; agents start again");
                let before = accounts::heartbeats(fleet).unwrap();
                agents.iter().for_each(|agent| fleet.begin(*agent));
                // It is connected again then; whether everything went is looked at once more.
                while !accounts::all_beat_since(fleet, &before) {
                    assert!(
                        Instant::now() < end,
                        "an agent did not come back; {waiting}"
                    );
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
    };
    accounts::wait_whole(fleet, &acknowledged, end);
    println!("{:.1?}: all is stored", fleet.age());

    requests::compare(fleet, truth);
    logins::compare(fleet, &truth.logins);
    accounts::check_heartbeats(fleet);
    accounts::check_agents(fleet);
    accounts::check_ledger(fleet, &acknowledged);
    accounts::reconcile(fleet);
    println!("{:.1?}: all is exact", fleet.age());
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
fn same<K, V>(fleet: &Fleet, what: &str, written: &BTreeMap<K, V>, stored: &BTreeMap<K, V>)
where
    K: Ord + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    /// Differences that are shown.
    const SHOWN: usize = 20;
    let keys: BTreeSet<&K> = written.keys().chain(stored.keys()).collect();
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
