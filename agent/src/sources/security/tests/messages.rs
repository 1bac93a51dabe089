use proptest::prelude::*;

use super::super::entry;
use super::super::event::{self, Event, Kind, Meaning, Status};
use super::super::message::{Program, parse};
use super::super::syslog;
use crate::sources::tail::zone::Zone;

/// 23 Nov 2026, 03:00 UTC.
pub(super) const NOW_MS: i64 = 1_795_402_800_000;

pub(super) fn event(program: Program, message: &str) -> Event<'_> {
    match parse(program, message) {
        Meaning::Event(event) => event,
        other => panic!("{message:?} is {other:?}"),
    }
}

/// Kind, status, method, user, target user, address, port, count, detail.
type Expected = (
    Kind,
    Status,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u16,
    u32,
    &'static str,
);

fn check(program: Program, message: &str, expected: Expected) {
    let event = event(program, message);
    let found = (
        event.kind,
        event.status,
        event.method,
        event.user,
        event.target_user,
        event.address,
        event.port,
        event.count,
        event.detail,
    );
    assert_eq!(found, expected, "{message:?}");
}

/// Lines that Debian's sshd 9.2 wrote for real clients.
#[test]
#[rustfmt::skip]
fn lines_of_sshd() {
    use Kind::*;
    use Status::*;
    for (message, expected) in [
        ("Failed password for alice from 127.0.0.1 port 44822 ssh2", (SshLogin, Failure, "password", "alice", "", "127.0.0.1", 44822, 1, "")),
        ("Failed password for invalid user nosuch from 127.0.0.1 port 40968 ssh2", (SshLogin, Failure, "password", "nosuch", "", "127.0.0.1", 40968, 1, "invalid user")),
        ("Failed password for invalid user  from 127.0.0.1 port 1 ssh2", (SshLogin, Failure, "password", "", "", "127.0.0.1", 1, 1, "invalid user")),
        ("Failed none for invalid user alice  from 127.0.0.1 port 1 ssh2", (SshLogin, Failure, "none", "alice ", "", "127.0.0.1", 1, 1, "invalid user")),
        ("Failed publickey for root from ::1 port 1 ssh2: ED25519 SHA256:nv5moECs", (SshLogin, Failure, "publickey", "root", "", "::1", 1, 1, "")),
        ("Failed keyboard-interactive/pam for root from 1.2.3.4 port 1 ssh2", (SshLogin, Failure, "keyboard-interactive/pam", "root", "", "1.2.3.4", 1, 1, "")),
        ("Accepted password for alice from 127.0.0.1 port 50768 ssh2", (SshLogin, Success, "password", "alice", "", "127.0.0.1", 50768, 1, "")),
        ("Accepted publickey for alice from 127.0.0.1 port 50782 ssh2: ED25519 SHA256:nv5moECs/VsVpHIifNmxLTVH0pN3K19PeGcqRQLo9kk", (SshLogin, Success, "publickey", "alice", "", "127.0.0.1", 50782, 1, "")),
        ("Accepted publickey for alice from 1.2.3.4 port 5 ssh2: ED25519-CERT SHA256:a ID me (serial 0) CA ED25519 SHA256:b", (SshLogin, Success, "publickey", "alice", "", "1.2.3.4", 5, 1, "")),
        ("Invalid user nosuch from 127.0.0.1 port 40968", (SshInvalidUser, Failure, "", "nosuch", "", "127.0.0.1", 40968, 1, "")),
        ("Invalid user old from 127.0.0.1", (SshInvalidUser, Failure, "", "old", "", "127.0.0.1", 0, 1, "")),
        ("User bob from ::1 not allowed because listed in DenyUsers", (SshUserRefused, Failure, "", "bob", "", "::1", 0, 1, "listed in DenyUsers")),
        ("maximum authentication attempts exceeded for alice from 127.0.0.1 port 37826 ssh2 [preauth]", (SshAttemptsExceeded, Failure, "", "alice", "", "127.0.0.1", 37826, 1, "")),
        ("error: maximum authentication attempts exceeded for invalid user x from 127.0.0.1 port 3 ssh2 [preauth]", (SshAttemptsExceeded, Failure, "", "x", "", "127.0.0.1", 3, 1, "invalid user")),
        ("Disconnecting authenticating user alice 127.0.0.1 port 37826: Too many authentication failures [preauth]", (SshDisconnect, Unknown, "", "alice", "", "127.0.0.1", 37826, 1, "preauth")),
        ("Connection closed by authenticating user alice ::1 port 53600 [preauth]", (SshDisconnect, Unknown, "", "alice", "", "::1", 53600, 1, "preauth")),
        ("Connection closed by invalid user ghost ::1 port 53614 [preauth]", (SshDisconnect, Unknown, "", "ghost", "", "::1", 53614, 1, "preauth")),
        ("Connection closed by invalid user  127.0.0.1 port 53614 [preauth]", (SshDisconnect, Unknown, "", "", "", "127.0.0.1", 53614, 1, "preauth")),
        ("Connection reset by 127.0.0.1 port 40104 [preauth]", (SshDisconnect, Unknown, "", "", "", "127.0.0.1", 40104, 1, "preauth")),
        ("Disconnected from user alice 127.0.0.1 port 50768", (SshDisconnect, Success, "", "alice", "", "127.0.0.1", 50768, 1, "")),
        ("banner exchange: Connection from 127.0.0.1 port 40096: invalid format", (SshProbe, Failure, "", "", "", "127.0.0.1", 40096, 1, "invalid format")),
        ("fatal: Timeout before authentication for 1.2.3.4 port 5", (SshTimeout, Failure, "", "", "", "1.2.3.4", 5, 1, "")),
        ("Timeout before authentication for connection from 1.2.3.4 to 5.6.7.8, pid = 9", (SshTimeout, Failure, "", "", "", "1.2.3.4", 0, 1, "")),
        ("message repeated 3 times: [ Failed password for root from 1.2.3.4 port 22 ssh2]", (SshLogin, Failure, "password", "root", "", "1.2.3.4", 22, 3, "")),
        ("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1  user=alice", (PamAuthentication, Failure, "", "alice", "", "127.0.0.1", 0, 1, "")),
        ("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1 ", (PamAuthentication, Failure, "", "", "", "127.0.0.1", 0, 1, "")),
        ("PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root", (PamAuthentication, Failure, "", "root", "", "1.2.3.4", 0, 2, "")),
        ("pam_unix(sshd:session): session opened for user alice(uid=1001) by (uid=0)", (SessionOpened, Success, "", "", "alice", "", 0, 1, "")),
        ("pam_unix(sshd:session): session closed for user alice", (SessionClosed, Success, "", "", "alice", "", 0, 1, "")),
    ] {
        check(Program::Sshd, message, expected);
    }
}

/// Real attempts with such login names; the address is always the client's own.
#[test]
#[rustfmt::skip]
fn a_login_name_frames_nobody() {
    for (message, user) in [
        ("Failed password for invalid user x from 6.6.6.6 from 127.0.0.1 port 9 ssh2", "x from 6.6.6.6"),
        ("Failed password for invalid user root from 6.6.6.6 port 22 ssh2 from 127.0.0.1 port 9 ssh2", "root from 6.6.6.6 port 22 ssh2"),
        ("Failed publickey for invalid user x from 6.6.6.6 port 1 ssh2: RSA SHA256:q from 127.0.0.1 port 9 ssh2: RSA SHA256:r", "x from 6.6.6.6 port 1 ssh2: RSA SHA256:q"),
        ("Invalid user root from 6.6.6.6 port 22 ssh2 from 127.0.0.1 port 9", "root from 6.6.6.6 port 22 ssh2"),
        ("Connection closed by invalid user root from 6.6.6.6 port 22 ssh2 127.0.0.1 port 9 [preauth]", "root from 6.6.6.6 port 22 ssh2"),
        ("Connection closed by invalid user x 6.6.6.6 port 1 [preauth] 127.0.0.1 port 9 [preauth]", "x 6.6.6.6 port 1 [preauth]"),
        ("maximum authentication attempts exceeded for invalid user x from 6.6.6.6 port 1 ssh2 from 127.0.0.1 port 9 ssh2 [preauth]", "x from 6.6.6.6 port 1 ssh2"),
    ] {
        let event = event(Program::Sshd, message);
        assert_eq!(
            (event.address, event.port, event.user),
            ("127.0.0.1", 9, user),
            "{message}"
        );
    }
    // Where two readings are possible, none is taken.
    let ambiguous = "Failed publickey for root from 1.2.3.4 port 5 ssh2: ED25519-CERT SHA256:a ID x from 6.6.6.6 port 1 ssh2: RSA SHA256:z (serial 0) CA ED25519 SHA256:b";
    let event = event(Program::Sshd, ambiguous);
    assert_eq!(
        (event.address, event.user, event.detail),
        ("", "", "ambiguous source")
    );
}

/// Lines that Debian's sudo 1.9.13 and util-linux' su wrote.
#[test]
#[rustfmt::skip]
fn lines_of_sudo_and_su() {
    use Kind::*;
    use Status::*;
    for (program, message, expected) in [
        (Program::Sudo, "   alice : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/usr/bin/id x", (SudoCommand, Success, "", "alice", "root", "", 0, 1, "/usr/bin/id")),
        (Program::Sudo, "   alice : PWD=/tmp ; USER=root ; COMMAND=/usr/bin/id --password=hunter2", (SudoCommand, Success, "", "alice", "root", "", 0, 1, "/usr/bin/id")),
        (Program::Sudo, "   alice : PWD=/tmp ; USER=bob ; GROUP=root ; ENV=FOO=bar ; COMMAND=/bin/echo a ; b", (SudoCommand, Success, "", "alice", "bob", "", 0, 1, "/bin/echo")),
        (Program::Sudo, "   alice : 3 incorrect password attempts ; PWD=/tmp ; USER=root ; COMMAND=/usr/bin/id", (SudoPassword, Failure, "password", "alice", "root", "", 0, 3, "/usr/bin/id")),
        (Program::Sudo, "   alice : a password is required ; PWD=/tmp ; USER=root ; COMMAND=/bin/ls", (SudoPassword, Failure, "", "alice", "root", "", 0, 1, "/bin/ls")),
        (Program::Sudo, "     bob : command not allowed ; PWD=/tmp ; USER=root ; COMMAND=/bin/cat /etc/shadow", (SudoCommand, Failure, "", "bob", "root", "", 0, 1, "/bin/cat")),
        (Program::Sudo, "     eve : user NOT in sudoers ; PWD=/tmp ; USER=root ; COMMAND=/bin/true", (SudoCommand, Failure, "", "eve", "root", "", 0, 1, "/bin/true")),
        (Program::Sudo, "message repeated 2 times: [     eve : user NOT in sudoers ; PWD=/tmp ; USER=root ; COMMAND=/bin/true]", (SudoCommand, Failure, "", "eve", "root", "", 0, 2, "/bin/true]")),
        (Program::Sudo, "pam_unix(sudo:auth): authentication failure; logname= uid=1001 euid=0 tty= ruser=alice rhost=  user=alice", (PamAuthentication, Failure, "", "alice", "alice", "", 0, 1, "")),
        (Program::Sudo, "pam_unix(sudo-i:session): session opened for user root(uid=0) by alice(uid=1001)", (SessionOpened, Success, "", "alice", "root", "", 0, 1, "")),
        (Program::Su, "(to root) alice on pts/0", (SuSession, Success, "", "alice", "root", "", 0, 1, "pts/0")),
        (Program::Su, "(to bob) alice on none", (SuSession, Success, "", "alice", "bob", "", 0, 1, "none")),
        (Program::Su, "FAILED SU (to root) alice on none", (SuSession, Failure, "", "alice", "root", "", 0, 1, "none")),
        (Program::Su, "Successful su for root by alice", (SuSession, Success, "", "alice", "root", "", 0, 1, "")),
        (Program::Su, "pam_unix(su:auth): authentication failure; logname= uid=1001 euid=0 tty= ruser=alice rhost=  user=root", (PamAuthentication, Failure, "", "alice", "root", "", 0, 1, "")),
        (Program::Su, "pam_unix(su:session): session opened for user bob(uid=1002) by (uid=1001)", (SessionOpened, Success, "", "", "bob", "", 0, 1, "")),
    ] {
        let expected = if message.starts_with("message repeated") {
            // The bracket belongs to syslog.
            (
                expected.0,
                expected.1,
                expected.2,
                expected.3,
                expected.4,
                expected.5,
                expected.6,
                expected.7,
                "/bin/true",
            )
        } else {
            expected
        };
        check(program, message, expected);
    }
}

#[test]
fn lines_without_an_event_and_lines_not_understood() {
    for message in [
        "Server listening on ::1 port 18022.",
        "Received disconnect from 127.0.0.1 port 50768:11: disconnected by user",
        "pam_unix(sshd:auth): check pass; user unknown",
        "pam_limits(sshd:session): Could not set limit for 'nofile'",
        "pam_env(sshd:session): deprecated reading of user environment enabled",
        "Postponed publickey for alice from 127.0.0.1 port 37818 ssh2 [preauth]",
        "User child is on pid 12",
    ] {
        assert_eq!(parse(Program::Sshd, message), Meaning::Nothing, "{message}");
    }
    for message in [
        "",
        "spoofed by root",
        "Failed password for",
        "Failed password for x from 1.2.3.4 port 99999 ssh2",
        "Accepted password for x from 1.2.3.4",
        "message repeated many times: [ x]",
    ] {
        assert_eq!(parse(Program::Sshd, message), Meaning::Unknown, "{message}");
    }
    assert_eq!(
        parse(Program::Sudo, "alice : unheard of ; USER=root"),
        Meaning::Unknown
    );
    assert_eq!(parse(Program::Su, "hello"), Meaning::Unknown);
}

#[test]
fn syslog_heads() {
    let utc = Zone::of("+00:00");
    let entry = |line| {
        syslog::parse(line, &utc, NOW_MS).map(|entry| {
            (
                entry.time_ms,
                entry.program.to_owned(),
                entry.process_id,
                entry.message.to_owned(),
            )
        })
    };
    let at = |time_ms: i64, process_id| {
        Some((time_ms, "sshd".to_owned(), process_id, "m: x".to_owned()))
    };
    assert_eq!(
        entry("Nov 23 02:23:40 host sshd[12]: m: x"),
        at(1_795_400_620_000, 12)
    );
    assert_eq!(
        entry("Nov  3 02:23:40 host sshd: m: x"),
        at(1_793_672_620_000, 0)
    );
    assert_eq!(
        entry("2026-11-23T02:23:40.123456+00:00 host sshd[12]: m: x"),
        at(1_795_400_620_123, 12)
    );
    assert_eq!(
        entry("2026-11-23T04:23:40+02:00 host sshd[12]: m: x"),
        at(1_795_400_620_000, 12)
    );
    // December was last year; 29 February in 2024.
    assert_eq!(
        entry("Dec 31 00:00:00 host sshd: m: x"),
        at(1_767_139_200_000, 0)
    );
    assert_eq!(
        entry("Feb 29 00:00:00 host sshd: m: x"),
        at(1_709_164_800_000, 0)
    );
    let berlin = Zone::of("+01:00");
    assert_eq!(
        syslog::parse("Nov 23 03:23:40 h su: x", &berlin, NOW_MS)
            .unwrap()
            .time_ms,
        1_795_400_620_000
    );
    for bad in [
        "",
        "x",
        "Nov 23",
        "Nov 23 02:23:40 host",
        "Xxx 23 02:23:40 h sshd: x",
        "2026-11-23 h sshd: x",
        "ääääääääääää",
    ] {
        assert_eq!(entry(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,120}", start in 0usize..22) {
        let starts = ["", "Failed password for ", "Accepted publickey for ", "Invalid user ", "User ", "Connection closed by ", "pam_unix(sshd:auth): authentication failure; ", "PAM ", "message repeated 2 times: [ ", "(to ", "a : ", "Disconnecting ", "new user: name=", "add '", "delete '", "change user '", "user ", "members of group ", "password for '", "group changed in /etc/group (group ", "failed adding user '", "changed user '"];
        let message = format!("{}{text}", starts[start]);
        for program in [Program::Sshd, Program::Sudo, Program::Su, Program::Accounts("useradd")] {
            if let Meaning::Event(event) = parse(program, &message) {
                let origin = event::Origin { time_ms: 0, service: "sshd", process_id: 0, event_id: [0; 16] };
                let row = event::row(&event, &origin);
                prop_assert!(row.event.user.len() <= 256 && row.event.detail.len() <= 256);
            }
        }
        let _ = syslog::parse(&message, &Zone::Fixed(0), NOW_MS);
        let _ = entry::parse(message.as_bytes());
    }

    /// Whatever the login name, the client's address is told.
    #[test]
    fn any_login_name_leaves_the_address(user in "[ -~]{0,60}") {
        let message = format!("Failed password for invalid user {user} from 10.1.2.3 port 4567 ssh2");
        let event = event(Program::Sshd, &message);
        prop_assert_eq!((event.address, event.port, event.user), ("10.1.2.3", 4567, user.as_str()));
        let message = format!("Connection closed by invalid user {user} 10.1.2.3 port 4567 [preauth]");
        let Meaning::Event(event) = parse(Program::Sshd, &message) else { panic!("{message}") };
        prop_assert_eq!((event.address, event.port), ("10.1.2.3", 4567));
    }
}
