//! The HTTP protocol, byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use support::{Server, encode};

fn start() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    (directory, server)
}

#[test]
fn answers_health_checks_and_unknown_paths() {
    let (_directory, server) = start();
    for target in ["/ping", "/", "/replicas_status"] {
        let reply = server.get(target);
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "Ok.\n"),
            "{target}"
        );
    }
    assert_eq!(server.get("/nothing").status, 404);
    let page = server.get("/dashboard?seconds=600");
    let policy = page.header("content-security-policy").unwrap();
    assert!(page.status == 200 && policy.contains("default-src 'none'"));
    assert!(page.text().contains("crmscope.dashboards"));
}

#[test]
fn formats_come_from_the_query_the_parameter_or_the_header() {
    let (_directory, server) = start();
    let post = |url: &str, headers: &[(&str, &str)], sql: &str| {
        let reply = server.post(url, headers, sql.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
        (
            reply.header("x-clickhouse-format").unwrap().to_owned(),
            reply.text(),
        )
    };
    let sql = "SELECT 1 AS a, 'x,y' AS b";
    let pair = |format: &str, text: &str| (format.to_owned(), text.to_owned());
    assert_eq!(post("", &[], sql), pair("TabSeparated", "1\tx,y\n"));
    assert_eq!(
        post("default_format=CSV", &[], sql),
        pair("CSV", "1,\"x,y\"\n")
    );
    assert_eq!(
        post("", &[("X-ClickHouse-Format", "JSONEachRow")], sql),
        pair("JSONEachRow", "{\"a\":1,\"b\":\"x,y\"}\n")
    );
    assert_eq!(
        post("default_format=CSV", &[], &format!("{sql} FORMAT TSV")),
        pair("TSV", "1\tx,y\n")
    );
    // The query may come in the URL, its rest in the body.
    assert_eq!(post("query=SELECT", &[], "1"), pair("TabSeparated", "1\n"));
    let reply = server.get(&format!(
        "/?query={}",
        encode("SELECT 7 FORMAT JSONCompact")
    ));
    assert!(
        reply.text().contains("[7]")
            && reply
                .header("content-type")
                .unwrap()
                .starts_with("application/json")
    );
    assert_eq!(server.sql("SHOW DATABASES LIKE 'def%'"), "default\n");
    assert_eq!(server.sql("EXISTS DATABASE default;"), "1\n");
}

#[test]
fn parameters_are_data() {
    let (_directory, server) = start();
    let query = encode(
        "SELECT {a:String} AS a, {n:UInt32} + 1, {list:Array(String)}, hex({raw:String}) FORMAT TSVRaw",
    );
    let url = format!(
        "query={query}&param_a={}&param_n=41&param_list={}&param_raw=%5C0%5Cn%FF",
        encode("x'); DROP TABLE t; --"),
        encode("['a','b\\'c']")
    );
    let reply = server.post(&url, &[], b"");
    assert_eq!(
        reply.text(),
        "x'); DROP TABLE t; --\t42\t['a','b\\'c']\t000AFF\n"
    );
    let reply = server.post(
        &format!("query={}&param_n=x", encode("SELECT {n:UInt32}")),
        &[],
        b"",
    );
    assert_eq!(
        (reply.status, reply.header("x-clickhouse-exception-code")),
        (500, Some("457")),
        "{}",
        reply.text()
    );
}

#[test]
fn settings_and_database_last_one_request() {
    let (_directory, server) = start();
    server.sql("CREATE DATABASE `we``ird`");
    let ask = "SELECT getSetting('max_block_size'), currentDatabase(), getSetting('max_execution_time'), getSetting('async_insert')";
    let changed = server.post(
        &format!(
            "max_block_size=77&max_execution_time=9&database={}",
            encode("we`ird")
        ),
        &[],
        ask.as_bytes(),
    );
    assert_eq!(changed.text(), "77\twe`ird\t9\tfalse\n");
    assert_eq!(server.sql(ask), "65409\tdefault\t300\tfalse\n");
    // What a query sets or uses itself does not last either.
    server.sql("SET max_block_size = 5");
    server.sql("USE system");
    assert_eq!(server.sql(ask), "65409\tdefault\t300\tfalse\n");
    // A query's own SETTINGS win.
    let both = server.post(
        "max_block_size=77",
        &[],
        b"SELECT getSetting('max_block_size') SETTINGS max_block_size = 99",
    );
    assert_eq!(both.text(), "99\n");
    let quoted = server.post(
        &format!("format_csv_delimiter={}", encode("'")),
        &[],
        b"SELECT 1, 2 FORMAT CSV",
    );
    assert_eq!(quoted.text(), "1'2\n");
    for (url, code) in [
        ("nosuch=1", "115"),
        ("a%3D1%2Cb=2", "115"),
        ("database=nosuch", "81"),
        ("max_threads=x", "27"),
        ("session_id=1", "48"),
    ] {
        assert_eq!(
            server
                .post(url, &[], b"SELECT 1")
                .header("x-clickhouse-exception-code"),
            Some(code),
            "{url}"
        );
    }
}

#[test]
fn errors_carry_code_status_and_text() {
    let (_directory, server) = start();
    for (sql, status, code) in [
        ("SELEC 1", 400, "62"),
        ("", 400, "62"),
        ("1 + 1", 400, "62"),
        ("SELECT 1; SELECT 2", 400, "62"),
        ("SELECT * FROM nope", 404, "60"),
        ("SELECT * FROM nope.nope", 404, "81"),
        ("SELECT nope(1)", 404, "46"),
        ("SELECT nope", 404, "47"),
        ("SELECT 1 FORMAT Nope", 404, "73"),
        ("INSERT INTO nope VALUES (1)", 404, "60"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SELECT 1 INTO OUTFILE '/nonexistent/x'", 500, "358"),
        ("SELECT * FROM `/etc/hostname`", 404, "60"),
        (
            "SELECT sleepEachRow(1) FROM numbers(9) SETTINGS max_execution_time = 1, max_block_size = 1",
            408,
            "159",
        ),
    ] {
        let reply = server.post("", &[], sql.as_bytes());
        let text = reply.text();
        assert_eq!(
            (reply.status, reply.header("x-clickhouse-exception-code")),
            (status, Some(code)),
            "{sql}: {text}"
        );
        assert!(
            text.starts_with(&format!("Code: {code}. DB::Exception: "))
                && text.contains("(version "),
            "{text}"
        );
    }
}

#[test]
fn an_error_after_the_head_breaks_the_body() {
    let (_directory, server) = start();
    let reply = server.post("", &[], b"SELECT number, throwIf(number = 3000000, 'it broke') FROM numbers(10000000) SETTINGS max_threads = 1");
    assert_eq!(reply.status, 200);
    assert!(!reply.is_whole);
    let tag = reply.header("x-clickhouse-exception-tag").unwrap();
    let text = reply.text();
    assert!(
        text.ends_with(&format!(" {tag}\r\n__exception__\r\n")) && text.contains("Code: 395. "),
        "{}",
        &text[text.len() - 500..]
    );
    // Held back, the same error has its status.
    let sql = b"SELECT number, throwIf(number = 3000000, 'it broke') FROM numbers(10000000) SETTINGS max_threads = 1";
    let reply = server.post("wait_end_of_query=1", &[], sql);
    assert_eq!((reply.status, reply.is_whole), (500, true));
}

#[test]
fn large_results_stream_whole() {
    let (_directory, server) = start();
    let reply = server.post(
        "",
        &[],
        b"SELECT number FROM numbers(5000000) FORMAT RowBinary",
    );
    assert!(reply.is_whole);
    let mut numbers = reply
        .body
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    assert!(
        (0..5_000_000).all(|number| numbers.next() == Some(number)) && numbers.next().is_none()
    );
    // Blocks without a row do not end the stream.
    let sparse = "SELECT number FROM numbers(20000000) WHERE number % 9999999 = 7 SETTINGS max_block_size = 1000, max_threads = 1";
    assert_eq!(server.sql(sparse), "7\n10000006\n");
    assert_eq!(
        server.sql("SELECT number FROM numbers(0) FORMAT TSVWithNames"),
        "number\n"
    );
}

#[test]
fn compression_works_both_ways() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n");
    let select = "SELECT number, repeat(toString(number), 3) FROM numbers(400000) FORMAT RowBinary";
    let plain = server.post("", &[], select.as_bytes());
    let framed = server.post("compress=1", &[], select.as_bytes());
    assert_eq!(framed.body[16], 0x82);
    assert!(framed.body.len() < plain.body.len());
    let insert = format!(
        "decompress=1&query={}",
        encode("INSERT INTO t FORMAT RowBinary")
    );
    let reply = server.post(&insert, &[], &framed.body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(server.sql("SELECT count(), sum(n), sum(cityHash64(n, s)) = (SELECT sum(cityHash64(number, repeat(toString(number), 3))) FROM numbers(400000)) FROM t"), "400000\t79999800000\t1\n");

    let mut damaged = framed.body.clone();
    damaged[100] ^= 1;
    assert_eq!(
        server
            .post(&insert, &[], &damaged)
            .header("x-clickhouse-exception-code"),
        Some("40")
    );
    assert_eq!(
        server
            .post(&insert, &[], b"not compressed at all, by any means")
            .header("x-clickhouse-exception-code"),
        Some("39")
    );
    assert_eq!(server.sql("SELECT count() FROM t"), "400000\n");

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, b"INSERT INTO t FORMAT CSV\n1,gzip\n").unwrap();
    let reply = server.post("", &[("Content-Encoding", "gzip")], &gzip.finish().unwrap());
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(server.sql("SELECT n FROM t WHERE s = 'gzip'"), "1\n");
}

#[test]
fn the_summary_counts() {
    let (_directory, server) = start();
    server.sql("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n");
    let insert = server.post(
        "query_id=my-insert",
        &[],
        b"INSERT INTO t VALUES (1), (2), (3)",
    );
    assert!(
        insert
            .header("x-clickhouse-summary")
            .unwrap()
            .contains("\"written_rows\":\"3\"")
    );
    assert_eq!(insert.header("x-clickhouse-query-id"), Some("my-insert"));
    let select = server.post("", &[], b"SELECT * FROM t");
    assert!(
        select
            .header("x-clickhouse-summary")
            .unwrap()
            .contains("\"read_rows\":\"3\"")
    );
    assert!(select.header("x-clickhouse-server-display-name").is_some());
}
