//! Who may ask, and what.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use support::{Server, encode, request};

fn start() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    (directory, server)
}

#[test]
fn get_and_readonly_cannot_write() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n");
    for target in [
        encode("CREATE DATABASE x"),
        encode("INSERT INTO t VALUES (1)"),
    ] {
        let reply = server.get(&format!("/?query={target}"));
        assert_eq!(
            reply.header("x-clickhouse-exception-code"),
            Some("164"),
            "{}",
            reply.text()
        );
    }
    assert_eq!(
        server
            .post("readonly=1", &[], b"CREATE DATABASE x")
            .header("x-clickhouse-exception-code"),
        Some("164")
    );
    assert_eq!(
        server
            .post("readonly=1&max_threads=1", &[], b"SELECT 1")
            .text(),
        "1\n"
    );
    server.sql("CREATE DATABASE x");
}

#[test]
fn only_this_machine_by_its_own_names() {
    let (_directory, server) = start();
    let ask = |headers: &[(&str, &str)]| {
        request(&server.address, "POST", "/", headers, b"SELECT 1").unwrap()
    };
    for host in ["evil.example", "127.0.0.1.evil.example:8123", "0.0.0.0", ""] {
        assert_eq!(ask(&[("Host", host)]).status, 403, "{host}");
    }
    for origin in ["http://evil.example", "null", "file://"] {
        assert_eq!(
            ask(&[("Host", "localhost"), ("Origin", origin)]).status,
            403,
            "{origin}"
        );
    }
    assert_eq!(ask(&[("Host", "localhost:1")]).status, 200);
    let cors = server.post(
        "add_http_cors_header=1",
        &[("Origin", "http://localhost:3000")],
        b"SELECT 1",
    );
    assert_eq!(
        cors.header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
}

#[test]
fn a_password_is_asked_when_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let server = Server::start_with(
        &directory.path().join("data"),
        &["--user", "crm", "--password-file", file.to_str().unwrap()],
    );
    let status =
        |url: &str, headers: &[(&str, &str)]| server.post(url, headers, b"SELECT 1").status;
    assert_eq!(server.get("/ping").status, 200);
    assert_eq!(status("", &[]), 401);
    assert_eq!(status("user=crm&password=wrong", &[]), 403);
    assert_eq!(status("user=crm&password=s3cret", &[]), 200);
    assert_eq!(
        status(
            "",
            &[("X-ClickHouse-User", "crm"), ("X-ClickHouse-Key", "s3cret")]
        ),
        200
    );
    assert_eq!(
        status("", &[("Authorization", "Basic Y3JtOnMzY3JldA==")]),
        200
    );
}
