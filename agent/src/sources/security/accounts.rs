//! Lines of the programs that change accounts: shadow's useradd, usermod, passwd and their like.
//!
//! Pure. The programs write several lines about one change (the group file and its shadow, an old
//! name in every group); the one that says it best is the event. Names are not always checked by
//! these programs, so what a line says about its group is taken from its end. Account numbers,
//! folders and shells are kept as the detail; passwords are never in these lines.

use super::event::{Event, Kind, Meaning, Status};

/// Names the programs log with.
pub(super) const TOOLS: [&str; 15] = [
    "useradd",
    "usermod",
    "userdel",
    "groupadd",
    "groupmod",
    "groupdel",
    "groupmems",
    "gpasswd",
    "passwd",
    "chpasswd",
    "chgpasswd",
    "newusers",
    "chage",
    "chfn",
    "chsh",
];

/// Groups whose members are root, or can become it.
const PRIVILEGED_GROUPS: [&str; 8] = [
    "root", "sudo", "wheel", "admin", "docker", "lxd", "disk", "shadow",
];

/// What gives an account the rights of root.
const PRIVILEGED: u32 = 4;

/// Reads a line that is not PAM's.
pub(super) fn parse(message: &str) -> Meaning<'_> {
    let message = message.trim_end();
    let event = account(message)
        .or_else(|| membership(message))
        .or_else(|| group(message))
        .or_else(|| change(message));
    match event {
        Some(event) => Meaning::Event(event),
        None if is_echo(message) => Meaning::Nothing,
        None => Meaning::Unknown,
    }
}

/// Lines that repeat another one for the next file.
fn is_echo(message: &str) -> bool {
    let starts = [
        "group added to /etc/",
        "removed shadow group '",
        "changing useradd defaults",
        "useradd defaults: ",
        "group changed in /etc/gshadow ",
        "group changed in /etc/passwd ",
    ];
    starts.iter().any(|start| message.starts_with(start))
        || message.contains("' to shadow group '")
        || message.contains("' in shadow group '")
        || message.contains("' from shadow group '")
        // After a new name of an account.
        || message.starts_with("change '") && message.contains("' in group '")
        || message.starts_with("group '") && message.contains("' removed from /etc/")
}

fn event<'a>(kind: Kind, target_user: &'a str, detail: &'a str) -> Event<'a> {
    Event {
        target_user,
        detail,
        ..Event::new(kind, Status::Success)
    }
}

fn failed(event: Event<'_>) -> Event<'_> {
    Event {
        status: Status::Failure,
        severity_at_least: 0,
        ..event
    }
}

/// Accounts that come and go.
fn account(message: &str) -> Option<Event<'_>> {
    if let Some(rest) = message.strip_prefix("new user: name=") {
        let (name, _) = rest.split_once(", UID=")?;
        let detail = &rest[name.len() + 2..];
        // A name or a folder may hold the like: then what is worse counts.
        let root = detail.starts_with("UID=0,") || detail.contains(", UID=0,");
        return Some(Event {
            severity_at_least: if root { PRIVILEGED } else { 0 },
            ..event(Kind::AccountCreated, name, detail)
        });
    }
    if let Some(rest) = message.strip_prefix("failed adding user '") {
        let (name, detail) = rest
            .rsplit_once("', ")
            .or_else(|| Some((rest.strip_suffix('\'')?, "")))?;
        return Some(failed(event(Kind::AccountCreated, name, detail)));
    }
    let name = message.strip_prefix("delete user '")?.strip_suffix('\'')?;
    Some(event(Kind::AccountDeleted, name, ""))
}

/// Accounts that join and leave groups.
fn membership(message: &str) -> Option<Event<'_>> {
    let (kind, user, target_user, group) = if let Some(rest) = message.strip_prefix("add '") {
        let (name, group) = rest.strip_suffix('\'')?.rsplit_once("' to ")?;
        let group = group.strip_prefix("group '")?;
        (Kind::GroupMemberAdded, "", name, group)
    } else if let Some(rest) = message.strip_prefix("delete '") {
        let (name, group) = rest.strip_suffix('\'')?.rsplit_once("' from ")?;
        let group = group.strip_prefix("group '")?;
        (Kind::GroupMemberRemoved, "", name, group)
    } else {
        let rest = message.strip_prefix("user ")?;
        if let Some((who, group)) = rest.rsplit_once(" to group ") {
            let (name, user) = who.rsplit_once(" added by ")?;
            (Kind::GroupMemberAdded, user, name, group)
        } else {
            let (who, group) = rest.rsplit_once(" from group ")?;
            let (name, user) = who.rsplit_once(" removed by ")?;
            (Kind::GroupMemberRemoved, user, name, group)
        }
    };
    let gives = kind == Kind::GroupMemberAdded && PRIVILEGED_GROUPS.contains(&group);
    Some(Event {
        user,
        severity_at_least: if gives { PRIVILEGED } else { 0 },
        ..event(kind, target_user, group)
    })
}

/// Groups that come, go and change.
fn group(message: &str) -> Option<Event<'_>> {
    if let Some(rest) = message.strip_prefix("new group: ") {
        rest.strip_prefix("name=")?;
        return Some(event(Kind::GroupCreated, "", rest));
    }
    if let Some(rest) = message.strip_prefix("removed group '") {
        let (name, _) = rest.strip_suffix('\'')?.rsplit_once("' owned by '")?;
        return Some(event(Kind::GroupDeleted, "", name));
    }
    if let Some(rest) = message.strip_prefix("group '") {
        return Some(event(
            Kind::GroupDeleted,
            "",
            rest.strip_suffix("' removed")?,
        ));
    }
    if let Some(rest) = message.strip_prefix("group changed in /etc/group (group ") {
        let detail = rest.strip_suffix(')')?;
        let root = detail.ends_with(", new gid: 0");
        return Some(Event {
            severity_at_least: if root { PRIVILEGED } else { 0 },
            ..event(Kind::GroupChanged, "", detail)
        });
    }
    for (start, between) in [
        ("members of group ", " set by "),
        ("administrators of group ", " set by "),
        ("password of group ", " changed by "),
        ("password of group ", " removed by "),
        ("access to group ", " restricted by "),
    ] {
        let Some(detail) = message.strip_prefix(start) else {
            continue;
        };
        let Some((group, rest)) = detail.split_once(between) else {
            continue;
        };
        let user = rest.split_once(" to ").map_or(rest, |(user, _)| user);
        let gives = PRIVILEGED_GROUPS.contains(&group) && between == " set by ";
        return Some(Event {
            user,
            severity_at_least: if gives { PRIVILEGED } else { 0 },
            // With the new members or administrators, and who set them.
            ..event(Kind::GroupChanged, "", detail)
        });
    }
    for (start, kind) in [
        ("failed to add group ", Kind::GroupCreated),
        ("failed to remove group ", Kind::GroupDeleted),
        ("failed to change /etc/group (group ", Kind::GroupChanged),
    ] {
        if let Some(detail) = message.strip_prefix(start) {
            return Some(failed(event(kind, "", detail)));
        }
    }
    None
}

/// Passwords and properties of accounts.
fn change(message: &str) -> Option<Event<'_>> {
    for (start, kind) in [
        ("change user '", Kind::PasswordReset),
        ("lock user '", Kind::AccountLocked),
        ("unlock user '", Kind::AccountUnlocked),
    ] {
        let named = message.strip_prefix(start);
        if let Some(name) = named.and_then(|rest| rest.strip_suffix("' password")) {
            return Some(event(kind, name, ""));
        }
    }
    if let Some(rest) = message.strip_prefix("change user name '") {
        let (name, _) = rest.strip_suffix('\'')?.split_once("' to '")?;
        return Some(event(Kind::AccountChanged, name, &rest[name.len() + 2..]));
    }
    if let Some(rest) = message.strip_prefix("change user '") {
        let properties = ["UID", "GID", "home", "shell", "inactive", "expiration"];
        let begin = properties
            .iter()
            .filter_map(|property| rest.find(&format!("' {property} from '")))
            .min()?;
        let detail = &rest[begin + 2..];
        let root = detail.contains("UID from '") && detail.ends_with(" to '0'");
        return Some(Event {
            severity_at_least: if root { PRIVILEGED } else { 0 },
            ..event(Kind::AccountChanged, &rest[..begin], detail)
        });
    }
    if let Some(rest) = message.strip_prefix("password for '") {
        let (name, user) = rest.strip_suffix('\'')?.rsplit_once("' changed by '")?;
        let kind = if name == user {
            Kind::PasswordChanged
        } else {
            Kind::PasswordReset
        };
        return Some(Event {
            user,
            ..event(kind, name, "")
        });
    }
    if let Some(name) = message.strip_prefix("changed password expiry for ") {
        return Some(event(Kind::AccountChanged, name, "password expiry"));
    }
    let rest = message.strip_prefix("changed user '")?;
    if let Some(name) = rest.strip_suffix("' information") {
        return Some(event(Kind::AccountChanged, name, "information"));
    }
    let (name, _) = rest.strip_suffix('\'')?.split_once("' shell to '")?;
    Some(event(Kind::AccountChanged, name, &rest[name.len() + 2..]))
}
