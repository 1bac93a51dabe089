//! Roll-ups are recomputed from base rows on the real engine, and a wrong cell is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clickhouse::Client;
use common::agent::connect;
use common::rows::{batch, contents, now_ms};
use common::{Collector, Engine, PATIENCE};
use crmscope_proto::Lane;

const AGENT: &str = "crm-db-01";

/// A collector that has stored something in every lane.
async fn loaded(engine: &Engine) -> Collector {
    let collector = Collector::start(engine);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for lane in Lane::BY_URGENCY {
        for sequence in 1..=3 {
            let batch = batch(AGENT, lane, sequence, &contents(lane, sequence, 6));
            agent.send(&batch).await.unwrap();
        }
        agent.acked(lane, 3).await.unwrap();
    }
    collector
}

fn report(collector: &Collector, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let arguments = [&["reconcile", "--from", "1d", "--json"], more].concat();
    let (code, text) = collector.command(&arguments);
    let json = text.lines().find(|line| line.starts_with('{'));
    let json = json.unwrap_or_else(|| panic!("{text}"));
    (code, serde_json::from_str(json).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_roll_up_is_compared_and_a_wrong_cell_is_named() {
    let engine = Engine::start();
    let collector = loaded(&engine).await;

    let (code, whole) = report(&collector, &[]);
    println!("{whole}");
    assert_eq!(code, Some(0), "{whole}");
    assert!(whole["compared_rows"].as_u64().unwrap() > 20, "{whole}");
    let mut tables: Vec<&str> = whole["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table.as_str().unwrap())
        .collect();
    tables.sort_unstable();
    // What views feed, as the server tells it in another way.
    let fed = "SELECT DISTINCT extract(create_table_query, 'TO crmscope\\.(\\\\w+)') AS target FROM system.tables \
               WHERE database = 'crmscope' AND engine = 'MaterializedView' ORDER BY target";
    assert_eq!(engine.text(fed).await, tables.join("\n") + "\n");

    // A row too many, a sketch's cell too many, a row too few, a heartbeat's slot too many.
    let client = engine.client();
    for damage in [
        "INSERT INTO crmscope.host_1h (agent_id, t, ticks) SELECT agent_id, t, 1 FROM crmscope.host_1h LIMIT 1".to_owned(),
        "INSERT INTO crmscope.requests_1d (agent_id, service, route, method, status_class, t, latency) \
         SELECT agent_id, service, route, method, status_class, t, map(toInt16(7777), toUInt64(1)) FROM crmscope.requests_1d LIMIT 1".to_owned(),
        "DELETE FROM crmscope.security_1m WHERE 1".to_owned(),
        "INSERT INTO crmscope.presence_1d (agent_id, t, up_slots) SELECT agent_id, t, \
         groupBitmapState(toUInt32(5)) FROM crmscope.presence_1d GROUP BY agent_id, t LIMIT 1".to_owned(),
        format!("INSERT INTO crmscope.disk_1m (agent_id, device, t, ticks) VALUES ('nobody', 'x', toDateTime({}, 'UTC'), 1)", now_ms() / 1000),
    ] {
        client.query_raw(&damage).execute().await.unwrap();
    }
    let (code, damaged) = report(&collector, &[]);
    println!("{damaged}");
    assert_eq!(code, Some(1));
    let mut found: Vec<(String, String)> = damaged["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["table"].as_str().unwrap().to_owned(),
                one["column"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    found.sort();
    found.dedup();
    let has = |table: &str, column: &str| found.contains(&(table.to_owned(), column.to_owned()));
    assert!(has("host_1h", "ticks"), "{found:?}");
    assert!(has("requests_1d", "latency[7777]"), "{found:?}");
    assert!(has("security_1m", "*"), "{found:?}");
    assert!(has("presence_1d", "up_slots"), "{found:?}");
    assert!(has("disk_1m", "*"), "{found:?}");
    // What is inserted into a level cascades into those above.
    let wrong = [
        "host_1h",
        "host_1d",
        "requests_1d",
        "security_1m",
        "presence_1d",
        "disk_1m",
        "disk_1h",
        "disk_1d",
    ];
    assert!(
        found
            .iter()
            .all(|(table, _)| wrong.contains(&table.as_str())),
        "{found:?}"
    );

    // One table, and what is asked wrongly.
    let (code, one) = report(&collector, &["--table", "host_1h"]);
    assert_eq!(
        (code, one["tables"].as_array().unwrap().len()),
        (Some(1), 1),
        "{one}"
    );
    assert_eq!(report(&collector, &["--table", "unit_1d"]).0, Some(0));
    assert_eq!(
        collector
            .command(&["reconcile", "--from", "1d", "--table", "agents"])
            .0,
        Some(2)
    );
    assert_eq!(
        collector.command(&["reconcile", "--from", "whenever"]).0,
        Some(2)
    );
    let (code, text) = collector.command(&[
        "reconcile",
        "--from",
        "40d",
        "--to",
        "35d",
        "--table",
        "host_1m",
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("host_1m: 6 of 6 days are not comparable: base rows are kept 7 days"),
        "{text}"
    );
}

/// A figure of so many rows of a roll-up that goes on growing, with nothing below it.
async fn busy(client: Client, rows: u64, stop: Arc<AtomicBool>) -> u64 {
    let time_s = now_ms() / 1000;
    let grow = format!(
        "INSERT INTO crmscope.presence_1m (agent_id, t, up, last_ts) SELECT concat('busy-', toString(number)), \
         toStartOfMinute(toDateTime({time_s}, 'UTC')), 1, now64(3, 'UTC') FROM numbers({rows})"
    );
    let mut inserts = 0;
    while !stop.load(Ordering::Relaxed) {
        client.query_raw(&grow).execute().await.unwrap();
        inserts += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    inserts
}

/// An agent that sends until it is told to stop.
async fn sending(ingest: SocketAddr, stop: Arc<AtomicBool>) -> u64 {
    let mut agent = connect(ingest, "crm-busy-01").await.unwrap();
    let mut sequence = 0;
    while !stop.load(Ordering::Relaxed) {
        sequence += 1;
        let contents = contents(Lane::Metrics, sequence, 6);
        let batch = batch("crm-busy-01", Lane::Metrics, sequence, &contents);
        agent.send(&batch).await.unwrap();
        agent.acked(Lane::Metrics, sequence).await.unwrap();
    }
    sequence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_in_flight_is_no_difference_and_a_wrong_cell_beside_it_is() {
    const BUSY: u64 = 1500;
    let engine = Engine::start();
    let collector = loaded(&engine).await;
    let number = |report: &serde_json::Value, field: &str| report[field].as_u64().unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn(sending(collector.ingest, Arc::clone(&stop)));
    let grower = tokio::spawn(busy(engine.client(), BUSY, Arc::clone(&stop)));
    let grown = "SELECT count() FROM crmscope.presence_1m WHERE agent_id LIKE 'busy-%'";
    let end = Instant::now() + PATIENCE;
    while engine.number(grown).await < BUSY {
        assert!(!grower.is_finished(), "nothing can be written");
        assert!(Instant::now() < end, "not {BUSY} rows within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ask = |table: &str| {
        let report = tokio::task::block_in_place(|| report(&collector, &["--table", table]));
        println!("{}", report.1);
        report
    };
    let (code, moving) = ask("presence_1m");
    assert_eq!(code, Some(3), "{moving}");
    assert_eq!(number(&moving, "changing_rows"), BUSY);
    for nothing in ["differing_cells", "unlisted_rows", "unjudged_rows"] {
        assert_eq!(number(&moving, nothing), 0, "{nothing}");
    }
    // What the agent sends may be seen in flight, and is never wrong.
    let (code, sent) = ask("host_1m");
    assert!(code == Some(0) || code == Some(3), "{sent}");
    assert_eq!(number(&sent, "differing_cells"), 0);

    // Beside them, one row that is wrong and stays so.
    let wrong = "INSERT INTO crmscope.presence_1m (agent_id, t, up) SELECT 'nobody', toStartOfMinute(now('UTC')), 1";
    engine.client().query_raw(wrong).execute().await.unwrap();
    let asked = ["reconcile", "--from", "1d", "--table", "presence_1m"];
    let (code, text) = tokio::task::block_in_place(|| collector.command(&asked));
    println!("{text}");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("presence_1m agent_id=\"nobody\" "), "{text}");
    assert!(
        text.contains("1500 rows differed at each of 6 looks"),
        "{text}"
    );
    assert!(text.contains("1 cells differ in 1 roll-ups of "), "{text}");

    stop.store(true, Ordering::Relaxed);
    println!(
        "{} batches and {} growths meanwhile",
        sender.await.unwrap(),
        grower.await.unwrap()
    );

    // Nothing moves any more, so all of them are wrong, and how many are not listed is said.
    let (code, still) = report(&collector, &["--table", "presence_1m"]);
    assert_eq!(code, Some(1));
    assert_eq!(number(&still, "changing_rows"), 0);
    assert_eq!(number(&still, "differing_cells"), 1000);
    assert_eq!(number(&still, "unlisted_rows"), BUSY + 1 - 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_rows_than_can_be_followed_are_said() {
    const FOLLOWED: u64 = 200_000;
    let engine = Engine::start();
    let collector = loaded(&engine).await;
    let many = format!(
        "INSERT INTO crmscope.presence_1m (agent_id, t, up) SELECT concat('nobody-', toString(number)), \
         toStartOfMinute(toDateTime({}, 'UTC')), 1 FROM numbers({})",
        now_ms() / 1000,
        FOLLOWED + 5
    );
    engine.client().query_raw(&many).execute().await.unwrap();
    let (code, report) = report(&collector, &["--table", "presence_1m"]);
    println!("{}", report["unjudged_rows"]);
    assert_eq!(code, Some(1));
    assert_eq!(report["unjudged_rows"], 5);
    assert_eq!(report["unlisted_rows"], FOLLOWED - 1000);
    assert_eq!(report["differences"].as_array().unwrap().len(), 1000);
}
