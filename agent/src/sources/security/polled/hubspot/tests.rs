//! Polling a service on loopback that answers as HubSpot documents it, and otherwise.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::start::Start;
use super::super::tests::harness::{Harness, each};
use super::super::tests::server::{Reply, Request, Server};
use super::*;

type HubSpot = Harness<HubSpotPoller>;

const TOKEN: &str = "pat-eu1-fixture-token";

#[derive(Default)]
struct State {
    /// Attempts in the order in which pages show them.
    attempts: Vec<Value>,
    faults: Vec<Reply>,
    /// Attempts of a page.
    page: usize,
}

struct Service {
    server: Server,
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        let state = Arc::new(Mutex::new(State {
            page: PAGE_LIMIT,
            ..State::default()
        }));
        let answering = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut answering.lock().unwrap(), request));
        Self {
            server,
            state,
            folder,
        }
    }

    fn token(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn add(&self, attempt: Value) {
        self.state.lock().unwrap().attempts.push(attempt);
    }
}

fn answer(state: &mut State, request: &Request) -> Reply {
    if !state.faults.is_empty() {
        return state.faults.remove(0);
    }
    assert_eq!(request.path, "/account-info/v3/activity/login");
    assert_eq!(request.query["limit"], "200");
    if request.headers.get("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return Reply::refusal(401, r#"{"category":"INVALID_AUTHENTICATION"}"#);
    }
    let after = request
        .query
        .get("after")
        .map(|after| after.strip_prefix("at= &").unwrap());
    let offset: usize = after.map_or(0, |after| after.parse().unwrap());
    let shown: Vec<_> = state
        .attempts
        .iter()
        .skip(offset)
        .take(state.page)
        .collect();
    let next = offset + shown.len();
    let mut page = serde_json::json!({ "results": shown });
    if next < state.attempts.len() {
        page["paging"] =
            serde_json::json!({"next": {"after": format!("at= &{next}"), "link": "x"}});
    }
    Reply::json(page.to_string())
}

fn attempt(id: u64, at_ms: i64, user: &str, good: bool) -> Value {
    let text = super::super::sql::written(at_ms * 1000);
    serde_json::json!({
        "id": id.to_string(),
        "loginAt": format!("{}T{}Z", &text[..10], &text[11..23]),
        "userId": 7,
        "email": user,
        "loginSucceeded": good,
        "ipAddress": "192.0.2.7",
        "userAgent": "Mozilla/5.0",
    })
}

fn config(service: &Service) -> Account {
    let account = Account {
        name: "acme".to_owned(),
        token_file: Some(service.token()),
        token_variable: None,
        url: service.server.url(),
        server_ca_file: None,
        from: Start::Ago(86_400_000),
        ..Account::template()
    };
    let config = Config {
        accounts: vec![account.clone()],
        ..Config::default()
    };
    assert_eq!(config.validate(), Ok(()));
    // Faster than a validated one may be.
    Account {
        interval_ms: 20,
        deadline_ms: 20_000,
        ..account
    }
}

#[test]
fn recorded_attempts_become_the_events_of_other_sources() {
    let service = Service::start();
    let date = super::super::sql::written((crate::clock::wall_ms() - 86_400_000) * 1000);
    let recorded = |text: &str| text.replace("2026-11-25", &date[..10]);
    for text in [
        include_str!("fixtures/logins_first.json"),
        include_str!("fixtures/logins_last.json"),
    ] {
        service
            .state
            .lock()
            .unwrap()
            .faults
            .push(Reply::json(recorded(text)));
    }
    let account = Account {
        from: Start::Ago(3 * 86_400_000),
        ..config(&service)
    };
    let mut harness = HubSpot::of(vec![account]);
    harness.until("three", |harness| harness.users().len() >= 3);
    harness.settled();
    let told = harness.contents.security.iter().map(|row| {
        let event = &row.event;
        assert_eq!((&*row.kind, &*row.service), ("app_login", "hubspot"));
        (
            &*event.user,
            event.status_id,
            &*event.source_address,
            &*event.detail,
        )
    });
    let chrome = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36";
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("876", 2, "192.0.2.66", ""),
            ("mark@acme.example", 2, "2001:db8::80", "curl/8.11.0"),
            ("mark@acme.example", 1, "203.0.113.80", chrome),
        ]
    );
    let requests = service.server.requests("/account-info/");
    assert_eq!(requests[1].query["after"], "NDg2MTAyNTUwMw");
    assert_eq!(
        requests[0].headers["authorization"],
        format!("Bearer {TOKEN}")
    );
}

#[test]
fn more_than_is_held_is_told_in_the_order_of_time() {
    let service = Service::start();
    let base_ms = crate::clock::wall_ms() - 3_600_000;
    let count = 2 * HELD_MAX as u64 + 100;
    for id in 0..count {
        // The newest first, as the documentation's example has it.
        let at_ms = base_ms + i64::try_from(count - id).unwrap();
        service.add(attempt(id, at_ms, &format!("user-{:05}", count - id), true));
    }
    let mut harness = HubSpot::of(vec![config(&service)]);
    harness.until("all", |harness| harness.users().len() as u64 >= count);
    harness.settled();
    let users = harness.users();
    assert_eq!(
        (users.len() as u64, harness.ids().len() as u64),
        (count, count)
    );
    assert!(users.is_sorted());
}

#[test]
fn what_has_no_room_is_asked_for_again_and_nothing_newer_is_told_before_it() {
    // In any order of sizes: a small attempt must not take the place of a large one before it.
    let large = |id: u64| {
        let mut attempt = attempt(id, i64::try_from(id).unwrap(), "large", true);
        attempt["userAgent"] = "x".repeat(HELD_MAX_BYTES / 2).into();
        attempt
    };
    let small = |id: u64| attempt(id, i64::try_from(id).unwrap(), "small", true);
    let mut held = Held::default();
    for record in [large(100), large(200), small(300), small(50), small(150)] {
        held.add(Attempt::of(&record).unwrap(), record);
    }
    let times: Vec<i64> = held.attempts.keys().map(|one| one.at_ms).collect();
    assert_eq!(times, [50, 100, 150]);
    assert_eq!(held.ceiling.map(|least| least.at_ms), Some(200));
}

#[test]
fn attempts_beyond_the_bytes_that_are_held_are_told_too() {
    let service = Service::start();
    // More than the lookback apart, so that what is passed over would be lost.
    let base_ms = crate::clock::wall_ms() - 40_000_000;
    let mut expected = Vec::new();
    for id in (0..9).rev() {
        let user = format!("user-{id}");
        let at_ms = base_ms + i64::try_from(id).unwrap() * 4_000_000;
        let mut attempt = attempt(id, at_ms, &user, true);
        if [0, 2, 4, 6].contains(&id) {
            attempt["location"] = "x".repeat(1_500_000).into();
        }
        expected.insert(0, user);
        service.add(attempt);
    }
    {
        let mut state = service.state.lock().unwrap();
        state.page = 1;
        // The newest last, and small: there is room for it where others were dropped.
        state.attempts.rotate_left(1);
    }
    let mut harness = HubSpot::of(vec![config(&service)]);
    harness.settled();
    assert_eq!(harness.users(), expected);
}

#[test]
fn each_fault_is_named_and_loses_nothing() {
    let base_ms = crate::clock::wall_ms() - 1000;
    let soon = || vec![("Retry-After", "0".to_owned())];
    let page = br#"{"results":[]}"#.to_vec();
    let limit =
        br#"{"status":"error","category":"RATE_LIMITS","policyName":"TEN_SECONDLY_ROLLING"}"#
            .to_vec();
    let again = || Reply::json(r#"{"results":[],"paging":{"next":{"after":"x"}}}"#);
    let cases = vec![
        (
            vec![Reply::refusal(
                401,
                r#"{"category":"INVALID_AUTHENTICATION"}"#,
            )],
            "(status 401, INVALID_AUTHENTICATION); put the access token",
        ),
        (
            vec![Reply::refusal(403, r#"{"category":"MISSING_SCOPES"}"#)],
            "account-info.security.read",
        ),
        (
            vec![Reply::Whole(429, "application/json", limit, soon())],
            "RATE_LIMITS, TEN_SECONDLY_ROLLING",
        ),
        (vec![Reply::refusal(502, "<html>")], "cannot answer now"),
        (vec![Reply::refusal(404, "")], "correct url"),
        (
            vec![Reply::Whole(
                301,
                "text/html",
                Vec::new(),
                vec![("Location", "https://evil.example".to_owned())],
            )],
            "redirects are not followed",
        ),
        (
            vec![Reply::Whole(200, "text/html", page.clone(), Vec::new())],
            "which is no JSON",
        ),
        (vec![Reply::json("{\"results\":")], "cannot be read"),
        (
            vec![Reply::Cut("application/json", page.clone(), 5)],
            "broke off",
        ),
        (
            vec![Reply::Endless("application/json", vec![b' '; 65_536])],
            "more than 4194304 bytes",
        ),
        (
            vec![Reply::Unframed("application/json", page.clone())],
            "whose end cannot be told",
        ),
        (
            vec![Reply::Slow("application/json", page, 500)],
            "no page of the login history within",
        ),
        (vec![Reply::Silence], "no page of the login history within"),
        (vec![again(), again()], "the same page again"),
        (
            vec![Reply::json(r#"{"results":[{"id":"1"}]}"#)],
            "no id or no loginAt",
        ),
    ];
    each(cases, |(replies, named)| {
        let service = Service::start();
        service.add(attempt(1, base_ms, "first", true));
        let slow = matches!(replies[0], Reply::Slow(..) | Reply::Silence);
        service.state.lock().unwrap().faults = replies;
        let account = Account {
            deadline_ms: if slow { 5000 } else { 20_000 },
            // Seldom enough for the state to be seen.
            interval_ms: 1500,
            ..config(&service)
        };
        let mut harness = HubSpot::of(vec![account]);
        harness.fails(named);
        let error = harness.state.clone().unwrap_err();
        assert!(!error.contains(TOKEN) && error.len() < 1000, "{error}");
        harness.until(named, |harness| !harness.users().is_empty());
        harness.settled();
        assert_eq!(harness.users(), ["first"], "{named}");
    });
}

#[test]
fn odd_attempts_and_more_pages_than_the_bound_are_states() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let long = "h".repeat(100_000);
    let names = [
        "x from 6.6.6.6 port 22",
        "a \"b\"\n\u{1b}[2J",
        long.as_str(),
    ];
    for (id, name) in (0..).zip(names) {
        service.add(attempt(id, now_ms, name, false));
    }
    service.add(attempt(90, now_ms + 86_400_000, "prophet", true));
    let mut harness = HubSpot::of(vec![config(&service)]);
    harness.fails("ahead of this host's clock");
    harness.until("three", |harness| harness.users().len() >= 3);
    let mut users = harness.users();
    users.sort_unstable();
    assert_eq!(users, [names[1], &names[2][..256], names[0]]);
    service.state.lock().unwrap().attempts.pop();
    harness.until("all well", |harness| harness.state.is_ok());

    service.state.lock().unwrap().page = 1;
    let bounded = Account {
        pages_max: 2,
        ..config(&service)
    };
    let mut harness = HubSpot::of(vec![bounded]);
    harness.fails("more than 2 pages");
    assert_eq!(harness.users().len(), 2, "what was seen is told");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Attempts appear late, and pages show them in any order; the agent is killed between a poll and
    /// what stores it. Each is told once.
    #[test]
    fn each_attempt_is_told_once_in_whatever_order(
        attempts in prop::collection::vec((0..6_usize, 0..3_000_000_i64, any::<u64>()), 1..40),
        kills in prop::collection::vec(any::<bool>(), 6),
        page in 1..7_usize,
    ) {
        let service = Service::start();
        service.state.lock().unwrap().page = page;
        let base_ms = crate::clock::wall_ms() - 3_600_000;
        let account = config(&service);
        let (mut stored, mut expected) = (Vec::new(), Vec::new());
        let mut harness = HubSpot::of(vec![account.clone()]);
        harness.settled();
        let mut saved = harness.checkpoint();
        for (step, kill) in kills.into_iter().enumerate() {
            for (id, (_, at_ms, place)) in (0..).zip(&attempts).filter(|(_, one)| one.0 == step) {
                let user = format!("user-{id}");
                let mut state = service.state.lock().unwrap();
                let place = usize::try_from(place % (state.attempts.len() as u64 + 1)).unwrap();
                state.attempts.insert(place, attempt(id, base_ms + at_ms, &user, true));
                expected.push(user);
            }
            harness.settled();
            if kill {
                harness = HubSpot::resumed(vec![account.clone()], &saved);
            } else {
                saved = harness.checkpoint();
                let rows = std::mem::take(&mut harness.contents.security);
                stored.extend(rows.into_iter().map(|row| row.event.user));
            }
        }
        harness.settled();
        stored.extend(harness.contents.security.iter().map(|row| row.event.user.clone()));
        stored.sort();
        expected.sort();
        prop_assert_eq!(stored, expected);
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let service = Service::start();
    let good = Account {
        interval_ms: 1000,
        ..config(&service)
    };
    let error = |change: fn(&mut Account)| {
        let mut account = good.clone();
        change(&mut account);
        let config = Config {
            accounts: vec![account],
            ..Config::default()
        };
        config.validate().err().unwrap_or_default()
    };
    assert_eq!(error(|_| {}), "");
    for (change, named) in [
        ((|one| one.name.clear()) as fn(&mut Account), "name is"),
        (
            |one| one.url = "http://api.hubapi.com".to_owned(),
            "in the clear",
        ),
        (
            |one| one.token_file = None,
            "token has to come from one place",
        ),
        (|one| one.interval_ms = 10, "interval_ms is 10; use 1000 to"),
        (|one| one.pages_max = 0, "pages_max is 0"),
    ] {
        let error = error(change);
        assert!(error.contains(named), "{named}: {error}");
    }
}
