//! Security findings on real processes: whatever the order in which events are stored, whoever looks, and
//! however late they are, the findings are the same, and each is told once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crmscope_tests::process::binary;
use crmscope_tests::{Stack, http, now_ms, wait_for};
use serde_json::Value;

use super::hook::{Hook, Mood};
use super::wait_until;

/// What a user may be called that means harm.
const HOSTILE: &str = "x from 6.6.6.6\\r\\n\\x1b[2J";

const BASES: &str = "title: SSH login failed\nid: 11111111-0000-0000-0000-000000000001\nname: ssh_login_failed\nlogsource: {product: linux}\ndetection: {s: {kind: ssh_login}, condition: s}\nlevel: low\n---\ntitle: Audit stopped\nname: audit_stopped\nlogsource: {product: linux}\ndetection: {s: {kind: audit}, condition: s}\nlevel: high\n";

/// Three within 10 s; a minute without any ends a finding.
const BURSTS: &str = "title: Bursts of failed logins\nname: bursts\nlevel: high\ncrmscope.suppress: 60s\ncrmscope.events: failed logins\ncorrelation:\n  type: event_count\n  rules: [ssh_login_failed]\n  group-by: [source.ip]\n  timespan: 10s\n  condition: {gte: 3}\n";

/// Is there only later.
const USERS: &str = "title: Many users\nname: spraying\nlevel: low\ncorrelation:\n  type: value_count\n  rules: [ssh_login_failed]\n  group-by: [source.network]\n  timespan: 1h\n  condition: {field: user.name, gte: 3}\n";

fn execute(stack: &Stack, sql: &str) {
    let (status, body) = http(stack.clickhouse_port, "POST", "/?database=crmscope", sql).unwrap();
    assert_eq!(status, 200, "{sql}: {body}");
}

/// Stores events as writers do: the events, then what came of which rule.
fn events(stack: &Stack, rule: &str, source: &str, user: &str, times: &[i64]) {
    let row = |at_ms: &i64| {
        format!(
            "(generateUUIDv4(), fromUnixTimestamp64Milli(toInt64({at_ms}), 'UTC'), 'web-0{}', 'ssh_login', 'sshd', '{user}', '{source}', 1, ['{rule}'])",
            at_ms % 2
        )
    };
    let rows: Vec<String> = times.iter().map(row).collect();
    execute(
        stack,
        &format!(
            "INSERT INTO security_events (event_id, ts, agent_id, kind, service, user, source_address, count, rules) VALUES {}",
            rows.join(", ")
        ),
    );
    let row = |at_ms: &i64| {
        format!(
            "('{rule}', fromUnixTimestamp64Milli(toInt64({at_ms}), 'UTC'), 'web-0{}', 'ssh_login', 'sshd', '{user}', '{source}')",
            at_ms % 2
        )
    };
    let rows: Vec<String> = times.iter().map(row).collect();
    execute(
        stack,
        &format!(
            "INSERT INTO security_arrivals (rule, ts, agent_id, kind, service, user, source_address) VALUES {}",
            rows.join(", ")
        ),
    );
}

/// Stores an export beyond what baselines let pass of who never exported.
fn export(stack: &Stack, at_ms: i64) {
    execute(
        stack,
        &format!(
            "INSERT INTO security_events (event_id, ts, agent_id, kind, service, user, source_address, status_id, count, records) \
             VALUES (generateUUIDv4(), fromUnixTimestamp64Milli(toInt64({at_ms}), 'UTC'), 'web-00', 'data_export', 'crm', 'carol', '192.0.2.6', 1, 1, 20000)"
        ),
    );
    execute(
        stack,
        &format!(
            "INSERT INTO baseline_arrivals (user, t) VALUES ('carol', toStartOfHour(fromUnixTimestamp64Milli(toInt64({at_ms}), 'UTC')))"
        ),
    );
}

/// Key, first and last firing and events of each finding of a rule that is its own, in order.
fn wait_findings(stack: &Stack, rule: &str, want: &[String]) {
    let sql = format!(
        "SELECT concat(group_key[1], ' ', toString(toUnixTimestamp64Milli(first_seen)), ' ', toString(toUnixTimestamp64Milli(last_seen)), ' ', toString(events)) \
         FROM findings FINAL WHERE rule_id = '{rule}' AND toUInt128(merged_into) = 0 ORDER BY group_key, first_seen"
    );
    wait_for("the findings", || {
        let found = stack.query::<String>(&sql).unwrap();
        if found == want {
            Ok(())
        } else {
            Err(format!("{found:#?} instead of {want:#?}"))
        }
    });
}

fn collector(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(stack.path("collector.toml"))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap_or(-1), said)
}

/// The documented roll-ups of findings: their first columns.
fn rolled_up(stack: &Stack, by: &str) -> Vec<String> {
    let file = format!("../deploy/clickhouse/queries/findings_by_{by}.sql");
    let sql = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let now = now_ms() / 1000;
    let path = format!(
        "/?database=crmscope&param_from={}&param_to={}&param_limit=50",
        now - 30 * 86_400,
        now + 60
    );
    let (status, answer) = http(stack.clickhouse_port, "POST", &path, &sql).unwrap();
    assert_eq!(status, 200, "{answer}");
    let first = |line: &str| line.split('\t').next().unwrap().to_owned();
    let mut found: Vec<String> = answer.lines().map(first).collect();
    found.sort();
    found
}

#[test]
fn findings_are_the_same_in_whatever_order_events_come_and_are_told_once() {
    let rules = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(rules.path().join(name), text).unwrap();
    write("bases.yml", BASES);
    write("bursts.yml", BURSTS);
    write(
        "broken.yml",
        &BURSTS.replace("gte", "lt").replace("bursts", "broken"),
    );
    let hook = Hook::start();
    hook.moods(&[], Mood::Answer(200));
    let url = hook.url();
    let mut stack = Stack::start_with(&[
        ("CORRELATION__DIRECTORIES", rules.path().to_str().unwrap()),
        ("ALERTS__WEBHOOK__URL", &url),
        ("ALERTS__GROUP_WAIT_MS", "100"),
    ]);
    // Two days ago: three bursts, of which the one in the middle joins the others; and one by itself.
    let start = now_ms() / 1000 * 1000 - 2 * 86_400_000;
    let burst = |second: i64| -> Vec<i64> {
        [0, 2_001, 4_000]
            .map(|more| start + second * 1000 + more)
            .to_vec()
    };
    let (first, middle, last) = (burst(0), burst(50), burst(100));
    let failed = "11111111-0000-0000-0000-000000000001";
    let orders = [
        ("192.0.2.1", [&first, &last, &middle]),
        ("192.0.2.2", [&last, &first, &middle]),
        ("192.0.2.3", [&middle, &last, &first]),
    ];
    let step = |stack: &Stack, number: usize| {
        for (source, bursts) in orders {
            let user = ["anna", "bert", HOSTILE][number];
            events(stack, failed, source, user, bursts[number]);
        }
    };
    let at = |source: &str, from: &[i64], to: &[i64], count: usize| {
        format!("{source} {} {} {count}", from[2], to[2])
    };
    step(&stack, 0);
    let all = [first.clone(), middle.clone(), last.clone()].concat();
    events(&stack, failed, "192.0.2.4", "anna", &all);
    // Too few, and too slow.
    events(
        &stack,
        failed,
        "192.0.2.5",
        "anna",
        &[start, start + 9_000, start + 19_000],
    );
    events(&stack, "audit_stopped", "", "", &[start]);
    export(&stack, start);
    let whole = at("192.0.2.4", &first, &last, 9);
    let alone = |of: usize| at(orders[of].0, orders[of].1[0], orders[of].1[0], 3);
    wait_findings(
        &stack,
        "bursts",
        &[alone(0), alone(1), alone(2), whole.clone()],
    );
    wait_findings(&stack, "audit_stopped", &[format!(" {start} {start} 1")]);
    let exported = |events: u32| [format!("carol {start} {start} {events}")];
    wait_findings(&stack, "baseline.export_volume", &exported(1));
    let told = "SELECT count() FROM notifications WHERE kind = 'security_finding' AND phase = 'firing' AND outcome = 'delivered'";
    stack.wait_number("six to be told", told, |count| count == 6);

    // Whoever looks is killed; more comes meanwhile.
    stack.collector.as_mut().unwrap().kill();
    step(&stack, 1);
    export(&stack, start);
    stack.start_collector();
    let (one, two) = (
        at("192.0.2.1", &first, &first, 3),
        at("192.0.2.1", &last, &last, 3),
    );
    let apart = |source: &str| [&one, &two].map(|text| text.replace("192.0.2.1", source));
    let joined = at("192.0.2.3", &middle, &last, 6);
    let want = [
        &apart("192.0.2.1")[..],
        &apart("192.0.2.2"),
        &[joined, whole],
    ]
    .concat();
    wait_findings(&stack, "bursts", &want);
    wait_findings(&stack, "baseline.export_volume", &exported(2));
    stack.wait_number("two more to be told", told, |count| count == 8);

    // What comes last joins what was two; a rule that is new looks at what is there.
    write("users.yml", USERS);
    step(&stack, 2);
    let same = |number: usize| at(&format!("192.0.2.{number}"), &first, &last, 9);
    wait_findings(&stack, "bursts", &[1, 2, 3, 4].map(same));
    let network = "SELECT concat(group_key[1], ' ', toString(distinct_values), ' ', toString(events)) FROM findings FINAL WHERE rule_id = 'spraying'";
    wait_until("the new rule", || {
        Ok(stack.query::<String>(network)? == ["192.0.2.0/24 3 39"])
    });
    let merged =
        "SELECT count() FROM findings FINAL WHERE toUInt128(merged_into) != 0 AND ended_ms > 0";
    assert_eq!(stack.number(merged), 2);
    let over = told.replace("firing", "resolved");
    stack.wait_number("the end of those", &over, |count| count == 2);

    // Nobody was told twice, and nobody of what is low.
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut of_baselines = 0;
    for request in hook.requests() {
        for one in request.body["incidents"].as_array().unwrap() {
            if one["labels"]["rule"].is_null() {
                continue;
            }
            assert_eq!(request.body["severity"], "critical");
            assert!(!one.to_string().contains("\\r"), "{one}");
            if one["labels"]["rule"] == "baseline.export_volume" {
                assert_eq!(request.body["phase"], "firing");
                assert_eq!(one["labels"]["user"], "carol", "{one}");
                of_baselines += 1;
            }
            let id = one["incident_id"].as_str().unwrap().to_owned();
            let phase = request.body["phase"].as_str().unwrap().to_owned();
            *times.entry((id, phase)).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 8 + 2, "{times:#?}");
    assert_eq!(of_baselines, 1);
    assert!(times.values().all(|&times| times == 1), "{times:#?}");

    check_shown(&stack, rules.path());
}

/// What people see of it.
fn check_shown(stack: &Stack, rules: &Path) {
    let (code, said) = collector(stack, &["findings", "--from", "3d", "--json"]);
    assert_eq!(code, 0, "{said}");
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4 + 1 + 1 + 1, "{said}");
    let found = lines
        .iter()
        .find(|line| line["key"]["source_address"] == "192.0.2.1")
        .unwrap();
    assert_eq!(
        found["summary"],
        "Bursts of failed logins: 9 failed logins from 192.0.2.1, for 3 users, on 2 hosts, within 104 seconds."
    );
    assert_eq!(found["hosts"], serde_json::json!(["web-00", "web-01"]));
    assert_eq!(found["users_total"], 3);
    let (code, said) = collector(stack, &["findings", "--open"]);
    assert_eq!((code, said.lines().count()), (0, 1 + 7), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");

    let directory = rules.to_str().unwrap();
    let (code, said) = collector(stack, &["rules", "check", directory]);
    assert_eq!(code, 1, "{said}");
    let reason = "broken.yml: Bursts of failed logins: condition lt cannot be kept";
    assert!(said.contains(reason), "{said}");
    let log = stack.collector.as_ref().unwrap().log();
    assert!(
        log.contains("a security rule is refused") && log.contains("broken.yml"),
        "{log}"
    );
    std::fs::remove_file(rules.join("broken.yml")).unwrap();
    let (code, said) = collector(stack, &["rules", "list", directory]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3 rules are looked for, 0 refused"), "{said}");

    assert_eq!(
        rolled_up(stack, "rule"),
        [
            "audit_stopped",
            "baseline.export_volume",
            "bursts",
            "spraying"
        ]
    );
    assert_eq!(rolled_up(stack, "host"), ["web-00", "web-01"]);
    assert_eq!(rolled_up(stack, "network"), ["192.0.2.0/24"]);
    let users = rolled_up(stack, "user");
    assert_eq!(users.len(), 4, "{users:?}");
    assert_eq!(&users[..3], ["anna", "bert", "carol"]);
}
