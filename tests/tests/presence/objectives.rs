//! Objectives on the real engine: a budget that burns is an incident, and it is over when it does not.

use std::process::Command;

use crmscope_tests::process::binary;
use crmscope_tests::{Process, Stack, http, wait_for};

/// Requests of a service a minute ago: so many good ones, and so many of them errors or slow (0.2 s).
fn requests(stack: &Stack, service: &str, good: u64, errors: u64, slow: u64) {
    // 1.01 / 0.99 to the power of 610.2 is 200,000 µs.
    let rows = [(2, good, 100), (5, errors, 100), (2, slow, 611)].map(|(class, count, bucket)| {
        format!(
            "('web-01', '{service}', '/', 'GET', {class}, now() - 60, {count}, {count}, map({bucket}, {count}))"
        )
    });
    let sql = format!(
        "INSERT INTO requests_raw (agent_id, service, route, method, status_class, bucket_start, requests, latency_count, latency) VALUES {}",
        rows.join(", ")
    );
    let (status, body) = http(stack.clickhouse_port, "POST", "/?database=crmscope", &sql).unwrap();
    assert_eq!(status, 200, "{body}");
}

fn execute(stack: &Stack, sql: &str) {
    let (status, body) = http(stack.clickhouse_port, "POST", "/?database=crmscope", sql).unwrap();
    assert_eq!(status, 200, "{body}");
}

/// Runs of a probe, one each 30 s of the last so many minutes; those of the last `failed` are not good.
fn runs(stack: &Stack, service: &str, minutes: u64, failed: u64) {
    execute(
        stack,
        &format!(
            "INSERT INTO probe_raw (agent_id, target, service, kind, ts, interval_ms, up) \
             SELECT 'web-01', 'page', '{service}', 'http', now64(3) - 30 * number, 30000, number >= 2 * {failed} FROM numbers(2 * {minutes})"
        ),
    );
}

/// Since half an hour ago, for an hour.
fn maintain(stack: &Stack, service: &str) {
    execute(
        stack,
        &format!(
            "INSERT INTO maintenance_changes (window_id, change, changed_at, service, from_ms, to_ms, zone, note, made_ms) \
             SELECT generateUUIDv4(), 'added', now64(3), '{service}', 1000 * (toUnixTimestamp(now()) - 1800) AS at, at + 3600000, 'UTC', 'x', at"
        ),
    );
}

fn wait_incidents(stack: &Stack, want: &[&str]) {
    let sql = "SELECT concat(kind, ' ', objective, if(ended_ms > 0, ' over', '')) FROM incidents FINAL ORDER BY objective, kind";
    wait_for("the incidents", || {
        let told = stack.query::<String>(sql).unwrap_or_default();
        if told == want {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    });
}

#[test]
fn a_budget_that_burns_is_an_incident() {
    let mut stack = Stack::start();
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    let config = stack.path("objectives.toml");
    let mut text = std::fs::read_to_string(stack.path("collector.toml")).unwrap();
    for (service, latency_ms) in [
        ("shop", 0),
        ("crm", 100),
        ("calm", 100),
        ("quiet", 0),
        ("gone", 0),
        ("moved", 0),
    ] {
        text.push_str(&format!(
            "[[objectives]]\nname = \"{service}-pages\"\nservice = \"{service}\"\ntarget = 0.99\nlatency_ms = {latency_ms}\n"
        ));
    }
    for service in ["portal", "steady", "scarce", "unseen", "closed"] {
        text.push_str(&format!(
            "[[objectives]]\nname = \"{service}-up\"\nservice = \"{service}\"\nkind = \"availability\"\ntarget = 0.99\n"
        ));
    }
    std::fs::write(&config, text).unwrap();
    let start = |stack: &Stack| {
        Process::start(
            "collector",
            Command::new(binary("crmscope-collector"))
                .arg("--config")
                .arg(&config),
            &stack.path("objectives.log"),
        )
    };
    // A fifth is bad: 20 times as much as may be. What is slow counts where there is a limit.
    requests(&stack, "shop", 800, 200, 0);
    requests(&stack, "crm", 800, 0, 200);
    requests(&stack, "calm", 1_000, 1, 1);
    requests(&stack, "quiet", 20, 20, 0);
    // In maintenance nothing is told, of requests and of time.
    requests(&stack, "moved", 0, 1_000, 0);
    maintain(&stack, "moved");
    maintain(&stack, "closed");
    runs(&stack, "closed", 60, 60);
    // Down for a third of an hour, for none of it, for what is too short to tell.
    runs(&stack, "portal", 60, 20);
    runs(&stack, "steady", 60, 0);
    runs(&stack, "scarce", 5, 5);
    let mut collector = start(&stack);
    let burns = [
        "budget_burns_fast crm-pages",
        "budget_burns_slowly crm-pages",
    ];
    let rest = ["no_traffic gone-pages", "low_traffic quiet-pages"];
    let shop = [
        "budget_burns_fast shop-pages",
        "budget_burns_slowly shop-pages",
    ];
    let portal = [
        "budget_burns_fast portal-up",
        "budget_burns_slowly portal-up",
    ];
    let last = ["little_known scarce-up"];
    let unseen = ["not_probed unseen-up"];
    let all = [
        &burns[..],
        &rest[..1],
        &portal,
        &rest[1..],
        &last,
        &shop,
        &unseen,
    ];
    wait_incidents(&stack, &all.concat());
    let said = "SELECT summary FROM incidents FINAL WHERE kind = 'budget_burns_fast' AND objective = 'portal-up'";
    println!("{:?}", stack.query::<String>(said).unwrap());

    // So many good ones come that the rate is a hundredth; another collector goes on with what was found.
    assert!(collector.terminate().success());
    requests(&stack, "crm", 1_000_000, 0, 0);
    requests(&stack, "gone", 1_000, 0, 0);
    let mut collector = start(&stack);
    let over = [
        "budget_burns_fast crm-pages over",
        "budget_burns_slowly crm-pages over",
    ];
    let rest = ["no_traffic gone-pages over", "low_traffic quiet-pages"];
    let all = [
        &over[..],
        &rest[..1],
        &portal,
        &rest[1..],
        &last,
        &shop,
        &unseen,
    ];
    wait_incidents(&stack, &all.concat());
    assert!(collector.terminate().success());
}
