//! What it takes to judge many hosts for a long time, and whether that is right.
//!
//! `cargo bench --workspace --bench presence [-- HOSTS DAYS]`, by default 1,000 hosts and one day. Every host has
//! faults of its own, drawn from `CRMSCOPE_SEED`: crashes, killed agents, and paths that are cut, of
//! which the heartbeats come late. Heartbeats every 10 s go into ClickHouse as rows; then a real collector
//! judges every hour, and `availability` is held against sums that are worked out from the faults
//! themselves, without any heartbeat: to the millisecond, or the run fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use crmscope_tests::process::binary;
use crmscope_tests::{Stack, http, now_ms, seed};
use serde_json::Value;

const HOUR_S: i64 = 3_600;
/// From one heartbeat to the next, s.
const BEAT_S: i64 = 10;
/// From the boot to the first heartbeat, s.
const BOOT_S: i64 = 20;
/// How long after the end of a cut what was spooled is received, s.
const DRAIN_S: i64 = 3;

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let hosts = numbers.next().unwrap_or(1_000);
    let days = numbers.next().unwrap_or(1);
    let mut random = fastrand::Rng::with_seed(seed());
    let mut stack = Stack::start();
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    // Whole hours that are over for long enough to be judged.
    let to = (now_ms() / 1000 - 600) / HOUR_S * HOUR_S;
    let from = to - days * 24 * HOUR_S;

    let mut truths = BTreeMap::new();
    let mut segments = String::new();
    for number in 0..hosts {
        let agent_id = format!("crm-{number:05}");
        let truth = live(&mut random, &agent_id, from, to, &mut segments);
        truths.insert(agent_id, truth);
    }
    let begun = Instant::now();
    let beats = write(&stack, &segments, from, to);
    println!(
        "{hosts} hosts, {days} days: {beats} heartbeats written in {:.0} s",
        begun.elapsed().as_secs_f64()
    );

    let begun = Instant::now();
    stack.start_collector();
    let hours = hosts * days * 24;
    let judged = format!(
        "SELECT count() FROM (SELECT DISTINCT agent_id, t FROM presence_hours WHERE t < toDateTime({to}, 'UTC'))"
    );
    // A month takes longer than any wait of a scenario.
    while stack.number(&judged) < hours.unsigned_abs() {
        let collector = stack.collector.as_mut().unwrap();
        assert!(collector.is_running(), "{}", collector.log());
        std::thread::sleep(Duration::from_secs(1));
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{hours} host-hours judged in {seconds:.0} s: {:.0} a second",
        hours as f64 / seconds
    );
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    execute(&stack, "OPTIMIZE TABLE presence_hours FINAL");

    for table in ["heartbeats", "presence_1m", "presence_hours"] {
        let bytes = stack.number(&format!(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'crmscope' AND table = '{table}'"
        ));
        let rows = stack.number(&format!("SELECT count() FROM {table}"));
        println!(
            "{table}: {rows} rows, {:.1} MB, {:.0} bytes a host-day",
            bytes as f64 / 1e6,
            bytes as f64 / (hosts * days) as f64
        );
    }
    verify(&stack, &truths, from, to);
    for (what, arguments) in [
        ("every host, whole time", &[][..]),
        ("every host by days", &["--step", "day"]),
        ("all together by days", &["--step", "day", "--by", "all"]),
        ("one host, whole time", &["--agent", "crm-00000"]),
    ] {
        let begun = Instant::now();
        availability(&stack, from, to, arguments);
        println!(
            "availability, {what}: {:.2} s",
            begun.elapsed().as_secs_f64()
        );
    }
    let by_day = include_str!("../../deploy/clickhouse/queries/availability_by_day.sql");
    for (what, sql) in [
        ("query availability_by_day", by_day),
        (
            "bare: sum of one column of as many rows",
            "SELECT sum(total_up_ms) FROM presence_hours",
        ),
    ] {
        let begun = Instant::now();
        let path = format!("/?database=crmscope&param_from={from}&param_to={to}&param_agent=");
        let (status, body) = http(stack.clickhouse_port, "POST", &path, sql).unwrap();
        assert_eq!(status, 200, "{body}");
        println!(
            "{what}: {:.0} ms, {} lines",
            begun.elapsed().as_secs_f64() * 1000.0,
            body.lines().count()
        );
    }
}

/// What is true of a host, s.
#[derive(Debug, Default)]
struct Truth {
    server_down: i64,
    network_down: i64,
    agent_down: i64,
    total_down: i64,
}

/// Draws a host's life, and writes its heartbeats as segments: agent, boot, start, first second, the second
/// after the last, second of boot, number and sequence of the first heartbeat, and the second of receipt
/// of them all, 0 where each is received at once.
fn live(
    random: &mut fastrand::Rng,
    agent_id: &str,
    from: i64,
    to: i64,
    segments: &mut String,
) -> Truth {
    let mut truth = Truth::default();
    let (mut boot, mut start, mut booted, mut number, mut sequence) = (1, 1, from - 100_000, 1, 1);
    let mut at = from;
    let mut segment = |span: (i64, i64),
                       received: i64,
                       ids: (i64, i64, i64),
                       number: &mut i64,
                       sequence: &mut i64| {
        let beats = (span.1 - span.0) / BEAT_S;
        let (boot, start, booted) = ids;
        writeln!(
            segments,
            "{agent_id}\t{boot}\t{start}\t{}\t{}\t{booted}\t{number}\t{sequence}\t{received}",
            span.0, span.1
        )
        .unwrap();
        *number += beats;
        *sequence += beats;
    };
    loop {
        let calm = BEAT_S * random.i64(180..6_000);
        let fault = BEAT_S * random.i64(6..360);
        let until = (at + calm).min(to);
        segment(
            (at, until),
            0,
            (boot, start, booted),
            &mut number,
            &mut sequence,
        );
        // The last hour is calm, so that what ends a fault is before the end.
        if until + fault + HOUR_S >= to {
            if until < to {
                segment(
                    (until, to),
                    0,
                    (boot, start, booted),
                    &mut number,
                    &mut sequence,
                );
            }
            // Heartbeats after the time, that prove its end.
            segment(
                (to, to + 300),
                0,
                (boot, start, booted),
                &mut number,
                &mut sequence,
            );
            return truth;
        }
        let (last, end) = (until - BEAT_S, until + fault);
        match random.u8(0..3) {
            0 => {
                (boot, start, number, booted) = (boot + 1, start + 1, 1, end - BOOT_S);
                truth.server_down += booted - last;
                truth.agent_down += end - last;
                truth.total_down += booted - last;
            }
            1 => {
                (start, number) = (start + 1, 1);
                truth.agent_down += end - last;
            }
            _ => {
                let received = end + DRAIN_S;
                segment(
                    (until, end),
                    received,
                    (boot, start, booted),
                    &mut number,
                    &mut sequence,
                );
                truth.network_down += received - last;
                truth.total_down += received - last;
            }
        }
        at = end;
    }
}

/// Turns segments into rows, two hours at a time; returns how many heartbeats.
fn write(stack: &Stack, segments: &str, from: i64, to: i64) -> u64 {
    execute(
        stack,
        "CREATE TABLE bench_segments (agent_id LowCardinality(String), boot UInt64, start UInt64, first Int64, last Int64, booted Int64, number Int64, sequence Int64, received Int64) ENGINE = MergeTree ORDER BY first",
    );
    let lines: Vec<&str> = segments.lines().collect();
    for lines in lines.chunks(50_000) {
        let rows = lines.join("\n");
        execute(
            stack,
            &format!("INSERT INTO bench_segments FORMAT TSV\n{rows}\n"),
        );
    }
    let moment =
        |second: &str| format!("fromUnixTimestamp64Milli(toInt64(1000 * ({second})), 'UTC')");
    execute(
        stack,
        &format!(
            "INSERT INTO agents (agent_id, connected_at) SELECT DISTINCT agent_id, {} FROM bench_segments",
            moment(&from.to_string())
        ),
    );
    execute(
        stack,
        &format!(
            "INSERT INTO collector_watch SELECT generateUUIDv4(), {}, now64(3)",
            moment(&(from - 3_600).to_string())
        ),
    );
    let id = |kind: i64, number: &str| {
        format!(
            "reinterpretAsUUID(toFixedString(substring(concat(char({kind}, {number} % 256, intDiv({number}, 256)), toString(cityHash64(agent_id))), 1, 16), 16))"
        )
    };
    let mut at = from;
    while at < to + 300 {
        // A day of many hosts at once is more than the embedded server may hold.
        let end = at + 2 * HOUR_S;
        let seconds = format!(
            "arrayJoin(range(toUInt64(greatest(first, first + intDiv({at} - first + {BEAT_S} - 1, {BEAT_S}) * {BEAT_S})), toUInt64(least(last, {end})), {BEAT_S}))"
        );
        execute(
            stack,
            &format!(
                "INSERT INTO heartbeats (agent_id, boot_id, start_id, spool_id, ts, boottime_ms, monotonic_ms, beat, clock_offset_ms, received_at, sequence) \
                 SELECT agent_id, {}, {}, {}, {}, 1000 * (second - booted), 1000 * (second - booted), number + intDiv(second - first, {BEAT_S}), 0, {}, sequence + intDiv(second - first, {BEAT_S}) \
                 FROM (SELECT *, toInt64({seconds}) AS second FROM bench_segments WHERE first < {end} AND last > {at})",
                id(1, "boot"),
                id(2, "start"),
                id(3, "1"),
                moment("second"),
                moment("if(received = 0, second, received)"),
            ),
        );
        at = end;
    }
    stack.number("SELECT count() FROM heartbeats")
}

fn verify(stack: &Stack, truths: &BTreeMap<String, Truth>, from: i64, to: i64) {
    let reports = availability(stack, from, to, &[]);
    assert_eq!(reports.len(), truths.len());
    for report in &reports {
        let truth = &truths[report["agent_id"].as_str().unwrap()];
        let down = |part: &str| report[part]["down_ms"].as_i64().unwrap();
        let told = ["server", "network", "agent", "total"].map(down);
        let want = [
            truth.server_down,
            truth.network_down,
            truth.agent_down,
            truth.total_down,
        ];
        assert_eq!(
            told,
            want.map(|seconds| seconds * 1000),
            "{report:#}\n{truth:?}"
        );
        for part in ["server", "network", "agent", "total"] {
            let figures = &report[part];
            let all =
                ["up_ms", "down_ms", "unknown_ms"].map(|state| figures[state].as_i64().unwrap());
            assert_eq!(all.iter().sum::<i64>(), (to - from) * 1000, "{report:#}");
        }
    }
    println!("every host's sums are those of its faults");
}

fn availability(stack: &Stack, from: i64, to: i64, more: &[&str]) -> Vec<Value> {
    let moment = |unix_s: i64| {
        let sql = format!("SELECT formatDateTime(toDateTime({unix_s}, 'UTC'), '%F %T', 'UTC')");
        stack.query::<String>(&sql).unwrap().remove(0)
    };
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(stack.path("collector.toml"))
        .args([
            "availability",
            "--json",
            "--from",
            &moment(from),
            "--to",
            &moment(to),
        ])
        .args(more)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn execute(stack: &Stack, sql: &str) {
    let (status, body) = http(stack.clickhouse_port, "POST", "/?database=crmscope", sql).unwrap();
    assert_eq!(
        status,
        200,
        "{}: {body}",
        sql.chars().take(500).collect::<String>()
    );
}
