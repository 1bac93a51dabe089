//! Services in the scenario of kept hours: asked from two places, and what one of them found comes four days
//! late.

use crmscope_tests::Stack;
use serde_json::Value;

use super::collector;
use super::hours::{HOUR_S, execute, moment};

/// A run each so many seconds.
const EVERY_S: i64 = 20;
/// So much longer than to the next one a run holds.
const HELD_S: i64 = EVERY_S;
/// The service is asked for so long, from `origin` on.
const HOURS: i64 = 30;

/// Runs of a place from one second to another, both since `origin`; those between `failed` are not good.
fn runs(stack: &Stack, origin: i64, place: &str, seconds: (i64, i64), failed: (i64, i64)) {
    let (from, to) = seconds;
    execute(
        stack,
        &format!(
            "INSERT INTO probe_raw (agent_id, target, service, kind, ts, interval_ms, up) \
             SELECT '{place}', 'page', 'crm', 'http', fromUnixTimestamp64Milli(toInt64(1000 * ({origin} + {from} + {EVERY_S} * number)), 'UTC') AS ts, \
             {EVERY_S}000, {from} + {EVERY_S} * number NOT BETWEEN {} AND {} FROM numbers({})",
            failed.0,
            failed.1 - 1,
            (to - from) / EVERY_S
        ),
    );
}

/// The time of the service, three days before that of the hosts.
pub(crate) fn origin(hosts: i64) -> i64 {
    hosts - 72 * HOUR_S
}

/// What came in time: twenty seconds down, five minutes down for one place, and two gaps.
pub(crate) fn in_time(stack: &Stack, origin: i64) {
    let h = HOUR_S;
    let short = (5 * h + 600, 5 * h + 620);
    runs(stack, origin, "web-01", (0, 10 * h), short);
    runs(stack, origin, "web-02", (0, 7 * h), short);
    runs(
        stack,
        origin,
        "web-02",
        (7 * h, 10 * h),
        (7 * h, 7 * h + 300),
    );
    runs(stack, origin, "web-01", (12 * h, 20 * h), (0, 0));
    runs(stack, origin, "web-02", (25 * h, HOURS * h), (0, 0));
}

/// What was in the spool of one of them: it asked for two hours more, ten minutes of them in vain.
pub(crate) fn late(stack: &Stack, origin: i64) {
    let h = HOUR_S;
    let failed = (11 * h, 11 * h + 600);
    runs(stack, origin, "web-02", (10 * h, 12 * h), failed);
}

fn availability(stack: &Stack, origin: i64, more: &[&str]) -> Vec<Value> {
    let (from, to) = (
        moment(stack, origin),
        moment(stack, origin + HOURS * HOUR_S),
    );
    let asked = ["availability", "--json", "--by", "service", "--from", &from];
    let asked = [&asked[..], &["--to", &to], more].concat();
    let (code, said) = collector(&stack.path("collector.toml"), &asked);
    assert_eq!(code, 0, "{said}");
    let each = said.lines().map(serde_json::from_str);
    each.collect::<Result<_, _>>().unwrap()
}

fn seconds(report: &Value, part: &str) -> [i64; 3] {
    ["up_ms", "down_ms", "unknown_ms"].map(|state| report[part][state].as_i64().unwrap() / 1000)
}

/// Seconds up, down and unknown by the hours that are kept.
fn kept(stack: &Stack) -> Vec<String> {
    let sums =
        ["up", "down", "unknown"].map(|state| format!("intDiv(sum(answered_{state}_ms), 1000)"));
    let sql = format!(
        "SELECT concat(toString(countIf(answered_up_ms > 0)), ' hours: ', toString({})) FROM service_hours FINAL WHERE t < now('UTC') - INTERVAL 3 DAY",
        sums.join("), ' ', toString(")
    );
    stack.query::<String>(&sql).unwrap()
}

/// By what came in time.
pub(crate) fn judged(stack: &Stack, origin: i64) {
    let h = HOUR_S;
    let hours = "SELECT count() FROM service_hours FINAL WHERE runs > 0";
    stack.wait_number("hours of a service", hours, |hours| hours == 23);
    let report = availability(stack, origin, &["--service", "crm"]).remove(0);
    let unknown = 7 * h - 2 * HELD_S;
    let want = [HOURS * h - 20 - unknown, 20, unknown];
    assert_eq!(seconds(&report, "answered"), want, "{report:#}");
    let want = [HOURS * h - 320 - unknown, 320, unknown];
    assert_eq!(seconds(&report, "everywhere"), want);
    assert_eq!(kept(stack).len(), 1);
    assert_eq!(stack.number("SELECT count() FROM service_audit"), 0);
}

/// With what came late.
pub(crate) fn judged_anew(stack: &Stack, origin: i64) {
    let h = HOUR_S;
    let audit = "SELECT uniqExact(t) FROM service_audit WHERE position(before, 'unknown') > 0 AND position(after, 'unknown') = 0";
    stack.wait_number("hours judged anew", audit, |hours| hours == 2);
    let unknown = 5 * h - HELD_S;
    let want = [HOURS * h - 620 - unknown, 620, unknown];
    let report = availability(stack, origin, &[]).remove(0);
    println!("{report:#}");
    assert_eq!(seconds(&report, "answered"), want, "{report:#}");
    assert_eq!(report["answered"]["outages"].as_array().unwrap().len(), 2);
    assert_eq!(report["answered"]["mttr_ms"], 310_000);
    assert_eq!(report["everywhere"]["outages"].as_array().unwrap().len(), 3);
    named(stack, origin, &report);
    // The figures need no runs any more, and whatever the steps, the time is the same.
    execute(stack, "TRUNCATE TABLE probe_raw");
    assert_eq!(availability(stack, origin, &[]).first(), Some(&report));
    for (step, zone) in [("hour", "UTC"), ("day", "Europe/Berlin"), ("month", "UTC")] {
        let steps = availability(stack, origin, &["--step", step, "--zone", zone]);
        let sums = steps.iter().map(|step| seconds(step, "answered"));
        let sums = sums.reduce(|a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        assert_eq!(sums, Some(want), "{step}");
        let short = steps.get(5).map(|hour| seconds(hour, "answered"));
        assert!(step != "hour" || short == Some([3_580, 20, 0]), "{short:?}");
    }
    maintained(stack, origin);
}

/// Outages name what failed in them, by how many agents.
fn named(stack: &Stack, origin: i64, report: &Value) {
    let failed = |part: &str| -> Vec<(String, u64, u64)> {
        let outages = report[part]["outages"].as_array().unwrap().iter();
        let targets = outages.flat_map(|outage| outage["failed_targets"].as_array().unwrap());
        let number = |target: &Value, name: &str| target[name].as_u64().unwrap();
        targets
            .map(|target| {
                let name = target["target"].as_str().unwrap().to_owned();
                (
                    name,
                    number(target, "failed_runs"),
                    number(target, "agents"),
                )
            })
            .collect()
    };
    let page = |runs, agents| ("page".to_owned(), runs, agents);
    // One run of each; ten minutes of one; and five minutes of one, where the other got an answer.
    let (short, late, partly) = (page(2, 2), page(30, 1), page(15, 1));
    assert_eq!(failed("answered"), [short.clone(), late.clone()]);
    assert_eq!(failed("everywhere"), [short, partly, late]);
    // What is in names is text.
    let at = origin + 11 * HOUR_S;
    execute(
        stack,
        &format!(
            "INSERT INTO probe_raw (agent_id, target, service, kind, ts, interval_ms, up) \
             SELECT 'web-02', concat('\\x1b]0;', toString(number), '\\n  down ever since'), 'crm', 'http', \
             fromUnixTimestamp64Milli(toInt64({at}000), 'UTC'), 1, number = 0 FROM numbers(9)"
        ),
    );
    let (from, to) = (
        moment(stack, origin),
        moment(stack, origin + HOURS * HOUR_S),
    );
    let asked = [
        "availability",
        "--by",
        "service",
        "--from",
        &from,
        "--to",
        &to,
    ];
    let (code, said) = collector(&stack.path("collector.toml"), &asked);
    println!("{said}");
    let want = ": page (30 failed runs of 1 agent), \\u{1b}]0;1\\n  down ever since (1 failed run of 1 agent), ";
    assert!(code == 0 && said.contains(want), "{said}");
    assert!(
        said.contains(", 4 more\n") && !said.contains('\u{1b}'),
        "{said}"
    );
    execute(stack, "DELETE FROM probe_raw WHERE target != 'page'");
    execute(stack, "DELETE FROM probe_1m WHERE target != 'page'");
    execute(stack, "DELETE FROM probe_1h WHERE target != 'page'");
}

/// Maintenance of the service takes the late outage out, and the hosts know nothing of it.
fn maintained(stack: &Stack, origin: i64) {
    let h = HOUR_S;
    let run = |arguments: &[&str]| collector(&stack.path("collector.toml"), arguments);
    let (from, to) = (
        moment(stack, origin + 10 * h + 1_800),
        moment(stack, origin + 11 * h + 1_800),
    );
    let add = [
        "maintenance",
        "add",
        "--service",
        "crm",
        "--from",
        &from,
        "--to",
        &to,
        "--note",
        "an update",
    ];
    let (code, said) = run(&add);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(": service crm, ") && said.contains(", retroactive: an update"),
        "{said}"
    );
    let report = availability(stack, origin, &[]).remove(0);
    let unknown = 5 * h - HELD_S;
    let want = [(HOURS - 1) * h - 20 - unknown, 20, unknown];
    assert_eq!(seconds(&report, "answered"), want, "{report:#}");
    assert_eq!(report["maintenance_ms"], h * 1000);
    assert_eq!(report["raw"]["answered"]["down_ms"], 620_000);
    for (arguments, told) in [
        (&["maintenance", "list", "--past"][..], " service crm "),
        (&["maintenance", "audit"], ": service crm, "),
        (
            &["availability", "--by", "service", "--from", "30d"],
            "\n  with 1 h 0 min maintenance",
        ),
    ] {
        let (code, said) = run(arguments);
        assert!(code == 0 && said.contains(told), "{said}");
        println!("{said}");
    }
    for (arguments, told) in [
        (
            &[
                "maintenance",
                "add",
                "--service",
                "shop",
                "--for",
                "1h",
                "--note",
                "x",
            ][..],
            "no agent probed service \"shop\"",
        ),
        (
            &["availability", "--by", "service", "--service", "shop"],
            "no agent probed service \"shop\"",
        ),
        (
            &["availability", "--service", "crm"],
            "--service needs --by service",
        ),
        (
            &["availability", "--by", "service", "--agent", "a"],
            "--agent is of hosts",
        ),
    ] {
        let (code, said) = run(arguments);
        assert!(code == 2 && said.contains(told), "{said}");
    }
}
