//! Two writers on a real broker: each is killed, frozen and joined by a third, and so are the
//! broker and ClickHouse, under load. Each batch is stored once. And a broker whose topics take
//! too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crmscope_local::kafka::{Cluster, Settings};
use crmscope_proto::Lane;
use crmscope_proto::v1::collector_message::Kind as Answer;

use crate::common::agent::connect;
use crate::common::exact::is_exact;
use crate::common::log::{End, Log, entry};
use crate::common::rows::{batch, contents};
use crate::common::{Collector, Engine, PATIENCE};

const PARTITIONS: i32 = 4;
const AGENTS: i32 = 6;

async fn wait(what: &str, mut holds: impl AsyncFnMut() -> Result<(), String>) {
    let started = Instant::now();
    while let Err(seen) = holds().await {
        assert!(started.elapsed() < PATIENCE, "{what}: {seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ask(engine: &Engine, sql: &str) -> u64 {
    let asked = engine.client().query_raw(sql).fetch_one::<u64>().await;
    asked.unwrap_or(0)
}

/// Waits until `more` batches are stored beyond those that are now.
async fn progress(engine: &Engine, collectors: &[&Collector], more: u64) {
    let ledger = "SELECT count() FROM crmscope.ledger";
    let before = ask(engine, ledger).await;
    wait("batches to be stored", async || {
        let now = ask(engine, ledger).await;
        if now >= before + more {
            return Ok(());
        }
        let logs: Vec<String> = collectors.iter().map(|c| c.log()).collect();
        Err(format!(
            "{now} of {before} + {more}\n{}",
            logs.join("\n--\n")
        ))
    })
    .await;
}

/// Waits until a collector writes all partitions of the metrics.
async fn holds_all(collector: &Collector) {
    wait("all partitions", async || {
        let held = collector.metric("log_partitions{lane=\"metrics\"}").await;
        if held >= f64::from(PARTITIONS) {
            Ok(())
        } else {
            Err(format!("{held}\n{}", collector.log()))
        }
    })
    .await;
}

/// Appends batches of every agent, and every fifth a second time, until told to stop.
async fn load(log: End, appended: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let mut sequence = 0;
    while !stop.load(Ordering::Relaxed) {
        sequence += 1;
        for agent in 0..AGENTS {
            let contents = contents(Lane::Metrics, sequence, sequence + 1);
            let name = format!("host-{agent}");
            let entry = entry(&batch(&name, Lane::Metrics, sequence, &contents));
            log.append(&entry, agent % PARTITIONS).await;
            appended.fetch_add(1, Ordering::Relaxed);
            if sequence % 5 == 0 {
                log.append(&entry, agent % PARTITIONS).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_freezing_and_joining_writers_loses_and_doubles_nothing() {
    if !crmscope_local::kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(directory.path(), 1)).unwrap();
    let log = Log::on(cluster.bootstrap(), PARTITIONS).await;
    let mut engine = Engine::start();
    let config = log.config("");
    let appended = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(
        log.end.clone(),
        Arc::clone(&appended),
        Arc::clone(&stop),
    ));
    let mut one = Collector::start_with(&engine, &config);
    let two = Collector::start_with(&engine, &config);
    progress(&engine, &[&one, &two], 100).await;

    println!("one writer is killed");
    one.kill();
    progress(&engine, &[&two], 50).await;
    one = Collector::start_with(&engine, &config);
    progress(&engine, &[&one, &two], 50).await;

    println!("one is frozen for longer than its session");
    one.freeze(true);
    holds_all(&two).await;
    progress(&engine, &[&two], 50).await;
    one.freeze(false);
    progress(&engine, &[&one, &two], 50).await;

    println!("a third joins and leaves");
    let mut three = Collector::start_with(&engine, &config);
    wait("a share of the partitions", async || {
        let held = three.metric("log_partitions{lane=\"metrics\"}").await;
        if held >= 1.0 {
            Ok(())
        } else {
            Err(three.log())
        }
    })
    .await;
    progress(&engine, &[&one, &two, &three], 50).await;
    assert_eq!(three.terminate(), Some(0), "{}", three.log());

    println!("ClickHouse is killed");
    engine.kill();
    engine.resume();
    progress(&engine, &[&one, &two], 50).await;

    println!("the broker is killed");
    cluster.broker(0).kill();
    tokio::task::block_in_place(|| cluster.broker(0).start()).unwrap();
    progress(&engine, &[&one, &two], 50).await;

    stop.store(true, Ordering::Relaxed);
    loading.await.unwrap();
    let batches = appended.load(Ordering::Relaxed);
    println!("{batches} batches");
    is_exact(&engine, &two, batches).await;
    for collector in [&one, &two] {
        let gone = collector
            .metric("log_offsets_gone_total{lane=\"metrics\"}")
            .await;
        assert_eq!(gone, 0.0, "{}", collector.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_takes_too_little_is_named_and_mended_by_apply() {
    if !crmscope_local::kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(1);
    settings.properties = vec![("message.max.bytes".to_owned(), "65536".to_owned())];
    let cluster = tokio::task::block_in_place(|| Cluster::start_with(directory.path(), settings));
    let cluster = cluster.unwrap();
    let log = Log::on(cluster.bootstrap(), PARTITIONS).await;
    let mut config = log.config("").replace("roles.ingest = false\n", "");
    config += "kafka.replication_factor = 1\nkafka.min_insync_replicas = 1\n";
    for lane in Lane::BY_URGENCY {
        let partitions = if lane == Lane::Metrics { PARTITIONS } else { 1 };
        config += &format!("kafka.partitions.{} = {partitions}\n", lane.name());
    }
    // Ingest alone: it needs no ClickHouse.
    let collector = Collector::start_at("http://127.0.0.1:9", &(config + "roles.writer = false\n"));
    wait("what the topic takes to be named", async || {
        let (status, _, body) = collector.get("/readyz").await;
        let named = body.contains("takes 65536 bytes at most (max.message.bytes)")
            && body.contains("run `crmscope-collector topics apply`");
        if status == 503 && named {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    })
    .await;
    // Agents wait, as what they send may not fit.
    let mut agent = connect(collector.ingest, "app-01").await.unwrap();
    let heartbeats = batch("app-01", Lane::Presence, 1, &contents(Lane::Presence, 1, 2));
    agent.send(&heartbeats).await.unwrap();
    assert!(matches!(agent.next().await.unwrap(), Answer::Throttle(_)));
    wait("apply", async || {
        match collector.command(&["topics", "apply"]) {
            (Some(0), _) => Ok(()),
            (_, text) => Err(text),
        }
    })
    .await;
    agent.acked(Lane::Presence, 1).await.unwrap();
    collector.ready().await;
}
