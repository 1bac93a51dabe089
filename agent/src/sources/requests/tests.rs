use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Instant;

use crmscope_proto::payload::Contents;
use crmscope_proto::requests::RequestRow;
use proptest::prelude::*;
use tempfile::TempDir;

use super::nginx::parse;
use super::route::{METHODS, request, template};
use super::*;
use crate::sources::SourceStatistics;

/// 23 Nov 2025, 02:30 UTC: shortly after the fixture was written.
const NOW_MS: i64 = 1_763_865_000_000;

/// What nginx 1.22.1 wrote for curl and raw sockets that sent the oddest requests it takes.
const HOSTILE: &[u8] = include_bytes!("fixtures/hostile.log");

struct Bench {
    folder: TempDir,
    source: RequestsSource,
    statistics: SourceStatistics,
    now: Instant,
    config: Config,
}

impl Bench {
    fn new(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config {
            from: From::Start,
            logs: vec![LogConfig {
                path: folder
                    .path()
                    .join("*access.log")
                    .to_str()
                    .unwrap()
                    .to_owned(),
                service: None,
                format: Format::Nginx,
            }],
            ..config
        };
        config.validate().unwrap();
        Self {
            folder,
            source: RequestsSource::new(&config),
            statistics: SourceStatistics::default(),
            now: Instant::now(),
            config,
        }
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.folder.path().join(name))
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn collect(&mut self) {
        self.now += Duration::from_secs(10);
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.collect(moment, &mut rows).unwrap();
        assert_eq!(contents, Contents::default(), "rows are held until drained");
    }

    fn drain(&mut self) -> Vec<RequestRow> {
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.drain(moment, &mut rows);
        contents.requests
    }

    fn counted(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }
}

fn total(rows: &[RequestRow]) -> u64 {
    rows.iter().map(|row| row.requests).sum()
}

fn line(second: i64, request: &str, status: u16, tail: &str) -> String {
    format!(
        "10.0.0.1 - - [23/Nov/2025:02:{:02}:{:02} +0000] \"{request}\" {status} 10 \"-\" \"ua\"{tail}\n",
        second / 60,
        second % 60
    )
}

#[test]
fn every_line_of_a_hostile_log_is_counted_once() {
    let mut bench = Bench::new(Config::default());
    bench.append("crm-access.log", HOSTILE);
    bench.append("crm-access.log", b"not a log line\n");
    bench.collect();
    let rows = bench.drain();
    let lines = HOSTILE.iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert_eq!(total(&rows), lines);
    assert_eq!(bench.counted(SourceMetric::Unparsed), 1);
    assert_eq!(bench.counted(SourceMetric::Items), lines + 1);
    // As awk sees it: the status stands behind the third quote.
    let text = String::from_utf8_lossy(HOSTILE);
    let mut expected = BTreeMap::new();
    let mut bytes = 0;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('"').collect();
        let (status, sent) = fields[2].trim().split_once(' ').unwrap();
        *expected
            .entry(status.parse::<u16>().unwrap() / 100)
            .or_insert(0u64) += 1;
        bytes += sent.parse::<u64>().unwrap();
    }
    let mut found = BTreeMap::new();
    for row in &rows {
        assert_eq!(row.service, "crm");
        assert_eq!(
            row.latency.count(),
            row.requests,
            "each line has a $request_time"
        );
        *found.entry(u16::from(row.status_class)).or_insert(0) += row.requests;
    }
    assert_eq!(found, expected);
    assert_eq!(
        rows.iter().map(|row| row.response_bytes).sum::<u64>(),
        bytes
    );
    let slot = |method: &str, route: &str| {
        rows.iter()
            .filter(|row| row.method == method && row.route == route)
            .map(|row| row.requests)
            .sum::<u64>()
    };
    // TLS, two empty lines, HELP, HTTP/0.9, and a request line that nginx cut at its limit.
    assert_eq!(slot("INVALID", "INVALID"), 6);
    assert_eq!(slot("GET", "/api/account/{id}"), 1);
    assert_eq!(slot("GET", "/abs"), 1);
    assert_eq!(slot("OPTIONS", "*"), 1);
    assert_eq!(slot("CONNECT", "*"), 1);
    assert_eq!(slot("OTHER", "/lower"), 1);
    assert_eq!(slot("GET", "/a%22b\"c"), 1);
    assert_eq!(slot("GET", "/frag"), 1);
}

#[test]
fn lines_are_read_field_by_field() {
    let mut times = TimeCache::default();
    let head = r#"1.2.3.4 - a\x22 200 [x] [23/Nov/2025:02:23:40 +0130] "GET / HTTP/1.1" 200 6"#;
    for (tail, latency_us) in [
        ("", None),
        (r#" "-" "curl""#, None),
        (r#" "-" "curl" 0.001"#, Some(1000)),
        (r#" "-" "curl" 12.345 12.340"#, Some(12_345_000)),
        (r#" "-" "curl" 0.001 -"#, Some(1000)),
        (r#" "-" "curl" "10.0.0.1, rt=9.000" 0.002"#, Some(2000)),
        (r#" "-" "curl" rt=0.003 uct="0.000" urt="-""#, Some(3000)),
        (r#" "-" "curl" host=crm request_time="0.004""#, Some(4000)),
        (r#" "-" "rt=5.000 0.005" -"#, None),
        (r#" "-" "curl" 17"#, None),
        (r#" "-" "curl" 0.1"#, None),
        (r#" "-" "curl" crm.example.com 0.001"#, None),
        (r#" "-" "curl" 99999999999999999999.001"#, None),
        (r#" "-" "curl"#, None),
    ] {
        let text = format!("{head}{tail}");
        let line = parse(text.as_bytes(), &mut times).unwrap();
        assert_eq!(line.latency_us, latency_us, "{tail}");
        assert_eq!(line.time_ms, 1_763_859_220_000, "00:53:40 UTC");
        assert_eq!((line.status, line.response_bytes), (200, 6));
        assert_eq!(line.request, b"GET / HTTP/1.1");
    }
    for bad in [
        "",
        "\"",
        r#"1.2.3.4 - - [23/Nov/2025:02:23:40 +0000] "GET / HTTP/1.1" 20 6"#,
        r#"1.2.3.4 - - [23/Nov/2025:02:23:40 +0000] "GET / HTTP/1.1" 200"#,
        r#"1.2.3.4 - - [23/Nov/2025:02:23:40 +0000] "GET / HTTP/1.1 200 6"#,
        r#"1.2.3.4 - - [31/Feb/2025:02:23:40 +0000] "GET / HTTP/1.1" 200 6"#,
        r#"1.2.3.4 - - [23/Nov/2025 02:23:40 +0000] "GET / HTTP/1.1" 200 6"#,
        r#"{"time":"x","status":200}"#,
    ] {
        assert_eq!(parse(bad.as_bytes(), &mut times), None, "{bad}");
    }
}

#[test]
fn routes_lose_what_names_a_record_a_person_or_a_session() {
    let (mut scratch, mut out) = (Vec::new(), String::new());
    for (target, route) in [
        ("/", "/"),
        ("/?q=secret", "/"),
        ("/account/42", "/account/{id}"),
        ("/account/42/", "/account/{id}/"),
        ("//account///42//edit", "/account/{id}/edit"),
        ("/a/9f8b3c1e-1d2a-4b5c-8d9e-0f1a2b3c4d5e", "/a/{id}"),
        ("/a/5f2b8c9d0e1f2a3b", "/a/{id}"),
        ("/a/507f1f77bcf86cd799439011.json", "/a/{id}.json"),
        ("/lead/00Q5g00000ABCDEFAH", "/lead/{id}"),
        ("/u/jane.doe@example.com/mail", "/u/{id}/mail"),
        ("/u/jane%40example.com", "/u/{id}"),
        ("/t/QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "/t/{id}"),
        ("/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc", "/t/{id}"),
        ("/x;jsessionid=ABC/y", "/x/y"),
        ("/2024-11-23/report", "/{id}/report"),
        (
            "/api/v2/getAccountsByCustomerSegment",
            "/api/v2/getAccountsByCustomerSegment",
        ),
        ("/api/1.0/x", "/api/1.0/x"),
        (
            "/static/bootstrap-5.3.1.bundle.min.js",
            "/static/bootstrap-5.3.1.bundle.min.js",
        ),
        ("http://host/a?b", "/a"),
        ("http://host", "/"),
        ("*", "*"),
        ("host:443", "*"),
        (r"/caf\xC3\xA9", "/café"),
        (r"/a\x00b\xFF", "/a\u{fffd}b\u{fffd}"),
        (r"/a\x3Fsecret=1", "/a"),
        (
            "/1/2/3/4/5/6/7/8/9/10/11/12/13/14",
            "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/…",
        ),
    ] {
        template(target.as_bytes(), &mut scratch, &mut out);
        assert_eq!(out, route, "{target}");
    }
    template(
        format!("/{}", "ü".repeat(100)).as_bytes(),
        &mut scratch,
        &mut out,
    );
    assert_eq!(out, format!("/{}", "ü".repeat(32)));
}

#[test]
fn methods_are_a_fixed_set() {
    for (line, method) in [
        ("GET / HTTP/1.1", "GET"),
        ("PROPFIND / HTTP/1.1", "PROPFIND"),
        ("get / HTTP/1.1", "OTHER"),
        ("QWERTY / HTTP/1.1", "OTHER"),
        ("GET /", "INVALID"),
        ("GET  HTTP/1.1", "INVALID"),
        ("-", "INVALID"),
        (r"\x16\x03 x HTTP/1.1", "INVALID"),
    ] {
        assert_eq!(
            METHODS[usize::from(request(line.as_bytes()).method)],
            method,
            "{line}"
        );
    }
}

#[test]
fn routes_beyond_the_bound_are_other_and_scanners_cannot_fill_the_table() {
    let mut bench = Bench::new(Config {
        max_routes: 8,
        ..Config::default()
    });
    let letters = |number: u32| char::from_u32(u32::from('a') + number).unwrap();
    for number in 0..20 {
        bench.append(
            "access.log",
            line(
                1,
                &format!("GET /scan/{} HTTP/1.1", letters(number)),
                404,
                "",
            )
            .as_bytes(),
        );
    }
    for number in 0..20 {
        bench.append(
            "access.log",
            line(
                1,
                &format!("GET /app/{} HTTP/1.1", letters(number)),
                200,
                "",
            )
            .as_bytes(),
        );
    }
    bench.collect();
    let rows = bench.drain();
    let count = |start: &str| {
        rows.iter()
            .filter(|row| row.route.starts_with(start))
            .count()
    };
    assert_eq!((count("/scan/"), count("/app/")), (2, 6));
    let other: u64 = rows
        .iter()
        .filter(|row| row.route == "OTHER")
        .map(|row| row.requests)
        .sum();
    assert_eq!(other, 18 + 14);
    assert_eq!(total(&rows), 40);
}

#[test]
fn services_beyond_the_bound_are_other() {
    let mut bench = Bench::new(Config {
        max_services: 2,
        ..Config::default()
    });
    for name in ["a", "b", "c", "d"] {
        bench.append(
            &format!("{name}-access.log"),
            line(1, "GET / HTTP/1.1", 200, "").as_bytes(),
        );
    }
    bench.collect();
    let rows = bench.drain();
    let mut services: Vec<_> = rows
        .iter()
        .map(|row| (row.service.as_str(), row.requests))
        .collect();
    services.sort_unstable();
    assert_eq!(services.len(), 3);
    assert!(services.contains(&("OTHER", 2)), "{services:?}");
}

#[test]
fn latencies_stay_within_one_percent() {
    let mut bench = Bench::new(Config::default());
    let mut random = fastrand::Rng::with_seed(7);
    let mut latencies = Vec::new();
    let mut text = String::new();
    for _ in 0..5000 {
        let milliseconds = 1 + random.u64(0..30_000) * random.u64(0..30_000) / 30_000;
        latencies.push(milliseconds * 1000);
        text += &line(
            1,
            "GET / HTTP/1.1",
            200,
            &format!(" {}.{:03}", milliseconds / 1000, milliseconds % 1000),
        );
    }
    bench.append("access.log", text.as_bytes());
    bench.collect();
    let rows = bench.drain();
    assert_eq!(rows.len(), 1);
    latencies.sort_unstable();
    for p in [0.0, 0.5, 0.9, 0.99, 1.0] {
        let exact = latencies[(p * (latencies.len() - 1) as f64) as usize] as f64;
        let estimate = rows[0].latency.quantile_us(p).unwrap();
        assert!(
            (estimate - exact).abs() <= exact * 0.0101,
            "p{p}: {estimate} for {exact}"
        );
    }
    assert_eq!(rows[0].latency.sum_us(), latencies.iter().sum::<u64>());
}

#[test]
fn lines_outside_of_the_accepted_time_are_dropped() {
    let mut bench = Bench::new(Config::default());
    for date in [
        "01/Jan/2020:00:00:00",
        "23/Nov/2025:02:00:00",
        "23/Nov/2035:02:00:00",
    ] {
        bench.append(
            "access.log",
            format!("h - - [{date} +0000] \"GET / HTTP/1.1\" 200 1\n").as_bytes(),
        );
    }
    bench.collect();
    assert_eq!(total(&bench.drain()), 1);
    assert_eq!(bench.counted(SourceMetric::Dropped), 2);
}

/// Held counters are bounded: reading pauses, and nothing is lost.
#[test]
fn reading_pauses_while_too_many_counters_are_held() {
    let mut bench = Bench::new(Config {
        max_routes: 10_000,
        ..Config::default()
    });
    let mut text = String::new();
    for number in 0..30_000u32 {
        let name: String = (number % 9000)
            .to_string()
            .chars()
            .map(|digit| char::from(digit as u8 + 49))
            .collect();
        text += &line(
            i64::from(number / 9000) * 10,
            &format!("GET /{name} HTTP/1.1"),
            200,
            "",
        );
    }
    bench.append("access.log", text.as_bytes());
    let mut batches = Vec::new();
    for _ in 0..3 {
        bench.collect();
        batches.push(total(&bench.drain()));
    }
    assert!(batches[0] < 30_000);
    assert_eq!(batches.iter().sum::<u64>(), 30_000);
}

/// Counts in batches made durable together with their checkpoints are exact through kills.
#[test]
fn restarts_count_every_line_once() {
    let seed = std::env::var("CRMSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("CRMSCOPE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..20 {
        let mut bench = Bench::new(Config::default());
        let (mut written, mut counted) = (0, 0);
        let mut checkpoint: Option<Vec<u8>> = None;
        let mut rotation = 0;
        let mut rest: Vec<u8> = Vec::new();
        for _ in 0..60 {
            let lines = random.u64(0..20);
            written += lines;
            for number in 0..lines {
                rest.extend(line(number as i64, "GET /a/1 HTTP/1.1", 200, " 0.010").bytes());
            }
            let cut = random.usize(0..=rest.len());
            bench.append("access.log", &rest[..cut]);
            rest.drain(..cut);
            bench.collect();
            if random.bool() {
                counted += total(&bench.drain());
                checkpoint = bench.source.checkpoint();
            }
            // A first batch exists before anything goes wrong; else there is nothing to go on from.
            let Some(saved) = &checkpoint else { continue };
            if random.u32(0..10) == 0 {
                bench.source = RequestsSource::new(&bench.config);
                bench.source.restore(saved);
            }
            if random.u32(0..20) == 0 {
                bench.append("access.log", &rest);
                rest.clear();
                rotation += 1;
                let path = bench.folder.path();
                fs::rename(
                    path.join("access.log"),
                    path.join(format!("access.log.{rotation}")),
                )
                .unwrap();
                bench.append("access.log", b"");
                bench.collect();
                counted += total(&bench.drain());
                checkpoint = bench.source.checkpoint();
            }
        }
        bench.append("access.log", &rest);
        bench.collect();
        counted += total(&bench.drain());
        assert_eq!(counted, written, "CRMSCOPE_SEED={seed}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&line, &mut TimeCache::default());
        let (mut scratch, mut out) = (Vec::new(), String::new());
        if let Some(target) = request(&line).target {
            template(target, &mut scratch, &mut out);
        }
        template(&line, &mut scratch, &mut out);
        prop_assert!(out.len() < 1024);
        prop_assert!(!out.chars().any(char::is_control));
    }

    #[test]
    fn any_request_in_a_line_is_counted(request in "[ -!#-\\[\\]-~]{0,80}", user in "[ -!#-~]{0,20}") {
        let text = format!("1.2.3.4 - {user} [23/Nov/2025:02:23:40 +0000] \"{request}\" 200 6 \"-\" \"-\"");
        let mut times = TimeCache::default();
        let line = parse(text.as_bytes(), &mut times).unwrap();
        prop_assert_eq!(line.request, request.as_bytes());
        prop_assert_eq!(line.status, 200);
    }
}
