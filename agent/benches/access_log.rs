//! What reading an access log costs: lines per second of the requests source, beside a bare scan
//! for newlines in the same bytes, and with fifty rules for requests that match none of the lines. One thread that never sleeps, so time is CPU time.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

mod rule_sets;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crmscope_agent::rules::Rules;
use crmscope_agent::sources::requests::formats::nginx::Nginx;
use crmscope_agent::sources::requests::formats::{LineParser as _, Reading};
use crmscope_agent::sources::requests::line::Request;
use crmscope_agent::sources::requests::{Config, Format, From, LogConfig, RequestsSource};
use crmscope_agent::sources::{Moment, Rows, Source, SourceStatistics};
use crmscope_proto::payload::Contents;

const LINES: usize = 50_000;

/// Lines such as a CRM's web host writes: two hundred a second, twenty routes, ids in most.
fn log(latency: bool) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let kinds = ["account", "contact", "lead", "case", "report"];
    let mut text = String::new();
    for number in 0..LINES {
        let second = number / 200;
        let kind = kinds[random.usize(0..kinds.len())];
        let path = match random.u32(0..4) {
            0 => format!("/api/v2/{kind}/{}", random.u32(..)),
            1 => format!("/{kind}/{}/edit?return=%2Fhome", random.u32(..)),
            2 => format!("/{kind}/list?page={}", random.u32(0..50)),
            _ => format!("/static/{kind}.min.js"),
        };
        let status = [200, 200, 200, 200, 302, 404, 500][random.usize(0..7)];
        text += &format!(
            "10.0.{}.{} - - [23/Nov/2026:02:{:02}:{:02} +0000] \"GET {path} HTTP/1.1\" {status} {} \"https://crm.example.com/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36\"",
            random.u8(..),
            random.u8(..),
            second / 60,
            second % 60,
            random.u32(0..100_000),
        );
        if latency {
            text += &format!(" {}.{:03}", random.u32(0..2), random.u32(0..1000));
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// Lines that the rules are asked about, although they match none.
fn asked_about(bytes: &[u8], rules: &Rules) -> usize {
    let set = rules.current().expect("there are rules");
    let sieve = set.sieve().expect("for access logs");
    let mut nginx = Nginx::default();
    let mut plain = Vec::new();
    let lines = bytes.split(|&byte| byte == b'\n');
    lines
        .filter(|line| match nginx.parse(line) {
            Ok(Reading::Request(parsed)) => {
                let Request::Line(request) = parsed.request else {
                    return false;
                };
                let target = request
                    .split(|&byte| byte == b' ')
                    .nth(1)
                    .unwrap_or_default();
                sieve.lets_through(line, target, parsed.status, &mut plain)
            }
            _ => false,
        })
        .count()
}

/// Everything from opening the file to rows.
fn read(path: &str, rules: &Arc<Rules>) -> u64 {
    let config = Config {
        from: From::Start,
        logs: vec![LogConfig {
            service: Some("crm".to_owned()),
            ..LogConfig::new(path, Format::Nginx)
        }],
        ..Config::default()
    };
    let mut source = RequestsSource::new(&config).with_rules(rules);
    let statistics = SourceStatistics::default();
    let mut contents = Contents::default();
    let moment = Moment {
        wall_ms: 1_795_401_600_000,
        monotonic: Instant::now(),
    };
    // A run reads a bounded part.
    for _ in 0..3 {
        let mut rows = Rows::new(&mut contents, &statistics);
        source
            .collect(moment, &mut rows)
            .expect("the log is readable");
    }
    let mut rows = Rows::new(&mut contents, &statistics);
    source.drain(moment, &mut rows);
    assert_eq!(contents.security, Vec::new(), "no line matches a rule");
    contents.requests.iter().map(|row| row.requests).sum()
}

fn access_log(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the log");
    let mut group = criterion.benchmark_group("access_log");
    group.sample_size(20);
    for (name, latency) in [("combined", false), ("with_latency", true)] {
        let bytes = log(latency);
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).expect("the log is written");
        let path = path.to_str().expect("the path is UTF-8").to_owned();
        group.throughput(Throughput::Elements(LINES as u64));
        let (none, fifty) = (Arc::default(), rule_sets::web(50));
        println!(
            "{} lines of {LINES} are asked about",
            asked_about(&bytes, &fifty)
        );
        assert_eq!(read(&path, &none), LINES as u64);
        for (rules_name, rules) in [("no", &none), ("50", &fifty)] {
            let us = rule_sets::cpu::us_each(LINES, 20, || {
                black_box(read(&path, rules));
            });
            println!("{name}, {rules_name} rules: {us:.3} µs CPU a line");
        }
        group.bench_function(format!("{name}/newlines_only"), |bencher| {
            bencher.iter(|| memchr::memchr_iter(b'\n', black_box(&bytes)).count());
        });
        group.bench_function(format!("{name}/read_file_and_newlines"), |bencher| {
            bencher.iter(|| {
                let bytes = std::fs::read(&path).expect("the log is readable");
                memchr::memchr_iter(b'\n', &bytes).count()
            });
        });
        group.bench_function(format!("{name}/parse"), |bencher| {
            bencher.iter(|| {
                let mut nginx = Nginx::default();
                bytes
                    .split(|&byte| byte == b'\n')
                    .filter(|line| nginx.parse(black_box(line)).is_ok())
                    .count()
            });
        });
        group.bench_function(format!("{name}/source"), |bencher| {
            bencher.iter(|| read(black_box(&path), &none));
        });
        group.bench_function(format!("{name}/source_with_50_rules"), |bencher| {
            bencher.iter(|| read(black_box(&path), &fifty));
        });
    }
    group.finish();
}

criterion_group!(benches, access_log);
criterion_main!(benches);
