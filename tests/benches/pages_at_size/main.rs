//! How long pages wait for their figures, and how soon a page is there, with many hosts and a month of roll-ups.
//!
//! `cargo bench --workspace --bench pages_at_size [-- HOSTS DAYS MINUTE_DAYS]`, by default 1,000 hosts, 30 days and as many days of
//! minutes; `-- 50 2` is a quick try. `hold` as a further word keeps the stack afterwards until the standard input ends.
//! Every question of every page is asked at the collector (without its cache) and at ClickHouse, for the last hour
//! and for all days, and beside it as many rows of the same table are read by a bare `SELECT`. Then, where Chromium and
//! puppeteer are (`npm ci` in `tests/pages`), each page is opened with an empty cache. It prints and asserts no times.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_push_string,
    reason = "a measurement, not a product"
)]

mod browser;
mod fill;
mod measure;
mod questions;
mod series;

use std::io::Read as _;

use crmscope_tests::Stack;
use fill::Fill;
use questions::{QUESTIONS, Range};

const AGENT: &str = "crm-00007";
const SERVICE: &str = "service-7";
const HOUR: u64 = 3_600;
/// What a page's query may take, 95 of 100, ms.
const TARGET_MS: f64 = 100.0;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = words.iter().filter_map(|text| text.parse::<u64>().ok());
    let hosts = numbers.next().unwrap_or(1_000);
    let days = numbers.next().unwrap_or(30);
    let minute_days = numbers.next().unwrap_or(days).min(days);

    // A question that takes longer than the default allows is told with its time.
    let mut stack = Stack::start_with(&[
        ("WEB__API__CACHE_MAX_BYTES", "0"),
        ("WEB__API__QUERY_SECONDS_MAX", "120"),
    ]);
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    let mut fill = Fill::run(&stack, hosts, days, minute_days);
    sizes(&stack);
    stack.start_collector();
    stack.wait_ready();
    println!(
        "{hosts} hosts, {} with requests; {days} days, {minute_days} of minutes; clickhouse port {}, collector port {}",
        fill.apps(),
        stack.clickhouse_port,
        stack.http_port
    );
    if !words.iter().any(|word| word == "browser") {
        table(&stack, &mut fill, days);
    }
    fill.catch_up(&stack);
    browser::measure(&stack);
    if words.iter().any(|word| word == "hold") {
        hold(&stack, &mut fill);
    }
    println!("load: {}", load());
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn sizes(stack: &Stack) {
    println!("{:<24} {:>12} {:>9}", "table", "rows", "MB");
    let rows = stack
        .query::<(String, u64, u64)>("SELECT table, sum(rows), sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = 'crmscope' GROUP BY table HAVING bytes > 1000000 ORDER BY bytes DESC")
        .unwrap();
    for (table, rows, bytes) in rows {
        println!("{table:<24} {rows:>12} {:>9.1}", bytes as f64 / 1e6);
    }
}

/// A line for each question and range.
fn table(stack: &Stack, fill: &mut Fill, days: u64) {
    println!("load: {}", load());
    println!(
        "{:<10} {:<28} {:>6} {:>11} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6} {:>5}",
        "page",
        "query",
        "range",
        "rows read",
        "MB read",
        "KB told",
        "p50 ms",
        "p95 ms",
        "engine",
        "CPU ms",
        "bare",
        "ratio",
        "runs"
    );
    let mut slow = Vec::new();
    for question in QUESTIONS {
        let ranges: &[(u64, &str)] = match question.range {
            Range::Own => &[(HOUR, "own")],
            Range::Lately => &[(HOUR, "1h")],
            _ => &[(HOUR, "1h"), (0, "all")],
        };
        for (seconds, label) in ranges {
            fill.catch_up_rarely(stack);
            let seconds = if *seconds == 0 {
                days * 24 * HOUR
            } else {
                *seconds
            };
            let given = measure::parameters(question, seconds, AGENT, SERVICE);
            let line = measure::ask(stack, question, &given);
            let (p95, engine, bare) = (
                line.api.share(0.95),
                line.engine.share(0.95),
                line.bare.share(0.95),
            );
            let of = given
                .iter()
                .any(|(name, _)| name == "agent" || name == "service");
            let name = format!("{}{}", question.query, if of { " (one)" } else { "" });
            println!(
                "{:<10} {name:<28} {label:>6} {:>11} {:>8.1} {:>8.1} {:>8.1} {p95:>8.1} {engine:>8.1} {:>8.1} {bare:>6.1} {:>6.1} {:>5}{}",
                question.page,
                line.rows,
                line.bytes as f64 / 1e6,
                line.answer_bytes as f64 / 1e3,
                line.api.share(0.5),
                line.engine_cpu_ms,
                line.engine.share(0.5) / line.bare.share(0.5),
                line.api.runs(),
                if p95 > TARGET_MS { "  SLOW" } else { "" }
            );
            if p95 > TARGET_MS {
                slow.push(format!("{name} {label}: {p95:.0} ms"));
            }
        }
    }
    fill.catch_up_rarely(stack);
    let overview = measure::overview(stack);
    println!(
        "GET /overview: p50 {:.1} ms, p95 {:.1} ms",
        overview.share(0.5),
        overview.share(0.95)
    );
    println!("load: {}", load());
    println!("beyond {TARGET_MS} ms: {}", slow.len());
    for line in slow {
        println!("  {line}");
    }
}

/// Plays the agents until the standard input ends.
fn hold(stack: &Stack, fill: &mut Fill) {
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = std::sync::Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    println!("held until the standard input ends");
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        fill.catch_up_rarely(stack);
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}
