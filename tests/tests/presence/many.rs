//! Many hosts asked for at once: each gets what it gets alone, from heartbeats, from hours that are kept,
//! and from both.

use crmscope_tests::{Stack, now_ms};
use serde_json::Value;

use super::collector;
use super::hours::{HOUR_S, execute, moment};

/// More than are asked for together.
const HOSTS: i64 = 205;
const HOURS: i64 = 3;
/// From one heartbeat to the next, s.
const BEAT_S: i64 = 30;

fn name(host: i64) -> String {
    format!("crm-{host:03}")
}

/// An agent of each host that stood still in the second hour, of another host at another time and for longer.
fn still_s(host: i64) -> i64 {
    600 + BEAT_S * (host % 50)
}

/// The heartbeats of all hosts, until two minutes after the time.
fn beats(stack: &Stack, origin: i64) {
    let second = format!("({BEAT_S} * b.number)");
    let id = |kind: i64| {
        format!(
            "toUUID(format('00000000-0000-0000-000{kind}-{{0}}', leftPad(toString(h.number), 12, '0')))"
        )
    };
    let at = format!("fromUnixTimestamp64Milli(toInt64(1000 * ({origin} + {second})), 'UTC')");
    let begins = format!("({HOUR_S} + {BEAT_S} * (h.number % 20))");
    let still = format!("(600 + {BEAT_S} * (h.number % 50))");
    let made = format!("intDiv({second} - if({second} > {begins}, {still}, 0), {BEAT_S}) + 1");
    execute(
        stack,
        &format!(
            "INSERT INTO heartbeats (agent_id, boot_id, start_id, spool_id, ts, boottime_ms, monotonic_ms, beat, clock_offset_ms, received_at, sequence) \
             SELECT concat('crm-', leftPad(toString(h.number), 3, '0')), {}, {}, {}, {at}, 1000 * ({second} + 500), 1000 * ({second} + 500), {made}, 0, {at}, {made} \
             FROM numbers({HOSTS}) AS h CROSS JOIN numbers({}) AS b \
             WHERE {second} <= {begins} OR {second} > {begins} + {still}",
            id(1),
            id(2),
            id(3),
            (HOURS * HOUR_S + 120) / BEAT_S,
        ),
    );
}

fn availability(stack: &Stack, origin: i64, more: &[&str]) -> Vec<String> {
    // With a part of an hour that is not judged.
    let (from, to) = (
        moment(stack, origin - 60),
        moment(stack, origin + HOURS * HOUR_S + 60),
    );
    let asked = [
        "availability",
        "--json",
        "--intervals",
        "--from",
        &from,
        "--to",
        &to,
    ];
    let (code, said) = collector(&stack.path("collector.toml"), &[&asked, more].concat());
    assert_eq!(code, 0, "{said}");
    said.lines().map(str::to_owned).collect()
}

fn check(stack: &Stack, origin: i64) -> Vec<String> {
    let all = availability(stack, origin, &[]);
    assert_eq!(all.len(), usize::try_from(HOSTS).unwrap());
    for (host, line) in (0..).zip(&all) {
        let report: Value = serde_json::from_str(line).unwrap();
        assert_eq!(report["agent_id"], name(host));
        let figure = |part: &str, state: &str| report[part][state].as_i64().unwrap() / 1000;
        // From the last heartbeat before to the first one after.
        let still = still_s(host) + BEAT_S;
        assert_eq!(figure("agent", "down_ms"), still, "{report:#}");
        // Before its first heartbeat it is not expected.
        assert_eq!(figure("network", "unknown_ms"), still);
        let up = HOURS * HOUR_S + 60;
        assert_eq!(figure("server", "up_ms"), up);
    }
    for host in [0, 1, 99, 100, 101, 199, 200, HOSTS - 1] {
        let alone = availability(stack, origin, &["--agent", &name(host)]);
        let place = usize::try_from(host).unwrap();
        assert_eq!(alone.first(), all.get(place), "{}", name(host));
    }
    all
}

#[test]
fn many_hosts_get_what_each_gets_alone() {
    let mut stack = Stack::start();
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    // Hours that ended with the last one that is to be judged.
    let origin = ((now_ms() / 1000 - 130) / HOUR_S - HOURS) * HOUR_S;
    execute(
        &stack,
        &format!(
            "INSERT INTO collector_watch SELECT generateUUIDv4(), fromUnixTimestamp64Milli(toInt64({origin}000 - 600000), 'UTC'), now64(3)"
        ),
    );
    execute(
        &stack,
        &format!(
            "INSERT INTO agents (agent_id, connected_at) SELECT concat('crm-', leftPad(toString(number), 3, '0')), \
             fromUnixTimestamp64Milli(toInt64({origin}000), 'UTC') FROM numbers({HOSTS})"
        ),
    );
    beats(&stack, origin);
    let by_beats = check(&stack, origin);
    stack.start_collector();
    let judged = "SELECT count() FROM presence_hours FINAL";
    let hours = (HOSTS * HOURS).unsigned_abs();
    stack.wait_number("hours that were judged", judged, |found| found >= hours);
    assert_eq!(check(&stack, origin), by_beats);
}
