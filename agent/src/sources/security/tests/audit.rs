use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::audit::parse;
use super::super::event::Status;
use super::super::reading::{Outcome, Reading};

/// Written by auditd 3.0.9 while accounts were changed, watched files written, and real logins made
/// through sshd 9.2; some records of files were left out, and the kernel's version is another.
const RECORDED: &str = include_str!("../fixtures/audit.log");

fn reading(line: &str) -> Reading {
    match parse(line) {
        Outcome::Event(reading) => *reading,
        other => panic!("{line:?} is {other:?}"),
    }
}

/// Kind, status, user, target user, address, method, detail, severity.
type Expected = (
    &'static str,
    Status,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u32,
);

fn check(line: &str, expected: Expected) {
    let reading = reading(line);
    let severity = reading
        .kind
        .severity(reading.status)
        .max(reading.severity_at_least);
    let found = (
        reading.kind.name(),
        reading.status,
        reading.user.as_str(),
        reading.target_user.as_str(),
        reading.address.as_str(),
        reading.method.as_str(),
        reading.detail.as_str(),
        severity,
    );
    assert_eq!(found, expected, "{line:?}");
}

fn counted(status: Option<Status>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for line in RECORDED.lines() {
        match parse(line) {
            Outcome::Event(reading) if status.is_none_or(|status| status == reading.status) => {
                *counts.entry(reading.kind.name()).or_default() += 1;
            }
            Outcome::Unknown => panic!("{line:?} is not understood"),
            _ => {}
        }
    }
    counts
}

/// The counts that `ausearch -if audit.log -m TYPE` gives, but for records that tell one change
/// again: see the table of echoes.
#[test]
fn the_recorded_log_gives_what_ausearch_counts() {
    let counts = counted(None);
    let expected = [
        ("audit_account_changed", 4),
        ("audit_account_created", 3),
        ("audit_account_deleted", 1),
        ("audit_authentication", 6),
        ("audit_config_changed", 5),
        ("audit_group_changed", 3),
        ("audit_group_created", 2),
        ("audit_group_deleted", 2),
        ("audit_login", 9),
        ("audit_program_run", 1),
        ("audit_rule_matched", 10),
        ("audit_started", 1),
        ("audit_stopped", 1),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    let failed = counted(Some(Status::Failure));
    assert_eq!(failed.get("audit_login"), Some(&9));
    assert_eq!(failed.get("audit_authentication"), Some(&5));
}

#[test]
#[rustfmt::skip]
fn records_as_auditd_writes_them() {
    use Status::*;
    let sshd = "exe=\"/usr/sbin/sshd\" hostname=127.0.0.1 addr=127.0.0.1 terminal=ssh";
    let head = "msg=audit(1795600703.528:70): pid=12231 uid=0 auid=4294967295 ses=4294967295";
    let names = "\u{1d}UID=\"root\" AUID=\"unset\"";
    for (line, expected) in [
        (format!("type=USER_AUTH {head} msg='op=PAM:authentication grantors=? acct=\"labuser\" {sshd} res=failed'{names}"), ("audit_authentication", Failure, "labuser", "", "127.0.0.1", "", "/usr/sbin/sshd", 2)),
        (format!("node=web-1 type=USER_AUTH {head} msg='op=PAM:authentication grantors=? acct=782066726F6D20362E362E362E3620706F72742032322073736832 {sshd} res=failed'"), ("audit_authentication", Failure, "x from 6.6.6.6 port 22 ssh2", "", "127.0.0.1", "", "/usr/sbin/sshd", 2)),
        (format!("type=USER_LOGIN {head} msg='op=login acct=28696E76616C6964207573657229 exe=\"/usr/sbin/sshd\" hostname=? addr=::1 terminal=sshd res=failed'{names}"), ("audit_login", Failure, "(invalid user)", "", "::1", "", "/usr/sbin/sshd", 2)),
        (format!("type=USER_LOGIN {head} msg='op=login id=1001 exe=\"/usr/sbin/sshd\" hostname=1.2.3.4 addr=1.2.3.4 terminal=/dev/pts/0 res=success'{names} ID=\"labuser\""), ("audit_login", Success, "labuser", "", "1.2.3.4", "", "/usr/sbin/sshd", 1)),
        // su, by somebody who logged in.
        ("type=USER_AUTH msg=audit(1.000:2): pid=5 uid=1001 auid=1001 ses=1 msg='op=PAM:authentication grantors=? acct=\"root\" exe=\"/usr/bin/su\" hostname=? addr=? terminal=pts/0 res=failed'\u{1d}UID=\"alice\" AUID=\"alice\"".to_owned(), ("audit_authentication", Failure, "alice", "root", "", "", "/usr/bin/su", 2)),
        // sudo: of `/usr/bin/id --password=x` only the program.
        ("type=USER_CMD msg=audit(1.000:2): pid=5 uid=1001 auid=1001 ses=1 msg='cwd=\"/root\" cmd=2F7573722F62696E2F6964202D2D70617373776F72643D78 exe=\"/usr/bin/sudo\" terminal=pts/0 res=success'\u{1d}UID=\"alice\" AUID=\"alice\"".to_owned(), ("audit_command", Success, "alice", "", "", "", "/usr/bin/id", 1)),
        ("type=USER_CMD msg=audit(1.000:2): pid=5 uid=1001 auid=1001 ses=1 msg='cwd=\"/root\" cmd=\"ls\" exe=\"/usr/bin/sudo\" terminal=? res=failed'".to_owned(), ("audit_command", Failure, "1001", "", "", "", "ls", 3)),
        (format!("type=ADD_USER {head} msg='op=adding user id=1001 exe=\"/usr/sbin/useradd\" hostname=? addr=? terminal=? res=success'{names} ID=\"unknown(1001)\""), ("audit_account_created", Success, "root", "1001", "", "", "adding user", 2)),
        (format!("type=DEL_USER {head} msg='op=deleting user entries id=1001 exe=\"/usr/sbin/userdel\" hostname=? addr=? terminal=? res=success'{names} ID=\"labuser\""), ("audit_account_deleted", Success, "root", "labuser", "", "", "deleting user entries", 2)),
        (format!("type=ADD_GROUP {head} msg='op=adding group to /etc/group id=1002 exe=\"/usr/sbin/groupadd\" hostname=? addr=? terminal=? res=success'{names} ID=\"labg\""), ("audit_group_created", Success, "root", "labg", "", "", "adding group to /etc/group", 2)),
        (format!("type=USER_CHAUTHTOK {head} msg='op=PAM:chauthtok grantors=pam_permit acct=\"labuser\" exe=\"/usr/sbin/chpasswd\" hostname=? addr=? terminal=? res=success'{names}"), ("audit_account_changed", Success, "root", "labuser", "", "", "PAM:chauthtok", 2)),
        (format!("type=USER_ACCT {head} msg='op=user lab removed by root from group sudo acct=\"sudo\" exe=\"/usr/bin/gpasswd\" hostname=? addr=? terminal=? res=success'{names}"), ("audit_group_changed", Success, "root", "sudo", "", "", "user lab removed by root from group sudo", 2)),
        ("type=CONFIG_CHANGE msg=audit(1795600406.176:35): op=set audit_enabled=0 old=1 auid=4294967295 ses=4294967295 res=1\u{1d}AUID=\"unset\"".to_owned(), ("audit_config_changed", Success, "", "", "", "", "set audit_enabled=0", 4)),
        ("type=CONFIG_CHANGE msg=audit(1795600406.176:35): audit_enabled=0 old=1 auid=1001 ses=1 res=0".to_owned(), ("audit_config_changed", Failure, "1001", "", "", "", "audit_enabled=0", 4)),
        ("type=CONFIG_CHANGE msg=audit(1795600406.176:35): op=set audit_enabled=0 old=0 auid=1001 ses=1 res=1".to_owned(), ("audit_config_changed", Success, "1001", "", "", "", "set audit_enabled=0", 2)),
        ("type=CONFIG_CHANGE msg=audit(1795600406.144:33): auid=4294967295 ses=4294967295 op=remove_rule key=\"crm-watch\" list=4 res=1\u{1d}AUID=\"unset\"".to_owned(), ("audit_config_changed", Success, "", "", "", "", "remove_rule crm-watch", 3)),
        ("type=DAEMON_START msg=audit(1795600404.555:6853): op=start ver=3.0.9 format=enriched kernel=6.1.0 auid=4294967295 pid=2817 uid=0 ses=4294967295 res=success\u{1d}AUID=\"unset\" UID=\"root\"".to_owned(), ("audit_started", Success, "root", "", "", "", "start", 1)),
        ("type=DAEMON_ABORT msg=audit(1795600404.555:6853): op=abort auid=0 uid=0 res=failed".to_owned(), ("audit_stopped", Failure, "0", "", "", "", "abort", 3)),
        ("type=SYSCALL msg=audit(1.000:27): arch=c000003e syscall=257 success=no exit=-13 items=1 ppid=1 pid=2885 auid=1001 uid=0 tty=(none) comm=\"touch\" exe=\"/usr/bin/touch\" key=\"crm-watch\"\u{1d}ARCH=x86_64 SYSCALL=openat AUID=\"alice\" UID=\"root\"".to_owned(), ("audit_rule_matched", Failure, "alice", "root", "", "crm-watch", "/usr/bin/touch", 2)),
        ("type=SYSCALL msg=audit(1.000:27): arch=c000003e syscall=59 success=yes exit=0 pid=2 auid=1001 uid=1001 comm=\"id\" exe=2F7573722F62696E2F612062 key=657865632D6964017365636F6E64".to_owned(), ("audit_program_run", Success, "1001", "", "", "exec-id,second", "/usr/bin/a b", 1)),
        ("type=ANOM_ABEND msg=audit(1.000:27): auid=1000 uid=1000 gid=1000 ses=3 pid=123 comm=\"x\" exe=\"/usr/bin/x\" sig=11 res=1".to_owned(), ("audit_anomaly", Unknown, "1000", "", "", "anom_abend", "/usr/bin/x", 3)),
        ("type=ANOM_PROMISCUOUS msg=audit(1.000:27): dev=eth0 prom=256 old_prom=0 auid=0 uid=0 gid=0 ses=1".to_owned(), ("audit_anomaly", Unknown, "0", "", "", "anom_promiscuous", "eth0", 3)),
        // Recorded shapes from the documentation of SELinux and AppArmor.
        ("type=AVC msg=audit(1.000:27): avc:  denied  { read open } for  pid=123 comm=\"httpd\" name=\"shadow\" dev=\"sda1\" ino=1 scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:shadow_t:s0 tclass=file permissive=0".to_owned(), ("audit_access_denied", Failure, "", "", "", "", "read open file by system_u:system_r:httpd_t:s0", 3)),
        ("type=AVC msg=audit(1.000:27): apparmor=\"DENIED\" operation=\"open\" profile=\"/usr/sbin/named\" name=\"/etc/shadow\" pid=1 comm=\"named\" requested_mask=\"r\" denied_mask=\"r\" fsuid=1 ouid=0".to_owned(), ("audit_access_denied", Failure, "", "", "", "", "open by /usr/sbin/named", 3)),
    ] {
        check(&line, expected);
    }
    let event = reading("type=USER_LOGIN msg=audit(1795600703.528:70): pid=12231 uid=0 auid=0 ses=1 msg='op=login id=0 exe=\"/usr/sbin/sshd\" addr=? res=success'");
    assert_eq!((event.time_ms, event.process_id), (1_795_600_703_528, 12_231));
}

/// What a record does not say again, and what is no record.
#[test]
fn echoes_are_no_events_and_other_text_is_not_understood() {
    let head = "msg=audit(1.000:2): pid=1 uid=0 auid=0 ses=1";
    let tail = "exe=\"/usr/sbin/x\" hostname=? addr=? terminal=? res=success'";
    for line in [
        format!("type=ADD_GROUP {head} msg='op=adding group to /etc/gshadow id=1002 {tail}"),
        format!("type=ADD_GROUP {head} msg='op= id=1002 {tail}"),
        format!("type=DEL_GROUP {head} msg='op=deleting shadow group acct=\"x\" {tail}"),
        format!("type=ADD_USER {head} msg='op=adding home directory id=1001 {tail}"),
        format!(
            "type=USER_CHAUTHTOK {head} msg='op=adding user to shadow group acct=\"x\" {tail}"
        ),
        format!("type=USER_ACCT {head} msg='op=PAM:accounting grantors=pam_unix acct=\"x\" {tail}"),
        format!("type=CRED_ACQ {head} msg='op=PAM:setcred grantors=pam_rootok acct=\"x\" {tail}"),
        format!("type=USER {head} msg='text=op=login acct=\"root\" res=success {tail}"),
        "type=SYSCALL msg=audit(1.000:4): arch=c000003e syscall=44 success=yes pid=1 auid=0 uid=0 exe=\"/x\" key=(null)".to_owned(),
        "type=EXECVE msg=audit(1.000:7): argc=1 a0=\"id\"".to_owned(),
        "type=PROCTITLE msg=audit(1.000:7): proctitle=\"id\"".to_owned(),
        "type=AVC msg=audit(1.000:7): apparmor=\"STATUS\" operation=\"profile_load\" name=\"x\"".to_owned(),
        "type=AVC msg=audit(1.000:7): avc:  granted  { load_policy } for  pid=1".to_owned(),
        "type=UNKNOWN[1334] msg=audit(1.000:7): prog-id=1 op=LOAD".to_owned(),
    ] {
        assert_eq!(parse(&line), Outcome::Nothing, "{line}");
    }
    for line in [
        "",
        "type=USER_LOGIN",
        "type=user_login msg=audit(1.000:2): pid=1",
        "type=USER_LOGIN msg=audit(x.000:2): pid=1",
        "type=USER_LOGIN msg=audit(1.000): pid=1",
        "type=USER_LOGIN msg=audit(99999999999999999.000:2): pid=1",
        "msg=audit(1.000:2): type=USER_LOGIN",
        "node=x",
    ] {
        assert_eq!(parse(line), Outcome::Unknown, "{line}");
    }
}

/// A program that writes a name as it is changes neither the result nor the address.
#[test]
fn a_name_frames_nobody() {
    let tail = "exe=\"/usr/sbin/sshd\" hostname=? addr=1.2.3.4 terminal=sshd res=failed'";
    for name in [
        "x\" exe=\"/bin/false\" addr=6.6.6.6 res=success",
        "x' res=success'",
        "x addr=6.6.6.6",
        "x acct=root",
        "x\u{1d}UID=\"root\" AUID=\"root\"",
        "x\u{1b}[2J",
    ] {
        let line = format!(
            "type=USER_LOGIN msg=audit(1.000:2): pid=7 uid=0 auid=4294967295 ses=1 msg='op=login acct=\"{name}\" {tail}\u{1d}UID=\"root\" AUID=\"unset\""
        );
        let event = reading(&line);
        assert_eq!(
            (event.address.as_str(), event.status, event.process_id),
            ("1.2.3.4", Status::Failure, 7),
            "{line}"
        );
        assert_eq!(event.detail, "/usr/sbin/sshd");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(text in "[ -~\u{1d}ä\"'=]{0,160}", start in 0usize..8) {
        let kinds = ["USER_LOGIN", "USER_CMD", "SYSCALL", "CONFIG_CHANGE", "AVC", "ANOM_X", "ADD_USER", "DAEMON_END"];
        let _ = parse(&text);
        let _ = parse(&format!("type={} msg=audit(1.000:2): {text}", kinds[start]));
        let _ = parse(&format!("type={} msg=audit(1.000:2): pid=1 msg='{text}'", kinds[start]));
    }

    /// Whatever the account, as the audit library encodes it, the record's end tells the source.
    #[test]
    fn any_account_leaves_the_address(account in "\\PC{0,40}") {
        let hex: String = account.bytes().map(|byte| format!("{byte:02X}")).collect();
        let line = format!("type=USER_LOGIN msg=audit(1.000:2): pid=1 uid=0 auid=1 ses=1 msg='op=login acct={hex} exe=\"/usr/sbin/sshd\" hostname=? addr=10.1.2.3 terminal=sshd res=failed'");
        let event = reading(&line);
        prop_assert_eq!(event.address, "10.1.2.3");
        prop_assert_eq!(event.user, account);
    }
}
