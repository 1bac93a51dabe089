//! Large results: streamed with one header, or refused with the bound.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use support::{Server, encode};

#[test]
fn large_results_stream_with_one_header() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let sql = "SELECT number AS n FROM numbers(3000000) FORMAT CSVWithNames";
    let reply = server.post("", &[], sql.as_bytes());
    assert!(reply.is_whole && reply.header("content-length").is_none());
    let text = reply.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("\"n\""));
    assert!((0..3_000_000).all(|number: u32| lines.next() == Some(&number.to_string())));
    assert_eq!(lines.next(), None);
}

#[test]
fn a_document_too_large_to_hold_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (sql, url) in [
        // Too large in the engine's columns, as a document, and when held on request.
        ("SELECT number FROM numbers(40000000)", ""),
        ("SELECT number AS n FROM numbers(20000000)", ""),
        (
            "SELECT number AS n FROM numbers(20000000) SETTINGS result_overflow_mode = 'break'",
            "",
        ),
        (
            "SELECT number FROM numbers(60000000) FORMAT TSV",
            "wait_end_of_query=1",
        ),
    ] {
        let url = format!("default_format={}&{url}", encode("JSON"));
        let reply = server.post(&url, &[], sql.as_bytes());
        let text = reply.text();
        let text = text.get(..500.min(text.len())).unwrap_or_default();
        assert_eq!(
            reply.header("x-clickhouse-exception-code"),
            Some("396"),
            "{sql}: {text}"
        );
        assert!(
            text.contains("268435456") && text.contains("JSONEachRow"),
            "{text}"
        );
    }
    // What is small in columns ends at the memory of all.
    let sql = "SELECT toUInt8(number) AS a_name_that_is_many_times_as_long_as_its_value FROM numbers(60000000) FORMAT JSON";
    let reply = server.post("", &[], sql.as_bytes());
    assert_eq!(reply.header("x-clickhouse-exception-code"), Some("241"));
    assert!(reply.text().contains("JSONEachRow"), "{}", reply.text());
    // A client's own limit is told as such.
    let reply = server.post(
        "max_result_bytes=10",
        &[],
        b"SELECT number FROM numbers(10) FORMAT JSON",
    );
    assert!(
        reply.text().contains("max bytes: 10.00 B"),
        "{}",
        reply.text()
    );
    assert_eq!(server.sql("SELECT 1"), "1\n");
}
