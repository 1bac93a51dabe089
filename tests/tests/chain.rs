//! The chain of a real agent is whole through kills of every process, and an event that somebody edits in
//! ClickHouse is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use crmscope_tests::process::binary;
use crmscope_tests::{Stack, http, seed};
use serde_json::Value;

fn verify(stack: &Stack, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(stack.path("collector.toml"))
        .args(["verify", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(text.trim());
    let report =
        report.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// Failed logins, and so many of them are stored then.
fn fail_logins(stack: &Stack, log: &mut File, count: u64, total: &mut u64) {
    let date = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%S.000000+00:00"])
        .output()
        .unwrap();
    let time = String::from_utf8(date.stdout).unwrap();
    let time = time.trim();
    for port in 0..count {
        writeln!(
            log,
            "{time} app sshd[42]: Failed password for invalid user eve{} from 203.0.113.9 port {} ssh2",
            *total + port,
            1024 + port
        )
        .unwrap();
    }
    *total += count;
    let want = *total;
    stack.wait_number(
        "the events",
        "SELECT toUInt64(sum(count)) FROM security_events",
        |stored| stored == want,
    );
}

#[test]
fn a_chain_is_whole_through_kills_and_an_edit_is_named() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut stack = Stack::start();
    let path = stack.path("auth.log");
    let mut log = File::create(&path).unwrap();
    let sources = format!(
        "[sources.security]\njournal = false\nauth_logs = [{path:?}]\n[sources.requests]\nenabled = false\n"
    );
    let config = stack.agent_config("app-01", &sources);
    let mut agent = stack.start_configured_agent("app-01", &config);
    stack.wait_number("a beat", "SELECT count() FROM heartbeats", |beats| {
        beats > 0
    });
    let mut total = 0;
    let mut victims: Vec<&str> = ["agent", "restart", "collector", "clickhouse"].repeat(2);
    random.shuffle(&mut victims);
    println!("kills: {victims:?}");
    for victim in victims {
        fail_logins(&stack, &mut log, random.u64(1..30), &mut total);
        match victim {
            "agent" => {
                agent.kill();
                agent = stack.start_configured_agent("app-01", &config);
            }
            "restart" => {
                assert!(agent.terminate().success());
                agent = stack.start_configured_agent("app-01", &config);
            }
            "collector" => {
                stack.collector.as_mut().unwrap().kill();
                stack.start_collector();
            }
            _ => {
                stack.clickhouse.as_mut().unwrap().kill();
                stack.start_clickhouse();
            }
        }
    }
    fail_logins(&stack, &mut log, 5, &mut total);
    assert!(agent.terminate().success());
    stack.wait_number(
        "the goodbye",
        "SELECT count() FROM heartbeats WHERE goodbye = 1 AND received_at = (SELECT max(received_at) FROM heartbeats)",
        |count| count == 1,
    );

    let (code, report) = verify(&stack, &["--in-flight", "0s"]);
    println!("{report}");
    assert_eq!(code, Some(0), "{report}");
    let chain = &report["chains"][0];
    assert_eq!(report["chains"].as_array().unwrap().len(), 1, "{report}");
    let rows = stack.number("SELECT count() FROM security_events");
    assert_eq!(chain["verified_rows"], rows);
    let batches = "SELECT count() FROM ledger WHERE lane = 'security' AND disposition = 'stored'";
    assert_eq!(chain["links"], stack.number(batches));
    // Heartbeats tell of the same end.
    let told =
        "SELECT argMax(chain_link, (ts, chain_sequence)) FROM lane_states WHERE lane = 'security'";
    assert_eq!(chain["head"], stack.query::<String>(told).unwrap()[0]);
    let head = format!("app-01={}", chain["head"].as_str().unwrap());
    assert_eq!(verify(&stack, &["--head", &head]).0, Some(0));

    let edit = "ALTER TABLE security_events UPDATE user = 'adam' WHERE user = 'eve3' SETTINGS mutations_sync = 2";
    let (status, body) = http(stack.clickhouse_port, "POST", "/?database=crmscope", edit).unwrap();
    assert_eq!(status, 200, "{body}");
    let (code, report) = verify(&stack, &[]);
    println!("{report}");
    assert_eq!(code, Some(1), "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report}");
    assert_eq!(findings[0]["kind"], "rows_edited");
}
