//! What auditd's records mean.
//!
//! Pure. One record gives at most one event, so that nothing depends on which records come
//! together: a rule that matched is its SYSCALL record (who, which program, which key); the PATH,
//! CWD, EXECVE and PROCTITLE records of the same event hold names of files and arguments and stay
//! on the host. auditd repeats what sshd, sudo and the account programs log themselves, and sshd
//! writes up to three USER_LOGIN records for one attempt: kinds here begin with `audit_` and are
//! counted apart. Programs that may write records need a capability; what they say about accounts
//! is text all the same.

mod journal;
mod record;

use super::event::{Kind, Status};
use super::reading::{Outcome, Reading};
pub(super) use journal::{line, matches as journal_matches, types as journal_types};
use record::{Record, Said, text, word};

/// Service in rows.
pub(super) const SERVICE: &str = "auditd";

/// What switches auditing off.
const AUDITING_OFF: u32 = 4;

/// What makes auditing weaker.
const AUDITING_WEAKER: u32 = 3;

/// Reads a line of audit.log.
pub(super) fn parse(line: &str) -> Outcome {
    let Some(record) = record::parse(line) else {
        return Outcome::Unknown;
    };
    match meaning(&record) {
        Some(mut reading) => {
            let process = record.field("pid").and_then(|pid| pid.parse().ok());
            reading.process_id = process.unwrap_or(0);
            Outcome::Event(Box::new(reading))
        }
        None => Outcome::Nothing,
    }
}

fn meaning(record: &Record<'_>) -> Option<Reading> {
    let said = record.said();
    match record.kind {
        "USER_LOGIN" => Some(authentication(record, &said, Kind::AuditLogin)),
        "USER_AUTH" => Some(authentication(record, &said, Kind::AuditAuthentication)),
        "USER_CMD" => Some(Reading {
            user: record.actor(),
            // Arguments may hold secrets.
            detail: text(said.command)
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            ..begin(record, Kind::AuditCommand, result(said.result))
        }),
        "SYSCALL" => rule(record),
        "CONFIG_CHANGE" | "DAEMON_CONFIG" => Some(config(record)),
        "DAEMON_START" => Some(daemon(record, Kind::AuditStarted)),
        "DAEMON_END" | "DAEMON_ABORT" => Some(daemon(record, Kind::AuditStopped)),
        "AVC" | "USER_AVC" | "UNKNOWN[1400]" => access(record),
        kind if kind.starts_with("ANOM_") => Some(anomaly(record, &said)),
        kind => account(record, &said, kind),
    }
}

fn begin(record: &Record<'_>, kind: Kind, status: Status) -> Reading {
    Reading::new(record.time_ms, kind, status)
}

fn result(value: &str) -> Status {
    match value {
        "success" | "yes" | "1" => Status::Success,
        "failed" | "failure" | "no" | "0" => Status::Failure,
        _ => Status::Unknown,
    }
}

/// The account a program speaks of, by name where there is one.
fn named(record: &Record<'_>, said: &Said<'_>) -> String {
    if !said.account.is_empty() {
        return text(said.account);
    }
    let known = record.looked_up("ID");
    if known.is_empty() || known.starts_with("unknown(") {
        said.id.to_owned()
    } else {
        known.to_owned()
    }
}

fn authentication(record: &Record<'_>, said: &Said<'_>, kind: Kind) -> Reading {
    let caller = record.account("auid");
    let account = named(record, said);
    // Who is logged in already asks for another account (su, sudo).
    let (user, target_user) = if kind == Kind::AuditLogin || caller.is_empty() {
        (account, String::new())
    } else {
        (caller, account)
    };
    Reading {
        user,
        target_user,
        address: said.address.to_owned(),
        detail: text(said.program),
        ..begin(record, kind, result(said.result))
    }
}

/// Records about accounts and groups. Each change is told once: the record of the group file
/// counts, that of its shadow and the closing one without an operation do not.
fn account(record: &Record<'_>, said: &Said<'_>, kind: &str) -> Option<Reading> {
    let does = |what: &str| said.operation.contains(what);
    if does("shadow") {
        return None;
    }
    let kind = match kind {
        "ADD_USER" | "DEL_USER" if does("home") || does("mail") => return None,
        "ADD_USER" => Kind::AuditAccountCreated,
        "DEL_USER" => Kind::AuditAccountDeleted,
        "ADD_GROUP" | "DEL_GROUP" if said.operation.is_empty() => return None,
        "ADD_GROUP" => Kind::AuditGroupCreated,
        "DEL_GROUP" => Kind::AuditGroupDeleted,
        "USER_MGMT" | "USER_CHAUTHTOK" | "ACCT_LOCK" | "ACCT_UNLOCK" => Kind::AuditAccountChanged,
        "GRP_MGMT" | "GRP_CHAUTHTOK" => Kind::AuditGroupChanged,
        // groupmod and gpasswd; PAM's are answers to questions, not changes.
        "USER_ACCT" if !said.operation.is_empty() && !does("PAM:") => Kind::AuditGroupChanged,
        _ => return None,
    };
    Some(Reading {
        user: record.actor(),
        target_user: named(record, said),
        detail: said.operation.to_owned(),
        ..begin(record, kind, result(said.result))
    })
}

/// A rule with a key.
fn rule(record: &Record<'_>) -> Option<Reading> {
    let key = record.text("key");
    if key.is_empty() {
        return None;
    }
    let runs = match record.system_call() {
        Some(name) => matches!(name, "execve" | "execveat"),
        // Numbers of execve and execveat on x86-64 and on 64-bit ARM.
        None => matches!(
            (record.field("arch"), record.field("syscall")),
            (Some("c000003e"), Some("59" | "322")) | (Some("c00000b7"), Some("221" | "281"))
        ),
    };
    let kind = if runs {
        Kind::AuditProgramRun
    } else {
        Kind::AuditRuleMatched
    };
    let user = record.actor();
    let runs_as = record.account("uid");
    Some(Reading {
        // Several keys of one rule have a 0x01 between.
        method: key.replace('\u{1}', ","),
        target_user: if runs_as == user {
            String::new()
        } else {
            runs_as
        },
        user,
        detail: record.text("exe"),
        ..begin(record, kind, result(record.field("success").unwrap_or("")))
    })
}

fn config(record: &Record<'_>) -> Reading {
    let operation = record.field("op").unwrap_or("");
    let setting = record
        .fields
        .split(' ')
        .find(|word| word.starts_with("audit_"));
    let old = record.field("old");
    let severity_at_least = match setting.and_then(|setting| setting.split_once('=')) {
        Some(("audit_enabled", "0")) if old != Some("0") => AUDITING_OFF,
        _ if operation == "remove_rule" => AUDITING_WEAKER,
        _ => 0,
    };
    let key = record.text("key");
    let parts = [operation, setting.unwrap_or(""), &key];
    let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Reading {
        user: record.actor(),
        detail: said.join(" "),
        severity_at_least,
        ..begin(
            record,
            Kind::AuditConfigChanged,
            result(record.field("res").unwrap_or("")),
        )
    }
}

fn daemon(record: &Record<'_>, kind: Kind) -> Reading {
    Reading {
        user: record.actor(),
        detail: record.field("op").unwrap_or("").to_owned(),
        ..begin(record, kind, result(record.field("res").unwrap_or("")))
    }
}

/// SELinux: `avc:  denied  { read } for … scontext=… tclass=… permissive=0`; AppArmor:
/// `apparmor="DENIED" operation="open" profile="…" …`. Names of files stay on the host.
fn access(record: &Record<'_>) -> Option<Reading> {
    let (body, text_of) = if record.message.is_empty() {
        (record.fields, record.text("profile"))
    } else {
        (record.message, String::new())
    };
    let (status, detail) = if let Some((_, rest)) = body.split_once("avc:  denied  { ") {
        let (rights, rest) = rest.split_once(" }")?;
        let status = match word(rest, "permissive") {
            Some("1") => Status::Unknown,
            _ => Status::Failure,
        };
        let class = word(rest, "tclass").unwrap_or("");
        let by = word(rest, "scontext").unwrap_or("");
        (status, format!("{rights} {class} by {by}"))
    } else {
        let status = match record.field("apparmor")? {
            "\"DENIED\"" => Status::Failure,
            // A profile that only complains.
            "\"ALLOWED\"" => Status::Unknown,
            _ => return None,
        };
        (status, format!("{} by {text_of}", record.text("operation")))
    };
    Some(Reading {
        user: record.actor(),
        detail,
        ..begin(record, Kind::AuditAccessDenied, status)
    })
}

fn anomaly(record: &Record<'_>, said: &Said<'_>) -> Reading {
    let program = if said.program.is_empty() {
        record.text("exe")
    } else {
        text(said.program)
    };
    Reading {
        method: record.kind.to_ascii_lowercase(),
        user: record.actor(),
        target_user: named(record, said),
        address: said.address.to_owned(),
        detail: if program.is_empty() {
            record.text("dev")
        } else {
            program
        },
        ..begin(record, Kind::AuditAnomaly, Status::Unknown)
    }
}
