//! One request, one document: results of many parts and blocks, in every format.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use clickhouse::{Compression, Row};
use serde::Deserialize;
use support::{Server, encode};

const PARTS: u64 = 20;

/// A table `t` of parts of one row each, and the same rows in `one`, a table of one part.
fn start() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let columns = "(n UInt64, `s\"\n` String, f Nullable(Float64)) ENGINE = MergeTree ORDER BY n";
    server.sql(&format!("CREATE TABLE one {columns}"));
    server.sql(&format!("CREATE TABLE t {columns}"));
    server.sql("SYSTEM STOP MERGES t");
    let row = "concat('a\\t\\n\"', toString(number)), if(number % 3 = 0, NULL, number / 4)";
    server.sql(&format!(
        "INSERT INTO one SELECT number, {row} FROM numbers({PARTS})"
    ));
    for part in 0..PARTS {
        server.sql(&format!("INSERT INTO t SELECT {part} AS number, {row}"));
    }
    (directory, server)
}

/// What differs from run to run.
fn without_statistics(text: &str) -> String {
    text.lines()
        .filter(|line| {
            !["elapsed", "rows_read", "bytes_read"]
                .iter()
                .any(|name| line.contains(name))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[derive(Debug, PartialEq, Row, Deserialize)]
struct Record {
    n: u64,
    s: String,
    f: Option<f64>,
}

#[tokio::test]
async fn the_clickhouse_crate_reads_the_rows_of_many_parts() {
    let (_directory, server) = start();
    assert_eq!(
        server.sql("SELECT count() FROM system.parts WHERE table = 't' AND active"),
        format!("{PARTS}\n")
    );
    for compression in [Compression::None, Compression::Lz4] {
        for validation in [true, false] {
            let client = server
                .client()
                .with_compression(compression)
                .with_validation(validation);
            let mut rows: Vec<Record> = client
                .query("SELECT n, `s\"\\n` AS s, f FROM t")
                .fetch_all()
                .await
                .unwrap();
            rows.sort_by_key(|row| row.n);
            assert_eq!(rows.len() as u64, PARTS);
            for (number, row) in rows.iter().enumerate() {
                let quarter = f64::from(u32::try_from(number).unwrap()) / 4.0;
                assert_eq!(row.n, number as u64);
                assert_eq!(row.s, format!("a\t\n\"{number}"));
                assert_eq!(row.f, (number % 3 != 0).then_some(quarter));
            }
        }
    }
}

#[tokio::test]
async fn the_clickhouse_crate_reads_millions_of_rows() {
    let (_directory, server) = start();
    let mut cursor = server
        .client()
        .query("SELECT number AS n, toString(number) AS s, number / 2 AS f FROM numbers_mt(3000000) SETTINGS max_block_size = 10000")
        .fetch::<(u64, String, f64)>()
        .unwrap();
    let (mut rows, mut sum) = (0_u64, 0);
    while let Some((n, s, f)) = cursor.next().await.unwrap() {
        assert!(s == n.to_string() && f * 2.0 == n as f64);
        rows += 1;
        sum += n;
    }
    assert_eq!((rows, sum), (3_000_000, 3_000_000 * 2_999_999 / 2));
}

/// Formats that show the engine's blocks: those of many parts differ from those of one.
fn shows_blocks(format: &str) -> bool {
    let names = [
        "Arrow", "Avro", "Buffers", "Native", "ORC", "Parquet", "Pretty",
    ];
    names.iter().any(|name| format.starts_with(name))
}

#[test]
fn every_format_gives_one_document() {
    let (_directory, server) = start();
    let formats = server.sql("SELECT name FROM system.formats WHERE is_output ORDER BY name");
    let (mut compared, mut different) = (0, Vec::new());
    for format in formats.lines().filter(|format| !shows_blocks(format)) {
        for tail in ["", " WHERE n > 1000"] {
            let ask = |table: &str| {
                let url = format!("default_format={format}&max_threads=1&max_block_size=1");
                let sql = format!("SELECT n, f FROM (SELECT * FROM {table}){tail}");
                server.post(&url, &[], sql.as_bytes())
            };
            let (many, one) = (ask("t"), ask("one"));
            if (many.status, without_statistics(&many.text()))
                != (one.status, without_statistics(&one.text()))
            {
                different.push(format!("{format}{tail}: {} {}", many.text(), one.text()));
            }
            assert_ne!(many.header("x-clickhouse-exception-code"), Some("1002"));
            compared += usize::from(many.status == 200);
        }
    }
    assert!(
        different.is_empty() && compared > 100,
        "{compared} {different:?}"
    );
}

#[test]
fn formats_of_blocks_come_back_as_they_went() {
    let (_directory, server) = start();
    server.sql(
        "CREATE TABLE back (n UInt64, s String, f Nullable(Float64)) ENGINE = MergeTree ORDER BY n",
    );
    for format in ["Arrow", "ArrowStream", "Avro", "Native", "ORC", "Parquet"] {
        server.sql("TRUNCATE TABLE back");
        let sql = format!("SELECT n, concat(`s\"\\n`, '') AS s, f FROM t FORMAT {format}");
        let document = server.post("", &[], sql.as_bytes());
        let query = encode(&format!("INSERT INTO back FORMAT {format}"));
        let reply = server.post(&format!("query={query}"), &[], &document.body);
        assert_eq!(reply.status, 200, "{format}: {}", reply.text());
        assert_eq!(
            server.sql("SELECT * FROM back ORDER BY n"),
            server.sql("SELECT * FROM one ORDER BY n"),
            "{format}"
        );
    }
}

#[test]
fn documents_are_framed_once() {
    let (_directory, server) = start();
    let select = "SELECT n FROM t ORDER BY n LIMIT 3";
    let empty = "SELECT n FROM t WHERE n > 1000";
    for (format, three, none) in [
        ("CSVWithNames", "\"n\"\n0\n1\n2\n", "\"n\"\n"),
        (
            "TSVWithNamesAndTypes",
            "n\nUInt64\n0\n1\n2\n",
            "n\nUInt64\n",
        ),
        (
            "RowBinaryWithNames",
            "\u{1}\u{1}n\0\0\0\0\0\0\0\0\u{1}\0\0\0\0\0\0\0\u{2}\0\0\0\0\0\0\0",
            "\u{1}\u{1}n",
        ),
        (
            "JSONCompactEachRowWithNames",
            "[\"n\"]\n[0]\n[1]\n[2]\n",
            "[\"n\"]\n",
        ),
        ("Values", "(0),(1),(2)", ""),
        (
            "JSONColumns",
            "{\n\t\"n\": [0, 1, 2]\n}\n",
            "{\n\t\"n\": []\n}\n",
        ),
        (
            "Markdown",
            "| n |\n|-:|\n| 0 |\n| 1 |\n| 2 |\n",
            "| n |\n|-:|\n",
        ),
        ("Null", "", ""),
    ] {
        assert_eq!(
            server.sql(&format!("{select} FORMAT {format}")),
            three,
            "{format}"
        );
        assert_eq!(
            server.sql(&format!("{empty} FORMAT {format}")),
            none,
            "{format}"
        );
    }
    let from_parts = "SELECT n FROM t";
    for (format, once) in [
        ("JSON", "\"meta\""),
        ("JSONCompact", "\"meta\""),
        ("XML", "<meta>"),
        ("PrettyCompact", "┌"),
        ("JSONObjectEachRow", "{\n"),
    ] {
        let text = server.sql(&format!("{from_parts} FORMAT {format}"));
        assert_eq!(text.matches(once).count(), 1, "{format}: {text}");
        if format.starts_with("JSON") {
            assert!(
                serde_json::from_str::<serde_json::Value>(&text).is_ok(),
                "{format}"
            );
        }
    }
    let json: serde_json::Value =
        serde_json::from_str(&server.sql(&format!("{from_parts} FORMAT JSONCompact"))).unwrap();
    assert_eq!(json["rows"], PARTS);
    // A setting makes one document of a format that has none.
    let array = server.post(
        "output_format_json_array_of_rows=1",
        &[],
        b"SELECT n FROM t FORMAT JSONEachRow",
    );
    let array: serde_json::Value = serde_json::from_str(&array.text()).unwrap();
    assert_eq!(array.as_array().unwrap().len() as u64, PARTS);
    assert_eq!(server.sql("SELECT n % 2 AS k, count() AS c FROM t GROUP BY k WITH TOTALS ORDER BY k FORMAT CSVWithNames"), "\"k\",\"c\"\n0,10\n1,10\n\n0,20\n");
    // `format` may be a name, and a format's name may be quoted, in any case.
    assert_eq!(
        server.sql("SELECT format FROM (SELECT n AS format FROM t) WHERE format < 1"),
        "0\n"
    );
    assert_eq!(
        server.sql("SELECT n FROM t ORDER BY n LIMIT 2 FORMAT `values`"),
        "(0),(1)"
    );
}
