//! Writers of a log: claims, repeated blocks, refused commits, dead letters. Each batch once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_collector::judge::Entry;
use crmscope_collector::kafka::plan::Plan;
use crmscope_collector::storage::{Config, Storage};
use crmscope_collector::writer::block::{Beside, LogPartition, Origin, build_with};
use crmscope_proto::Lane;
use prometheus_client::registry::Registry;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::common::exact::{append, is_exact, metrics, wait_number};
use crate::common::log::{GROUP, Log};
use crate::common::{Collector, Engine, PATIENCE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_writer_goes_on_where_it_was_and_poison_is_a_dead_letter() {
    let (engine, log) = (Engine::start(), Log::start(2));
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    let config = log.config("");
    let mut last = 20;
    append(&log, 1, last, 2).await;
    let poisoned = log.append_raw(Lane::Metrics, 1, b"\x00\xffnothing").await;
    let mut collector = Collector::start_with(&engine, &config);
    for _ in 0..5 {
        append(&log, last + 1, last + 20, 2).await;
        last += 20;
        let ledger = "SELECT count() FROM crmscope.ledger";
        wait_number(&engine, &collector, ledger, last * 2).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..300))).await;
        collector.kill();
        collector = Collector::start_with(&engine, &config);
    }
    is_exact(&engine, &collector, last * 3).await;
    let letters = "SELECT toString((topic, partition, offset, agent_id, reason, hex(batch))) FROM crmscope.dead_letters";
    let letters = engine.text(letters).await;
    assert!(
        letters.starts_with(&format!(
            "(\\'crmscope.metrics.v1\\',1,{poisoned},\\'nobody\\',"
        )) && letters.contains("schema")
            && letters.trim_end().ends_with("\\'00FF6E6F7468696E67\\')"),
        "{letters}"
    );
    assert_eq!(letters.lines().count(), 1);
    let ledger = "SELECT count() FROM crmscope.ledger WHERE log_partition = 'crmscope.metrics.v1/1@writers-of-a-test'";
    assert!(engine.number(ledger).await > 0);
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    for partition in 0..2 {
        let (offset, plan) = log.committed(Lane::Metrics, partition);
        assert!(offset > Some(0) && plan.is_empty(), "{offset:?} {plan}");
    }
}

/// The state in which a writer leaves a partition when it dies after some inserts of a block.
async fn open_block(engine: &Engine, log: &Log, inserted: impl Fn(usize) -> usize) {
    let mut collector = Collector::start_with(engine, &log.config(""));
    let early: Vec<Entry> = (1..=4).map(|n| metrics("app-01", n, 4)).collect();
    for entry in &early {
        log.append(entry, 0).await;
    }
    is_exact(engine, &collector, 4).await;
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    assert_eq!(log.committed(Lane::Metrics, 0), (Some(4), String::new()));

    let mut entries = vec![early[3].clone()];
    entries.extend((5..=9).map(|n| metrics("app-01", n, 9)));
    let mut offsets = Vec::new();
    for entry in &entries {
        offsets.push(log.append(entry, 0).await);
    }
    let (begin, end) = (offsets[0], offsets[5] + 1);
    let plan = Plan {
        begin,
        end,
        announced_ms: 1_790_000_000_000,
    };
    let origin = Origin::Log {
        partition: Arc::new(LogPartition::new("crmscope.metrics.v1", 0, GROUP)),
        begin: begin.unsigned_abs(),
        end: end.unsigned_abs(),
    };
    let beside = Beside {
        offsets: &offsets[1..],
        unreadable: &[],
    };
    let config = Config {
        url: engine.url(),
        ..Config::default()
    };
    let storage = Storage::new(&config, &mut Registry::default()).unwrap();
    // The first of them was stored before.
    let inserts = build_with(&origin, &entries[1..], beside);
    for insert in inserts.iter().take(inserted(inserts.len())) {
        storage.insert(insert).await.unwrap();
    }
    log.commit(Lane::Metrics, 0, begin, &plan.to_string());
    // More came since.
    for sequence in 10..=12 {
        log.append(&metrics("app-01", sequence, 12), 0).await;
    }
}

async fn finish(engine: &Engine, log: &Log) {
    let mut collector = Collector::start_with(engine, &log.config(""));
    is_exact(engine, &collector, 12).await;
    assert_eq!(collector.metric("log_blocks_repeated_total").await, 1.0);
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    assert_eq!(log.committed(Lane::Metrics, 0), (Some(13), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_was_announced_and_not_begun_is_inserted() {
    let (engine, log) = (Engine::start(), Log::start(1));
    open_block(&engine, &log, |_| 0).await;
    finish(&engine, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_is_half_inserted_is_finished() {
    let (engine, log) = (Engine::start(), Log::start(1));
    open_block(&engine, &log, |_| 1).await;
    finish(&engine, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_is_whole_and_not_committed_counts_once() {
    let (engine, log) = (Engine::start(), Log::start(1));
    open_block(&engine, &log, |all| all).await;
    finish(&engine, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_fail_or_are_refused_cost_nothing() {
    use RDKafkaRespErr as Reason;
    let (engine, log) = (Engine::start(), Log::start(1));
    let collector = Collector::start_with(&engine, &log.config(""));
    append(&log, 1, 5, 1).await;
    is_exact(&engine, &collector, 15).await;
    let mut last = 5;
    for error in [
        Reason::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Reason::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        Reason::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        Reason::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
        Reason::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        Reason::RD_KAFKA_RESP_ERR__TRANSPORT,
    ] {
        // The plan of one block, the end of it, or the plan of the next.
        let errors = vec![error; 1 + usize::try_from(last).unwrap() % 3];
        log.simulated()
            .request_errors(RDKafkaApiKey::OffsetCommit, &errors);
        append(&log, last + 1, last + 5, 1).await;
        last += 5;
        is_exact(&engine, &collector, last * 3).await;
    }
    let refused = collector
        .metric("log_commits_total{outcome=\"fenced\"}")
        .await;
    assert!(refused >= 1.0, "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_made_anew_is_refused_with_the_remedy() {
    let engine = Engine::start();
    let log = Log::start(1);
    let mut collector = Collector::start_with(&engine, &log.config(""));
    append(&log, 1, 3, 1).await;
    is_exact(&engine, &collector, 9).await;
    collector.terminate();
    drop(log);
    let log = Log::start(1);
    let collector = Collector::start_with(&engine, &log.config(""));
    let started = Instant::now();
    loop {
        let (status, _, body) = collector.get("/readyz").await;
        if status == 503 && body.contains("set kafka.topic_prefix or kafka.group") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{body}\n{}", collector.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(collector.metric("log_partitions_refused_total").await, 1.0);
    assert_eq!(log.committed(Lane::Metrics, 0).0, None);

    // The remedy: another group. What was stored is known, what is new is not.
    append(&log, 1, 4, 1).await;
    let other = log.config("").replace(GROUP, "another-group");
    let collector = Collector::start_with(&engine, &other);
    is_exact(&engine, &collector, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_behind_the_end_of_the_log_is_refused() {
    let (engine, log) = (Engine::start(), Log::start(1));
    append(&log, 1, 3, 1).await;
    log.commit(Lane::Metrics, 0, 100, "");
    let collector = Collector::start_with(&engine, &log.config(""));
    let started = Instant::now();
    while !collector.log().contains("the log ends at 9") {
        assert!(started.elapsed() < PATIENCE, "{}", collector.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.ledger").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_waits_for_clickhouse_and_keeps_its_partitions() {
    let (mut engine, log) = (Engine::stopped(), Log::start(2));
    append(&log, 1, 10, 2).await;
    let collector = Collector::start_with(&engine, &log.config(""));
    let (status, _, body) = collector.get("/readyz").await;
    assert_eq!(status, 503, "{body}");
    engine.resume();
    is_exact(&engine, &collector, 30).await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    let mut last = 10;
    for _ in 0..3 {
        append(&log, last + 1, last + 10, 2).await;
        last += 10;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        engine.kill();
        append(&log, last + 1, last + 10, 2).await;
        last += 10;
        engine.resume();
    }
    is_exact(&engine, &collector, last * 3).await;
    collector.ready().await;
    let assigned = collector.log().matches("partitions are assigned").count();
    assert_eq!(assigned, 1, "{}", collector.log());
}
