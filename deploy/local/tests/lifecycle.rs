//! Starting, stopping, crashing, and being full.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;

use support::{Server, command, encode, open, poll, request};

const SLOW: &str = "SELECT sum(sleepEachRow(0.1)) FROM numbers(600) SETTINGS max_block_size = 1";
const SLOW_RUNNING: &str = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(0.1)%' AND query NOT LIKE '%system.processes%'";

#[test]
fn a_kill_loses_no_acknowledged_insert() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path());
    server.sql("CREATE TABLE t (batch UInt32) ENGINE = MergeTree ORDER BY batch SETTINGS non_replicated_deduplication_window = 1000");
    let address = server.address.clone();
    let insert = |address: &str, batch: u32| {
        let query = encode("INSERT INTO t FORMAT RowBinary");
        let body = batch.to_le_bytes().repeat(1000);
        request(
            address,
            "POST",
            &format!("/?query={query}&insert_deduplication_token={batch}"),
            &[("Host", "localhost")],
            &body,
        )
        .is_ok_and(|reply| reply.status == 200)
    };
    let (sender, acknowledged) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut batch = 0;
        while insert(&address, batch) {
            sender.send(batch).unwrap();
            batch += 1;
        }
        batch
    });
    let mut acked: BTreeSet<u32> = (0..40).map(|_| acknowledged.recv().unwrap()).collect();
    server.kill();
    let unknown = writer.join().unwrap();
    acked.extend(acknowledged.iter());

    let server = Server::start(directory.path());
    let stored: BTreeSet<u32> = server
        .sql("SELECT DISTINCT batch FROM t")
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert!(
        acked.is_subset(&stored),
        "lost {:?}",
        acked.difference(&stored)
    );
    // The batch whose answer never came is mended by an identical retry.
    assert!(insert(&server.address, unknown));
    assert_eq!(
        server.sql("SELECT count(), uniqExact(batch), max(batch) FROM t"),
        format!("{}\t{}\t{unknown}\n", (unknown + 1) * 1000, unknown + 1)
    );
    assert!(server.stop().success());
}

#[test]
fn databases_survive_a_restart_default_included() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let server = Server::start(directory.path());
        server.sql("CREATE DATABASE IF NOT EXISTS crm");
        assert_eq!(server.sql("SELECT name, engine FROM system.databases WHERE name IN ('crm', 'default') ORDER BY name"), "crm\tAtomic\ndefault\tAtomic\n");
        for table in ["crm.t", "default.t"] {
            server.sql(&format!(
                "CREATE TABLE IF NOT EXISTS {table} (n UInt8) ENGINE = MergeTree ORDER BY n"
            ));
            server.sql(&format!("INSERT INTO {table} VALUES (1)"));
            assert_eq!(
                server.sql(&format!("SELECT count() FROM {table}")),
                format!("{}\n", round + 1)
            );
        }
        assert!(server.stop().success());
    }
}

#[test]
fn what_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let refused = |data: &str, arguments: &[&str]| {
        let output = command(&directory.path().join(data))
            .args(arguments)
            .stdin(Stdio::piped())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let taken = refused("", &["--listen", "127.0.0.1:0"]);
    assert!(
        taken.contains("is in use by process") && taken.contains("--data-dir"),
        "{taken}"
    );
    let port = refused("other", &["--listen", &server.address]);
    assert!(
        port.contains(&server.address) && port.contains("--listen"),
        "{port}"
    );
    let open = refused("other", &["--listen", "0.0.0.0:0"]);
    assert!(
        open.contains("not a loopback") && open.contains("--allow-non-loopback"),
        "{open}"
    );
    let unsafe_open = refused("other", &["--listen", "0.0.0.0:0", "--allow-non-loopback"]);
    assert!(unsafe_open.contains("--password-file"), "{unsafe_open}");
    let library = refused("other", &["--library", "/nonexistent/libchdb.so"]);
    assert!(library.contains("/nonexistent/libchdb.so"), "{library}");
    assert_eq!(server.sql("SELECT 1"), "1\n");
}

#[test]
fn a_client_that_goes_away_ends_its_query() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let stream = open(&server.address, "/", SLOW.len(), SLOW.as_bytes());
    poll("the query to start", || server.sql(SLOW_RUNNING) == "1\n");
    drop(stream);
    poll("the query to end", || server.sql(SLOW_RUNNING) == "0\n");
    // One that streams, left unread.
    let endless = "SELECT number, sleepEachRow(0.1) FROM numbers(100000000) WHERE ignore(number) = 0 SETTINGS max_block_size = 1";
    let stream = open(&server.address, "/", endless.len(), endless.as_bytes());
    poll("the stream to start", || server.sql(SLOW_RUNNING) == "1\n");
    drop(stream);
    poll("the stream to end", || server.sql(SLOW_RUNNING) == "0\n");
}

#[test]
fn a_full_server_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--max-concurrent-queries", "2"]);
    let _one = open(&server.address, "/", SLOW.len(), SLOW.as_bytes());
    poll("the query to start", || server.sql(SLOW_RUNNING) == "1\n");
    let _two = open(&server.address, "/", SLOW.len(), SLOW.as_bytes());
    poll("a refusal", || {
        let reply = server.post("", &[], b"SELECT 1");
        reply.status == 503 && reply.header("x-clickhouse-exception-code") == Some("202")
    });
    assert_eq!(server.get("/ping").status, 200);
}

#[test]
fn a_stop_lets_queries_end_and_cuts_those_that_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path());
    let sql = "SELECT sum(sleepEachRow(0.1)) FROM numbers(15) SETTINGS max_block_size = 1";
    let address = server.address.clone();
    let query = std::thread::spawn(move || {
        request(
            &address,
            "POST",
            "/",
            &[("Host", "localhost")],
            sql.as_bytes(),
        )
    });
    poll("the query to start", || server.sql(SLOW_RUNNING) == "1\n");
    server.terminate();
    assert_eq!(query.join().unwrap().unwrap().text(), "0\n");
    assert!(server.wait().success());

    let mut server = Server::start_with(directory.path(), &["--drain-seconds", "1"]);
    let _stream = open(&server.address, "/", SLOW.len(), SLOW.as_bytes());
    poll("the query to start", || server.sql(SLOW_RUNNING) == "1\n");
    server.terminate();
    assert_eq!(server.wait().code(), Some(3));
}
