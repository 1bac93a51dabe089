//! Lines of sudo, su and PAM's unix module.
//!
//! Pure. Of a command only the program's path is kept: arguments and environment hold secrets.

use super::event::{Event, Kind, Meaning, Status};

/// sudo: `USER : [REASON ; ]…PWD=… ; USER=TARGET ; …COMMAND=PROGRAM ARGUMENTS`.
///
/// A folder's name or an argument may look like a field, so the first of each counts; nothing but
/// the target account could be told wrongly, and only by the account itself.
pub(super) fn sudo(message: &str) -> Meaning<'_> {
    sudo_fields(message).map_or(Meaning::Unknown, Meaning::Event)
}

fn sudo_fields(message: &str) -> Option<Event<'_>> {
    let (user, rest) = message.trim_start().split_once(" : ")?;
    if user.is_empty() || user.contains(' ') {
        return None;
    }
    let field = |name: &str| {
        let start = rest.find(name)? + name.len();
        Some(&rest[start..])
    };
    let target = field(" ; USER=").and_then(|text| text.split(" ; ").next());
    let program = field(" ; COMMAND=").map(|text| text.split(' ').next().unwrap_or(text));
    let event = Event {
        user,
        target_user: target.unwrap_or(""),
        detail: program.unwrap_or(""),
        ..Event::new(Kind::SudoCommand, Status::Success)
    };
    let first = rest.split(" ; ").next().unwrap_or(rest);
    let starts_with_field =
        first.starts_with("TTY=") || first.starts_with("PWD=") || first.starts_with("HOST=");
    if starts_with_field {
        // Only what has a program was run.
        return program.is_some().then_some(event);
    }
    let failed = Event {
        status: Status::Failure,
        ..event
    };
    if let Some((number, "incorrect password attempt" | "incorrect password attempts")) =
        first.split_once(' ')
    {
        return Some(Event {
            kind: Kind::SudoPassword,
            method: "password",
            count: number.parse().ok()?,
            ..failed
        });
    }
    match first {
        "a password is required" => Some(Event {
            kind: Kind::SudoPassword,
            ..failed
        }),
        "user NOT in sudoers" | "user NOT authorized on host" | "command not allowed" => {
            Some(failed)
        }
        _ => None,
    }
}

/// su of util-linux and of shadow.
pub(super) fn su(message: &str) -> Meaning<'_> {
    // Shadow's second line about one change.
    if message.starts_with("+ ") || message.starts_with("- ") {
        return Meaning::Nothing;
    }
    su_change(message).map_or(Meaning::Unknown, Meaning::Event)
}

fn su_change(message: &str) -> Option<Event<'_>> {
    let (status, text) = match message.strip_prefix("FAILED SU ") {
        Some(text) => (Status::Failure, text),
        None => (Status::Success, message),
    };
    let event = |status, user, target_user| Event {
        user,
        target_user,
        ..Event::new(Kind::SuSession, status)
    };
    if let Some(rest) = text.strip_prefix("(to ") {
        let (target, rest) = rest.split_once(") ")?;
        let (user, terminal) = rest.rsplit_once(" on ")?;
        return Some(Event {
            detail: terminal,
            ..event(status, user, target)
        });
    }
    for (start, status) in [
        ("Successful su for ", Status::Success),
        ("FAILED su for ", Status::Failure),
    ] {
        if let Some(rest) = message.strip_prefix(start) {
            let (target, user) = rest.rsplit_once(" by ")?;
            return Some(event(status, user, target));
        }
    }
    None
}

/// PAM modules whose lines are no events: limits, environment, bookkeeping.
const QUIET_MODULES: [&str; 10] = [
    "pam_limits",
    "pam_env",
    "pam_systemd",
    "pam_motd",
    "pam_mail",
    "pam_lastlog",
    "pam_selinux",
    "pam_loginuid",
    "pam_keyinit",
    "pam_umask",
];

/// Lines of PAM, whichever program they came through. `None` when the line is not PAM's.
pub(super) fn pam(message: &str) -> Option<Meaning<'_>> {
    if let Some(rest) = message.strip_prefix("PAM ") {
        // sshd's own summary at the end of a connection.
        if rest.starts_with("service(") {
            return Some(Meaning::Nothing);
        }
        let (number, rest) = rest.split_once(" more authentication failure")?;
        let (_, fields) = rest.split_once("; ")?;
        return Some(Meaning::Event(Event {
            count: number.parse().ok()?,
            ..failure(fields)
        }));
    }
    let (module, rest) = message.split_once('(')?;
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !module.starts_with("pam_") || !module.bytes().all(word) {
        return None;
    }
    let (_, text) = rest.split_once("): ")?;
    if QUIET_MODULES.contains(&module) {
        return Some(Meaning::Nothing);
    }
    // Other modules repeat what pam_unix says, or check against other directories: not known here.
    if module != "pam_unix" {
        return Some(Meaning::Unknown);
    }
    Some(unix(text))
}

fn unix(text: &str) -> Meaning<'_> {
    if let Some(fields) = text.strip_prefix("authentication failure; ") {
        return Meaning::Event(failure(fields));
    }
    if let Some(rest) = text.strip_prefix("session opened for user ") {
        let (target, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
        return Meaning::Event(Event {
            user: account(by),
            target_user: account(target),
            ..Event::new(Kind::SessionOpened, Status::Success)
        });
    }
    if let Some(user) = text.strip_prefix("session closed for user ") {
        return Meaning::Event(Event {
            target_user: account(user),
            ..Event::new(Kind::SessionClosed, Status::Success)
        });
    }
    if let Some(user) = text.strip_prefix("password changed for ") {
        return Meaning::Event(Event {
            target_user: user,
            ..Event::new(Kind::PasswordChanged, Status::Success)
        });
    }
    let quiet = [
        "check pass; user unknown",
        "conversation failed",
        "auth could not identify password for ",
        "bad username ",
    ];
    if quiet.iter().any(|start| text.starts_with(start)) {
        return Meaning::Nothing;
    }
    Meaning::Unknown
}

/// `logname=… uid=… euid=… tty=… ruser=… rhost=ADDRESS  user=USER`; no user when it is unknown.
fn failure(fields: &str) -> Event<'_> {
    let (fields, target) = fields
        .rsplit_once(" user=")
        .map_or((fields, ""), |(fields, user)| (fields, user));
    let value = |name: &str| {
        let start = fields.rfind(name).map(|start| start + name.len());
        start.map_or("", |start| fields[start..].split(' ').next().unwrap_or(""))
    };
    let caller = value(" ruser=");
    let event = Event {
        address: value(" rhost="),
        ..Event::new(Kind::PamAuthentication, Status::Failure)
    };
    // With a caller (su, sudo), the user is whose password was asked for.
    if caller.is_empty() {
        Event {
            user: target,
            ..event
        }
    } else {
        Event {
            user: caller,
            target_user: target,
            ..event
        }
    }
}

/// `alice(uid=1001)` is alice; `(uid=0)` has no name.
fn account(text: &str) -> &str {
    text.rsplit_once("(uid=").map_or(text, |(name, _)| name)
}
