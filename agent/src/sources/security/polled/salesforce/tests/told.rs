//! What is told, and how often.

use proptest::prelude::*;

use super::*;
use crate::sources::tail::calendar::DAY_MS;

/// A fixture with its day moved to one that is taken, and that day's beginning.
fn today(text: &str) -> (String, i64) {
    let now_ms = crate::clock::wall_ms();
    let day_ms = now_ms - now_ms.rem_euclid(DAY_MS) - DAY_MS;
    let date = &org::written_ms(day_ms)[..10];
    let text = text.replace("2026-11-25", date);
    (text.replace("20261125", &date.replace('-', "")), day_ms)
}

#[test]
fn recorded_files_become_the_events_of_other_sources() {
    let service = Service::start();
    service.state.lock().unwrap().page = 2;
    let recorded = [
        ("Login", include_str!("../fixtures/login.csv")),
        (
            "ReportExport",
            include_str!("../fixtures/report_export.csv"),
        ),
        ("BulkApi", include_str!("../fixtures/bulk_api.csv")),
        ("LoginAs", include_str!("../fixtures/login_as.csv")),
    ];
    let now_ms = crate::clock::wall_ms();
    for (number, (of, text)) in (0..).zip(recorded) {
        let (text, day_ms) = today(text);
        service.add(Served {
            of,
            text,
            ..logins(number, now_ms - 1000, day_ms, &[])
        });
    }
    let ids = ["0055j00000AT6I1AAL", "0055j00000AT6I2AAL"];
    let (ada, sync) = ("ada@acme.example", "sync@acme.example");
    service.state.lock().unwrap().users = vec![(ids[0], "Ada@acme.example"), (ids[1], sync)];
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.settled();
    let told = harness.contents.security.iter().map(|row| {
        let event = &row.event;
        assert_eq!(row.service, "salesforce");
        (
            (&*row.kind, event.status_id, &*row.method),
            (&*event.user, &*event.target_user, &*event.source_address),
            (event.records, &*event.detail),
        )
    });
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(
        told,
        [
            (
                ("app_login", 1, "A"),
                ("ada@acme.example", "", "203.0.113.7"),
                (0, firefox)
            ),
            (
                ("app_login", 1, "LoginAs"),
                ("root@acme.example", ada, "203.0.113.9"),
                (0, "/home/home.jsp")
            ),
            (
                ("app_login", 1, "i"),
                ("sync@acme.example", "", "198.51.100.23"),
                (0, "Go-http-client/1.1")
            ),
            (
                ("app_login", 2, "A"),
                ("ada@acme.example", "", "192.0.2.66"),
                (0, "LOGIN_ERROR_INVALID_PASSWORD curl/8.11.0")
            ),
            (
                ("app_login", 2, "A"),
                ("x from 6.6.6.6 port 22", "", "192.0.2.66"),
                (0, "LOGIN_ERROR_INVALID_PASSWORD")
            ),
            (
                ("data_delete", 2, "BulkApi"),
                (sync, "", "198.51.100.23"),
                (17, "Lead")
            ),
            (
                ("data_export", 1, "BulkApi"),
                (sync, "", "198.51.100.23"),
                (48211, "Contact")
            ),
            (
                ("data_export", 1, "ReportExport"),
                (ada, "", "203.0.113.7"),
                (0, "Opportunities, \"all regions\"")
            ),
        ]
    );
    // One token for all, asked for as documented; and the list in two pages.
    assert_eq!(service.server.requests("/services/oauth2/token").len(), 1);
    let head = &service.server.requests("/services/data/v62.0/query")[0].headers;
    assert_eq!(head["accept"], "application/json");
    assert!(head["user-agent"].starts_with("crmscope-agent/"));
    let files = service.server.requests("/services/data/v62.0/sobjects/");
    assert_eq!(files.len(), 4, "each file is read once");
    let queries = &service.state.lock().unwrap().queries.clone();
    assert!(
        queries[0].starts_with("SELECT Id, EventType, LogDate, CreatedDate FROM EventLogFile "),
        "what is asked for is used: {}",
        queries[0]
    );
    harness.settled();
    assert_eq!(
        service
            .server
            .requests("/services/data/v62.0/sobjects/")
            .len(),
        4
    );
}

#[test]
fn hostile_names_are_names() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let long = "h".repeat(100_000);
    let names = [
        "x from 6.6.6.6 port 22",
        "a \"b\", c",
        "two\nlines\r\n\"Login\",\"x\"",
        "\u{1b}[2J\u{202e}",
        "=cmd|'/c calc'!A1",
        long.as_str(),
    ];
    let lines: Vec<_> = names.iter().map(|name| line(name, now_ms)).collect();
    service.add(logins(0, now_ms, now_ms, &lines));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.settled();
    let users = harness.users();
    assert_eq!(users[..5], names[..5]);
    assert_eq!(users[5], &long[..256]);
    assert!(
        harness
            .contents
            .security
            .iter()
            .all(|row| row.event.source_address == "192.0.2.7")
    );
}

#[test]
fn equal_records_of_one_file_are_as_many_events() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let twice = line("twice", now_ms);
    let lines = [twice.clone(), line("once", now_ms), twice.clone()];
    service.add(logins(0, now_ms - 5, now_ms, &lines));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.settled();
    assert_eq!(harness.users(), ["twice", "once", "twice"]);
    assert_eq!(harness.ids().len(), 3);
    // The day's file is made anew, in another order, with one more of them and one of another.
    let again = [
        line("new", now_ms),
        twice.clone(),
        twice.clone(),
        lines[1].clone(),
        twice,
    ];
    service.add(logins(1, now_ms, now_ms, &again));
    harness.until("what is new of it", |harness| harness.users().len() >= 5);
    harness.settled();
    assert_eq!(harness.users()[3..], ["new", "twice"]);
    assert_eq!(harness.ids().len(), 5);
}

#[test]
fn a_large_file_passes_in_parts_and_is_not_begun_anew() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    // More than is remembered of a day.
    let lines: Vec<_> = (0..20_000)
        .map(|number| line(&format!("user-{number}"), now_ms))
        .collect();
    let file = logins(0, now_ms, now_ms, &lines);
    let text = file.text.clone().into_bytes();
    service.add(file);
    let kept = text.len() - 20_000;
    service.fault("/LogFile", Reply::Cut(CSV, text, kept));
    // Seldom enough for the state to be seen.
    let org = Org {
        interval_ms: 2000,
        ..config(&service)
    };
    let mut harness = Salesforce::of(vec![org.clone()]);
    harness.fails("broke off");
    let before = harness.users().len();
    assert!((18_000..20_000).contains(&before), "{before}");
    let checkpoint = harness.checkpoint();
    let mut stored: Vec<String> = harness.users().into_iter().map(str::to_owned).collect();
    drop(harness);
    let mut harness = Salesforce::resumed(vec![org], &checkpoint);
    harness.settled();
    stored.extend(harness.users().into_iter().map(str::to_owned));
    assert_eq!(stored.len(), 20_000);
    stored.sort();
    stored.dedup();
    assert_eq!(stored.len(), 20_000);
    assert!(checkpoint.len() < 500_000, "{} bytes", checkpoint.len());
}

#[test]
fn files_of_the_other_interval_are_not_read_but_told_of() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    service.add(Served {
        interval: "Daily",
        ..logins(0, now_ms, now_ms, &[line("daily", now_ms)])
    });
    let org = config(&service);
    let mut harness = Salesforce::of(vec![org.clone()]);
    harness.fails("set files = \"daily\"");
    assert!(harness.users().is_empty());
    let daily = Org {
        files: Files::Daily,
        ..org
    };
    let checkpoint = harness.checkpoint();
    let mut harness = Salesforce::resumed(vec![daily], &checkpoint);
    harness.settled();
    assert_eq!(harness.users(), ["daily"]);
}

/// A file of the simulation: when it appears, how long before that it says it was made, and whose
/// logins it holds.
#[derive(Clone, Debug)]
struct Planned {
    step: usize,
    behind_ms: i64,
    users: Vec<u32>,
    /// Replaces the file before it, and holds its logins too.
    anew: bool,
}

fn planned() -> impl Strategy<Value = Planned> {
    let users = prop::collection::vec(any::<u32>(), 0..12);
    (0..5_usize, 0..3_600_000_i64, users, any::<bool>()).prop_map(
        |(step, behind_ms, users, anew)| Planned {
            step,
            behind_ms,
            users,
            anew,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Files appear in any order, some late and some made anew, and are listed in any order; the agent is
    /// killed between a poll and what stores it, and files break off. Each login is told once.
    #[test]
    fn each_login_is_told_once_whatever_happens(
        files in prop::collection::vec(planned(), 1..8),
        kills in prop::collection::vec(any::<bool>(), 6),
        breaks in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 6),
        page in 1..4_usize,
    ) {
        let service = Service::start();
        service.state.lock().unwrap().page = page;
        let base_ms = crate::clock::wall_ms() - 7_200_000;
        let org = config(&service);
        let (mut stored, mut expected) = (Vec::new(), Vec::new());
        let mut harness = Salesforce::of(vec![org.clone()]);
        harness.settled();
        let mut saved = harness.checkpoint();
        for step in 0..6 {
            for (number, file) in (0_u32..).zip(&files).filter(|(_, file)| file.step == step) {
                let name = |user: &u32| format!("{number}-{user}");
                let users: BTreeSet<_> = file.users.iter().map(name).collect();
                let mut lines: Vec<_> = users.iter().map(|user| line(user, base_ms)).collect();
                expected.extend(users);
                let mut state = service.state.lock().unwrap();
                if file.anew && let Some(old) = state.files.pop() {
                    let head = old.text.find('\n').unwrap() + 1;
                    lines.push(old.text[head..].to_owned());
                }
                let created_ms = base_ms + i64::try_from(step).unwrap() * 60_000 + 3_600_000 - file.behind_ms;
                state.files.push(logins(number, created_ms, base_ms, &lines));
                if step % 2 == 0 {
                    state.files.reverse();
                }
            }
            if let Some(at) = &breaks[step] {
                let last = service.state.lock().unwrap().files.last().cloned();
                if let Some(Served { id, text, .. }) = last {
                    let kept = at.index(text.len());
                    let path_end = format!("{id}/LogFile");
                    service.fault(&path_end, Reply::Cut(CSV, text.into_bytes(), kept));
                }
            }
            harness.polled();
            if kills[step] {
                // What was read since then was never stored.
                harness = Salesforce::resumed(vec![org.clone()], &saved);
            } else {
                saved = harness.checkpoint();
                let rows = std::mem::take(&mut harness.contents.security);
                stored.extend(rows.into_iter().map(|row| row.event.user));
            }
        }
        service.clear_faults();
        harness.polled();
        harness.settled();
        stored.extend(harness.contents.security.iter().map(|row| row.event.user.clone()));
        stored.sort();
        expected.sort();
        prop_assert_eq!(stored, expected);
    }
}
