//! Columns are added while a collector that does not know them writes: no row misses a roll-up.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use common::rows::now_ms;
use common::{Engine, PATIENCE};
use crmscope_collector::schema;

const BEFORE: [&str; 4] = [
    include_str!("../../deploy/clickhouse/migrations/0001_foundation.sql"),
    include_str!("../../deploy/clickhouse/migrations/0002_functions.sql"),
    include_str!("../../deploy/clickhouse/migrations/0009_source.sql"),
    include_str!("../../deploy/clickhouse/migrations/0010_requests.sql"),
];

async fn apply(client: &clickhouse::Client, file: &str) {
    let code: String = file
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .flat_map(|line| [line, "\n"])
        .collect();
    for statement in code.split(';').filter(|text| !text.trim().is_empty()) {
        client.query_raw(statement).execute().await.unwrap();
    }
}

/// One row of now, as old ones go at once; `upstream` is what the version before does not write.
fn insert(number: u64, upstream: bool) -> String {
    let (columns, values) = if upstream {
        (
            ", upstream_count, upstream_sum_us, upstream_max_us, upstream",
            ", 1, 3, 3, map(7, 1)",
        )
    } else {
        ("", "")
    };
    format!(
        "INSERT INTO crmscope.requests_raw (agent_id, service, route, method, status_class, bucket_start, requests, \
         response_bytes, latency_count, latency_sum_us, latency_max_us, latency{columns}) \
         SETTINGS async_insert = 0, insert_deduplicate = 1, deduplicate_blocks_in_dependent_materialized_views = 1, \
         insert_deduplication_token = 'requests_raw-{number}' \
         VALUES ('a', 's', '/', 'GET', 2, toDateTime({}, 'UTC'), 1, {number}, 1, 5, 5, map(3, 1){values})",
        now_ms() / 1000
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_misses_a_roll_up_while_columns_are_added() {
    let engine = Engine::start();
    let client = engine.client();
    for file in BEFORE {
        apply(&client, file).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (client, stop) = (engine.client(), Arc::clone(&stop));
        async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let statement = insert(number, false);
                client.query_raw(&statement).execute().await.unwrap();
            }
            number
        }
    });
    let written = |at_least: u64| {
        let engine = &engine;
        async move {
            let started = Instant::now();
            let count = "SELECT count() FROM crmscope.requests_raw";
            while engine.number(count).await < at_least {
                assert!(
                    started.elapsed() < PATIENCE,
                    "{at_least} rows are not there"
                );
                tokio::task::yield_now().await;
            }
        }
    };
    written(5).await;
    // Again and again, as collectors that start do it.
    for round in 1..=3 {
        apply(&client, "TRUNCATE TABLE crmscope.schema_migrations").await;
        schema::migrate(&client).await.unwrap();
        written(5 + round * 5).await;
    }
    stop.store(true, Ordering::Relaxed);
    let rows = writer.await.unwrap();
    for number in rows + 1..=rows + 3 {
        let statement = insert(number, true);
        for _ in 0..2 {
            client.query_raw(&statement).execute().await.unwrap();
        }
    }
    let rows = rows + 3;
    println!("{rows} rows");
    for table in ["requests_raw", "requests_1m", "requests_1h", "requests_1d"] {
        let figures = format!(
            "SELECT sum(requests), sum(response_bytes), sum(latency_count), arraySum(mapValues(sumMap(latency))), \
             sum(upstream_count), sum(upstream_sum_us), max(upstream_max_us), sumMap(upstream) FROM crmscope.{table}"
        );
        let bytes = rows * (rows + 1) / 2;
        assert_eq!(
            engine.text(&figures).await,
            format!("{rows}\t{bytes}\t{rows}\t{rows}\t3\t9\t3\t{{7:3}}\n"),
            "{table}"
        );
    }
}

/// The sums of a column in a chain of roll-ups.
async fn sums(engine: &Engine, group: &str, column: &str) -> [u64; 4] {
    let mut sums = [0; 4];
    for (sum, level) in sums.iter_mut().zip(["raw", "1m", "1h", "1d"]) {
        *sum = engine
            .number(&format!(
                "SELECT sum({column}) FROM crmscope.{group}_{level}"
            ))
            .await;
    }
    sums
}

/// A row of source health, a block of its own.
fn source_insert(number: u64) -> String {
    format!(
        "INSERT INTO crmscope.source_raw (agent_id, ts, source, runs) \
         SETTINGS async_insert = 0, insert_deduplicate = 1, deduplicate_blocks_in_dependent_materialized_views = 1, \
         insert_deduplication_token = 'source_raw-{number}' VALUES ('a', toDateTime64({}, 3, 'UTC'), 's', 1)",
        now_ms() / 1000
    )
}

/// An engine whose schema is an older one, with a block in each of two chains: what views made of
/// earlier blocks stays known to them. Returns the blocks too.
async fn in_use() -> (Engine, clickhouse::Client, Vec<String>) {
    let engine = Engine::start();
    let client = engine.client();
    for file in BEFORE {
        apply(&client, file).await;
    }
    let blocks = vec![insert(1, false), source_insert(1)];
    for block in &blocks {
        client.query_raw(block).execute().await.unwrap();
    }
    (engine, client, blocks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_inserted_after_an_upgrade_and_repeated_after_a_restart_counts_once() {
    let (mut engine, client, mut blocks) = in_use().await;
    schema::migrate(&client).await.unwrap();
    blocks.extend([insert(2, true), source_insert(2)]);
    for repetition in ["the first time", "at once", "after a restart"] {
        if repetition == "after a restart" {
            engine.kill();
            engine.resume();
        }
        for block in &blocks {
            engine.client().query_raw(block).execute().await.unwrap();
        }
        assert_eq!(
            sums(&engine, "requests", "requests").await,
            [2; 4],
            "{repetition}"
        );
        assert_eq!(
            sums(&engine, "source", "runs").await,
            [2; 4],
            "{repetition}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_an_upgrade_left_renamed_gets_its_name_back() {
    let engine = Engine::start();
    let client = engine.client();
    schema::migrate(&client).await.unwrap();
    apply(
        &client,
        "RENAME TABLE crmscope.requests_1m_view TO crmscope.requests_1m_view_renewed",
    )
    .await;
    // Inserts go through it meanwhile.
    client.query_raw(&insert(1, true)).execute().await.unwrap();
    schema::migrate(&client).await.unwrap();
    client.query_raw(&insert(2, true)).execute().await.unwrap();
    assert_eq!(sums(&engine, "requests", "requests").await, [2; 4]);
    let names = "SELECT name FROM system.tables WHERE database = 'crmscope' AND name LIKE 'requests_1m_view%'";
    assert_eq!(engine.text(names).await, "requests_1m_view\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_that_start_together_leave_views_as_one_would() {
    let (mut engine, _, mut blocks) = in_use().await;
    let starting: Vec<_> = (0..4)
        .map(|_| {
            let client = engine.client();
            tokio::spawn(async move { schema::migrate(&client).await.unwrap() })
        })
        .collect();
    let mut applied = Vec::new();
    for collector in starting {
        applied.extend(collector.await.unwrap().applied);
    }
    let once: std::collections::BTreeSet<_> = applied.iter().collect();
    assert_eq!(once.len(), applied.len(), "{applied:?}");
    blocks.extend([insert(2, true), source_insert(2)]);
    for repetition in ["the first time", "after a restart"] {
        for block in &blocks {
            engine.client().query_raw(block).execute().await.unwrap();
        }
        for (group, column) in [("requests", "requests"), ("source", "runs")] {
            let sums = sums(&engine, group, column).await;
            assert_eq!(sums, [2; 4], "{group}, {repetition}");
        }
        engine.kill();
        engine.resume();
    }
    let turns = "SELECT count() FROM system.tables WHERE name LIKE 'schema_turn%'";
    assert_eq!(engine.number(turns).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_turn_of_a_collector_that_is_gone_is_taken_over() {
    let engine = Engine::start();
    let client = engine.client();
    for file in BEFORE {
        apply(&client, file).await;
    }
    apply(
        &client,
        "CREATE TABLE crmscope.schema_turn_gone (sign UInt8) ENGINE = Memory; \
         INSERT INTO crmscope.schema_turn_gone SELECT 1",
    )
    .await;
    assert!(!schema::migrate(&client).await.unwrap().applied.is_empty());
    let turns = "SELECT count() FROM system.tables WHERE name LIKE 'schema_turn%'";
    assert_eq!(engine.number(turns).await, 0);
    // Without anything to change nobody waits for it.
    apply(
        &client,
        "CREATE TABLE crmscope.schema_turn_gone (sign UInt8) ENGINE = Memory",
    )
    .await;
    assert_eq!(schema::migrate(&client).await.unwrap().applied, [""; 0]);
    assert_eq!(engine.number(turns).await, 1);
}
