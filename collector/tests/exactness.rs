//! Crashes of every part, and what is in the tables afterwards: each batch once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::agent::connect;
use common::rows::{batch, contents, now_ms};
use common::{Collector, Engine, PATIENCE};
use crmscope_collector::judge::{Entry, judge};
use crmscope_collector::storage::{Config, Storage};
use crmscope_collector::writer;
use crmscope_proto::Lane;
use crmscope_proto::v1::Batch;
use crmscope_proto::v1::collector_message::Kind as Answer;
use prometheus_client::registry::Registry;

const AGENT: &str = "crm-db-01";

fn storage(engine: &Engine) -> Storage {
    let config = Config {
        url: engine.url(),
        ..Config::default()
    };
    Storage::new(&config, &mut Registry::default()).unwrap()
}

fn entries(batches: &[Batch]) -> Vec<Entry> {
    let received = now_ms();
    batches
        .iter()
        .map(|batch| judge(batch, received).unwrap())
        .collect()
}

/// Every batch once, in base tables and roll-ups.
async fn is_exact(engine: &Engine, collector: &Collector, batches: u64) {
    let (code, text) = collector.command(&["ledger"]);
    assert_eq!(code, Some(0), "{text}");
    for (what, sql, want) in [
        ("ledger", "SELECT count() FROM crmscope.ledger", batches),
        (
            "ledger_1m",
            "SELECT sum(batches) FROM crmscope.ledger_1m",
            batches,
        ),
        (
            "host_raw",
            "SELECT count() FROM crmscope.host_raw",
            batches * 5,
        ),
        (
            "host_1m",
            "SELECT sum(ticks) FROM crmscope.host_1m",
            batches * 5,
        ),
        (
            "host_1d",
            "SELECT sum(ticks) FROM crmscope.host_1d",
            batches * 5,
        ),
        (
            "disk_1h",
            "SELECT sum(ticks) FROM crmscope.disk_1h",
            batches * 5,
        ),
        (
            "sequences",
            "SELECT max(last_sequence) FROM crmscope.ledger",
            batches,
        ),
    ] {
        assert_eq!(engine.number(sql).await, want, "{what}");
    }
}

#[tokio::test]
async fn an_open_block_is_finished_at_the_next_start() {
    let engine = Engine::start();
    let mut collector = Collector::start(&engine);
    collector.ready().await;
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());

    // As if the collector had died between two tables of its second block…
    let storage = storage(&engine);
    let batches: Vec<Batch> = (1..=4)
        .map(|sequence| {
            batch(
                AGENT,
                Lane::Metrics,
                sequence,
                &contents(Lane::Metrics, sequence, 5),
            )
        })
        .collect();
    let (whole, open) = (entries(&batches[..2]), entries(&batches[2..]));
    let block = now_ms().unsigned_abs() - 60_000;
    storage
        .insert(&writer::journal::insert(block, &whole))
        .await
        .unwrap();
    for insert in writer::block::build(block, &whole) {
        storage.insert(&insert).await.unwrap();
    }
    storage
        .insert(&writer::journal::insert(block + 9, &open))
        .await
        .unwrap();
    for insert in writer::block::build(block + 9, &open).iter().take(1) {
        storage.insert(insert).await.unwrap();
    }
    // …and as if an insert of a collector long dead had come late: nobody ever acknowledged it.
    storage
        .insert(&writer::journal::insert(block + 4, &open))
        .await
        .unwrap();
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.ledger").await,
        2
    );

    let collector = Collector::start(&engine);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for batch in &batches[2..] {
        agent.send(batch).await.unwrap();
    }
    agent.acked(Lane::Metrics, 4).await.unwrap();
    is_exact(&engine, &collector, 4).await;
    assert_eq!(collector.metric("writer_blocks_recovered_total").await, 1.0);
    assert_eq!(
        collector
            .metric("writer_batches_total{lane=\"metrics\",disposition=\"duplicate\"}")
            .await,
        2.0
    );
}

/// Sends until everything is acknowledged, as an agent does: from the first batch that is not, again
/// after every failure.
async fn send_all(address: std::net::SocketAddr, batches: &[Batch], mut acked: u64) -> u64 {
    let Ok(mut agent) = connect(address, AGENT).await else {
        return acked;
    };
    let window = 8;
    let mut sent = acked;
    while (acked as usize) < batches.len() {
        while sent < acked + window && (sent as usize) < batches.len() {
            if agent.send(&batches[sent as usize]).await.is_err() {
                return acked;
            }
            sent += 1;
        }
        match agent.next().await {
            Ok(Answer::Ack(ack)) => acked = acked.max(ack.sequence),
            Ok(_) => {}
            Err(_) => return acked,
        }
    }
    acked
}

fn batches(count: u64) -> Vec<Batch> {
    (1..=count)
        .map(|sequence| {
            batch(
                AGENT,
                Lane::Metrics,
                sequence,
                &contents(Lane::Metrics, sequence, count + 1),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_collector_loses_and_doubles_nothing() {
    let engine = Engine::start();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    let batches = batches(150);
    let mut acked = 0;
    let mut kills = 0;
    let collector = loop {
        let mut collector = Collector::start(&engine);
        let address = collector.ingest;
        let sending = send_all(address, &batches, acked);
        let life = Duration::from_millis(fastrand::u64(200..1500));
        let all = batches.len() as u64;
        tokio::pin!(sending);
        match tokio::time::timeout(life, &mut sending).await {
            Ok(now) if now == all => break collector,
            Ok(now) => acked = now,
            Err(_) if kills < 12 => {
                collector.kill();
                kills += 1;
                acked = tokio::time::timeout(PATIENCE, sending).await.unwrap();
            }
            Err(_) => {
                acked = tokio::time::timeout(PATIENCE, sending).await.unwrap();
                if acked == all {
                    break collector;
                }
            }
        }
    };
    println!("killed {kills} times");
    assert!(kills > 0);
    is_exact(&engine, &collector, 150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_clickhouse_loses_and_doubles_nothing() {
    let mut engine = Engine::start();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    let collector = Collector::start(&engine);
    let batches = batches(150);
    let address = collector.ingest;
    let sending = tokio::spawn(async move {
        let mut acked = 0;
        while acked < 150 {
            acked = send_all(address, &batches, acked).await;
        }
    });
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..1200))).await;
        engine.kill();
        engine.resume();
    }
    tokio::time::timeout(PATIENCE, sending)
        .await
        .expect("all acknowledged")
        .unwrap();
    is_exact(&engine, &collector, 150).await;
    assert!(collector.metric("ingest_streams_total").await >= 1.0);
}

#[tokio::test]
async fn a_second_collector_on_the_same_tables_makes_one_of_them_stop() {
    let engine = Engine::start();
    let mut first = Collector::start(&engine);
    let second = Collector::start(&engine);
    let mut one = connect(first.ingest, "one").await.unwrap();
    one.send(&batch(
        "one",
        Lane::Metrics,
        1,
        &contents(Lane::Metrics, 1, 2),
    ))
    .await
    .unwrap();
    one.acked(Lane::Metrics, 1).await.unwrap();
    let mut two = connect(second.ingest, "two").await.unwrap();
    two.send(&batch(
        "two",
        Lane::Metrics,
        1,
        &contents(Lane::Metrics, 1, 2),
    ))
    .await
    .unwrap();
    two.acked(Lane::Metrics, 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    one.send(&batch(
        "one",
        Lane::Metrics,
        2,
        &contents(Lane::Metrics, 2, 3),
    ))
    .await
    .unwrap();
    one.end().await;
    assert_eq!(first.wait(), Some(2));
    assert!(
        first
            .log()
            .contains("another collector writes to the same ClickHouse"),
        "{}",
        first.log()
    );
}
