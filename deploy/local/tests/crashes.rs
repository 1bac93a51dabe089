//! Kills in mid-insert: every block that is repeated afterwards is in every table once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{Reply, Server, request};

/// Base table, and what each view feeds.
const TABLES: [&str; 4] = ["raw", "minutes", "hours", "days"];
/// Writers that insert at once.
const WRITERS: u64 = 4;
/// Partitions that each block has rows in.
const PARTITIONS: u64 = 2;
const SETTINGS: &str =
    "async_insert=0&insert_deduplicate=1&deduplicate_blocks_in_dependent_materialized_views=1";

fn create(server: &Server) {
    server.sql("CREATE DATABASE t ENGINE = Atomic");
    for table in TABLES {
        let columns = "agent String, t DateTime('UTC'), n SimpleAggregateFunction(sum, UInt64)";
        server.sql(&format!(
            "CREATE TABLE t.{table} ({columns}) ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(t) \
             ORDER BY (agent, t) SETTINGS non_replicated_deduplication_window = 10000"
        ));
    }
    for (from, to, start) in [
        ("raw", "minutes", "toStartOfMinute"),
        ("minutes", "hours", "toStartOfHour"),
        ("hours", "days", "toStartOfDay"),
    ] {
        server.sql(&format!(
            "CREATE MATERIALIZED VIEW t.{to}_view TO t.{to} AS SELECT r.agent AS agent, {start}(r.t) AS t, \
             sum(r.n) AS n FROM t.{from} AS r GROUP BY agent, t"
        ));
    }
}

/// A block of one writer: a row in each partition, which holds the block's number.
fn insert(address: &str, writer: u64, block: u64) -> std::io::Result<Reply> {
    let rows: Vec<String> = (1..=PARTITIONS)
        .map(|month| format!("('w{writer}', '2026-{month:02}-03 04:05:06', {block})"))
        .collect();
    let sql = format!("INSERT INTO t.raw VALUES {}", rows.join(", "));
    let target = format!("/?{SETTINGS}&insert_deduplication_token=w{writer}-{block}");
    request(
        address,
        "POST",
        &target,
        &[("Host", address)],
        sql.as_bytes(),
    )
}

fn sums(server: &Server, table: &str) -> String {
    server.sql(&format!(
        "SELECT agent, toMonth(t) AS month, sum(n) FROM t.{table} GROUP BY agent, month ORDER BY agent, month"
    ))
}

/// Folder of a table's parts.
fn folder(server: &Server, table: &str) -> PathBuf {
    let path = server.sql(&format!(
        "SELECT data_paths[1] FROM system.tables WHERE database = 't' AND name = '{table}'"
    ));
    Path::new(path.trim()).to_owned()
}

#[test]
fn a_block_that_was_noted_but_not_stored_is_stored_by_its_repetition() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    create(&server);
    // A merged part would hold the rows of the one that is removed.
    server.sql("SYSTEM STOP MERGES");
    for block in 1..=3 {
        assert_eq!(insert(&server.address, 1, block).unwrap().status, 200);
    }
    let folders = TABLES.map(|table| folder(&server, table));
    server.kill();
    // As if the process had died between the last note and its part: in the base table in one
    // partition, and in the hours; elsewhere all is there.
    for at in [&folders[0], &folders[2]] {
        let newest = std::fs::read_dir(at)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.starts_with("202602_"))
            .max_by_key(|name| name.split('_').nth(2).unwrap().parse::<u64>().unwrap())
            .unwrap();
        println!("removing {newest}");
        std::fs::remove_dir_all(at.join(newest)).unwrap();
    }
    let server = Server::start(data.path());
    for block in 1..=3 {
        assert_eq!(insert(&server.address, 1, block).unwrap().status, 200);
    }
    for table in TABLES {
        assert_eq!(sums(&server, table), "w1\t1\t6\nw1\t2\t6\n", "{table}");
    }
}

/// Kills that the test makes; more by CRMSCOPE_CRASHES.
fn crashes() -> u32 {
    std::env::var("CRMSCOPE_CRASHES").map_or(4, |text| text.parse().unwrap())
}

#[test]
fn parallel_inserts_through_kills_count_once() {
    let seed = std::env::var("CRMSCOPE_SEED").map_or_else(
        |_| std::process::id().into(),
        |text| text.parse::<u64>().unwrap(),
    );
    let crashes = crashes();
    println!("CRMSCOPE_SEED={seed} CRMSCOPE_CRASHES={crashes}");
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    create(&server);
    let address = Arc::new(Mutex::new(server.address.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let repeated = Arc::new(AtomicU64::new(0));
    let stored = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (1..=WRITERS)
        .map(|writer| {
            let (address, stop) = (Arc::clone(&address), Arc::clone(&stop));
            let (repeated, stored) = (Arc::clone(&repeated), Arc::clone(&stored));
            std::thread::spawn(move || {
                let mut block = 0;
                while !stop.load(Ordering::Relaxed) {
                    block += 1;
                    loop {
                        let to = address.lock().unwrap().clone();
                        if insert(&to, writer, block).is_ok_and(|reply| reply.status == 200) {
                            break;
                        }
                        repeated.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    stored.fetch_add(1, Ordering::Relaxed);
                }
                block
            })
        })
        .collect();
    let mut state = seed;
    for _ in 0..crashes {
        // Let some blocks in, so that a slow machine kills in mid-insert too; then wait a moment more.
        let before = stored.load(Ordering::Relaxed);
        support::poll("blocks to be stored", || {
            stored.load(Ordering::Relaxed) > before + 20
        });
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let until = Instant::now() + Duration::from_micros((state >> 33) % 500_000);
        while Instant::now() < until {
            std::thread::sleep(Duration::from_micros(200));
        }
        server.kill();
        server = Server::start(data.path());
        address.lock().unwrap().clone_from(&server.address);
    }
    stop.store(true, Ordering::Relaxed);
    let mut truth = String::new();
    for (writer, thread) in (1..).zip(writers) {
        let blocks: u64 = thread.join().unwrap();
        for month in 1..=PARTITIONS {
            truth.push_str(&format!(
                "w{writer}\t{month}\t{}\n",
                blocks * (blocks + 1) / 2
            ));
        }
    }
    println!(
        "{} blocks, {} attempts with unknown outcome",
        stored.load(Ordering::Relaxed),
        repeated.load(Ordering::Relaxed)
    );
    for table in TABLES {
        assert_eq!(sums(&server, table), truth, "{table}");
    }
}
