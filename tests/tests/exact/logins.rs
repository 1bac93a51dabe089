//! Logins: each is one event, and counted once in each roll-up.

use std::collections::BTreeMap;

use crmscope_tests::fleet::Fleet;
use crmscope_tests::fleet::logins::Login;

/// An event as ClickHouse has it.
#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Row {
    agent_id: String,
    process_id: u32,
    time_ms: u64,
    status_id: u8,
    method: String,
    user: String,
    source_address: String,
    source_port: u16,
}

/// Agent, method, status and beginning of a cell.
type Key = (String, String, u8, u32);

/// OCSF's numbers.
const SUCCESS: u8 = 1;
const FAILURE: u8 = 2;

pub(super) fn compare(fleet: &Fleet, written: &[Login]) {
    let sql =
        "SELECT agent_id::String AS agent_id, process_id,
        toUInt64(toUnixTimestamp64Milli(ts)) AS time_ms, status_id, method::String AS method, user, source_address, source_port
        FROM security_events WHERE kind = 'ssh_login' AND service = 'sshd' AND count = 1";
    let rows = fleet.query::<Row>(sql).unwrap();
    let stored = counted(rows.into_iter().map(|row| Login {
        succeeded: row.status_id == SUCCESS,
        agent_id: row.agent_id,
        process_id: row.process_id,
        time_ms: row.time_ms,
        method: row.method,
        user: row.user,
        source_address: row.source_address,
        source_port: row.source_port,
    }));
    let written_once = counted(written.iter().cloned());
    super::same(fleet, "security_events", &written_once, &stored);
    let all = super::number(fleet, "SELECT count() FROM security_events");
    assert_eq!(all, written.len() as u64, "events that nobody logged");
    let identities = "SELECT uniqExact(event_id) FROM security_events";
    assert_eq!(
        super::number(fleet, identities),
        all,
        "events have an id each"
    );

    for (table, step) in [
        ("security_1m", 60),
        ("security_1h", 3_600),
        ("security_1d", 86_400),
    ] {
        let cells = counted(written.iter().map(|login| -> Key {
            let seconds = u32::try_from(login.time_ms / 1000).unwrap();
            let status = if login.succeeded { SUCCESS } else { FAILURE };
            let begin = seconds - seconds % step;
            (login.agent_id.clone(), login.method.clone(), status, begin)
        }));
        super::same(fleet, table, &cells, &stored_cells(fleet, table));
    }
}

fn counted<K: Ord>(all: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_insert(0) += 1;
    }
    counts
}

fn stored_cells(fleet: &Fleet, table: &str) -> BTreeMap<Key, u64> {
    let sql = format!(
        "SELECT agent_id::String, method::String, status_id, toUnixTimestamp(t) AS begin, toUInt64(sum(events)) \
         FROM {table} GROUP BY agent_id, kind, service, method, status_id, begin"
    );
    let rows = fleet.query::<(String, String, u8, u32, u64)>(&sql).unwrap();
    let mut cells = BTreeMap::new();
    for (agent_id, method, status, begin, events) in rows {
        // Another kind or service would make two rows of one key, and so a wrong sum.
        *cells.entry((agent_id, method, status, begin)).or_insert(0) += events;
    }
    cells
}
