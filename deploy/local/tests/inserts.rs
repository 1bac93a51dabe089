//! Inserts: exactly once, binary-safe, in one block, of any size.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::Shutdown;

use support::{Server, encode, open, poll};

const EXACT: &str = "insert_deduplicate=1&deduplicate_blocks_in_dependent_materialized_views=1&async_insert=0&max_insert_block_size=1048449";

fn start() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    (directory, server)
}

#[test]
fn a_token_makes_retries_exact_down_to_cascaded_views() {
    let (_directory, server) = start();
    let window = "SETTINGS non_replicated_deduplication_window = 1000";
    for sql in [
        format!("CREATE TABLE base (k UInt32, v UInt64) ENGINE = MergeTree ORDER BY k {window}"),
        format!("CREATE TABLE minute (k UInt32, v SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k {window}"),
        format!("CREATE TABLE hour (v SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY tuple() {window}"),
        "CREATE MATERIALIZED VIEW to_minute TO minute AS SELECT intDiv(k, 60) AS k, sum(v) AS v FROM base GROUP BY k".to_owned(),
        "CREATE MATERIALIZED VIEW to_hour TO hour AS SELECT sum(v) AS v FROM minute".to_owned(),
    ] {
        server.sql(&sql);
    }
    let sums = || {
        server.sql("SELECT (SELECT sum(v) FROM base), (SELECT sum(v) FROM minute), (SELECT sum(v) FROM hour)")
    };
    let insert = |token: &str, settings: &str, rows: u64| {
        let mut body = Vec::new();
        for row in 0..rows {
            body.extend_from_slice(&u32::try_from(row).unwrap().to_le_bytes());
            body.extend_from_slice(&1_u64.to_le_bytes());
        }
        let query = encode("INSERT INTO base (k, v) FORMAT RowBinary");
        let reply = server.post(
            &format!("query={query}&insert_deduplication_token={token}&{settings}"),
            &[],
            &body,
        );
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    for _ in 0..5 {
        insert("one", EXACT, 1000);
    }
    assert_eq!(sums(), "1000\t1000\t1000\n");
    insert("two", EXACT, 1000);
    assert_eq!(sums(), "2000\t2000\t2000\n");
    // The settings are what does it: switched off, the same block counts again.
    insert("one", "deduplicate_insert=disable", 1000);
    assert_eq!(sums(), "3000\t3000\t3000\n");
    // In the query's own SETTINGS they work the same.
    for _ in 0..3 {
        server.sql("INSERT INTO base SETTINGS insert_deduplication_token = 'three', deduplicate_blocks_in_dependent_materialized_views = 1 VALUES (1, 1)");
    }
    assert_eq!(sums(), "3001\t3001\t3001\n");
}

#[test]
fn one_insert_below_the_limit_is_one_part_however_it_arrives() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n");
    server.sql("SYSTEM STOP MERGES t");
    let parts = "SELECT groupArray(rows) FROM (SELECT rows FROM system.parts WHERE table = 't' AND active ORDER BY name)";
    let rows: Vec<u8> = (0..1_000_000_u64).flat_map(u64::to_le_bytes).collect();
    let query = format!("query={}", encode("INSERT INTO t FORMAT RowBinary"));
    assert_eq!(server.post(&query, &[], &rows).status, 200);
    assert_eq!(server.sql(parts), "[1000000]\n");
    server.sql("TRUNCATE TABLE t");
    // A Native block, as another ClickHouse would send it.
    let native = server.post(
        "max_block_size=1000000",
        &[],
        b"SELECT number AS n FROM numbers(1000000) FORMAT Native",
    );
    assert_eq!(
        server
            .post(
                &format!("query={}", encode("INSERT INTO t FORMAT Native")),
                &[],
                &native.body
            )
            .status,
        200
    );
    assert_eq!(server.sql(parts), "[1000000]\n");
    server.sql("TRUNCATE TABLE t");
    let text: String = (0..900_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(
        server
            .post(
                &format!("query={}", encode("INSERT INTO t FORMAT TSV")),
                &[],
                text.as_bytes()
            )
            .status,
        200
    );
    assert_eq!(server.sql(parts), "[900000]\n");
}

#[test]
fn data_may_hold_any_byte() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s");
    let wild = b"\n\n\0;'\\\r\n\r\nFORMAT CSV\xff\x80";
    let mut body = b"INSERT INTO t FORMAT RowBinary\n".to_vec();
    body.push(u8::try_from(wild.len()).unwrap());
    body.extend_from_slice(wild);
    // The query in the body, then in the URL.
    assert_eq!(server.post("", &[], &body).status, 200);
    let data = &body[b"INSERT INTO t FORMAT RowBinary\n".len()..];
    assert_eq!(
        server
            .post(
                &format!("query={}", encode("INSERT INTO t FORMAT RowBinary")),
                &[],
                data
            )
            .status,
        200
    );
    let hex: String = wild.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(
        server.sql("SELECT hex(s), count() FROM t GROUP BY s"),
        format!("{hex}\t2\n")
    );
    // Data that begins with line breaks.
    server.sql("CREATE TABLE lines (s String) ENGINE = MergeTree ORDER BY s");
    server.sql("INSERT INTO lines FORMAT LineAsString\n\n\na\n\nb");
    assert_eq!(
        server.sql("SELECT count(), countIf(s = '') FROM lines"),
        "5\t3\n"
    );
    server.sql("INSERT INTO t (s) VALUES ('a\n\n\n;b'), (concat('x', upper('y')))");
    assert_eq!(
        server.sql("SELECT s FROM t WHERE s IN ('a\n\n\n;b', 'xY') ORDER BY s"),
        "a\\n\\n\\n;b\nxY\n"
    );
    let reply = server.post(
        &format!(
            "param_s=p&query={}",
            encode("INSERT INTO t VALUES ({s:String})")
        ),
        &[],
        b"",
    );
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(server.sql("SELECT count() FROM t WHERE s = 'p'"), "1\n");
}

#[test]
fn a_refused_insert_stores_nothing() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n");
    let insert = |format: &str, data: &[u8]| {
        server.post(
            &format!(
                "query={}",
                encode(&format!("INSERT INTO t FORMAT {format}"))
            ),
            &[],
            data,
        )
    };
    assert_eq!(insert("CSV", b"1\n2\nx\n").status, 400);
    assert_eq!(insert("Nope", b"1").status, 404);
    // The answer arrives although the body goes on for long.
    let reply = insert("Nope", &vec![0; 20 << 20]);
    assert_eq!(reply.header("x-clickhouse-exception-code"), Some("73"));
    assert_eq!(
        server
            .post(
                "",
                &[],
                b"INSERT INTO t FROM INFILE '/etc/hostname' FORMAT CSV"
            )
            .header("x-clickhouse-exception-code"),
        Some("1")
    );
    assert_eq!(server.sql("SELECT count() FROM t"), "0\n");
}

#[test]
fn a_client_that_goes_away_in_mid_insert_stores_nothing() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n");
    let target = format!("/?query={}", encode("INSERT INTO t FORMAT RowBinary"));
    let stream = open(&server.address, &target, 16_000_000, &vec![1; 8_000_000]);
    poll("the insert to start", || {
        server.sql("SELECT count() FROM system.processes WHERE query ILIKE 'INSERT%'") == "1\n"
    });
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    poll("the insert to end", || {
        server.sql("SELECT count() FROM system.processes WHERE query ILIKE 'INSERT%'") == "0\n"
    });
    assert_eq!(server.sql("SELECT count() FROM t"), "0\n");
}

#[test]
fn a_large_insert_is_streamed() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n");
    let mut body = Vec::new();
    for number in 0..3_000_000_u64 {
        body.extend_from_slice(&number.to_le_bytes());
        body.push(20);
        body.extend_from_slice(format!("{number:020}").as_bytes());
    }
    let reply = server.post(
        &format!("query={}", encode("INSERT INTO t FORMAT RowBinary")),
        &[],
        &body,
    );
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        server.sql("SELECT count(), sum(n), countIf(toUInt64(s) = n) FROM t"),
        "3000000\t4499998500000\t3000000\n"
    );
}
