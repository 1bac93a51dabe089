//! Records of services that are asked for, from their answers to ClickHouse, through kills of the agent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../agent/src/sources/security/polled/tests/server.rs"]
mod server;

use std::fs;
use std::sync::{Arc, Mutex};

use crmscope_tests::{Stack, now_ms, wait_for};
use server::{Reply, Request, Server};

/// Times an agent is killed at.
const KILLS: u64 = 4;

/// Records that appear between two kills, of each service.
const RECORDS: u64 = 300;

/// What there is.
#[derive(Default)]
struct State {
    /// Event log files: id, when it was made, text.
    files: Vec<(String, u64, String)>,
    attempts: Vec<String>,
}

/// As Salesforce and HubSpot write times.
fn written(ms: u64) -> String {
    let (day, within) = (ms / 86_400_000, ms % 86_400_000);
    // H. Hinnant's civil_from_days, for days after 1970.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let second = within / 1000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        within % 1000
    )
}

fn answer(state: &State, request: &Request) -> Reply {
    let path = &*request.path;
    if path == "/services/oauth2/token" {
        return Reply::json(r#"{"access_token":"token","token_type":"Bearer"}"#);
    }
    if let Some(id) = path
        .strip_suffix("/LogFile")
        .and_then(|path| path.rsplit('/').next())
    {
        let found = state.files.iter().find(|(one, ..)| one == id);
        return Reply::Chunks("text/csv", found.unwrap().2.clone().into_bytes(), 1000);
    }
    if path.ends_with("/query") {
        let records = state.files.iter().map(|(id, made_ms, _)| {
            let made = written(*made_ms);
            format!(
                r#"{{"Id":"{id}","EventType":"Login","LogDate":"{made}+0000","CreatedDate":"{made}+0000"}}"#
            )
        });
        let records = records.collect::<Vec<_>>().join(",");
        return Reply::json(format!(r#"{{"done":true,"records":[{records}]}}"#));
    }
    let after = request
        .query
        .get("after")
        .map_or(0, |after| after.parse().unwrap());
    let shown: Vec<_> = state
        .attempts
        .iter()
        .skip(after)
        .take(200)
        .cloned()
        .collect();
    let next = after + shown.len();
    let paging = if next < state.attempts.len() {
        format!(r#","paging":{{"next":{{"after":"{next}"}}}}"#)
    } else {
        String::new()
    };
    Reply::json(format!(r#"{{"results":[{}]{paging}}}"#, shown.join(",")))
}

fn now() -> u64 {
    u64::try_from(now_ms()).unwrap()
}

/// A file and attempts that appear now.
fn appear(state: &Mutex<State>, round: u64) {
    let now_ms = now();
    let time = written(now_ms);
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    let mut text = "\"EVENT_TYPE\",\"TIMESTAMP\",\"USER_NAME\",\"LOGIN_STATUS\"\n".to_owned();
    let mut attempts = Vec::new();
    for record in 0..RECORDS {
        let user = format!("user-{round}-{record}");
        text += &format!(
            "\"Login\",\"{}.{}\",\"{user}, \"\"x\"\"\",\"LOGIN_NO_ERROR\"\n",
            &digits[..14],
            &digits[14..]
        );
        attempts.push(format!(
            r#"{{"id":"{round}-{record}","loginAt":"{time}Z","email":"{user}","loginSucceeded":false}}"#
        ));
    }
    let mut state = state.lock().unwrap();
    state
        .files
        .push((format!("0AT5j{round:010}GAN"), now_ms, text));
    // The newest first.
    attempts.append(&mut state.attempts);
    state.attempts = attempts;
}

/// Bytes of the security lane in the agent's spool.
fn spooled(stack: &Stack) -> u64 {
    let folder = stack.path("crm-01.state/spool/security");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.sum()
}

#[test]
fn each_record_of_salesforce_and_hubspot_is_stored_once_through_kills() {
    let state = Arc::new(Mutex::new(State::default()));
    let answering = Arc::clone(&state);
    let server = Server::start(move |request| answer(&answering.lock().unwrap(), request));
    let mut stack = Stack::start();
    let secret = stack.path("secret");
    fs::write(&secret, "fixture-secret\n").unwrap();
    let url = server.url();
    let sources = format!(
        "[sources.security]\nenabled = false\n\
         [[sources.salesforce.orgs]]\nname = \"acme\"\ninstance_url = \"{url}\"\n\
         client_id_file = {secret:?}\nclient_secret_file = {secret:?}\ninterval_ms = 1000\nfrom = \"1h\"\n\
         [[sources.hubspot.accounts]]\nname = \"acme\"\nurl = \"{url}\"\ntoken_file = {secret:?}\n\
         interval_ms = 1000\nfrom = \"1h\"\n"
    );
    appear(&state, 0);
    let mut agent = stack.start_agent("crm-01", &sources);
    stack.wait_number(
        "first events",
        "SELECT count() FROM security_events",
        |count| count > 0,
    );
    for round in 1..=KILLS {
        let between = round % 2 == 1;
        if between {
            // Nobody acknowledges: what is polled stays in the spool until the kill.
            stack.collector.as_mut().unwrap().freeze(true);
        }
        let before = spooled(&stack);
        appear(&state, round);
        if between {
            wait_for("events in the spool", || match spooled(&stack) {
                now if now > before => Ok(()),
                now => Err(format!("{now} bytes, as before")),
            });
        }
        agent.kill();
        if between {
            stack.collector.as_mut().unwrap().freeze(false);
        }
        agent = stack.start_configured_agent("crm-01", &stack.path("crm-01.toml"));
    }
    appear(&state, KILLS + 1);
    let all = (KILLS + 2) * RECORDS;
    for service in ["salesforce", "hubspot"] {
        let stored = format!(
            "SELECT count() FROM security_events WHERE service = '{service}' AND kind = 'app_login'"
        );
        stack.wait_number("every login", &stored, |count| count >= all);
    }
    assert!(agent.terminate().success());
    agent = stack.start_configured_agent("crm-01", &stack.path("crm-01.toml"));
    appear(&state, KILLS + 2);
    let all = all + RECORDS;
    for service in ["salesforce", "hubspot"] {
        let stored = format!("SELECT count() FROM security_events WHERE service = '{service}'");
        stack.wait_number("more of them", &stored, |count| count >= all);
        assert_eq!(stack.number(&stored), all, "{service}");
        let users =
            format!("SELECT uniqExact(user) FROM security_events WHERE service = '{service}'");
        assert_eq!(stack.number(&users), all, "{service}");
    }
    let named = "SELECT count() FROM security_events WHERE user = 'user-3-299, \"x\"'";
    assert_eq!(stack.number(named), 1);
    // A service that is away is a state of its own source.
    let stopped_ms = now_ms();
    drop(server);
    for source in ["salesforce", "hubspot"] {
        let failing = format!(
            "SELECT sum(failures) FROM source_raw WHERE source = '{source}' AND ts > fromUnixTimestamp64Milli({stopped_ms})"
        );
        stack.wait_number("the state", &failing, |count| count > 0);
    }
    let log = agent.log();
    assert!(!log.contains("fixture-secret"), "{log}");
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}
