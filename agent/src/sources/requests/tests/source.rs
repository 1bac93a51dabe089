use std::collections::BTreeMap;
use std::fs;

use super::*;

/// What nginx 1.22.1 wrote for curl and raw sockets that sent the oddest requests it takes.
const HOSTILE: &[u8] = include_bytes!("../fixtures/hostile.log");

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
    for percent in [0, 50, 90, 99, 100] {
        let exact = latencies[(latencies.len() - 1) * percent / 100] as f64;
        let estimate = rows[0].latency.quantile_us(percent as f64 / 100.0).unwrap();
        assert!(
            (estimate - exact).abs() <= exact * 0.0101,
            "p{percent}: {estimate} for {exact}"
        );
    }
    assert_eq!(rows[0].latency.sum_us(), latencies.iter().sum::<u64>());
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
            for number in 0..lines.cast_signed() {
                rest.extend(line(number, "GET /a/1 HTTP/1.1", 200, " 0.010").bytes());
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
