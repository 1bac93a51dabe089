//! Availability of a host whose processes meet known faults: each is told as what it was.

use std::time::Duration;

use crmscope_tests::fleet::proxy::{Proxy, Weather};
use crmscope_tests::{Process, Stack, now_ms};
use serde_json::Value;

use super::collector;

const AGENT: &str = "crm-db-01";

/// Heartbeats that are stored.
fn beats(stack: &Stack) -> u64 {
    stack.number("SELECT count() FROM heartbeats")
}

/// Waits until some more are stored, so that what was before is behind.
fn settle(stack: &Stack) {
    let before = beats(stack);
    let sql = "SELECT count() FROM heartbeats WHERE received_at > now64(3) - 1.5";
    stack.wait_number("beats that come in time", sql, |fresh| {
        fresh > 0 && beats(stack) >= before + 4
    });
}

/// How long a fault lasts is its schedule, not a wait for something.
fn last(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn availability(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["availability"], arguments].concat();
    collector(&stack.path("collector.toml"), &arguments)
}

/// How long the intervals of a reason are together, seconds.
fn lasted(report: &Value, reason: &str) -> f64 {
    let intervals = report["intervals"].as_array().unwrap();
    let of = intervals
        .iter()
        .filter(|interval| interval["reason"] == reason);
    of.map(|interval| interval["to_ms"].as_f64().unwrap() - interval["from_ms"].as_f64().unwrap())
        .sum::<f64>()
        / 1000.0
}

#[test]
fn every_fault_is_told_as_what_it_was() {
    let mut stack = Stack::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let proxy = Proxy::start(&runtime, vec![stack.uplink_port]);
    let config = stack.agent_config(AGENT, "");
    let text = std::fs::read_to_string(&config).unwrap();
    let (direct, through) = (stack.uplink_port.to_string(), proxy.port().to_string());
    std::fs::write(&config, text.replace(&direct, &through)).unwrap();
    let begun_ms = now_ms();
    let start = |stack: &Stack| -> Process { stack.start_configured_agent(AGENT, &config) };

    let mut agent = start(&stack);
    settle(&stack);
    agent.freeze(true);
    last(8);
    agent.freeze(false);
    settle(&stack);
    agent.kill();
    last(8);
    agent = start(&stack);
    settle(&stack);
    proxy.set(Weather::Cut);
    last(12);
    proxy.set(Weather::Fair);
    settle(&stack);
    stack.collector.as_mut().unwrap().freeze(true);
    last(15);
    stack.collector.as_mut().unwrap().freeze(false);
    settle(&stack);
    assert!(agent.terminate().success());
    last(8);
    agent = start(&stack);
    settle(&stack);
    let ended_ms = now_ms();

    let (code, said) = availability(&stack, &["--from", "10m", "--json", "--intervals"]);
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_str(said.trim()).unwrap();
    println!("{report:#}");
    assert_eq!(report["agent_id"], AGENT);
    // Beats are a second apart; a busy machine makes some later, and agents wait before they try again.
    for (reason, at_least, at_most) in [
        ("stalled", 7.0, 16.0),
        ("agent_down", 7.0, 16.0),
        ("delayed", 10.0, 45.0),
        ("unwatched", 8.0, 90.0),
        ("agent_stopped", 7.0, 16.0),
    ] {
        let lasted = lasted(&report, reason);
        assert!(
            (at_least..at_most).contains(&lasted),
            "{reason} lasted {lasted} s: {report:#}"
        );
    }
    let figure = |part: &str, key: &str| report[part][key].as_i64().unwrap();
    // The host never was down, and its boot clock proves it.
    assert_eq!(figure("server", "down_ms"), 0);
    assert_eq!(figure("server", "unknown_ms"), 0, "{report:#}");
    let outages = report["outages"].as_array().unwrap();
    assert!(
        outages.iter().all(|outage| outage["part"] == "network"),
        "{report:#}"
    );
    for part in ["server", "network", "agent", "total"] {
        let sum = figure(part, "up_ms") + figure(part, "down_ms") + figure(part, "unknown_ms");
        let asked = 600_000.min(ended_ms - begun_ms);
        assert!((sum - asked).abs() < 30_000, "{part}: {sum} of {asked}");
    }

    let (code, said) = availability(&stack, &["--agent", AGENT, "--from", "10m"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("network down "), "{said}");
    let (code, said) = availability(&stack, &["--agent", "nobody"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("no heartbeat of agent \"nobody\" is kept"),
        "{said}"
    );
    let (code, said) = availability(&stack, &["--from", "2099-01-01 00:00"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("nothing is known of that time yet"), "{said}");
    agent.kill();
}
