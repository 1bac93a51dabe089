//! auditd's and applications' logs beside the journal or the authentication logs.

use std::fs;

use crmscope_proto::catalog::SourceMetric;

use super::super::*;
use super::bench::Bench;
use crate::sources::tail::LINE_MAX_BYTES;

const REFUSED: &str =
    "Nov 23 02:00:00 h sshd-session[7]: Failed password for root from 1.2.3.4 port 22 ssh2\n";
const AUDITED: &str = "type=USER_LOGIN msg=audit(1795400620.528:70): pid=12 uid=0 auid=4294967295 ses=1 msg='op=login acct=\"eve\" exe=\"/usr/sbin/sshd\" hostname=? addr=1.2.3.4 terminal=sshd res=failed'\n";
const ODOO: &str = "2026-11-23 02:30:00,000 47 INFO crm odoo.addons.base.models.res_users: Login failed for db:crm login:eve from 1.2.3.4\n";
const EXPORT: &str = "2026-11-23 02:30:01,000 47 INFO crm odoo.addons.web.controllers.export: User 2 exported 5000 'res.partner' records from 1.2.3.4. Fields: name\n";

fn bench() -> Bench {
    Bench::new(|folder, config| {
        let log = |name: &str, format| LogConfig {
            path: folder.join(name).to_str().unwrap().to_owned(),
            format,
            ..LogConfig::default()
        };
        config.logs = vec![
            log("odoo.log", LogFormat::Odoo),
            LogConfig {
                service: Some("portal".to_owned()),
                kind: Some("app_login".to_owned()),
                fields: Fields {
                    time: Some("ts".to_owned()),
                    user: Some("user".to_owned()),
                    outcome: Some("ok".to_owned()),
                    ..Fields::default()
                },
                ..log("portal-*.json", LogFormat::Json)
            },
        ];
    })
}

fn kinds(rows: &[SecurityRow]) -> Vec<(&str, &str)> {
    let mut kinds: Vec<_> = rows
        .iter()
        .map(|row| (row.kind.as_str(), row.service.as_str()))
        .collect();
    kinds.sort_unstable();
    kinds
}

#[test]
fn every_log_is_read_beside_the_authentication_logs() {
    let mut bench = bench();
    for name in ["auth.log", "audit.log", "odoo.log"] {
        bench.append_to(name, "");
    }
    bench.collect().unwrap();
    bench.append(REFUSED);
    bench.append_to("audit.log", AUDITED);
    bench.append_to("odoo.log", &format!("{ODOO}{EXPORT}Traceback:\n"));
    // Appears later, so it is read from its start; its lines end as on Windows.
    bench.append_to(
        "portal-a.json",
        "{\"ts\":1795400620,\"user\":\"eve\",\"ok\":false}\r\nnot json\n",
    );
    bench.collect().unwrap();
    let rows = bench.drain();
    assert_eq!(
        kinds(&rows),
        [
            ("app_login", "odoo"),
            ("app_login", "portal"),
            ("audit_login", "auditd"),
            ("data_export", "odoo"),
            ("ssh_login", "sshd"),
        ]
    );
    let export = rows.iter().find(|row| row.kind == "data_export").unwrap();
    let event = &export.event;
    assert_eq!(
        (
            event.records,
            event.class_uid,
            event.activity_id,
            event.count
        ),
        (5000, 6001, 7, 1)
    );
    assert_eq!(
        (event.user.as_str(), event.detail.as_str()),
        ("2", "res.partner")
    );
    assert_eq!(
        (
            bench.counted(SourceMetric::Unparsed),
            bench.counted(SourceMetric::Dropped)
        ),
        (1, 0)
    );
}

#[test]
fn ids_last_and_a_restart_reads_nothing_twice() {
    let mut bench = bench();
    bench.append_to("odoo.log", "");
    bench.append_to("audit.log", "");
    bench.collect().unwrap();
    let before = bench.source.checkpoint().unwrap();
    // The same line twice is two events.
    bench.append_to("odoo.log", &ODOO.repeat(2));
    bench.append_to("audit.log", AUDITED);
    bench.collect().unwrap();
    let first = bench.drain();
    assert_eq!(first.len(), 3);
    let after = bench.source.checkpoint().unwrap();
    // Killed before the rows were stored, and rotated before the start: the same events.
    let path = bench.folder.path().to_owned();
    fs::rename(path.join("odoo.log"), path.join("odoo.log.1")).unwrap();
    bench.restart(&before);
    bench.collect().unwrap();
    let again = bench.drain();
    let ids = |rows: &[SecurityRow]| {
        let mut ids: Vec<_> = rows.iter().map(|row| row.event.event_id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    assert_eq!(ids(&first).len(), 3);
    assert_eq!(ids(&again), ids(&first));
    bench.restart(&after);
    bench.collect().unwrap();
    assert_eq!(bench.drain(), []);
}

/// Version 1 had no version, and knew the journal and the authentication logs only.
#[test]
fn checkpoints_of_older_agents_are_read_and_those_of_newer_ones_refused() {
    let mut bench = bench();
    bench.append(REFUSED);
    bench.append_to("odoo.log", ODOO);
    bench.collect().unwrap();
    let text = String::from_utf8(bench.source.checkpoint().unwrap()).unwrap();
    let mut saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(saved["version"], 2);
    bench.append(REFUSED);
    bench.append_to("odoo.log", EXPORT);
    let members = saved.as_object_mut().unwrap();
    members.remove("version");
    members.remove("followed");
    assert_eq!(members.keys().collect::<Vec<_>>(), ["journal", "logs"]);
    bench.restart(saved.to_string().as_bytes());
    bench.collect().unwrap();
    // The authentication log goes on; Odoo's is watched for the first time.
    assert_eq!(kinds(&bench.drain()), [("ssh_login", "sshd")]);
    bench.append_to("odoo.log", ODOO);
    bench.collect().unwrap();
    assert_eq!(kinds(&bench.drain()), [("app_login", "odoo")]);
    saved["version"] = 3.into();
    bench.append(REFUSED);
    bench.restart(saved.to_string().as_bytes());
    bench.collect().unwrap();
    assert_eq!(bench.drain(), [], "as without a checkpoint: from the end");
    let newest = bench.source.checkpoint().unwrap();
    bench.restart(b"{\"journal\":");
    bench.restart(&newest);
    bench.append(REFUSED);
    bench.collect().unwrap();
    assert_eq!(kinds(&bench.drain()), [("ssh_login", "sshd")]);
}

/// One feed that cannot be read stops no other.
#[test]
fn feeds_do_not_stop_each_other() {
    let mut bench = bench();
    bench.config.journal = JournalMode::On;
    bench.config.journal_program = bench.folder.path().join("no-such-program");
    bench.append_to("odoo.log", "");
    bench.restart(b"{}");
    bench.collect().unwrap_err();
    bench.append_to("odoo.log", ODOO);
    let rows = bench.wait_for(1);
    assert_eq!(kinds(&rows), [("app_login", "odoo")]);
}

/// Several ways to read one file: each line is read once, by the first that knows it.
#[test]
fn one_file_may_be_read_in_several_ways() {
    let mut bench = Bench::new(|folder, config| {
        let log = |service: &str, outcome: &str, pattern: &str| LogConfig {
            path: folder.join("desk.log").to_str().unwrap().to_owned(),
            format: LogFormat::Regex,
            service: Some(service.to_owned()),
            kind: Some("app_login".to_owned()),
            outcome: Some(outcome.to_owned()),
            pattern: Some(pattern.to_owned()),
            ..LogConfig::default()
        };
        config.logs = vec![
            log("first", "failure", r"^(?P<time>\d+) no (?P<user>\w+)$"),
            log("second", "success", r"^(?P<time>\d+) (?P<user>.*)$"),
        ];
    });
    bench.append_to("desk.log", "");
    bench.collect().unwrap();
    bench.append_to("desk.log", "1795400620 no eve\n1795400620 bob\nother\n");
    bench.collect().unwrap();
    assert_eq!(
        kinds(&bench.drain()),
        [("app_login", "first"), ("app_login", "second")]
    );
}

/// A flood in one feed leaves the other its turn.
#[test]
fn a_flood_starves_no_other_feed() {
    let mut bench = bench();
    bench.append("");
    bench.append_to("odoo.log", "");
    bench.collect().unwrap();
    bench.append(&REFUSED.repeat(5 * sink::HELD_MAX));
    bench.append_to("odoo.log", EXPORT);
    let mut rows = Vec::new();
    for _ in 0..2 {
        bench.collect().unwrap();
        rows.extend(bench.drain());
    }
    assert!(rows.iter().any(|row| row.kind == "data_export"));
    assert_eq!(rows.len(), 2 * sink::HELD_MAX);
}

#[test]
fn reading_waits_while_events_wait_and_old_ones_are_dropped() {
    let mut bench = bench();
    bench.append_to("odoo.log", "");
    bench.collect().unwrap();
    bench.append_to("odoo.log", &ODOO.repeat(sink::HELD_MAX + 100));
    bench.collect().unwrap();
    bench.collect().unwrap();
    assert_eq!(bench.drain().len(), sink::HELD_MAX);
    bench.collect().unwrap();
    assert_eq!(bench.drain().len(), 100);
    bench.append_to("odoo.log", &ODOO.replace("2026-11", "2026-01"));
    bench.append_to("odoo.log", &format!("{}\n", "x".repeat(LINE_MAX_BYTES + 1)));
    bench.collect().unwrap();
    assert_eq!(bench.drain(), []);
    assert_eq!(bench.counted(SourceMetric::Dropped), 2);
}
