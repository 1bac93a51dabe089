use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use crmscope_proto::catalog::SourceMetric;

use super::super::*;
use super::bench::Bench;

#[test]
fn authentication_logs_become_rows_with_lasting_ids() {
    let mut bench = Bench::new(|_, _| {});
    bench.append("Nov 23 01:00:00 h sshd[1]: Failed password for old from 9.9.9.9 port 1 ssh2\n");
    bench.collect().unwrap();
    bench.append("Nov 23 02:00:00 h sshd[7]: Failed password for invalid user <b>\u{7} from 1.2.3.4 port 22 ssh2\n");
    bench.append("Nov 23 02:00:01 h cron[8]: something else\nNov 23 02:00:01 h su[9]: gibberish\n");
    let before = bench.source.checkpoint().unwrap();
    bench.collect().unwrap();
    let first = bench.drain();
    assert_eq!(first.len(), 1);
    let event = &first[0].event;
    assert_eq!(
        (
            event.class_uid,
            event.activity_id,
            event.status_id,
            event.severity_id
        ),
        (3002, 1, 2, 2)
    );
    assert_eq!(
        (event.user.as_str(), event.source_address.as_str()),
        ("<b>\u{7}", "1.2.3.4")
    );
    assert_eq!(
        (event.process_id, event.source_port, event.count),
        (7, 22, 1)
    );
    assert_eq!(event.time_ms, 1_795_399_200_000);
    assert_eq!(event.detail, "invalid user");
    assert_eq!(
        (
            first[0].kind.as_str(),
            first[0].service.as_str(),
            first[0].method.as_str()
        ),
        ("ssh_login", "sshd", "password")
    );
    assert_eq!(bench.counted(SourceMetric::Unparsed), 1);
    // Killed, and rotated before the start: read again, as the same event.
    let path = bench.folder.path();
    fs::rename(path.join("auth.log"), path.join("auth.log.1")).unwrap();
    bench.append(
        "Nov 23 02:00:02 h sshd[7]: Accepted password for alice from 1.2.3.4 port 22 ssh2\n",
    );
    bench.restart(&before);
    bench.collect().unwrap();
    let mut again = bench.drain();
    again.sort_by_key(|row| row.event.time_ms);
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], first[0]);
    assert_ne!(again[1].event.event_id, again[0].event.event_id);
    // Settled: nothing is read twice.
    let after = bench.source.checkpoint().unwrap();
    bench.restart(&after);
    bench.collect().unwrap();
    assert_eq!(bench.drain(), []);
}

/// A `journalctl` that writes its arguments and a given file, then follows or ends.
pub(super) fn fake_journalctl(folder: &Path, then: &str) -> std::path::PathBuf {
    let path = folder.join("journalctl");
    let folder = folder.display();
    fs::write(&path, format!("#!/bin/sh\necho \"$@\" >> {folder}/arguments\necho $$ > {folder}/pid\ncat {folder}/entries\n{then}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn journal_line(cursor: usize, capabilities: &str, message: &str) -> String {
    journal_line_of("sshd-session", cursor, capabilities, message)
}

fn journal_line_of(program: &str, cursor: usize, capabilities: &str, message: &str) -> String {
    let json = serde_json::json!({
        "__CURSOR": format!("s=1;i={cursor}"), "__REALTIME_TIMESTAMP": "1795400620123456",
        "SYSLOG_IDENTIFIER": program, "_PID": "77", "_UID": "1000",
        "_CAP_EFFECTIVE": capabilities, "MESSAGE": message,
    });
    format!("{json}\n")
}

#[test]
fn the_journal_is_followed_and_continued_behind_the_last_entry() {
    let mut bench = Bench::new(|folder, config| {
        config.journal = JournalMode::On;
        config.journal_program = fake_journalctl(folder, "exec sleep 1000");
    });
    let path = bench.folder.path().to_owned();
    let failed = "Failed password for root from 1.2.3.4 port 5 ssh2";
    let entries = [
        journal_line(1, "1fffeffffff", failed),
        "not json\n".to_owned(),
        journal_line(2, "1fffeffffff", "gibberish"),
        // By `logger -t sshd` of an ordinary account; but its own session's end may be told so.
        journal_line(
            3,
            "0",
            "Accepted password for root from 9.9.9.9 port 1 ssh2",
        ),
        journal_line(4, "0", "Disconnected from user alice 1.2.3.4 port 5"),
    ];
    fs::write(path.join("entries"), entries.concat()).unwrap();
    let rows = bench.wait_for(2);
    let kinds: Vec<_> = rows
        .iter()
        .map(|row| (row.kind.as_str(), row.service.as_str()))
        .collect();
    assert_eq!(kinds, [("ssh_login", "sshd"), ("ssh_disconnect", "sshd")]);
    assert_eq!(rows[0].event.time_ms, 1_795_400_620_123);
    assert_eq!(
        (
            bench.counted(SourceMetric::Unparsed),
            bench.counted(SourceMetric::Dropped)
        ),
        (2, 1)
    );
    let checkpoint = bench.source.checkpoint().unwrap();
    let child = fs::read_to_string(path.join("pid")).unwrap();
    bench.source.stop();
    assert!(
        !Path::new("/proc").join(child.trim()).exists(),
        "the child is gone"
    );
    bench.restart(&checkpoint);
    fs::write(path.join("entries"), journal_line(5, "1", failed)).unwrap();
    assert_eq!(bench.wait_for(1).len(), 1);
    let arguments = fs::read_to_string(path.join("arguments")).unwrap();
    let runs: Vec<&str> = arguments.lines().collect();
    assert!(
        runs[0].contains("--since=@1795402800 ") && runs[0].contains("--no-tail"),
        "{arguments}"
    );
    assert!(runs[1].contains("--after-cursor=s=1;i=4 "), "{arguments}");
}

/// Any account can log under any name; only a program with rights changes accounts.
#[test]
fn changes_of_accounts_are_believed_of_those_who_can_make_them() {
    let mut bench = Bench::new(|folder, config| {
        config.journal = JournalMode::On;
        config.journal_program = fake_journalctl(folder, "exec sleep 1000");
    });
    let joined = "add 'mallory' to group 'sudo'";
    let entries = [
        journal_line_of("usermod", 1, "0", joined),
        journal_line_of("usermod", 2, "1fffeffffff", joined),
        // passwd runs for an ordinary account with the rights of its file.
        journal_line_of(
            "passwd",
            3,
            "1ffffffffff",
            "pam_unix(passwd:chauthtok): password changed for alice",
        ),
    ];
    fs::write(bench.folder.path().join("entries"), entries.concat()).unwrap();
    let rows = bench.wait_for(2);
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.kind.as_str(),
                row.service.as_str(),
                row.event.severity_id,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("group_member_added", "usermod", 4),
            ("password_changed", "passwd", 1)
        ]
    );
    assert_eq!(bench.counted(SourceMetric::Dropped), 1);
    assert_eq!(bench.counted(SourceMetric::LostForgedLines), 1);
    bench.source.stop();
    let arguments = fs::read_to_string(bench.folder.path().join("arguments")).unwrap();
    for program in ["sshd-session", "sudo", "useradd", "gpasswd"] {
        let asked = format!("SYSLOG_IDENTIFIER={program}");
        assert!(arguments.contains(&asked), "{arguments}");
    }
}

#[test]
fn a_reader_that_ends_is_started_again_after_a_pause() {
    let mut bench = Bench::new(|folder, config| {
        config.journal = JournalMode::On;
        config.journal_program = fake_journalctl(folder, "echo 'no permission' >&2; exit 1");
    });
    let entries = journal_line(1, "1", "Failed password for root from 1.2.3.4 port 5 ssh2");
    fs::write(bench.folder.path().join("entries"), entries).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let error = loop {
        if let Err(error) = bench.collect() {
            break error.to_string();
        }
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(
        error.contains("no permission") && error.contains("again in 1 s"),
        "{error}"
    );
    let rows = bench.wait_for(2);
    assert_eq!(rows[0], rows[1], "the same entry is the same event");
}

#[test]
fn without_a_journal_the_logs_are_read_and_a_missing_program_is_an_error() {
    let mut bench = Bench::new(|_, _| {});
    bench.append("");
    bench.collect().unwrap();
    assert!(matches!(bench.source.feed, Some(Feed::Logs(_))));
    let mut bench = Bench::new(|folder, config| {
        config.journal = JournalMode::On;
        config.journal_program = folder.join("no-such-program");
    });
    let error = bench.collect().unwrap_err().to_string();
    assert!(
        error.contains("no-such-program") && error.contains("journal = false"),
        "{error}"
    );
    // With a journal there, auto takes it.
    let mut bench = Bench::new(|folder, config| {
        fs::create_dir_all(folder.join("journal/machine")).unwrap();
        fs::write(folder.join("journal/machine/system.journal"), "").unwrap();
        fs::write(folder.join("entries"), "").unwrap();
        config.journal_program = fake_journalctl(folder, "exec sleep 1000");
    });
    bench.collect().unwrap();
    assert!(matches!(bench.source.feed, Some(Feed::Journal(_))));
}

#[test]
fn reading_waits_while_events_wait() {
    let mut bench = Bench::new(|_, _| {});
    bench.collect().unwrap();
    let line = "Nov 23 02:00:00 h sshd[7]: Failed password for root from 1.2.3.4 port 22 ssh2\n";
    bench.append(&line.repeat(sink::HELD_MAX + 500));
    bench.collect().unwrap();
    bench.collect().unwrap();
    assert_eq!(bench.drain().len(), sink::HELD_MAX);
    bench.collect().unwrap();
    assert_eq!(bench.drain().len(), 500);
}
