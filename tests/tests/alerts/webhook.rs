//! A program behind a webhook: it fails in every way, its collector goes and comes, and it is told once.

use std::collections::BTreeMap;

use crmscope_collector::alerts::{Config, Incident, Phase, Target, Webhook, key};
use crmscope_proto::Id;
use crmscope_tests::{Stack, http};
use serde_json::Value;

use super::hook::{Hook, Mood, Request};
use super::{Alerts, config, hostile, incident, over, wait_recorded, wait_until};

/// How often each phase of each incident was taken, or refused for good.
fn ended(requests: &[Request]) -> BTreeMap<(String, String), usize> {
    let mut times = BTreeMap::new();
    let final_ones = [Mood::Answer(200), Mood::Answer(400)];
    for request in requests.iter().filter(|one| final_ones.contains(&one.mood)) {
        for one in request.body["incidents"].as_array().unwrap() {
            let id = one["incident_id"].as_str().unwrap().to_owned();
            let phase = request.body["phase"].as_str().unwrap().to_owned();
            *times.entry((id, phase)).or_default() += 1;
        }
    }
    times
}

fn is_taken(hook: &Hook, incident: &Incident, phase: &str) -> bool {
    let times = ended(&hook.requests());
    times.contains_key(&(incident.incident_id.to_string(), phase.to_owned()))
}

#[test]
fn each_notification_arrives_once_through_failures_and_restarts() {
    let mut stack = Stack::start();
    let hook = Hook::start();
    let token_file = stack.path("webhook.token");
    std::fs::write(&token_file, "first-token\n").unwrap();
    let config = Config {
        // Short, since some requests are never answered.
        timeout_ms: 300,
        webhook: Webhook {
            url: hook.url(),
            token_file: token_file.clone(),
        },
        ..config()
    };

    // Nothing gets through, in every way in which it may not.
    let failures = [
        Mood::Answer(500),
        Mood::Hang,
        Mood::Close,
        Mood::Answer(429),
        Mood::Answer(503),
    ];
    hook.moods(&failures, Mood::Answer(500));
    let mut all: Vec<Incident> = (1..=4).map(incident).collect();
    all.push(hostile(5));
    let alerts = Alerts::start(stack.clickhouse_port, &config);
    alerts.tell(&all);
    wait_until("failures of every sort", || {
        Ok(hook.requests().len() > failures.len())
    });
    alerts.crash();
    hook.quiet();

    // Another one takes over; two more fall silent, and a blip is over before anybody is told.
    all.extend([incident(6), incident(7)]);
    let blip = over(&incident(8));
    hook.moods(&[Mood::Answer(500)], Mood::Answer(200));
    let alerts = Alerts::start(stack.clickhouse_port, &config);
    alerts.tell(&all);
    alerts.tell(std::slice::from_ref(&blip));
    wait_recorded(&stack, "webhook", "firing", "delivered", 7);

    // Three ends, against failures, with a new token.
    std::fs::write(&token_file, "second-token\n").unwrap();
    hook.moods(
        &[Mood::Close, Mood::Hang, Mood::Answer(500)],
        Mood::Answer(200),
    );
    for incident in &mut all[..3] {
        *incident = over(incident);
    }
    alerts.tell(&all[..3]);
    wait_recorded(&stack, "webhook", "resolved", "delivered", 3);

    // One that the program refuses for good.
    hook.moods(&[], Mood::Answer(400));
    let refused = incident(9);
    alerts.tell(std::slice::from_ref(&refused));
    wait_recorded(&stack, "webhook", "firing", "given_up", 1);
    alerts.abort();

    // After a restart all are told again; only what is new arrives.
    hook.moods(&[], Mood::Answer(200));
    let alerts = Alerts::start(stack.clickhouse_port, &config);
    alerts.tell(&all);
    let new = incident(10);
    alerts.tell(&[blip.clone(), over(&refused), new.clone()]);
    wait_recorded(&stack, "webhook", "firing", "delivered", 8);

    // The end of a known one is told while ClickHouse is away, and recorded once it is back.
    stack.clickhouse.as_mut().unwrap().kill();
    let late = over(&new);
    alerts.tell(std::slice::from_ref(&late));
    wait_until("the end to arrive", || {
        Ok(is_taken(&hook, &new, "resolved"))
    });
    stack.start_clickhouse();
    wait_recorded(&stack, "webhook", "resolved", "delivered", 4);
    alerts.abort();

    let requests = hook.requests();
    let times = ended(&requests);
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    // 8 begin and 4 of them end; one was refused.
    assert_eq!(times.len(), 8 + 4 + 1, "{times:?}");
    assert!(!is_taken(&hook, &blip, "firing"));
    check_requests(&requests);
    check_query(&stack, &late);
}

fn check_requests(requests: &[Request]) {
    let mut documents: BTreeMap<&str, &Value> = BTreeMap::new();
    for request in requests {
        let document = &request.body;
        assert_eq!(document["version"], 1);
        let name = request.header("idempotency-key").unwrap();
        assert_eq!(document["key"], name);
        let first = documents.entry(name).or_insert(document);
        assert_eq!(*first, document, "a repetition is the same");
        let phase = match document["phase"].as_str() {
            Some("firing") => Phase::Firing,
            _ => Phase::Resolved,
        };
        for one in document["incidents"].as_array().unwrap() {
            let id = Id::parse(one["incident_id"].as_str().unwrap()).unwrap();
            assert_eq!(one["key"], key([id], phase, Target::Webhook));
            assert_eq!(one["ended_at"].is_null(), phase == Phase::Firing);
            assert!(!one.to_string().contains("\\r"), "{one}");
        }
    }
    let last = requests.last().unwrap();
    let tokens = [&requests[0], last].map(|request| request.header("authorization"));
    assert_eq!(
        tokens,
        [Some("Bearer first-token"), Some("Bearer second-token")]
    );
}

/// The documented query, of one incident.
fn check_query(stack: &Stack, incident: &Incident) {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/clickhouse/queries/notifications.sql"
    );
    let path = format!(
        "/?database=crmscope&param_incidents={}",
        incident.incident_id
    );
    let sql = std::fs::read_to_string(file).unwrap();
    let (status, answer) = http(stack.clickhouse_port, "POST", &path, &sql).unwrap();
    assert_eq!(status, 200, "{answer}");
    let rows: Vec<Vec<&str>> = answer
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let phases: Vec<_> = rows
        .iter()
        .map(|row| (row[1], row[2], row[3], row[5]))
        .collect();
    let host = incident.agent_id.as_str();
    let want = ["firing", "resolved"].map(|phase| (phase, "webhook", "delivered", host));
    assert_eq!(phases, want, "{answer}");
}
