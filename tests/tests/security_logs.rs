//! auditd's log and applications' logs, from files to ClickHouse, counted by other programs.
//!
//! The audit log was written by a running auditd and is replayed with its times moved to now;
//! Odoo's and SuiteCRM's lines are recorded shapes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crmscope_tests::neighbours::program;
use crmscope_tests::{Stack, now_ms};

const AUDIT_LOG: &str = include_str!("../../agent/src/sources/security/fixtures/audit.log");

/// The records, as if they had been written just now.
fn audit_log_of_now() -> String {
    let seconds = |line: &str| -> i64 {
        let (_, rest) = line.split_once(" msg=audit(").unwrap();
        rest.split_once('.').unwrap().0.parse().unwrap()
    };
    let last = AUDIT_LOG.lines().map(seconds).max().unwrap();
    let shift = now_ms() / 1000 - last;
    let mut text = String::new();
    for line in AUDIT_LOG.lines() {
        let time = seconds(line);
        let moved = line.replacen(&format!("({time}."), &format!("({}.", time + shift), 1);
        let _ = writeln!(text, "{moved}");
    }
    text
}

/// Records of a type that `ausearch` finds.
fn ausearch(ausearch: &Path, log: &Path, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(ausearch)
        .arg("-if")
        .arg(log)
        .args(["--format", "raw"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// Lines of a file that `grep` finds.
fn grep(pattern: &str, file: &Path) -> u64 {
    let output = Command::new("grep")
        .args(["-c", "-E", pattern])
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn audit_records_are_those_that_ausearch_finds() {
    let Some(search) = program("ausearch", "auditd") else {
        return;
    };
    let stack = Stack::start();
    let log = stack.path("audit.log");
    fs::write(&log, "").unwrap();
    let sources =
        format!("[sources.security]\njournal = false\nauth_logs = []\naudit_logs = [{log:?}]\n");
    let mut agent = stack.start_agent("crm-01", &sources);
    stack.wait_number(
        "the agent's first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );
    fs::write(&log, audit_log_of_now()).unwrap();
    let stored = |condition: &str| {
        format!("SELECT count() FROM security_events WHERE service = 'auditd' AND {condition}")
    };
    stack.wait_number(
        "the end of the log",
        &stored("kind = 'audit_stopped'"),
        |count| count == 1,
    );
    for (kind, record) in [
        ("audit_login", "USER_LOGIN"),
        ("audit_authentication", "USER_AUTH"),
        ("audit_config_changed", "CONFIG_CHANGE"),
        ("audit_started", "DAEMON_START"),
    ] {
        let found = ausearch(&search, &log, &["-m", record]);
        let begin = format!("type={record} ");
        let found = found.iter().filter(|line| line.starts_with(&begin)).count() as u64;
        assert!(found > 0);
        assert_eq!(
            stack.number(&stored(&format!("kind = '{kind}'"))),
            found,
            "{record}"
        );
    }
    for key in ["crm-accounts", "second"] {
        let found = ausearch(&search, &log, &["-k", key]);
        let calls = found
            .iter()
            .filter(|line| line.starts_with("type=SYSCALL "));
        let found = calls.filter(|line| !line.contains("key=(null)")).count() as u64;
        let has = stored(&format!(
            "kind IN ('audit_rule_matched', 'audit_program_run') AND has(splitByChar(',', toString(method)), '{key}')"
        ));
        assert_eq!(stack.number(&has), found, "{key}");
    }
    let failed = ausearch(&search, &log, &["-m", "USER_LOGIN", "--success", "no"]);
    let failed = failed
        .iter()
        .filter(|line| line.starts_with("type=USER_LOGIN "))
        .count() as u64;
    assert_eq!(
        stack.number(&stored("kind = 'audit_login' AND status_id = 2")),
        failed
    );
    // Three records for one attempt, so that attempts are not counted by them.
    let named = stored(
        "kind = 'audit_authentication' AND user = 'x from 6.6.6.6 port 22 ssh2' AND source_address = '127.0.0.1'",
    );
    assert_eq!(stack.number(&named), 1);
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}

#[test]
fn applications_logs_become_events_once_through_a_kill() {
    let stack = Stack::start();
    let [odoo, suitecrm, portal, plain] =
        ["odoo.log", "suitecrm.log", "portal.json", "plain.log"].map(|name| stack.path(name));
    for log in [&odoo, &suitecrm, &portal, &plain] {
        fs::write(log, "").unwrap();
    }
    let sources = format!(
        "[sources.security]\njournal = false\nauth_logs = []\nlogs = [\n\
         {{ path = {odoo:?}, format = \"odoo\" }},\n\
         {{ path = {suitecrm:?}, format = \"suitecrm\", zone = \"+00:00\" }},\n\
         {{ path = {portal:?}, format = \"json\", service = \"portal\", kind = \"data_export\", fields = {{ time = \"ts\", user = \"who\", records = \"n\" }}, where = [{{ field = \"what\", values = [\"export\"] }}] }},\n\
         {{ path = {plain:?}, format = \"regex\", service = \"desk\", kind = \"app_login\", outcome = \"failure\", pattern = '^(?P<time>\\d+) no (?P<user>.*) from (?P<source_address>\\S+)$' }},\n]\n"
    );
    let mut agent = stack.start_agent("crm-01", &sources);
    stack.wait_number(
        "the agent's first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );
    let date = |format: &str| {
        let output = Command::new("date")
            .args(["-u", format])
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let append = |log: &Path, text: &str| {
        let whole = fs::read_to_string(log).unwrap() + text;
        fs::write(log, whole).unwrap();
    };
    let write = |numbers: std::ops::Range<u32>| {
        let civil = date("+%Y-%m-%d %H:%M:%S,000");
        let classic = date("+%a %b %e %H:%M:%S %Y");
        let epoch = date("+%s");
        let [mut first, mut second, mut third, mut fourth] = [const { String::new() }; 4];
        for number in numbers {
            let verb = if number % 3 == 0 {
                "successful"
            } else {
                "failed"
            };
            let _ = writeln!(
                first,
                "{civil} 47 INFO crm odoo.addons.base.models.res_users: Login {verb} for db:crm login:x from 6.6.6.6 from 203.0.113.{number}"
            );
            let _ = writeln!(
                first,
                "{civil} 47 INFO crm werkzeug: 203.0.113.9 - - \"GET / HTTP/1.1\" 200"
            );
            let _ = writeln!(
                second,
                "{classic} [12][-none-][FATAL] FAILED LOGIN:attempts[1], ip[203.0.113.{number}], username[eve{number}]"
            );
            let _ = writeln!(second, "{classic} [12][1][FATAL] Query failed: SELECT 1");
            let what = if number % 2 == 0 { "export" } else { "view" };
            let _ = writeln!(
                third,
                "{{\"ts\":{epoch},\"who\":\"bob\",\"what\":\"{what}\",\"n\":{number}}}"
            );
            let _ = writeln!(fourth, "{epoch} no eve from 203.0.113.{number}");
        }
        append(&odoo, &first);
        append(&suitecrm, &second);
        append(&portal, &third);
        append(&plain, &fourth);
    };
    write(0..60);
    let all = "SELECT toUInt64(sum(count)) FROM security_events";
    stack.wait_number("some events", all, |seen| seen > 0);
    agent.kill();
    write(60..100);
    let mut agent = stack.start_configured_agent("crm-01", &stack.path("crm-01.toml"));
    let of = |condition: &str| format!("{all} WHERE {condition}");
    for (what, condition, found) in [
        (
            "failed Odoo logins",
            "service = 'odoo' AND status_id = 2",
            grep("Login failed for", &odoo),
        ),
        (
            "Odoo logins",
            "service = 'odoo' AND status_id = 1",
            grep("Login successful for", &odoo),
        ),
        (
            "SuiteCRM logins",
            "service = 'suitecrm' AND status_id = 2",
            grep("FAILED LOGIN", &suitecrm),
        ),
        (
            "exports",
            "service = 'portal' AND kind = 'data_export'",
            grep("export", &portal),
        ),
        (
            "refusals",
            "service = 'desk' AND status_id = 2",
            grep(" no ", &plain),
        ),
    ] {
        assert!(found > 0);
        stack.wait_number(what, &of(condition), |seen| seen == found);
    }
    let total = grep("", &plain)
        + grep("Login ", &odoo)
        + grep("FAILED LOGIN", &suitecrm)
        + grep("export", &portal);
    assert_eq!(stack.number(all), total);
    let records = "SELECT sum(records) FROM security_events";
    assert_eq!(
        stack.number(records),
        (0..100).filter(|number| number % 2 == 0).sum::<u64>()
    );
    let framed = of(
        "source_address = '6.6.6.6' OR (service IN ('odoo', 'suitecrm') AND source_address NOT LIKE '203.0.113.%')",
    );
    assert_eq!(stack.number(&framed), 0);
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}
