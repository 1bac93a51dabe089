//! What a writer of the log takes over from a collector without one, and what it may hold.

use std::time::Instant;

use crmscope_collector::schema::queries;
use crmscope_local::kafka::Cluster;
use crmscope_proto::Lane;

use crate::common::agent::connect;
use crate::common::exact::{is_exact, metrics, wait_number};
use crate::common::log::{Log, entry};
use crate::common::rows::{batch, contents};
use crate::common::{Collector, Engine, PATIENCE};

const AGENT: &str = "app-01";
const MEBIBYTE: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_block_of_a_collector_without_kafka_is_finished_once() {
    let engine = Engine::start();
    let mut before = Collector::start(&engine);
    let mut agent = connect(before.ingest, AGENT).await.unwrap();
    for sequence in 1..=3 {
        let first = contents(Lane::Metrics, sequence, sequence + 1);
        let first = batch(AGENT, Lane::Metrics, sequence, &first);
        agent.send(&first).await.unwrap();
    }
    agent.acked(Lane::Metrics, 3).await.unwrap();
    // A table that cannot be written: the block is in the journal, and in some tables.
    engine
        .run("RENAME TABLE crmscope.disk_raw TO crmscope.disk_away")
        .await;
    let mut sent = Vec::new();
    for sequence in 4..=6 {
        let next = contents(Lane::Metrics, sequence, sequence + 1);
        let next = batch(AGENT, Lane::Metrics, sequence, &next);
        agent.send(&next).await.unwrap();
        sent.push(next);
    }
    // The first of them makes the block; others may have come in time to be in it.
    wait_number(&engine, &before, "SELECT count() FROM crmscope.journal", 1).await;
    wait_number(
        &engine,
        &before,
        "SELECT count() FROM crmscope.host_raw",
        20,
    )
    .await;
    before.kill();
    engine
        .run("RENAME TABLE crmscope.disk_away TO crmscope.disk_raw")
        .await;

    // The agent has no ack of these, and sends them again: by way of the log.
    let log = Log::start(1);
    let after = Collector::start_with(&engine, &log.config(""));
    for batch in &sent {
        log.append(&entry(batch), 0).await;
    }
    log.append(&metrics(AGENT, 7, 7), 0).await;
    is_exact(&engine, &after, 7).await;
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.journal").await,
        0
    );
    assert!(
        after
            .log()
            .contains("repeating the newest block of the journal"),
        "{}",
        after.log()
    );

    // Pages hear how far the writers are.
    let caught_up = "SELECT toUInt64(count() > 0) FROM crmscope.log_positions \
                     WHERE next_offset > 0 AND position = next_offset";
    wait_number(&engine, &after, caught_up, 1).await;
    let health = queries::PIPELINE_HEALTH.replace("{seconds:UInt32}", "900");
    let lag = format!("SELECT kafka_lag_batches FROM ({health}) WHERE kafka_partitions > 0");
    assert_eq!(engine.text(&lag).await, "0\n");
}

/// A batch that compresses badly: 300 events of users with names of 1,000 random letters.
fn heavy(sequence: u64) -> crmscope_proto::v1::Batch {
    let mut contents = contents(Lane::Security, sequence, sequence + 1);
    let event = contents.security.remove(0);
    contents.security = (0..EVENTS)
        .map(|number| {
            let mut event = event.clone();
            event.event.event_id = [sequence.to_be_bytes(), number.to_be_bytes()].concat();
            event.event.user = std::iter::repeat_with(fastrand::alphanumeric)
                .take(1000)
                .collect();
            event
        })
        .collect();
    batch("host", Lane::Security, sequence, &contents)
}

const EVENTS: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_has_fallen_behind_holds_no_more_than_it_may() {
    const BATCHES: u64 = 200;
    if !crmscope_local::kafka::gate().unwrap() {
        return;
    }
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    // Simulated brokers keep 5 MB of each partition.
    let directory = tempfile::tempdir().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(directory.path(), 1)).unwrap();
    let log = Log::on(cluster.bootstrap(), 1).await;
    let engine = Engine::start();
    let more = "writer.read_max_bytes = 8388608\nwriter.block_max_bytes = 4194304\n";
    let collector = Collector::start_with(&engine, &log.config(more));
    collector.ready().await;
    log.append(&entry(&heavy(1)), 0).await;
    let stored = "SELECT count() FROM crmscope.security_events";
    wait_number(&engine, &collector, stored, EVENTS).await;
    let idle = collector.peak_bytes() / MEBIBYTE;

    // Nothing can be inserted while everything comes in.
    engine
        .run("RENAME TABLE crmscope.security_events TO crmscope.security_away")
        .await;
    let mut appended = 0;
    for sequence in 2..=BATCHES {
        let heavy = entry(&heavy(sequence));
        appended += heavy.encoded.len() as u64;
        log.append(&heavy, 0).await;
    }
    // The lag is looked at every few seconds, and the reader reads all the while.
    let lag = "log_lag_records{lane=\"security\"}";
    let started = Instant::now();
    while collector.metric(lag).await < (BATCHES - 1) as f64 {
        assert!(started.elapsed() < PATIENCE, "{}", collector.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let behind = collector.peak_bytes() / MEBIBYTE;
    engine
        .run("RENAME TABLE crmscope.security_away TO crmscope.security_events")
        .await;
    wait_number(&engine, &collector, stored, BATCHES * EVENTS).await;
    assert_eq!(engine.number(stored).await, BATCHES * EVENTS);
    let peak = collector.peak_bytes() / MEBIBYTE;
    println!(
        "{} MiB appended; peak idle {idle}, behind {behind}, in the end {peak} MiB",
        appended / MEBIBYTE
    );
    assert!(appended > 40 * MEBIBYTE, "{appended} B are no load");
    // 8 MiB that were read, as rows, and librdkafka's own 8 MiB; the rest waits in the log.
    assert!(behind < idle + 32, "{behind} MiB after {idle} MiB");
}
