//! Attacks in the logs of a real agent, judged by the shipped rules: each is one finding with its count, and
//! quiet traffic is none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crmscope_tests::{Stack, now_ms, wait_for};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/rules");

/// What scanners ask for.
const PROBES: [&str; 8] = [
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/phpmyadmin/index.php",
    "/cgi-bin/test",
    "/server-status",
    "/xmlrpc.php",
    "/actuator/env",
];

/// How a program writes a moment, of which ClickHouse knows the calendar.
fn moment(stack: &Stack, format: &str) -> String {
    let sql = format!(
        "SELECT formatDateTime(toDateTime({}, 'UTC'), '{format}', 'UTC')",
        now_ms() / 1000
    );
    stack.query::<String>(&sql).unwrap().remove(0)
}

fn append(path: &Path, lines: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

/// `title: key, events` of each finding, in order.
fn findings(stack: &Stack) -> Vec<String> {
    let sql = "SELECT concat(title, ': ', arrayStringConcat(group_key, ' '), ', ', toString(events)) AS told \
               FROM findings FINAL ORDER BY told";
    stack.query(sql).unwrap_or_else(|error| vec![error])
}

#[test]
fn each_attack_is_one_finding_and_quiet_traffic_is_none() {
    let stack = Stack::start_with(&[("CORRELATION__DIRECTORIES", RULES)]);
    let (auth, access) = (stack.path("auth.log"), stack.path("access.log"));
    fs::write(&auth, "").unwrap();
    fs::write(&access, "").unwrap();
    let sources = format!(
        "[rules]\ndirectories = [{RULES:?}]\n\
         [sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {access:?}, service = \"crm\" }}]\n\
         [sources.security]\njournal = false\nauth_logs = [{auth:?}]\nauth_log_zone = \"+00:00\"\n"
    );
    let _agent = stack.start_agent("crm-web-01", &sources);
    stack.wait_number(
        "the first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    let time = moment(&stack, "%FT%T.000000+00:00");
    let mut lines = String::new();
    for port in 0..11 {
        let _ = writeln!(
            lines,
            "{time} web sshd[42]: Failed password for root from 203.0.113.9 port {} ssh2",
            4000 + port
        );
    }
    // Somebody who mistyped; and a name that would frame an address.
    let _ = write!(
        lines,
        "{time} web sshd[43]: Failed password for anna from 192.0.2.20 port 5000 ssh2\n\
         {time} web sshd[43]: Accepted password for anna from 192.0.2.20 port 5000 ssh2\n"
    );
    for port in 0..9 {
        let _ = writeln!(
            lines,
            "{time} web sshd[44]: Failed password for invalid user x from 6.6.6.6 port 22 ssh2 from 203.0.113.77 port {} ssh2",
            6000 + port
        );
    }
    append(&auth, &lines);

    let time = moment(&stack, "%d/%b/%Y:%H:%i:%S +0000");
    let mut lines = String::new();
    let mut request = |client: &str, path: &str, status: u16| {
        let _ = writeln!(
            lines,
            "{client} - - [{time}] \"GET {path} HTTP/1.1\" {status} 100 \"-\" \"Mozilla/5.0\""
        );
    };
    for round in 0..3 {
        for probe in PROBES {
            request("198.51.100.7", probe, 404);
        }
        request("192.0.2.30", &format!("/account/{round}"), 200);
        request("192.0.2.30", "/favicon.ico", 404);
    }
    for id in 0..6 {
        let injected = format!("/account?id={id}%27%20UNION%20SELECT%20password%20FROM%20users--");
        request("198.51.100.8", &injected, 200);
    }
    append(&access, &lines);

    let want = [
        "Brute force of SSH logins from one address: 203.0.113.77, 9",
        "Brute force of SSH logins from one address: 203.0.113.9, 11",
        "Injection attempts from one address: 198.51.100.8, 6",
        "Search for pages that are not there: 198.51.100.7, 24",
    ];
    wait_for("the findings", || {
        let told = findings(&stack);
        if want.iter().all(|want| told.iter().any(|told| told == want)) {
            Ok(())
        } else {
            Err(format!("{told:#?}"))
        }
    });
    let told = findings(&stack);
    println!("{told:#?}");
    // Nobody else is named in any.
    for quiet in ["192.0.2.20", "192.0.2.30", "6.6.6.6"] {
        assert!(
            told.iter().all(|finding| !finding.contains(quiet)),
            "{told:#?}"
        );
    }
}
