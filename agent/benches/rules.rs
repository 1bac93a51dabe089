//! What rules cost: sshd's lines from file to events without rules and with two hundred that are all
//! asked, and the worst that a line can cost. One thread that never sleeps, so time is CPU time.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

mod rule_sets;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crmscope_agent::rules::{Class, Origin, Record, Rules};
use crmscope_agent::sources::security::{Config, JournalMode, SecuritySource};
use crmscope_agent::sources::{Moment, Rows, Source, SourceStatistics};
use crmscope_proto::payload::Contents;

const LINES: usize = 5_000;

/// Attempts of many names from many addresses, and some logins.
fn log() -> String {
    let mut random = fastrand::Rng::with_seed(1);
    let names = ["root", "admin", "alice", "bob", "oracle", "postgres"];
    let mut text = String::new();
    for number in 0..LINES {
        let name = names[random.usize(0..names.len())];
        let what = match random.u32(0..4) {
            0 => "Accepted publickey for",
            1 => "Failed password for invalid user",
            _ => "Failed password for",
        };
        text += &format!(
            "Nov 23 02:{:02}:{:02} crm sshd[{}]: {what} {name}{} from 203.0.{}.{} port {} ssh2\n",
            number / 60 % 60,
            number % 60,
            random.u16(1..),
            random.u8(..),
            random.u8(..),
            random.u8(..),
            random.u16(1..),
        );
    }
    text
}

/// From a file to events.
fn read(path: &str, rules: &Arc<Rules>) -> usize {
    let config = Config {
        journal: JournalMode::Off,
        auth_logs: vec![path.to_owned()],
        auth_log_zone: "+00:00".to_owned(),
        ..Config::default()
    };
    let mut source = SecuritySource::new(&config).with_rules(rules);
    let statistics = SourceStatistics::default();
    let mut contents = Contents::default();
    let moment = |seconds: u64| Moment {
        wall_ms: 1_795_402_800_000,
        monotonic: Instant::now() + std::time::Duration::from_secs(seconds),
    };
    let text = std::fs::read(path).expect("the log is readable");
    // Such a log is read from its end at the first run.
    std::fs::write(path, "").expect("the log is writable");
    let mut rows = Rows::new(&mut contents, &statistics);
    source
        .collect(moment(0), &mut rows)
        .expect("the log is readable");
    std::fs::write(path, text).expect("the log is writable");
    source
        .collect(moment(10), &mut rows)
        .expect("the log is readable");
    source.drain(moment(10), &mut rows);
    contents.security.len()
}

fn rules(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the log");
    let path = folder.path().join("auth.log");
    std::fs::write(&path, log()).expect("the log is written");
    let path = path.to_str().expect("the path is UTF-8").to_owned();
    let (none, many) = (Arc::default(), rule_sets::auth(200));
    for (name, rules) in [("bare", &none), ("200_rules", &many)] {
        let us = rule_sets::cpu::us_each(LINES, 20, || {
            black_box(read(&path, rules));
        });
        println!("sshd/{name}: {us:.2} µs CPU an event");
    }
    let mut group = criterion.benchmark_group("rules");
    group.sample_size(20);
    group.throughput(Throughput::Elements(LINES as u64));
    assert_eq!(read(&path, &none), LINES);
    group.bench_function("sshd/bare", |bencher| {
        bencher.iter(|| read(black_box(&path), &none));
    });
    group.bench_function("sshd/200_rules", |bencher| {
        bencher.iter(|| read(black_box(&path), &many));
    });
    group.throughput(Throughput::Elements(1));
    let set = many.current().expect("there are rules");
    let origin = Origin {
        class: Class::Auth,
        product: "sshd",
        service: "sshd",
    };
    let ask = |line: &str| {
        let mut record = Record::of(line, false);
        record.text(&["kind"], "ssh_login");
        record.text(&["status"], "failure");
        record.text(&["user", "detail", "source_address"], line);
        set.evaluate(&origin, &record)
    };
    for (name, line) in [
        ("million_letters", "x".repeat(1024 * 1024)),
        ("nested_json", "{\"a\":".repeat(200_000)),
        ("almost_an_expression", "adm12".repeat(200_000)),
        ("of_many_words", "Corrupted MAC error /tmp/ ".repeat(40_000)),
    ] {
        group.bench_function(format!("hostile/{name}"), |bencher| {
            bencher.iter(|| ask(black_box(&line)));
        });
    }
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
