//! A real SMTP server: people get one mail each for a beginning and an end, and hosts cannot write headers.

use std::path::Path;
use std::process::Command;

use crmscope_collector::alerts::{Config, Mail, Phase, Target, Tls, key};
use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack};
use serde_json::{Value, json};

use super::{Alerts, config, hostile, incident, over, wait_recorded, wait_until};

/// Refuses the first mail for now, wants a login, and writes what it takes, a line each.
const SERVER: &str = r#"
import asyncio, json, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

class Handler:
    refusals = 1
    async def handle_DATA(self, server, session, envelope):
        if Handler.refusals:
            Handler.refusals -= 1
            return "451 4.3.0 come back later"
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "mail": envelope.content.decode()}
        with open(sys.argv[2], "a") as out:
            out.write(json.dumps(mail) + "\n")
        return "250 2.0.0 taken"

def login(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"crmscope", b"open sesame")
    if not right:
        print("wrong login", flush=True)
    return AuthResult(success=right, handled=False)

controller = Controller(Handler(), hostname="127.0.0.1", port=int(sys.argv[1]),
    authenticator=login, auth_required=True, auth_require_tls=False)
controller.start()
print("ready", flush=True)
asyncio.new_event_loop().run_forever()
"#;

fn start(stack: &Stack, port: u16, mails: &Path) -> Process {
    let log = stack.path("smtp.log");
    let process = Process::start(
        "smtp",
        Command::new("/usr/bin/python3")
            .args(["-c", SERVER, &port.to_string()])
            .arg(mails),
        &log,
    );
    wait_until("the SMTP server", || Ok(process.log().contains("ready")));
    process
}

fn taken(mails: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(mails).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Names of headers in order, and the value of one.
fn header<'a>(mail: &'a Value, name: &str) -> (Vec<&'a str>, Option<&'a str>) {
    let (head, _) = mail["mail"]
        .as_str()
        .unwrap()
        .split_once("\r\n\r\n")
        .unwrap();
    let lines = head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']));
    let headers: Vec<_> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    let value = headers
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| *value);
    (headers.into_iter().map(|(key, _)| key).collect(), value)
}

#[test]
fn people_get_a_mail_for_each_end_and_hosts_write_no_headers() {
    if program("aiosmtpd", "python3-aiosmtpd").is_none() {
        return;
    }
    let stack = Stack::start();
    let (port, mails) = (free_port(), stack.path("mails"));
    let password_file = stack.path("smtp.password");
    std::fs::write(&password_file, "not it\n").unwrap();
    let config = Config {
        mail: Mail {
            host: "127.0.0.1".to_owned(),
            port,
            tls: Tls::None,
            user: "crmscope".to_owned(),
            password_file: password_file.clone(),
            from: "crmscope <crmscope@example.org>".to_owned(),
            to: vec![
                "ops@example.org".to_owned(),
                "On Call <call@example.org>".to_owned(),
            ],
        },
        ..config()
    };
    // The server is away, then the password is wrong, then the server is busy.
    let alerts = Alerts::start(stack.clickhouse_port, &config);
    let (plain, mut bad) = (incident(1), hostile(2));
    // Too far apart for one mail.
    bad.began_ms -= 3_600_000;
    alerts.tell(&[plain.clone(), bad.clone()]);
    let server = start(&stack, port, &mails);
    wait_until("a wrong login", || Ok(server.log().contains("wrong login")));
    std::fs::write(&password_file, "open sesame\n").unwrap();
    wait_recorded(&stack, "mail", "firing", "delivered", 2);
    alerts.abort();

    let alerts = Alerts::start(stack.clickhouse_port, &config);
    let (plain, mut bad) = (over(&plain), over(&bad));
    bad.ended_ms = Some(bad.began_ms + 1);
    alerts.tell(&[plain.clone(), bad.clone()]);
    wait_recorded(&stack, "mail", "resolved", "delivered", 2);
    alerts.abort();

    let mails = taken(&mails);
    assert_eq!(mails.len(), 4, "{mails:#?}");
    for incident in [&plain, &bad] {
        let host = if incident == &plain {
            "crm-web-01"
        } else {
            "web  Bcc:"
        };
        let id = |phase| {
            let key = key([incident.incident_id], phase, Target::Mail);
            format!("<{key}@example.org>")
        };
        let (began, ended) = (id(Phase::Firing), id(Phase::Resolved));
        let with = |id: &str| {
            let mut of = mails
                .iter()
                .filter(|mail| header(mail, "Message-ID").1 == Some(id));
            of.next()
                .unwrap_or_else(|| panic!("no mail {id}: {mails:#?}"))
        };
        check(
            with(&began),
            &format!("[crmscope] FIRING: host silent: {host}"),
        );
        check(
            with(&ended),
            &format!("[crmscope] RESOLVED: host silent: {host}"),
        );
        assert_eq!(header(with(&ended), "In-Reply-To").1, Some(began.as_str()));
    }
    assert!(!server.log().contains("open sesame"));
}

/// To whom it went, and that every header is ours.
fn check(mail: &Value, subject: &str) {
    assert_eq!(mail["from"], "crmscope@example.org");
    assert_eq!(mail["to"], json!(["ops@example.org", "call@example.org"]));
    let (names, said) = header(mail, "Subject");
    assert!(said.unwrap().starts_with(subject), "{said:?}");
    let known = [
        "From",
        "To",
        "Subject",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Content-Type",
        "Date",
        "MIME-Version",
        "Content-Transfer-Encoding",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    let text = mail["mail"].as_str().unwrap();
    assert!(!text.contains("\r\n.\r\n"), "{text}");
}
