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
use crmscope_collector::storage::{Config, JOURNAL_PARTITION_BLOCKS, Storage};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_died_between_ledger_and_roll_ups_is_mended() {
    let engine = Engine::start();
    let mut collector = Collector::start(&engine);
    collector.ready().await;
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());

    let storage = storage(&engine);
    let entries = entries(&batches(2));
    let block = now_ms().unsigned_abs() - 60_000;
    storage
        .insert(&writer::journal::insert(block, &entries))
        .await
        .unwrap();
    let view = |act: &str| {
        let sql = format!("{act} TABLE crmscope.ledger_1m_view");
        engine.client().query_raw(&sql).execute()
    };
    view("DETACH").await.unwrap();
    for insert in writer::block::build(block, &entries) {
        storage.insert(&insert).await.unwrap();
    }
    view("ATTACH").await.unwrap();
    let rolled_up = "SELECT sum(batches) FROM crmscope.ledger_1m";
    assert_eq!(engine.number(rolled_up).await, 0);

    let collector = Collector::start(&engine);
    collector
        .reaches("writer_blocks_recovered_total", 1.0)
        .await;
    is_exact(&engine, &collector, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_counts_its_newest_block_once() {
    let mut engine = Engine::stopped();
    let backup = engine.allow_backups();
    engine.resume();
    let batches = batches(3);
    let mut collector = Collector::start(&engine);
    let sent = tokio::time::timeout(PATIENCE, send_all(collector.ingest, &batches[..2], 0));
    assert_eq!(sent.await.unwrap(), 2);
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());

    // A backup has neither deduplication tokens nor functions.
    engine
        .run(&format!("BACKUP DATABASE crmscope TO File('{backup}')"))
        .await;
    engine.run("DROP DATABASE crmscope SYNC").await;
    for function in ["quantile", "network", "security_field"] {
        let sql = format!("DROP FUNCTION crmscope_{function}");
        engine.run(&sql).await;
    }
    engine
        .run(&format!("RESTORE DATABASE crmscope FROM File('{backup}')"))
        .await;

    // The second writes no block of its own either, so it finds the same block as the newest.
    for start in 1..=2 {
        let mut collector = Collector::start(&engine);
        collector.ready().await;
        is_exact(&engine, &collector, 2).await;
        let log = collector.log();
        assert!(log.contains("it is not repeated"), "start {start}: {log}");
        assert_eq!(collector.metric("writer_blocks_recovered_total").await, 0.0);
        assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    }
    let functions = "SELECT count() FROM system.functions WHERE startsWith(name, 'crmscope_')";
    assert_eq!(engine.number(functions).await, 3);

    // Its own blocks are repeated as ever.
    let mut collector = Collector::start(&engine);
    let sent = tokio::time::timeout(PATIENCE, send_all(collector.ingest, &batches, 2));
    assert_eq!(sent.await.unwrap(), 3);
    collector.kill();
    let collector = Collector::start(&engine);
    collector
        .reaches("writer_blocks_recovered_total", 1.0)
        .await;
    is_exact(&engine, &collector, 3).await;
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
    // From here on a kill meets blocks, not migrations.
    collector.ready().await;
    let address = collector.ingest;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sending = tokio::spawn(async move {
        let (mut batches, mut acked) = (Vec::new(), 0);
        while !*stopped.borrow() {
            for sequence in acked + 1..=acked + 10 {
                let contents = contents(Lane::Metrics, sequence, sequence + 1);
                batches.push(batch(AGENT, Lane::Metrics, sequence, &contents));
            }
            while acked < batches.len() as u64 {
                acked = send_all(address, &batches, acked).await;
            }
        }
        acked
    });
    let failures = || collector.log().matches("will be repeated").count();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..700))).await;
        let before = failures();
        engine.kill();
        // Something was under way, or was begun since, and failed.
        let started = std::time::Instant::now();
        while failures() == before {
            assert!(started.elapsed() < PATIENCE, "{}", collector.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        engine.resume();
    }
    stop.send_replace(true);
    let sent = tokio::time::timeout(PATIENCE, sending)
        .await
        .expect("all acknowledged")
        .unwrap();
    is_exact(&engine, &collector, sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_collector_on_the_same_tables_makes_one_of_them_stop() {
    let engine = Engine::start();
    let mut collectors = [Collector::start(&engine), Collector::start(&engine)];
    let started = std::time::Instant::now();
    let mut sequence = 0;
    let (code, stopped) = loop {
        sequence += 1;
        for (collector, agent_id) in collectors.iter_mut().zip(["one", "two"]) {
            // Whichever notices the other stops, and then agents find nobody.
            let contents = contents(Lane::Metrics, sequence, sequence + 1);
            let batch = batch(agent_id, Lane::Metrics, sequence, &contents);
            if let Ok(agent) = connect(collector.ingest, agent_id).await {
                let _ = agent.send(&batch).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let ended = collectors.iter_mut().find_map(|collector| {
            let code = collector.ended()?;
            Some((code, collector.log()))
        });
        if let Some(ended) = ended {
            break ended;
        }
        assert!(started.elapsed() < PATIENCE, "both go on");
    };
    assert_eq!(code, Some(2), "{stopped}");
    assert!(
        stopped.contains("another collector writes to the same ClickHouse"),
        "{stopped}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_journal_partitions_go_once_a_newer_block_is_whole() {
    let engine = Engine::start();
    let mut collector = Collector::start(&engine);
    collector.ready().await;
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());

    let storage = storage(&engine);
    let batches = batches(3);
    let first = 7 * JOURNAL_PARTITION_BLOCKS;
    // Two blocks of one partition, and one that begins the next.
    for (block, batch) in [first - 2, first - 1, first].into_iter().zip(&batches) {
        let entries = entries(std::slice::from_ref(batch));
        storage
            .insert(&writer::journal::insert(block, &entries))
            .await
            .unwrap();
        for insert in writer::block::build(block, &entries) {
            storage.insert(&insert).await.unwrap();
        }
    }
    let blocks = "SELECT DISTINCT block FROM crmscope.journal ORDER BY block";
    assert_eq!(storage.drop_journal_before(first - 1).await.unwrap(), 0);
    assert_eq!(engine.text(blocks).await.lines().count(), 3);
    assert_eq!(storage.drop_journal_before(first).await.unwrap(), 1);
    assert_eq!(engine.text(blocks).await, format!("{first}\n"));
    assert_eq!(storage.drop_journal_before(first).await.unwrap(), 0);

    // A collector that runs does so by itself, also when its own start lies between the partitions.
    let collector = Collector::start(&engine);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    let next = batch(AGENT, Lane::Metrics, 4, &contents(Lane::Metrics, 4, 5));
    agent.send(&next).await.unwrap();
    agent.acked(Lane::Metrics, 4).await.unwrap();
    let old = format!("SELECT count() FROM crmscope.journal WHERE block = {first}");
    assert_eq!(engine.number(&old).await, 0);
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.journal").await,
        1
    );
    is_exact(&engine, &collector, 4).await;
}
