//! Lines of OpenSSH's server (9.2 and 9.8 onwards, where `sshd-session` writes most).
//!
//! Pure. Login names are the client's text and may look like the rest of a line, so lines are
//! taken apart from their end: the last ` from ADDRESS port N` is sshd's own.

use super::event::{Event, Kind, Meaning, Status};

/// Where a connection came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer<'a> {
    pub(super) address: &'a str,
    pub(super) port: u16,
}

/// Lines without an event: starts, stops, and what another line says better.
const NOTHING: [&str; 16] = [
    "Server listening on ",
    "Received signal ",
    "Received disconnect from ",
    "Postponed ",
    "Connection from ",
    "Starting session: ",
    "Close session: ",
    "User child is on pid ",
    "Exiting on signal ",
    "Could not get shadow information for ",
    "error: kex_exchange_identification: ",
    "error: Protocol major versions differ: ",
    "error: PAM: ",
    "syslogin_perform_logout: ",
    "input_userauth_request: ",
    "Accepted key ",
];

/// Reads a line of sshd that is not PAM's.
pub(super) fn parse(message: &str) -> Meaning<'_> {
    let (text, preauth) = match message.strip_suffix(" [preauth]") {
        Some(text) => (text, true),
        None => (message, false),
    };
    if let Some(rest) = text.strip_prefix("Accepted ") {
        return login(rest, Status::Success).into();
    }
    if let Some(rest) = text.strip_prefix("Failed ") {
        return login(rest, Status::Failure).into();
    }
    if let Some(rest) = text.strip_prefix("Invalid user ") {
        return invalid_user(rest).into();
    }
    let exceeded = "maximum authentication attempts exceeded for ";
    let thrown_out = text.strip_prefix("error: ").unwrap_or(text);
    if let Some(rest) = thrown_out.strip_prefix(exceeded) {
        return attempts_exceeded(rest).into();
    }
    if let Some(event) = text.strip_prefix("User ").and_then(user_refused) {
        return Meaning::Event(event);
    }
    for start in [
        "Connection closed by ",
        "Connection reset by ",
        "Disconnected from ",
    ] {
        if let Some(rest) = text.strip_prefix(start) {
            return disconnect(rest, preauth).into();
        }
    }
    if let Some(rest) = text.strip_prefix("Disconnecting ") {
        return disconnecting(rest).into();
    }
    if let Some(rest) = text.strip_prefix("banner exchange: Connection from ") {
        return probe(rest).into();
    }
    let timeout = text.strip_prefix("fatal: ").unwrap_or(text);
    if let Some(rest) = timeout.strip_prefix("Timeout before authentication for ") {
        return timed_out(rest).into();
    }
    if NOTHING.iter().any(|start| text.starts_with(start)) {
        return Meaning::Nothing;
    }
    Meaning::Unknown
}

/// `password for [invalid user ]USER from ADDRESS port N ssh2[: KEY]`
fn login(text: &str, status: Status) -> Option<Event<'_>> {
    let (method, rest) = text.split_once(" for ")?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_');
    if method.is_empty() || !method.bytes().all(word) {
        return None;
    }
    let event = Event {
        method,
        ..Event::new(Kind::SshLogin, status)
    };
    let Some(line) = before_key(rest)? else {
        // A certificate's id is the client's text too; with two readings, neither is taken.
        return Some(Event {
            detail: "ambiguous source",
            ..event
        });
    };
    let (user, peer) = from_peer(line)?;
    let (user, detail) = known_or_not(user);
    Some(Event {
        user,
        detail,
        ..event.from(peer)
    })
}

/// What stands before ` ssh2` and the key; nothing within when a certificate makes that ambiguous.
fn before_key(text: &str) -> Option<Option<&str>> {
    if let Some(line) = text.strip_suffix(" ssh2") {
        return Some(Some(line));
    }
    let (line, key) = text.rsplit_once(" ssh2: ")?;
    let mut words = key.split(' ');
    let plain = words.next().is_some()
        && words
            .next()
            .is_some_and(|print| print.starts_with("SHA256:") || print.starts_with("MD5:"))
        && words.next().is_none();
    Some((plain || !line.contains(" ssh2: ")).then_some(line))
}

fn invalid_user(text: &str) -> Option<Event<'_>> {
    // Before 7.5 there was no port.
    let (user, peer) = from_peer(text).or_else(|| {
        let (user, address) = text.rsplit_once(" from ")?;
        let word = !address.is_empty() && !address.contains(' ');
        word.then_some((user, Peer { address, port: 0 }))
    })?;
    Some(
        Event {
            user,
            ..Event::new(Kind::SshInvalidUser, Status::Failure)
        }
        .from(peer),
    )
}

fn attempts_exceeded(text: &str) -> Option<Event<'_>> {
    let (user, peer) = from_peer(text.strip_suffix(" ssh2")?)?;
    let (user, detail) = known_or_not(user);
    Some(
        Event {
            user,
            detail,
            ..Event::new(Kind::SshAttemptsExceeded, Status::Failure)
        }
        .from(peer),
    )
}

/// `USER from HOST not allowed because REASON`
fn user_refused(text: &str) -> Option<Event<'_>> {
    let (who, reason) = text.rsplit_once(" not allowed because ")?;
    // Without a host for rules that do not look at it.
    let (user, address) = who.rsplit_once(" from ").unwrap_or((who, ""));
    Some(Event {
        user,
        address,
        detail: reason,
        ..Event::new(Kind::SshUserRefused, Status::Failure)
    })
}

/// `[authenticating |invalid ]user USER ADDRESS port N`, or only `ADDRESS port N`
fn disconnect(text: &str, preauth: bool) -> Option<Event<'_>> {
    let (who, port) = text.rsplit_once(" port ")?;
    let port = port.parse().ok()?;
    let (user, address) = who.rsplit_once(' ').unwrap_or(("", who));
    let named = ["authenticating user ", "invalid user ", "user "]
        .iter()
        .find_map(|start| user.strip_prefix(start));
    // An empty login name leaves the words alone before the address.
    let named = named.or_else(|| {
        ["authenticating user", "invalid user"]
            .contains(&user)
            .then_some("")
    });
    if named.is_none() && !user.is_empty() {
        return None;
    }
    let preauth = preauth || user.starts_with("authenticating") || user.starts_with("invalid");
    let status = if preauth {
        Status::Unknown
    } else {
        Status::Success
    };
    Some(Event {
        user: named.unwrap_or(""),
        address,
        port,
        detail: if preauth { "preauth" } else { "" },
        ..Event::new(Kind::SshDisconnect, status)
    })
}

/// `authenticating user USER ADDRESS port N: REASON`. Other reasons carry the client's text.
fn disconnecting(text: &str) -> Option<Event<'_>> {
    match text.strip_suffix(": Too many authentication failures") {
        Some(line) => disconnect(line, true),
        None => Some(Event {
            detail: "preauth",
            ..Event::new(Kind::SshDisconnect, Status::Unknown)
        }),
    }
}

/// `ADDRESS port N: REASON`
fn probe(text: &str) -> Option<Event<'_>> {
    let (peer, reason) = text.split_once(": ")?;
    let (address, port) = peer.split_once(" port ")?;
    Some(Event {
        address,
        port: port.parse().ok()?,
        detail: reason,
        ..Event::new(Kind::SshProbe, Status::Failure)
    })
}

/// `ADDRESS port N`; from 9.8 on `connection from ADDRESS to ADDRESS, pid = N`
fn timed_out(text: &str) -> Option<Event<'_>> {
    let peer = if let Some(rest) = text.strip_prefix("connection from ") {
        Peer {
            address: rest.split_once(" to ")?.0,
            port: 0,
        }
    } else {
        let (address, port) = text.split_once(" port ")?;
        Peer {
            address,
            port: port.parse().ok()?,
        }
    };
    Some(Event::new(Kind::SshTimeout, Status::Failure).from(peer))
}

/// Takes ` from ADDRESS port N` off the end.
fn from_peer(text: &str) -> Option<(&str, Peer<'_>)> {
    let (rest, port) = text.rsplit_once(" port ")?;
    let port = port.parse().ok()?;
    let (user, address) = rest.rsplit_once(" from ")?;
    let word = !address.is_empty() && !address.contains(' ');
    word.then_some((user, Peer { address, port }))
}

fn known_or_not(user: &str) -> (&str, &str) {
    match user.strip_prefix("invalid user ") {
        Some(user) => (user, "invalid user"),
        None => (user, ""),
    }
}
