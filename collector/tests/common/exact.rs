//! Metrics batches of three agents in a log, and whether each is stored once at every level.

use std::time::{Duration, Instant};

use crmscope_collector::judge::Entry;
use crmscope_proto::Lane;

use super::log::{Log, entry};
use super::rows::{batch, contents};
use super::{Collector, Engine, PATIENCE};

pub(crate) const AGENTS: [&str; 3] = ["app-01", "db-01", "web-01"];

/// A batch of five rows of the host and five of a disk.
pub(crate) fn metrics(agent: &str, sequence: u64, last: u64) -> Entry {
    entry(&batch(
        agent,
        Lane::Metrics,
        sequence,
        &contents(Lane::Metrics, sequence, last + 1),
    ))
}

/// Waits until a query gives at least so many.
pub(crate) async fn wait_number(engine: &Engine, collector: &Collector, sql: &str, want: u64) {
    let started = Instant::now();
    loop {
        let asked = engine.client().query_raw(sql).fetch_one::<u64>().await;
        if asked.as_ref().is_ok_and(|number| *number >= want) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{sql}: {asked:?} instead of {want}\n{}",
            collector.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits for so many metrics batches, and checks that each is there once, at every level.
pub(crate) async fn is_stored_once(engine: &Engine, collector: &Collector, batches: u64) {
    let ledger = "SELECT count() FROM crmscope.ledger";
    wait_number(engine, collector, ledger, batches).await;
    for (sql, want) in [
        (ledger, batches),
        ("SELECT sum(batches) FROM crmscope.ledger_1m", batches),
        ("SELECT count() FROM crmscope.host_raw", batches * 5),
        ("SELECT sum(ticks) FROM crmscope.host_1m", batches * 5),
        ("SELECT sum(ticks) FROM crmscope.host_1h", batches * 5),
        ("SELECT sum(ticks) FROM crmscope.host_1d", batches * 5),
        ("SELECT count() FROM crmscope.disk_raw", batches * 5),
        ("SELECT sum(ticks) FROM crmscope.disk_1d", batches * 5),
        (
            "SELECT count() FROM (SELECT DISTINCT agent_id, spool_id, lane, first_sequence FROM crmscope.ledger)",
            batches,
        ),
    ] {
        // A view's rows come a moment after those of its table.
        wait_number(engine, collector, sql, want).await;
        assert_eq!(engine.number(sql).await, want, "{sql}\n{}", collector.log());
    }
}

/// What `ledger` prints, once it could ask: a question has 10 s, which a loaded machine may exceed.
pub(crate) fn ledger(collector: &Collector) -> (i32, String) {
    let started = Instant::now();
    loop {
        let (code, text) = collector.command(&["ledger"]);
        match code {
            Some(code @ (0 | 1)) => return (code, text),
            _ => assert!(started.elapsed() < PATIENCE, "{text}"),
        }
    }
}

/// The same, and the ledger proves that nothing is missing.
pub(crate) async fn is_exact(engine: &Engine, collector: &Collector, batches: u64) {
    is_stored_once(engine, collector, batches).await;
    let (code, text) = ledger(collector);
    assert_eq!(code, 0, "{text}");
}

/// Appends sequences `from` to `to` of every agent, and every fifth a second time.
pub(crate) async fn append(log: &Log, from: u64, to: u64, partitions: i32) {
    for sequence in from..=to {
        for (agent, partition) in AGENTS.iter().zip((0..partitions).cycle()) {
            let entry = metrics(agent, sequence, to);
            log.append(&entry, partition).await;
            if sequence % 5 == 0 {
                log.append(&entry, partition).await;
            }
        }
    }
}
