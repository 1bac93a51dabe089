//! Heads of chains stand in a topic of a real broker, and tell of a chain that was replaced in ClickHouse.

use std::time::{Duration, Instant};

use crmscope_local::kafka::Cluster;
use crmscope_proto::Lane;

use crate::common::agent::connect;
use crate::common::chain::{Chain, kinds, verify};
use crate::common::{Collector, Engine, PATIENCE};

/// Waits until verify says so.
async fn wait(collector: &Collector, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
    let started = Instant::now();
    loop {
        let (_, report) = verify(collector, &["--in-flight", "1s"]);
        if holds(&report) {
            println!("{what}: {report}");
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{what}: {report}\n{}",
            collector.log()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_in_kafka_tells_of_a_chain_that_was_replaced() {
    if !crmscope_local::kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(directory.path(), 1)).unwrap();
    let engine = Engine::start();
    let config = format!(
        "writer.flush_interval_ms = 50\nkafka.brokers = [{:?}]\nkafka.replication_factor = 1\nkafka.min_insync_replicas = 1\n",
        cluster.bootstrap()
    );
    let collector = Collector::start_with(&engine, &config);
    let started = Instant::now();
    loop {
        let (code, text) = collector.command(&["topics", "apply"]);
        if code == Some(0) {
            assert!(text.contains("crmscope.heads.v1"), "{text}");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{text}");
    }
    let (code, text) = collector.command(&["topics", "show"]);
    assert_eq!(code, Some(0), "{text}");

    collector.ready().await;
    let mut chain = Chain::of("app-01");
    let mut agent = connect(collector.ingest, "app-01").await.unwrap();
    let mut links = Vec::new();
    for _ in 0..5 {
        let batch = chain.seal(chain.rows(3));
        links.push(chain.link(&batch));
        agent.send(&batch).await.unwrap();
    }
    agent.acked(Lane::Security, 5).await.unwrap();
    wait(&collector, "the chain with its head in Kafka", |report| {
        report["chains"][0]["links"] == 5 && report["kafka_heads"] == 1 && kinds(report).is_empty()
    })
    .await;

    // The last link is made anew, as if another batch had been sealed; no heartbeat knew it.
    let mut last = links.pop().unwrap();
    last.created_ms += 1;
    let edit = format!(
        "ALTER TABLE crmscope.chain_links UPDATE created_ms = {}, link = '{}' WHERE sequence = 5",
        last.created_ms,
        last.digest()
    );
    let client = engine.client().with_setting("mutations_sync", "2");
    client.query_raw(&edit).execute().await.unwrap();
    wait(&collector, "the replaced end", |report| {
        kinds(report) == [("head_differs".to_owned(), 5)]
    })
    .await;

    // Everything of the agent is deleted, and all that counts it.
    for table in [
        "security_events",
        "chain_links",
        "ledger",
        "ledger_high_water",
        "lane_states",
    ] {
        let delete = format!("ALTER TABLE crmscope.{table} DELETE WHERE agent_id = 'app-01'");
        client.query_raw(&delete).execute().await.unwrap();
    }
    wait(&collector, "the deleted chain", |report| {
        kinds(report) == [("silenced".to_owned(), 1)]
    })
    .await;
}
