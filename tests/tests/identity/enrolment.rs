//! From a token to figures; and what a token is not good for.

use std::fs;

use crmscope_tests::wait_for;

use crate::surroundings::{Secure, wait_said};

#[test]
fn an_agent_enrols_with_a_token_and_goes_on_without_it() {
    let secure = Secure::start(&[]);
    let token = secure.token(&["--role", "web", "--group", "paris"]);
    let mut agent = secure.enrolling("web-1", &token);
    secure.wait_beats("web-1");
    assert!(!agent.log().contains(&token), "{}", agent.log());
    let (_, hosts) = secure.stack.command(&["hosts", "list", "--agent", "web-1"]);
    assert!(hosts.contains("web") && hosts.contains("paris"), "{hosts}");

    // Who is there needs no token any more, also after a restart.
    let file = secure.stack.path("web-1.enrolment");
    fs::remove_file(&file).unwrap();
    agent.kill();
    let config = secure.stack.path("web-1.toml");
    let mut agent = secure.stack.start_configured_agent("web-1", &config);
    secure.wait_beats("web-1");
    assert_eq!(
        secure.counter("crmscope_collector_certificates_issued_total{kind=\"enrolled\"}"),
        1
    );

    // Neither secret nor key lies open.
    use std::os::unix::fs::PermissionsExt as _;
    let kept = secure
        .stack
        .path("web-1.state")
        .join("identity/identity.pem");
    assert_eq!(
        fs::metadata(kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let secret = token.split('_').nth(2).unwrap();
    let found = format!(
        "SELECT countIf(secret_sha256 = '{secret}') FROM enrolment_tokens WHERE secret_sha256 != ''"
    );
    assert_eq!(secure.stack.number(&found), 0);
    let (_, list) = secure.stack.command(&["token", "list", "--all"]);
    assert!(
        list.contains("used") && list.contains("1 of 1") && !list.contains(secret),
        "{list}"
    );

    // A lost state directory: the name stays with the key that has it, until somebody says otherwise.
    agent.kill();
    fs::remove_dir_all(secure.stack.path("web-1.state").join("identity")).unwrap();
    let any = secure.token(&["--agents", "5"]);
    let mut stranger = secure.enrolling("web-1", &any);
    wait_said(&stranger, "has a certificate for another key");
    secure.wait_counted("crmscope_collector_enrolments_refused_total{reason=\"taken\"}");
    stranger.kill();
    let own = secure.token(&["--agent", "web-1"]);
    let _agent = secure.enrolling("web-1", &own);
    secure.wait_beats("web-1");
}

#[test]
fn a_token_is_good_for_what_it_was_made_for() {
    let secure = Secure::start(&[]);
    let refused = |agent: &str, token: &str, words: &str, reason: &str| {
        let process = secure.enrolling(agent, token);
        wait_said(&process, words);
        let line = format!("crmscope_collector_enrolments_refused_total{{reason=\"{reason}\"}}");
        secure.wait_counted(&line);
    };
    let once = secure.token(&[]);
    let _first = secure.enrolling("web-1", &once);
    secure.wait_beats("web-1");
    refused(
        "web-2",
        &once,
        "used by as many agents as may use it",
        "used_up",
    );
    let bound = secure.token(&["--agent", "db-1"]);
    refused("web-3", &bound, "for another agent", "other_agent");
    let short = secure.token(&["--expires", "1s"]);
    wait_for("the token to expire", || {
        match secure
            .stack
            .command(&["token", "list"])
            .1
            .contains("any agent")
        {
            true => Err("it is good".to_owned()),
            false => Ok(()),
        }
    });
    refused("web-4", &short, "has expired", "expired");
    let revoked = secure.token(&[]);
    let id = revoked.split('_').nth(1).unwrap();
    assert_eq!(secure.stack.command(&["token", "revoke", id]).0, 0);
    refused("web-5", &revoked, "was revoked", "revoked");
    let parts: Vec<&str> = once.split('_').collect();
    let guessed = format!("crmscope1_{}_{}_{}", parts[1], "0".repeat(64), parts[3]);
    refused(
        "web-6",
        &guessed,
        "not one of this installation's",
        "unknown",
    );
    // Nobody of them sent anything.
    let others = "SELECT uniqExact(agent_id) FROM heartbeats WHERE agent_id != 'web-1'";
    assert_eq!(secure.stack.number(others), 0);
    // What is no token is told with its file, and is not repeated.
    let nonsense = secure.enrolling("web-7", "hunter2");
    wait_said(&nonsense, "web-7.enrolment");
    assert!(!nonsense.log().contains("hunter2"));
}

#[test]
fn of_many_who_use_the_last_of_a_token_at_once_one_gets_it() {
    let secure = Secure::start(&[]);
    let token = secure.token(&[]);
    let _agents: Vec<_> = (0..6)
        .map(|number| secure.enrolling(&format!("web-{number}"), &token))
        .collect();
    secure.wait_counted("crmscope_collector_enrolments_refused_total{reason=\"used_up\"}");
    let issued = "crmscope_collector_certificates_issued_total{kind=\"enrolled\"}";
    wait_for("everybody's answer", || {
        let refused =
            secure.counter("crmscope_collector_enrolments_refused_total{reason=\"used_up\"}");
        match secure.counter(issued) + refused {
            6.. => Ok(()),
            seen => Err(format!("{seen} of 6")),
        }
    });
    // It may be nobody, where each saw the other: then another token is made.
    assert!(secure.counter(issued) <= 1);
    let enrolled = "SELECT uniqExact(agent_id) FROM enrolments WHERE kind = 'enrolled'";
    assert!(secure.stack.number(enrolled) <= 1);
}
