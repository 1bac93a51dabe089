//! Maintenance with real processes: a silent host is no incident in it, and becomes one after it; its
//! figures stand beside those without it.

use std::process::Command;

use crmscope_tests::process::binary;
use crmscope_tests::{Stack, wait_for};
use serde_json::Value;

const AGENT: &str = "crm-db-01";
/// Falls silent at the same time, and is in no maintenance.
const OTHER: &str = "crm-web-01";

/// Beats are a second apart; suspicion comes some 5 s after the last, and 2 s later certainty.
const PRESENCE: [(&str, &str); 4] = [
    ("PRESENCE__MIN_DEVIATION_MS", "100"),
    ("PRESENCE__FIRST_INTERVAL_MS", "1000"),
    ("PRESENCE__ACCEPTABLE_PAUSE_MS", "4000"),
    ("PRESENCE__CONFIRM_MS", "2000"),
];

fn run(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(stack.path("collector.toml"))
        .args(arguments)
        .env("USER", "eve")
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap_or(-1), said)
}

fn done(stack: &Stack, arguments: &[&str]) -> String {
    let (code, said) = run(stack, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    println!("{arguments:?}\n{said}");
    said
}

fn lines(text: &str) -> Vec<Value> {
    let each = text.lines().map(serde_json::from_str);
    each.collect::<Result<_, _>>().unwrap()
}

fn wait_state(stack: &Stack, want: &str) {
    wait_for(&format!("{AGENT} to be {want}"), || {
        let said = done(stack, &["hosts", "list", "--json"]);
        match lines(&said).iter().find(|host| host["agent_id"] == AGENT) {
            Some(host) if host["state"] == want => Ok(()),
            host => Err(format!("{host:?}")),
        }
    });
}

fn incidents(stack: &Stack) -> Vec<String> {
    let sql = "SELECT concat(kind, ' ', agent_id) FROM incidents FINAL ORDER BY agent_id";
    stack.query(sql).unwrap_or_default()
}

fn wait_incidents(stack: &Stack, want: &[String]) {
    wait_for("the incidents", || match incidents(stack) {
        told if told == want => Ok(()),
        told => Err(format!("{told:?} instead of {want:?}")),
    });
}

#[test]
fn a_host_in_maintenance_may_be_silent_and_both_figures_are_shown() {
    let stack = Stack::start_with(&PRESENCE);
    let mut agent = stack.start_agent(AGENT, "");
    let mut other = stack.start_agent(OTHER, "");
    wait_state(&stack, "up");

    let add = [
        "maintenance",
        "add",
        "--host",
        AGENT,
        "--note",
        "a new\u{200b} disk",
    ];
    let said = done(&stack, &[&add[..], &["--for", "1h"]].concat());
    assert!(
        said.contains(": crm-db-01, ") && !said.contains("retroactive"),
        "{said}"
    );
    let (id, _) = said.split_once(':').unwrap();
    wait_state(&stack, "maintenance");
    agent.kill();
    other.kill();
    // By then it would be certain of this one as well.
    let silent = [format!("host_silent {OTHER}")];
    wait_incidents(&stack, &silent);
    wait_state(&stack, "maintenance");
    let listed = lines(&done(&stack, &["maintenance", "list", "--json"]));
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["window_id"], &listed[0]["state"]),
        (&id.into(), &"in_force".into())
    );

    // Its time so far stays maintenance; afterwards the silence is one incident.
    let said = done(&stack, &["maintenance", "cancel", id]);
    assert!(
        said.contains(", cancelled from ") && !said.contains("retroactive"),
        "{said}"
    );
    wait_incidents(&stack, &[format!("host_silent {AGENT}"), silent[0].clone()]);
    wait_state(&stack, "down");
    let report = &lines(&done(&stack, &["availability", "--from", "10m", "--json"]))[0];
    let ms = |report: &Value, key: &str| report[key].as_i64().unwrap();
    let sum = |part: &Value| ms(part, "up_ms") + ms(part, "down_ms") + ms(part, "unknown_ms");
    let maintenance_ms = ms(report, "maintenance_ms");
    assert!((5_000..180_000).contains(&maintenance_ms), "{report:#}");
    for part in ["server", "network", "agent", "total"] {
        assert_eq!(
            sum(&report[part]) + maintenance_ms,
            sum(&report["raw"][part]),
            "{part}"
        );
    }

    // What is said afterwards is marked, and leaves its row.
    let said = done(
        &stack,
        &[&add[..], &["--from", "30m", "--to", "now"]].concat(),
    );
    assert!(
        said.contains(", retroactive: a new\\u{200b} disk\n"),
        "{said}"
    );
    let all = [
        &add[..4],
        &["--note", "nights", "--from", "in 2d", "--for", "2h"],
    ]
    .concat();
    let said = done(
        &stack,
        &[&all[..], &["--repeat", "sat,sun", "--at", "02:00"]].concat(),
    );
    assert!(said.contains("sat,sun 02:00 UTC for 2 h, from "), "{said}");
    let said = done(&stack, &["availability", "--from", "10m"]);
    assert!(
        said.contains("\n  with ") && said.contains(" maintenance "),
        "{said}"
    );
    let said = done(&stack, &["maintenance", "list"]);
    assert!(
        said.lines().count() == 2 && said.contains("to_come"),
        "{said}"
    );
    let past = lines(&done(&stack, &["maintenance", "list", "--past", "--json"]));
    let states: Vec<_> = past
        .iter()
        .map(|window| window["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["over", "cancelled", "to_come"]);
    assert_eq!(past[0]["is_retroactive"], true);
    let audit = lines(&done(&stack, &["maintenance", "audit", "--json"]));
    let changes: Vec<_> = audit
        .iter()
        .rev()
        .map(|of| of["change"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["added", "cancelled", "added", "added"]);
    assert!(audit.iter().all(|of| of["changed_by"] == "eve"));
    assert_eq!(done(&stack, &["maintenance", "audit"]).lines().count(), 5);

    for (arguments, told) in [
        (
            &["--host", "nobody", "--for", "1h"][..],
            "neither reported nor was added",
        ),
        (
            &["--group", "nothing", "--for", "1h"],
            "no host is in group",
        ),
        (&["--for", "1h"], "required"),
        (&["--all"], "--for"),
        (
            &["--all", "--from", "in 2h", "--to", "in 1h"],
            "ends before it begins",
        ),
        (
            &["--all", "--for", "1h", "--from", "in a while"],
            "is no time to work with",
        ),
        (&["--all", "--for", "1h", "--repeat", "daily"], "--at"),
        (
            &[
                "--all",
                "--for",
                "1h",
                "--repeat",
                "daily",
                "--at",
                "02:00",
                "--zone",
                "Europe/Atlantis",
            ],
            "time zone \"Europe/Atlantis\" is not in",
        ),
    ] {
        let (code, said) = run(
            &stack,
            &[&["maintenance", "add", "--note", "x"], arguments].concat(),
        );
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(told), "{said}");
    }
    for (id, told) in [
        (id, "is cancelled at that time"),
        ("7", "there is no window"),
    ] {
        let (code, said) = run(&stack, &["maintenance", "cancel", id]);
        assert!(code == 2 && said.contains(told), "{said}");
    }
}
