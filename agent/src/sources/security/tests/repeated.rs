//! Folded messages, and the names that sshd's programs have had.

use super::super::event::{self, Kind, Meaning, Status};
use super::super::message::{Program, parse};
use super::super::syslog;
use super::messages::{NOW_MS, event};
use crate::sources::tail::zone::Zone;

/// rsyslog's `message repeated` wraps the whole message, so that what a client typed stands inside.
#[test]
fn repeated_messages_count_and_hide_nothing() {
    use Kind::*;
    use Status::*;
    let inside = |count: &str, text: &str| format!("message repeated {count} times: [ {text}]");
    let failed =
        "Failed password for invalid user x from 6.6.6.6 port 1 ssh2] from 1.2.3.4 port 22 ssh2";
    for (count, text, times, user) in [
        (
            "2",
            "Failed password for root from 1.2.3.4 port 22 ssh2",
            2,
            "root",
        ),
        (
            "1",
            "Failed password for root from 1.2.3.4 port 22 ssh2",
            1,
            "root",
        ),
        (
            "4294967295",
            "Failed password for root from 1.2.3.4 port 22 ssh2",
            u32::MAX,
            "root",
        ),
        ("3", failed, 3, "x from 6.6.6.6 port 1 ssh2]"),
        (
            "2",
            "Failed password for invalid user message repeated 99 times: [ x] from 1.2.3.4 port 22 ssh2",
            2,
            "message repeated 99 times: [ x]",
        ),
    ] {
        let message = inside(count, text);
        let event = event(Program::Sshd, &message);
        assert_eq!(
            (
                event.kind,
                event.status,
                event.count,
                event.user,
                event.address
            ),
            (SshLogin, Failure, times, user, "1.2.3.4"),
            "{message}"
        );
    }
    // PAM's own count and syslog's multiply, and stop at the top.
    let more = "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root";
    assert_eq!(event(Program::Sshd, &inside("3", more)).count, 6);
    assert_eq!(
        event(Program::Sshd, &inside("4294967295", more)).count,
        u32::MAX
    );
    // A login name that looks like a repetition repeats nothing.
    let typed =
        "Failed password for invalid user message repeated 9 times: [ a] from 1.2.3.4 port 22 ssh2";
    assert_eq!(event(Program::Sshd, typed).count, 1);
    for message in [
        inside(
            "4294967296",
            "Failed password for root from 1.2.3.4 port 22 ssh2",
        ),
        inside("-1", "Failed password for root from 1.2.3.4 port 22 ssh2"),
        inside(
            "2",
            "message repeated 2 times: [ Failed password for root from 1.2.3.4 port 22 ssh2]",
        ),
        "message repeated 2 times: [ Failed password for root from 1.2.3.4 port 22 ssh2".to_owned(),
        "last message repeated 2 times".to_owned(),
    ] {
        assert_eq!(
            parse(Program::Sshd, &message),
            Meaning::Unknown,
            "{message}"
        );
    }
    // None at all is one row all the same: a row tells of one event at least.
    let message = inside("0", "Failed password for root from 1.2.3.4 port 22 ssh2");
    let event = event(Program::Sshd, &message);
    let origin = event::Origin {
        time_ms: 0,
        service: "sshd",
        process_id: 0,
        event_id: [0; 16],
    };
    assert_eq!(event::row(&event, &origin).event.count, 1);
}

/// From 9.8 on, most lines come from `sshd-session`, and some from `sshd-auth` (10.0).
#[test]
fn the_programs_of_sshd_are_one_service() {
    let utc = Zone::of("+00:00");
    for (name, text) in [
        ("sshd", "Failed password for root from 1.2.3.4 port 22 ssh2"),
        (
            "sshd-session",
            "Failed password for root from 1.2.3.4 port 22 ssh2",
        ),
        (
            "sshd-session",
            "Accepted publickey for alice from 1.2.3.4 port 22 ssh2: ED25519 SHA256:nv5moECs",
        ),
        ("sshd-session", "Invalid user eve from 1.2.3.4 port 22"),
        (
            "sshd-session",
            "Connection closed by authenticating user root 1.2.3.4 port 22 [preauth]",
        ),
        (
            "sshd-session",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root",
        ),
        (
            "sshd-auth",
            "maximum authentication attempts exceeded for root from 1.2.3.4 port 22 ssh2 [preauth]",
        ),
    ] {
        let line = format!("2026-11-23T02:23:40.123456+00:00 host {name}[77]: {text}");
        let entry = syslog::parse(&line, &utc, NOW_MS).unwrap();
        let program = Program::of(entry.program).unwrap();
        assert_eq!((program.name(), entry.process_id), ("sshd", 77));
        assert_eq!(event(program, entry.message).address, "1.2.3.4", "{line}");
    }
    for name in ["sshd-sessions", "Sshd", "sshd-session ", "ssh"] {
        assert_eq!(Program::of(name), None, "{name:?}");
    }
}
