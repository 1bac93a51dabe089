//! Learned baselines on a real engine and collector: events of weeks come through the door, and what is
//! unusual of them is the same in whatever order the last day comes, and whoever looks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Instant;

use common::agent::connect;
use common::rows::{batch, now_ms};
use common::{Collector, Engine, PATIENCE};
use crmscope_proto::Lane;
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::v1::SecurityEvent;
use serde_json::Value;

const AGENT: &str = "crm-app-01";
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Users with the same weeks; what one of them is called means harm.
const USERS: [&str; 3] = ["anna", "bert", "x from 6.6.6.6\u{1b}[2J"];
const HOME: &str = "192.0.2.7";
const AWAY: &str = "203.0.113.9";

#[derive(Clone, Copy)]
struct Happened<'a> {
    at_ms: i64,
    kind: &'a str,
    status: u32,
    address: &'a str,
    count: u32,
    records: u64,
}

fn login(at_ms: i64, address: &str) -> Happened<'_> {
    Happened {
        at_ms,
        kind: "app_login",
        status: 1,
        address,
        count: 1,
        records: 0,
    }
}

fn contents(user: &str, happened: &[Happened<'_>]) -> Contents {
    Contents {
        security: happened
            .iter()
            .map(|of| SecurityRow {
                event: SecurityEvent {
                    event_id: fastrand::u128(..).to_be_bytes().to_vec(),
                    time_ms: of.at_ms,
                    class_uid: 3002,
                    activity_id: 1,
                    status_id: of.status,
                    user: user.to_owned(),
                    source_address: of.address.to_owned(),
                    count: of.count,
                    records: of.records,
                    ..SecurityEvent::default()
                },
                kind: of.kind.to_owned(),
                service: "crm".to_owned(),
                method: "password".to_owned(),
            })
            .collect(),
        ..Contents::default()
    }
}

/// Sends batches one after the other, each acknowledged.
async fn send(collector: &Collector, first: u64, batches: &[Contents]) -> u64 {
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    let mut sequence = first;
    for contents in batches {
        agent
            .send(&batch(AGENT, Lane::Security, sequence, contents))
            .await
            .unwrap();
        agent.acked(Lane::Security, sequence).await.unwrap();
        sequence += 1;
    }
    sequence
}

/// What is found of a user, without its name, in order.
fn found(collector: &Collector, user: &str) -> Vec<String> {
    let (code, said) = collector.command(&["findings", "--from", "40d", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let escaped = user.escape_debug().to_string();
    let mut found: Vec<String> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["key"]["user"] == user)
        .map(|line| {
            let summary = line["summary"].as_str().unwrap().replace(&escaped, "USER");
            let text = |name: &str| line[name].to_string();
            format!(
                "{} {} {} {} {} {} {} {summary}",
                line["rule_id"].as_str().unwrap(),
                line["level"].as_str().unwrap(),
                text("first_ms"),
                text("last_ms"),
                text("events"),
                text("sources"),
                text("hosts"),
            )
        })
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unusual_is_the_same_in_whatever_order_it_comes() {
    let engine = Engine::start();
    let mut collector = Collector::start(&engine);
    collector.ready().await;
    // Two days ago is the day that is unusual.
    let midnight = now_ms().div_euclid(DAY_MS) * DAY_MS - 2 * DAY_MS;
    let at = |day: i64, hour: i64, minute: i64| {
        midnight + day * DAY_MS + hour * HOUR_MS + minute * 60_000
    };
    let mut weeks: Vec<Happened<'_>> = (-30..0)
        .flat_map(|day| [9, 13].map(|hour| login(at(day, hour, 5), HOME)))
        .collect();
    weeks.push(Happened {
        kind: "data_export",
        records: 100,
        count: 3,
        ..login(at(-7, 10, 0), HOME)
    });
    let exports = |minute: i64, count: u32| Happened {
        kind: "data_export",
        records: 500,
        count,
        ..login(at(0, 10, minute), HOME)
    };
    let parts = [
        login(at(0, 3, 10), AWAY),
        login(at(0, 4, 20), AWAY),
        login(at(0, 9, 0), HOME),
        exports(5, 20),
        exports(40, 22),
        Happened {
            status: 2,
            count: 60,
            ..login(at(0, 11, 30), AWAY)
        },
    ];
    let orders = [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [4, 1, 0, 2, 5, 3]];
    let mut sequence = 1;
    let history: Vec<Contents> = USERS.iter().map(|user| contents(user, &weeks)).collect();
    sequence = send(&collector, sequence, &history).await;
    let step = |range: std::ops::Range<usize>| -> Vec<Contents> {
        let all = range.flat_map(|place| {
            let each = USERS.iter().zip(orders);
            each.map(move |(user, order)| (user, order[place]))
        });
        all.map(|(user, part)| contents(user, &[parts[part]]))
            .collect()
    };
    sequence = send(&collector, sequence, &step(0..3)).await;
    // Whoever looks has found something; then it is killed, and another one looks.
    let started = Instant::now();
    while found(&collector, USERS[0]).len() < 3 {
        assert!(started.elapsed() < PATIENCE, "{}", collector.log());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    collector.kill();
    let collector = Collector::start(&engine);
    collector.ready().await;
    send(&collector, sequence, &step(3..6)).await;

    let both = r#"["203.0.113.9"]"#;
    let host = r#"["crm-app-01"]"#;
    let starts = [
        format!(
            "baseline.export_volume high {} {} 42 [\"192.0.2.7\"] {host} Unusual export volume: 42 exports with 21000 records by user USER in the hour from ",
            at(0, 10, 5),
            at(0, 10, 40)
        ),
        format!(
            "baseline.new_network low {} {} 2 {both} {host} Login from a new network: user USER logged in from 203.0.113.0/24; known are 1 network on 29 days with logins.",
            at(0, 3, 10),
            at(0, 4, 20)
        ),
        format!(
            "baseline.unusual_hour low {} {} 2 {both} {host} Login at an unusual hour: user USER logged in at 03:00 to 04:00 (UTC); on 29 days with logins, ",
            at(0, 3, 10),
            at(0, 4, 20)
        ),
        format!(
            "baseline.unusual_login high {} {} 2 {both} {host} Unusual login: user USER logged in from a new network and at an unusual hour in the hour from ",
            at(0, 3, 10),
            at(0, 4, 20)
        ),
        format!(
            "baseline.unusual_volume medium {0} {0} 60 {both} {host} Unusual number of events: 60 events of app_login failed by user USER in the hour from ",
            at(0, 11, 30)
        ),
    ];
    for user in USERS {
        let started = Instant::now();
        loop {
            let found = found(&collector, user);
            let is_it = found.len() == starts.len()
                && found
                    .iter()
                    .zip(&starts)
                    .all(|(is, want)| is.starts_with(want));
            if is_it {
                let told = found[0].contains("this user's largest hour in 35 days is 3 exports with 300 records, and all together are 3 exports with 300 records.");
                assert!(told, "{found:#?}");
                break;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{user:?}: {found:#?}\ninstead of {starts:#?}\n{}",
                collector.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    let three: Vec<Vec<String>> = USERS.iter().map(|user| found(&collector, user)).collect();
    assert_eq!(three[0], three[1]);
    assert_eq!(three[0], three[2]);
    println!("{:#?}", three[0]);
    // Looking again and again makes nothing of it: no row, no other finding.
    let rows = "SELECT count() FROM crmscope.findings";
    let before = engine.number(rows).await;
    let looks = collector.metric("baselines_looks_total").await;
    collector
        .reaches("baselines_looks_total", looks + 2.0)
        .await;
    assert_eq!(engine.number(rows).await, before);

    check_shown(&collector);
}

fn check_shown(collector: &Collector) {
    let (code, said) = collector.command(&["baselines", "show", "--user", "anna"]);
    println!("{said}");
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "User anna: first seen ",
        "192.0.2.0/24",
        "crm password",
        "Networks, 1 ",
        "Exports in 35 days: 3 with 300 records; largest hour 3 exports, 300 records",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = collector.command(&["baselines", "show", "--user", USERS[2]]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    let (code, said) = collector.command(&["baselines", "show"]);
    assert_eq!((code, said.lines().count()), (Some(0), 1 + 3), "{said}");
    let (code, said) = collector.command(&["baselines", "show", "--user", "nobody"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nothing is known of user"), "{said}");
    for table in ["user_activity_1h", "user_logins_1h"] {
        let (code, said) = collector.command(&["reconcile", "--from", "36d", "--table", table]);
        println!("{said}");
        assert_eq!(code, Some(0), "{said}");
    }
}

/// What a look asks of ClickHouse, with CRMSCOPE_COST=users; small by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_reads_the_past_of_its_users_alone() {
    let users: u64 = std::env::var("CRMSCOPE_COST").map_or(100, |users| users.parse().unwrap());
    let engine = Engine::start();
    let collector = Collector::start(&engine);
    collector.ready().await;
    // Ten events a day and user in 42 days.
    let events = users * 420;
    engine.text(&format!(
        "INSERT INTO crmscope.security_events (event_id, ts, agent_id, status_id, kind, service, method, user, source_address, count) \
         SELECT generateUUIDv4(), now64(3) - toIntervalSecond(7200 + intDiv(number, {users}) * 8640), 'app', 1, 'app_login', 'crm', 'password', \
         concat('user-', toString(number % {users})), concat('10.0.', toString(number % 200), '.1'), 1 FROM numbers({events})"
    )).await;
    let of = |name: &str| {
        let query = crmscope_collector::schema::queries::find(name).unwrap().sql;
        let now = now_ms();
        query
            .replace("{users:Array(UInt64)}", "(SELECT DISTINCT user_hash FROM crmscope.user_activity_1h ORDER BY user_hash LIMIT 50)")
            .replace("{from_ms:Int64}", &(now - 42 * DAY_MS).to_string())
            .replace("{to_ms:Int64}", &now.to_string())
            .replace("{per_user:UInt32}", "10000")
    };
    for name in ["baseline_activity", "baseline_logins", "baseline_told"] {
        let sql = of(name);
        let started = Instant::now();
        for _ in 0..5 {
            engine.text(&format!("SELECT count() FROM ({sql})")).await;
        }
        let each = started.elapsed() / 5;
        let rows = engine.number(&format!("SELECT count() FROM ({sql})")).await;
        println!("{events} events of {users} users: {name} of 50 users: {rows} rows, {each:?}");
        let want = if name == "baseline_told" { 0 } else { 50 * 415 };
        assert!(rows >= want && rows <= 50 * 420, "{name}: {rows}");
    }
}
