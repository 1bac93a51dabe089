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

const BEFORE: [&str; 3] = [
    include_str!("../../deploy/clickhouse/migrations/0001_foundation.sql"),
    include_str!("../../deploy/clickhouse/migrations/0002_functions.sql"),
    include_str!("../../deploy/clickhouse/migrations/0010_requests.sql"),
];
const UPGRADE: &str = include_str!("../../deploy/clickhouse/migrations/0015_request_upstream.sql");

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
    for round in 1..=5 {
        apply(&client, UPGRADE).await;
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
