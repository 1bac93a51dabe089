//! One entry of the journal, as `journalctl --output=json` writes it.

use serde::Deserialize;
use serde_json::Value;

use super::audit;
use super::message::Program;

/// Fields asked for; names with two underscores always come.
pub(super) const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,_CAP_EFFECTIVE,_COMM,_TRANSPORT,_AUDIT_TYPE,_AUDIT_ID,_SOURCE_REALTIME_TIMESTAMP";

/// The name that journald gives the kernel's audit records. Any program can log under it.
const AUDIT: &str = "audit";

#[derive(Deserialize)]
struct Json {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time_us: String,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: Value,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "_PID", default)]
    pid: Value,
    #[serde(rename = "SYSLOG_PID", default)]
    syslog_pid: Value,
    #[serde(rename = "_UID", default)]
    uid: Value,
    #[serde(rename = "_CAP_EFFECTIVE", default)]
    capabilities: Value,
    #[serde(rename = "_TRANSPORT", default)]
    transport: Value,
    #[serde(rename = "_AUDIT_TYPE", default)]
    audit_type: Value,
    #[serde(rename = "_AUDIT_ID", default)]
    audit_id: Value,
    #[serde(rename = "_SOURCE_REALTIME_TIMESTAMP", default)]
    source_time_us: Value,
}

/// Whether an entry is an audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audited {
    /// It is none.
    No,
    /// It only says so: it did not come from the kernel.
    Forged,
    /// As auditd would write it; `None` when it is of a type that is never an event.
    Record(Option<String>),
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JournalEntry {
    pub(super) cursor: String,
    pub(super) time_ms: i64,
    /// `None` for other programs.
    pub(super) program: Option<Program>,
    pub(super) process_id: u32,
    /// `None` when the journal holds no text there.
    pub(super) message: Option<String>,
    /// Whether it was written by a process that may speak for its program. Any account can log
    /// under any name (`logger -t sshd`); the kernel says what it was allowed to do.
    pub(super) trusted: bool,
    pub(super) audited: Audited,
}

/// Reads a line of journalctl. `None` when it is no entry.
pub(super) fn parse(line: &[u8]) -> Option<JournalEntry> {
    let json: Json = serde_json::from_slice(line).ok()?;
    let time_us: i64 = json.time_us.parse().ok()?;
    let number = |value: &Value| text(value)?.parse().ok();
    // Absent when the process was gone before journald looked: then it cannot be told.
    let powerless = text(&json.capabilities)
        .is_some_and(|set| !set.is_empty() && set.bytes().all(|digit| digit == b'0'));
    let root = text(&json.uid).is_some_and(|uid| uid == "0");
    let audited = audited(&json, time_us);
    Some(JournalEntry {
        audited,
        cursor: json.cursor,
        time_ms: time_us / 1000,
        program: text(&json.identifier).and_then(|name| Program::of(&name)),
        process_id: number(&json.pid)
            .or_else(|| number(&json.syslog_pid))
            .unwrap_or(0),
        message: text(&json.message),
        trusted: root || !powerless,
    })
}

fn audited(json: &Json, time_us: i64) -> Audited {
    if text(&json.transport).as_deref() != Some(AUDIT) {
        return match text(&json.identifier).as_deref() {
            Some(AUDIT) => Audited::Forged,
            _ => Audited::No,
        };
    }
    let record = || {
        let number = text(&json.audit_type)?.parse().ok()?;
        // The kernel's time, in its milliseconds.
        let source = text(&json.source_time_us).and_then(|time| time.parse().ok());
        let time_ms = source.unwrap_or(time_us) / 1000;
        let serial = text(&json.audit_id)?;
        audit::line(number, &serial, time_ms, &text(&json.message)?)
    };
    Audited::Record(record())
}

/// A field's text: a string, an array of bytes where it is not printable, or an array of several
/// values, of which the first counts.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => match parts.first()? {
            Value::Number(_) => {
                let bytes: Option<Vec<u8>> = parts
                    .iter()
                    .map(|part| part.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                    .collect();
                Some(String::from_utf8_lossy(&bytes?).into_owned())
            }
            Value::Null | Value::Object(_) | Value::Bool(_) => None,
            first => text(first),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_as_journalctl_252_writes_them() {
        // From `logger -t sshd` by an ordinary account, journald 252.
        let forged = br#"{"_BOOT_ID":"22d6","SYSLOG_IDENTIFIER":"sshd","_UID":"1001","__CURSOR":"s=a9;i=93","__REALTIME_TIMESTAMP":"1795401143293393","_EXE":"/usr/bin/logger","_PID":"17426","_CAP_EFFECTIVE":"0","_COMM":"logger","MESSAGE":"Accepted password for root from 9.9.9.9 port 1 ssh2","__MONOTONIC_TIMESTAMP":"2367016828"}"#;
        let entry = parse(forged).unwrap();
        assert!(!entry.trusted);
        assert_eq!(entry.program, Some(Program::Sshd));
        assert_eq!(entry.time_ms, 1_795_401_143_293);
        assert_eq!(entry.process_id, 17426);
        // sudo, run by account 1001, is told by what it may do.
        let sudo = br#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","SYSLOG_IDENTIFIER":"sudo","_UID":"1001","_CAP_EFFECTIVE":"1fffeffffff","MESSAGE":[97,255,98]}"#;
        let entry = parse(sudo).unwrap();
        assert!(entry.trusted);
        assert_eq!(entry.message.as_deref(), Some("a\u{fffd}b"));
        // Too large fields are null.
        let empty = br#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","SYSLOG_IDENTIFIER":["su","x"],"MESSAGE":null}"#;
        let entry = parse(empty).unwrap();
        assert_eq!((entry.program, entry.message), (Some(Program::Su), None));
        assert_eq!(parse(b"-- No entries --"), None);
        assert_eq!(parse(b"{}"), None);
    }
}
