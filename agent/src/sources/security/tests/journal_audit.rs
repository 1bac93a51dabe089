//! Audit records that only the journal has: useradd, userdel and su under journald 252, without auditd.

use std::fs;
use std::time::{Duration, Instant};

use crmscope_proto::catalog::SourceMetric;

use super::super::*;
use super::bench::Bench;
use super::source::fake_journalctl;

const RECORDED: &str = include_str!("../fixtures/journal_audit.json");

/// What the kernel itself wrote of one of them, to the kernel log.
const KERNEL: &str = "type=1100 audit(1795889450.301:4): pid=7604 uid=0 auid=4294967295 ses=4294967295 msg='op=PAM:authentication grantors=pam_rootok acct=\"nobody\" exe=\"/usr/bin/su\" hostname=? addr=? terminal=? res=success'";

fn bench(audit_logs: bool) -> Bench {
    Bench::new(|folder, config| {
        config.journal = JournalMode::On;
        config.journal_program = fake_journalctl(folder, "exec sleep 1000");
        if !audit_logs {
            config.audit_logs.clear();
        }
    })
}

/// Moves the entries to the bench's time; they are of five days later.
fn moved(entries: &str) -> String {
    entries.replace("\"17958894", "\"17954004")
}

#[test]
fn records_are_those_that_auditd_would_have_written() {
    let lines: Vec<_> = RECORDED
        .lines()
        .filter_map(
            |line| match entry::parse(line.as_bytes()).unwrap().audited {
                entry::Audited::Record(record) => record,
                other => panic!("{line}: {other:?}"),
            },
        )
        .collect();
    let (_, rest) = KERNEL.split_once(" audit(").unwrap();
    assert_eq!(lines[2], format!("type=USER_AUTH msg=audit({rest}"));
    // Of five, one is of a type that is never an event.
    assert_eq!((RECORDED.lines().count(), lines.len()), (5, 4));
}

#[test]
fn records_become_events_and_forged_ones_do_not() {
    let mut bench = bench(false);
    // By `logger -t audit`, also of root.
    let forged = RECORDED
        .lines()
        .nth(1)
        .unwrap()
        .replace("\"_TRANSPORT\":\"audit\"", "\"_TRANSPORT\":\"syslog\"");
    assert_ne!(forged, RECORDED.lines().nth(1).unwrap());
    fs::write(
        bench.folder.path().join("entries"),
        moved(&format!("{forged}\n{RECORDED}")),
    )
    .unwrap();
    let rows = bench.wait_for(3);
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let event = &row.event;
            (
                row.kind.as_str(),
                row.service.as_str(),
                event.status_id,
                event.user.as_str(),
                event.process_id,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("audit_account_created", "auditd", 1, "0", 7579),
            ("audit_account_deleted", "auditd", 1, "0", 7597),
            ("audit_authentication", "auditd", 1, "nobody", 7604),
        ]
    );
    // The kernel's time, not journald's.
    assert_eq!(rows[2].event.time_ms, 1_795_400_450_301);
    assert_eq!(bench.counted(SourceMetric::LostForgedLines), 1);
    assert_eq!(bench.counted(SourceMetric::Items), 6);
    bench.source.stop();
    let arguments = fs::read_to_string(bench.folder.path().join("arguments")).unwrap();
    assert!(
        arguments.contains(" + _TRANSPORT=audit _AUDIT_TYPE=1100 "),
        "{arguments}"
    );
}

/// auditd's log has them all; the journal would tell them again.
#[test]
fn the_journal_is_not_asked_where_auditd_writes_a_log() {
    let mut bench = bench(true);
    fs::write(bench.folder.path().join("entries"), "").unwrap();
    bench.collect().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let arguments = loop {
        let said = fs::read_to_string(bench.folder.path().join("arguments")).unwrap_or_default();
        if said.ends_with('\n') {
            break said;
        }
        assert!(Instant::now() < deadline, "journalctl is not asked");
        std::thread::sleep(Duration::from_millis(5));
    };
    bench.source.stop();
    assert!(!arguments.contains("_TRANSPORT=audit"), "{arguments}");
}
