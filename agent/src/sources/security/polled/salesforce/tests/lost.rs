//! Files that fail for good: others are read, and what is lost is counted and told.

use crmscope_proto::catalog::SourceMetric;

use super::*;

const LOST: SourceMetric = SourceMetric::LostUnreadableFiles;

/// Polls that are seldom enough for a state to be seen, and few tries.
fn few_tries(service: &Service, tries: u32) -> Org {
    Org {
        interval_ms: 300,
        file_tries_max: tries,
        ..config(service)
    }
}

#[test]
fn a_file_that_is_refused_for_good_stops_no_other_and_is_given_up() {
    let refused = r#"[{"message":"no","errorCode":"NOPE"}]"#;
    for (status, named) in [
        (400, "does not give it (status 400, NOPE)"),
        (403, "does not give it (status 403, NOPE)"),
        (404, "it is listed and not there (status 404)"),
        (500, "does not give it (status 500, NOPE)"),
    ] {
        let service = Service::start();
        let now_ms = crate::clock::wall_ms();
        let bad = logins(0, now_ms - 2, now_ms, &[line("lost", now_ms)]);
        let id = bad.id.clone();
        service.breaks(&format!("{id}/LogFile"), Reply::refusal(status, refused));
        service.add(bad);
        service.add(logins(1, now_ms - 1, now_ms, &[line("good", now_ms)]));
        let org = few_tries(&service, 3);
        let mut harness = Salesforce::of(vec![org.clone()]);
        harness.until("the other", |harness| harness.users() == ["good"]);
        assert_eq!(harness.count(LOST), 0, "{status}");
        harness.fails(&format!("file {id} (Login)"));
        harness.fails(&format!(
            "file {id} (Login) failed 3 times, is given up, and what is in it is lost"
        ));
        let error = harness.state.clone().unwrap_err();
        assert!(error.contains(named), "{error}");
        assert_eq!(harness.count(LOST), 1, "{status}");
        harness.until("all well", |harness| harness.state.is_ok());
        harness.settled();
        // It stays given up, through a restart.
        let checkpoint = harness.checkpoint();
        let mut harness = Salesforce::resumed(vec![org], &checkpoint);
        harness.settled();
        assert_eq!(service.asked_for(&id), 3, "{status}");
        assert!(harness.users().is_empty());
    }
}

#[test]
fn one_that_is_away_once_was_made_anew_and_is_no_trouble() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    service.add(logins(0, now_ms, now_ms, &[line("there", now_ms)]));
    service.fault("/LogFile", Reply::refusal(404, "[]"));
    let mut harness = Salesforce::of(vec![few_tries(&service, 3)]);
    harness.until("the file", |harness| {
        assert_eq!(harness.state, Ok(()));
        harness.users() == ["there"]
    });
    harness.settled();
    assert_eq!(harness.count(LOST), 0);
}

#[test]
fn tries_are_counted_through_restarts() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let bad = logins(0, now_ms, now_ms, &[]);
    let id = bad.id.clone();
    service.breaks(&format!("{id}/LogFile"), Reply::refusal(500, "[]"));
    service.add(bad);
    let org = Org {
        interval_ms: 30_000,
        ..few_tries(&service, 2)
    };
    let mut harness = Salesforce::of(vec![org.clone()]);
    harness.fails("(status 500)");
    let checkpoint = harness.checkpoint();
    drop(harness);
    let mut harness = Salesforce::resumed(vec![org], &checkpoint);
    harness.fails("failed 2 times");
    assert_eq!((service.asked_for(&id), harness.count(LOST)), (2, 1));
}

#[test]
fn files_that_always_break_off_make_room_for_others() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    for number in 0..20 {
        let lines = [
            line(&format!("user-{number}"), now_ms),
            line("lost", now_ms),
        ];
        let file = logins(number, now_ms - 100 + i64::from(number), now_ms, &lines);
        let text = file.text.clone().into_bytes();
        let kept = text.len() - 5;
        let path = format!("{}/LogFile", file.id);
        service.breaks(&path, Reply::Cut(CSV, text, kept));
        service.add(file);
    }
    service.add(logins(99, now_ms, now_ms, &[line("good", now_ms)]));
    let mut harness = Salesforce::of(vec![few_tries(&service, 2)]);
    harness.until("the last", |harness| harness.users().contains(&"good"));
    harness.until("all well", |harness| harness.state.is_ok());
    harness.settled();
    assert_eq!(harness.count(LOST), 20);
    // What came of them is told once.
    assert_eq!(harness.users().len(), 21);
    assert_eq!(harness.ids().len(), 21);
}

#[test]
fn one_that_fails_until_the_lookback_has_passed_it_is_told() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let bad = logins(0, now_ms - 20, now_ms, &[]);
    let id = bad.id.clone();
    service.breaks(&format!("{id}/LogFile"), Reply::refusal(500, "[]"));
    service.add(bad);
    service.add(logins(1, now_ms - 10, now_ms, &[line("good", now_ms)]));
    let org = Org {
        lookback_ms: 0,
        ..few_tries(&service, 1000)
    };
    let mut harness = Salesforce::of(vec![org]);
    harness.fails(&format!("file {id} failed until lookback_ms"));
    assert_eq!(harness.count(LOST), 1);
    harness.until("all well", |harness| harness.state.is_ok());
    harness.settled();
    assert_eq!(harness.users(), ["good"]);
    assert_eq!(harness.count(LOST), 1);
}

#[test]
fn of_more_files_than_are_listed_at_once_the_oldest_come_first() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let count: u32 = 16_384 + 100;
    for number in 0..count {
        service.add(logins(number, now_ms + i64::from(number), now_ms, &[]));
    }
    let org = config(&service);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let list = |from_ms| {
        let local = tokio::task::LocalSet::new();
        let mut api = Api::new(&org);
        let files = local.block_on(&runtime, api.list(&org, from_ms));
        files.map_err(|fault| format!("{fault:?}")).unwrap()
    };
    let files = list(now_ms);
    assert_eq!(files.len(), 16_384);
    assert!(files.is_sorted_by_key(|file| file.created_ms));
    assert_eq!(files[0].created_ms, now_ms);
    // From behind the last of them on, the rest.
    let rest = list(files.last().unwrap().created_ms + 1);
    assert_eq!(rest.len(), 100);
}
