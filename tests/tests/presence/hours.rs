//! Hours that are kept: judged once they are over, judged anew when evidence comes late, and enough
//! without any heartbeats.

use std::fs;
use std::path::Path;

use crmscope_tests::{Stack, http, now_ms};
use serde_json::Value;

use super::{collector, services};

pub(crate) const HOUR_S: i64 = 3_600;
const AGENT: &str = "crm-db-01";

/// Runs a statement.
pub(crate) fn execute(stack: &Stack, sql: &str) {
    let (status, body) = http(stack.clickhouse_port, "POST", "/?database=crmscope", sql).unwrap();
    assert_eq!(status, 200, "{sql}: {body}");
}

/// Heartbeats each 10 s from one second to another, both since `origin`: of a boot that began at second
/// `booted`, and received at once or at the second `received`.
fn beats(
    stack: &Stack,
    origin: i64,
    boot: i64,
    booted: i64,
    seconds: (i64, i64),
    received: Option<i64>,
) {
    let (from, to) = seconds;
    let second = format!("({from} + 10 * number)");
    let arrived = received.map_or(second.clone(), |second| second.to_string());
    let id = |kind: i64| format!("toUUID('00000000-0000-0000-000{kind}-00000000000{boot}')");
    let moment = |second: &str| {
        format!("fromUnixTimestamp64Milli(toInt64(1000 * ({origin} + {second})), 'UTC')")
    };
    let number = format!("intDiv({second} - {booted}, 10)");
    // The spool numbers what there is: the second boot's first follows the first one's last.
    let missed = if boot == 1 { 0 } else { 181 };
    let rows = format!("FROM numbers({})", (to - from) / 10);
    execute(
        stack,
        &format!(
            "INSERT INTO heartbeats (agent_id, boot_id, start_id, spool_id, ts, boottime_ms, monotonic_ms, beat, clock_offset_ms, received_at, sequence) \
             SELECT '{AGENT}', {}, {}, {}, {}, 1000 * ({second} - {booted}), 1000 * ({second} - {booted}), {number}, 0, {}, intDiv({second}, 10) - {missed} {rows}",
            id(1),
            id(2),
            id(3).replace(&format!("{boot}')"), "1')"),
            moment(&second),
            moment(&arrived)
        ),
    );
    execute(
        stack,
        &format!(
            "INSERT INTO arrivals (agent_id, start_id, beat, received_at, late_ms) \
             SELECT '{AGENT}', {}, {number}, {}, 1000 * ({arrived} - {second}) {rows}",
            id(2),
            moment(&arrived)
        ),
    );
}

/// The heartbeats of an hour of a host whose clock is behind by so many seconds, which was measured.
fn beats_by_a_slow_clock(stack: &Stack, agent: &str, from: i64, behind: i64) {
    let at = |second: &str| format!("fromUnixTimestamp64Milli(toInt64(1000 * ({second})), 'UTC')");
    execute(
        stack,
        &format!(
            "INSERT INTO heartbeats (agent_id, boot_id, start_id, spool_id, ts, boottime_ms, monotonic_ms, beat, clock_offset_ms, received_at, sequence) \
             SELECT '{agent}', toUUID('00000000-0000-0000-0001-000000000009'), toUUID('00000000-0000-0000-0002-000000000009'), \
             toUUID('00000000-0000-0000-0003-000000000009'), {}, 10000 * number, 10000 * number, number, {}, {}, number FROM numbers(361)",
            at(&format!("{from} - {behind} + 10 * number")),
            1000 * behind,
            at(&format!("{from} + 10 * number")),
        ),
    );
    execute(
        stack,
        &format!(
            "INSERT INTO arrivals (agent_id, start_id, beat, received_at, late_ms) \
             SELECT '{agent}', toUUID('00000000-0000-0000-0002-000000000009'), number, {}, 0 FROM numbers(361)",
            at(&format!("{from} + 10 * number")),
        ),
    );
}

#[test]
fn a_host_whose_clock_is_days_behind_is_seen() {
    let stack = Stack::start();
    let from = now_ms() / 1000 / HOUR_S * HOUR_S - 5 * HOUR_S;
    let hosts = [
        ("right", 0),
        ("hours", 30 * HOUR_S),
        ("days", 5 * 24 * HOUR_S),
        ("weeks", 20 * 24 * HOUR_S),
    ];
    for (agent, behind) in hosts {
        beats_by_a_slow_clock(&stack, agent, from, behind);
    }
    let (from, to) = (moment(&stack, from), moment(&stack, from + HOUR_S));
    let asked = ["availability", "--json", "--from", &from, "--to", &to];
    let (code, said) = collector(&stack.path("collector.toml"), &asked);
    assert_eq!(code, 0, "{said}");
    let reports: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (agent, _) in hosts {
        let report = reports
            .iter()
            .find(|report| report["agent_id"] == agent)
            .unwrap();
        for part in ["server", "agent"] {
            assert_eq!(report[part]["low"].as_f64(), Some(1.0), "{agent}: {said}");
        }
    }
    // Whose clock is off is asked of those that are heard now, whatever their clocks say.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/clickhouse/queries");
    let sql = fs::read_to_string(folder.join("clock_offsets.sql")).unwrap();
    let sql = sql
        .replace("{agent:String}", "''")
        .replace("{seconds:UInt32}", "36000");
    let told: Vec<String> = stack
        .query(&format!(
            "SELECT concat(toString(agent_id), ' ', toString(ifNull(collector_offset_ms, -1))) FROM ({sql})"
        ))
        .unwrap();
    assert_eq!(
        told,
        [
            "weeks 1728000000",
            "days 432000000",
            "hours 108000000",
            "right 0"
        ]
    );
}

/// A moment as arguments have it.
pub(crate) fn moment(stack: &Stack, unix_s: i64) -> String {
    let sql = format!("SELECT formatDateTime(toDateTime({unix_s}, 'UTC'), '%F %T', 'UTC')");
    stack.query::<String>(&sql).unwrap().remove(0)
}

/// Each line of the answer; `more` is what is asked besides the time.
fn availability(stack: &Stack, origin: i64, more: &[&str]) -> Vec<Value> {
    let (from, to) = (moment(stack, origin), moment(stack, origin + 30 * HOUR_S));
    let asked = ["availability", "--json", "--from", &from, "--to", &to];
    let (code, said) = collector(&stack.path("collector.toml"), &[&asked, more].concat());
    assert_eq!(code, 0, "{said}");
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Seconds up, down and unknown of a part, by its hours, which are to be as many.
fn sums(stack: &Stack, part: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat(toString(count()), ' hours: ', toString(intDiv(sum({part}_up_ms), 1000)), ' ', \
         toString(intDiv(sum({part}_down_ms), 1000)), ' ', toString(intDiv(sum({part}_unknown_ms), 1000))) FROM presence_hours FINAL"
    );
    stack.query::<String>(&sql).unwrap()
}

/// From five hours before the first heartbeat: the seconds of each day up at least and at most, down, and
/// unknown, by the query.
fn by_day(stack: &Stack, origin: i64) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/clickhouse/queries");
    let sql = fs::read_to_string(folder.join("availability_by_day.sql")).unwrap();
    let (from, to) = (origin - 5 * HOUR_S, origin + 30 * HOUR_S);
    let sql = sql
        .replace(
            "{from:DateTime('UTC')}",
            &format!("toDateTime({from}, 'UTC')"),
        )
        .replace("{to:DateTime('UTC')}", &format!("toDateTime({to}, 'UTC')"))
        .replace("{agent:String}", "''");
    let rounded = "concat(toString(day), ' ', toString(round(total_low, 9)), ' ', toString(round(server_high, 9)), ' ', toString(total_down_seconds), ' ', toString(unknown_seconds))";
    stack
        .query(&format!("SELECT {rounded} FROM ({sql})"))
        .unwrap()
}

/// The same by the program.
fn steps_by_day(stack: &Stack, origin: i64) -> Vec<String> {
    let (from, to) = (
        moment(stack, origin - 5 * HOUR_S),
        moment(stack, origin + 30 * HOUR_S),
    );
    let asked = [
        "availability",
        "--json",
        "--step",
        "day",
        "--from",
        &from,
        "--to",
        &to,
    ];
    let (code, said) = collector(&stack.path("collector.toml"), &asked);
    assert_eq!(code, 0, "{said}");
    let day = |line: &str| {
        let report: Value = serde_json::from_str(line).unwrap();
        let day = moment(stack, report["from_ms"].as_i64().unwrap() / 1000);
        let share = |part: &str, of: &str| {
            let share = report[part][of].as_f64().unwrap();
            (share * 1e9).round() / 1e9
        };
        let seconds = |of: &str| report["total"][of].as_f64().unwrap() / 1000.0;
        format!(
            "{} {} {} {} {}",
            &day[..10],
            share("total", "low"),
            share("server", "high"),
            seconds("down_ms"),
            seconds("unknown_ms")
        )
    };
    said.lines().map(day).collect()
}

#[test]
fn hours_are_kept_and_judged_anew() {
    let mut stack = Stack::start();
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    // 30 hours that ended with the last one that is to be judged.
    let origin = ((now_ms() / 1000 - 130) / HOUR_S - 30) * HOUR_S;
    execute(
        &stack,
        &format!(
            "INSERT INTO agents (agent_id, connected_at) SELECT '{AGENT}', fromUnixTimestamp64Milli(toInt64({origin}000), 'UTC')"
        ),
    );
    execute(
        &stack,
        &format!(
            "INSERT INTO collector_watch SELECT generateUUIDv4(), fromUnixTimestamp64Milli(toInt64({origin}000 - 600000), 'UTC'), now64(3)"
        ),
    );
    // Up, cut off for two hours, up, crashed and away for half an hour, up.
    let h = HOUR_S;
    beats(&stack, origin, 1, -100, (0, 10 * h), None);
    beats(&stack, origin, 1, -100, (12 * h, 20 * h), None);
    beats(
        &stack,
        origin,
        2,
        20 * h + 1_800,
        (20 * h + 1_810, 31 * h),
        None,
    );
    let of_service = services::origin(origin);
    services::in_time(&stack, of_service);
    stack.start_collector();
    let judged = "SELECT count() FROM presence_hours FINAL WHERE total_up_ms > 0";
    stack.wait_number("hours that were judged", judged, |hours| hours >= 27);
    // Between the boots 1,790 s passed to the boot, and 10 s until its first heartbeat; of the two hours
    // only the server is proven, by its boot clock.
    let hours = 30 * h;
    let at = |up: i64, down: i64, unknown: i64| vec![format!("30 hours: {up} {down} {unknown}")];
    assert_eq!(sums(&stack, "server"), at(hours - 1_810, 1_810, 0));
    assert_eq!(
        sums(&stack, "network"),
        at(hours - 2 * h - 10 - 1_820, 0, 2 * h + 10 + 1_820)
    );
    let audit = "SELECT count() FROM presence_audit";
    assert_eq!(stack.number(audit), 0);
    services::judged(&stack, of_service);

    // Somebody says that it was retired five hours ago: hours that are judged are cut.
    let change = |arguments: &[&str]| {
        let (code, said) = collector(&stack.path("collector.toml"), arguments);
        assert_eq!(code, 0, "{said}");
    };
    let retired = moment(&stack, origin + 25 * h + 60);
    change(&["hosts", "retire", AGENT, "--at", &retired]);
    let days = by_day(&stack, origin);
    assert_eq!(days, steps_by_day(&stack, origin));

    // What was in the spool; and it is back, and was expected five hours before it was first heard.
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    beats(&stack, origin, 1, -100, (10 * h, 12 * h), Some(12 * h + 3));
    services::late(&stack, of_service);
    let expected = moment(&stack, origin - 5 * h);
    let add = ["hosts", "add", AGENT, "--expected-since", &expected];
    let (code, said) = collector(&stack.path("collector.toml"), &add);
    assert_eq!(code, 0, "{said}");
    stack.start_collector();
    let audit = "SELECT uniqExact(t) FROM presence_audit WHERE position(before, 'missing') > 0 AND position(after, 'delayed') > 0";
    stack.wait_number("hours that were judged anew", audit, |hours| hours >= 2);
    // The audit is written first.
    let anew = "SELECT toUInt64(sum(network_down_ms)) FROM presence_hours FINAL";
    stack.wait_number("those hours", anew, |down_ms| down_ms > 0);
    let hours = "SELECT count() FROM presence_hours FINAL";
    stack.wait_number("hours before the first", hours, |hours| hours == 35);
    let network = sums(&stack, "network");
    println!("{network:?}");
    services::judged_anew(&stack, of_service);
    assert_ne!(by_day(&stack, origin), days);
    assert_eq!(by_day(&stack, origin), steps_by_day(&stack, origin));
    let report = availability(&stack, origin, &["--agent", AGENT]).remove(0);
    println!("{report:#}");
    let figure = |part: &str, state: &str| report[part][state].as_i64().unwrap() / 1000;
    assert_eq!(figure("server", "down_ms"), 1_810);
    assert_eq!(figure("network", "down_ms"), 2 * h + 13);
    assert_eq!(figure("network", "unknown_ms"), 1_820);
    assert_eq!(figure("agent", "unknown_ms"), 0);
    assert_eq!(report["outages"].as_array().unwrap().len(), 2);
    let up = figure("network", "up_ms");
    let want = format!("35 hours: {up} {} {}", 2 * h + 13, 1_820 + 5 * h);
    assert_eq!(network, [want]);

    // The figures need no heartbeats any more.
    execute(&stack, "TRUNCATE TABLE heartbeats");
    execute(
        &stack,
        "INSERT INTO host_changes (agent_id, changed_at, expected_since_ms, retired_at_ms) SELECT agent_id, now64(3), 1000, 0 FROM agents",
    );
    let again = availability(&stack, origin, &["--agent", AGENT]);
    assert_eq!(again.first(), Some(&report));
    // Hours and days of a zone are parts of the same time, and hosts taken together have it as well.
    for (step, zone, by) in [
        ("hour", "UTC", "host"),
        ("day", "UTC", "group"),
        ("day", "UTC", "all"),
        ("month", "UTC", "all"),
    ] {
        let lines = availability(
            &stack,
            origin,
            &["--step", step, "--zone", zone, "--by", by],
        );
        for part in ["server", "network", "agent", "total"] {
            for state in ["up_ms", "down_ms", "unknown_ms"] {
                let each = lines.iter().map(|line| line[part][state].as_i64().unwrap());
                assert_eq!(
                    each.sum::<i64>(),
                    report[part][state],
                    "{step} {part} {state}"
                );
            }
        }
        let hours = lines
            .iter()
            .map(|line| line["to_ms"].as_i64().unwrap() - line["from_ms"].as_i64().unwrap());
        assert_eq!(hours.sum::<i64>(), 30 * HOUR_S * 1000);
        assert!(step != "hour" || lines.len() == 30);
    }
    for (arguments, told) in [
        (
            ["--step", "day", "--zone", "Europe/Nowhere"],
            "time zone \"Europe/Nowhere\" is not in",
        ),
        (["--step", "day", "--by", "sites"], "invalid value 'sites'"),
        (
            ["--from", "30d", "--step", "minute"],
            "more than 20000 steps",
        ),
    ] {
        let asked = [&["availability"], &arguments[..]].concat();
        let (code, said) = collector(&stack.path("collector.toml"), &asked);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(told), "{said}");
    }
}
