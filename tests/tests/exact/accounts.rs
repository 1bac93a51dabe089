//! Batches: what agents had acknowledged, what the ledger has, and what the roll-ups say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crmscope_agent::spool::{self, Spool};
use crmscope_proto::Lane;
use crmscope_tests::fleet::Fleet;

use super::number;

/// Batches acknowledged, by agent, spool and lane.
pub(super) type Acknowledged = BTreeMap<(String, String, String), u64>;

/// What the agents, which must have ended, hold as acknowledged: all they ever made.
///
/// # Errors
/// When one holds a batch that nobody acknowledged yet.
pub(super) fn acknowledged(fleet: &Fleet) -> Result<Acknowledged, String> {
    let mut acknowledged = Acknowledged::new();
    for agent in &fleet.agents {
        let (spool, lost) =
            Spool::open(&fleet.spool(&agent.name), spool::Config::default()).unwrap();
        assert!(lost.is_empty(), "{} lost {lost:?}", agent.name);
        assert_eq!(spool.corrupt_bytes(), 0, "{}", agent.name);
        for state in spool.states() {
            let lane = Lane::try_from(state.lane).unwrap().name().to_owned();
            assert_eq!(state.dropped_batches, 0, "{} dropped {lane}", agent.name);
            let made = state.next_sequence - 1;
            if state.acked_sequence != made {
                return Err(format!(
                    "{}: of {made} batches of {lane} {} are acknowledged",
                    agent.name, state.acked_sequence
                ));
            }
            let key = (agent.name.clone(), spool.spool_id().to_string(), lane);
            acknowledged.insert(key, made);
        }
    }
    Ok(acknowledged)
}

/// Heartbeats stored, by agent.
///
/// # Errors
/// When ClickHouse does not answer.
pub(super) fn heartbeats(fleet: &Fleet) -> Result<BTreeMap<String, u64>, String> {
    let sql =
        "SELECT agent_id::String AS agent_id, count() AS beats FROM heartbeats GROUP BY agent_id";
    let rows = fleet.query::<(String, u64)>(sql)?;
    Ok(rows.into_iter().collect())
}

/// Whether every agent has more of them than before.
pub(super) fn all_beat_since(fleet: &Fleet, before: &BTreeMap<String, u64>) -> bool {
    let Ok(now) = heartbeats(fleet) else {
        return false;
    };
    let count = |beats: &BTreeMap<String, u64>, name: &str| beats.get(name).copied().unwrap_or(0);
    let mut agents = fleet.agents.iter();
    agents.all(|agent| count(&now, &agent.name) > count(before, &agent.name))
}

/// A lane of a spool as `ledger_proof.sql` has it, in batches.
#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Account {
    agent_id: String,
    spool_id: String,
    lane: String,
    emitted: u64,
    stored: u64,
    missing: i64,
    in_flight: i64,
    duplicates: i64,
    overlaps: i64,
    acked_sequence: u64,
}

impl Account {
    fn key(&self) -> (String, String, String) {
        (
            self.agent_id.clone(),
            self.spool_id.clone(),
            self.lane.clone(),
        )
    }
}

fn accounts(fleet: &Fleet) -> Vec<Account> {
    let proof = of_all_time(include_str!(
        "../../../deploy/clickhouse/queries/ledger_proof.sql"
    ));
    let sql = format!(
        "SELECT agent_id::String AS agent_id, toString(spool_id) AS spool_id, toString(lane) AS lane,
            toUInt64(emitted) AS emitted, toUInt64(stored) AS stored, toInt64(missing) AS missing,
            toInt64(in_flight) AS in_flight, toInt64(duplicates) AS duplicates,
            toInt64(overlaps) AS overlaps, toUInt64(acked_sequence) AS acked_sequence FROM ({proof})"
    );
    fleet
        .query::<Account>(&sql)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A query of all agents, from the beginning to the end.
fn of_all_time(sql: &str) -> String {
    sql.replace("{agent:String}", "''")
        .replace("{from:DateTime('UTC')}", "toDateTime(0, 'UTC')")
        .replace("{to:DateTime('UTC')}", "toDateTime('2100-01-01', 'UTC')")
}

/// Lanes of the agents' own spools, and heartbeats put aside: while the disk is busy for 2 s, or the
/// agent stands still for as long, they go into a spool in memory with an id of its own.
fn own_and_aside(fleet: &Fleet, acknowledged: &Acknowledged) -> (Vec<Account>, Vec<Account>) {
    let (own, aside): (Vec<Account>, Vec<Account>) = accounts(fleet)
        .into_iter()
        .partition(|account| acknowledged.contains_key(&account.key()));
    for account in &aside {
        let expected = account.lane == "presence" && has_stalled(fleet, &account.agent_id);
        assert!(expected, "a spool that no agent has: {account:?}");
    }
    (own, aside)
}

fn has_stalled(fleet: &Fleet, agent_id: &str) -> bool {
    fleet.log(agent_id).contains("\"stalled\"")
}

/// With Kafka an acknowledgement comes before the row: waits until the ledger has as many batches.
pub(super) fn wait_whole(fleet: &Fleet, acknowledged: &Acknowledged, end: Instant) {
    loop {
        let (own, aside) = own_and_aside(fleet, acknowledged);
        let stored: u64 = own.iter().map(|account| account.stored).sum();
        let waiting: Vec<&Account> = own
            .iter()
            .filter(|account| account.in_flight > 0 || account.missing > 0)
            .chain(aside.iter().filter(|account| account.missing > 0))
            .collect();
        if waiting.is_empty() && stored >= acknowledged.values().sum() {
            return;
        }
        assert!(
            Instant::now() < end,
            "{stored} of {} batches are in the ledger: {waiting:?}\n{}",
            acknowledged.values().sum::<u64>(),
            fleet.collector_command(&["ledger"]).1
        );
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Everything emitted is stored: nothing missing, dropped, rejected or counted twice.
pub(super) fn check_ledger(fleet: &Fleet, acknowledged: &Acknowledged) {
    let (code, table) = fleet.collector_command(&["ledger"]);
    assert_eq!(code, 0, "{table}");
    let (own, aside) = own_and_aside(fleet, acknowledged);
    for account in &own {
        assert_eq!(account.stored, account.emitted, "{account:?}");
        // What an agent ever said of itself.
        assert!(account.acked_sequence <= account.stored, "{account:?}");
    }
    for account in own.iter().chain(&aside) {
        assert_eq!(
            (account.duplicates, account.overlaps),
            (0, 0),
            "{account:?}"
        );
    }
    println!("spools in memory: {}", aside.len());
    let stored: Acknowledged = own
        .into_iter()
        .map(|account| (account.key(), account.stored))
        .collect();
    let made = acknowledged
        .clone()
        .into_iter()
        .filter(|(_, made)| *made > 0);
    super::same(fleet, "batches", &made.collect(), &stored);
    let other =
        fleet.text("SELECT * FROM ledger WHERE disposition != 'stored' FORMAT TSVWithNames");
    assert_eq!(other.lines().count(), 1, "{other}");
    let dead = fleet.text("SELECT * EXCEPT batch FROM dead_letters FORMAT TSVWithNames");
    assert_eq!(dead.lines().count(), 1, "{dead}");
    let twice = "SELECT agent_id, lane, first_sequence FROM ledger \
                 GROUP BY agent_id, spool_id, lane, first_sequence HAVING count() > 1";
    assert_eq!(fleet.text(twice), "", "batches stored twice");
    // Row by row in all lanes, those whose contents only the agents know included.
    let proof = of_all_time(include_str!(
        "../../../deploy/clickhouse/queries/row_count_proof.sql"
    ));
    let sql = format!(
        "SELECT lane, toUInt64(ledger_items), toUInt64(table_rows), difference FROM ({proof})"
    );
    let rows = fleet
        .query::<(String, u64, u64, i64)>(&sql)
        .unwrap_or_else(|error| panic!("{error}"));
    println!("lane, items in the ledger, rows, difference: {rows:?}");
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|(.., difference)| *difference == 0));
    println!("{table}");
}

/// Beats count from 1 at every start of an agent. None is there twice; missing are at most those
/// that an agent held in memory when it was killed.
pub(super) fn check_heartbeats(fleet: &Fleet) {
    let sql = "SELECT agent_id::String AS agent_id, count() AS beats, uniqExact(beat) AS different, max(beat) AS last \
               FROM heartbeats GROUP BY agent_id, start_id";
    let starts = fleet.query::<(String, u64, u64, u64)>(sql).unwrap();
    for (agent_id, beats, different, last) in &starts {
        assert_eq!(beats, different, "beats of {agent_id} twice");
        assert!(
            beats == last || has_stalled(fleet, agent_id),
            "{agent_id}: {beats} beats of {last}"
        );
    }
    let beats = number(fleet, "SELECT count() FROM heartbeats");
    let starts = number(
        fleet,
        "SELECT uniqExact(agent_id, start_id) FROM heartbeats",
    );
    println!("heartbeats: {beats} of {starts} starts");
    assert!(beats > 0);
}

/// Nobody is there who does not exist.
pub(super) fn check_agents(fleet: &Fleet) {
    let names = fleet.agents.iter().map(|agent| agent.name.clone());
    let known: BTreeSet<String> = names.collect();
    for table in [
        "host_raw",
        "source_raw",
        "requests_raw",
        "requests_1d",
        "security_1d",
        "heartbeats",
        "presence_1d",
        "agents",
        "ledger",
        "ledger_1m",
    ] {
        let sql = format!("SELECT DISTINCT agent_id::String FROM {table}");
        let rows = fleet.query::<String>(&sql);
        let seen: BTreeSet<String> = rows.unwrap().into_iter().collect();
        assert_eq!(seen, known, "agents in {table}");
    }
    let twice = "SELECT agent_id, ts FROM host_raw GROUP BY agent_id, ts HAVING count() > 1";
    assert_eq!(fleet.text(twice), "", "rows of a host stored twice");
}

/// Every cell of every roll-up is what the base rows say.
pub(super) fn reconcile(fleet: &Fleet) {
    let since = format!("{}s", fleet.age().as_secs() + 60);
    let (code, report) = fleet.collector_command(&["reconcile", "--from", &since]);
    assert_eq!(code, 0, "{report}");
    println!("{report}");
}
