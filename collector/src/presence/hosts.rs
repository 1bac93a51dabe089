//! Which hosts are expected: those that report, and those that somebody named.
//!
//! Owns `crmscope-collector hosts`. A host that reports is expected from then on, and one that is named
//! from the time that is said, also before it ever reported: until then it is missing. A retired one is
//! not expected any more, which is no outage. Changes are rows that stay (`host_changes`); the newest
//! of a host is in force. Leaves what agents say of themselves to [`crate::writer::agents`].

use std::fmt::Write as _;

use crmscope_proto::identity::check_agent_id;
use serde::{Deserialize, Serialize};

use super::availability::time;
use crate::error::{Code, Error};
use crate::schema::queries::{EXPECTED_HOSTS, HOST_STATUS};
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// Longest role and group, bytes.
const LABEL_MAX_BYTES: usize = 100;

/// What is expected of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Its agent.
    pub agent_id: String,
    /// What it does, such as `database`.
    pub role: String,
    /// What it falls with, such as a site.
    pub host_group: String,
    /// Whether somebody named it.
    pub is_enrolled: bool,
    /// Since when, Unix ms; of one that only reports, its last hello.
    pub since_ms: i64,
    /// Since when by whoever named it, Unix ms; else from its first heartbeat on.
    pub expected_since_ms: Option<i64>,
    /// From when on it is not expected, Unix ms.
    pub retired_at_ms: Option<i64>,
    /// When somebody last said so, Unix ms; 0 where nobody named it.
    #[serde(skip)]
    pub changed_ms: i64,
    /// It may be silent now; whoever reads it says so, by [`super::maintenance`].
    pub in_maintenance: bool,
}

impl Expected {
    /// What is expected of it, as a line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = format!("{}: ", self.agent_id);
        let _ = match self.retired_at_ms {
            Some(at_ms) => write!(text, "retired at {} UTC", time(at_ms)),
            None => match self.expected_since_ms {
                Some(since_ms) => write!(text, "expected since {} UTC", time(since_ms)),
                None => write!(text, "expected since its first heartbeat"),
            },
        };
        for (what, label) in [("role", &self.role), ("group", &self.host_group)] {
            if !label.is_empty() {
                let _ = write!(text, ", {what} {}", label.escape_debug());
            }
        }
        text.push('\n');
        text
    }
}

#[derive(Deserialize)]
struct ExpectedRow {
    agent_id: String,
    role: String,
    host_group: String,
    is_enrolled: u8,
    since_ms: i64,
    expected_since_ms: i64,
    retired_at_ms: i64,
    changed_ms: i64,
}

/// The hosts that are expected or were; one of them, or all where `agent` is empty.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn expected(storage: &Storage, agent: &str) -> Result<Vec<Expected>, Error> {
    let bind = |query: clickhouse::query::Query| query.param("agent", agent);
    let rows: Vec<ExpectedRow> = storage.rows("expected hosts", EXPECTED_HOSTS, bind).await?;
    let expected = rows.into_iter().map(|row| Expected {
        agent_id: row.agent_id,
        role: row.role,
        host_group: row.host_group,
        is_enrolled: row.is_enrolled != 0,
        since_ms: row.since_ms,
        expected_since_ms: Some(row.expected_since_ms).filter(|&since_ms| since_ms != 0),
        retired_at_ms: Some(row.retired_at_ms).filter(|&at_ms| at_ms != 0),
        changed_ms: row.changed_ms,
        in_maintenance: false,
    });
    Ok(expected.collect())
}

/// What is to be different; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What the host does.
    pub role: Option<String>,
    /// What it falls with.
    pub host_group: Option<String>,
    /// Since when it is expected, Unix ms.
    pub expected_since_ms: Option<i64>,
    /// `Some(None)`: it is back.
    pub retired_at_ms: Option<Option<i64>>,
}

/// A change that cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChangeError {
    /// No name of a host.
    #[error(
        "{0:?} is no name of an agent: it has letters, digits, `.`, `_` and `-`, and begins with a letter or digit"
    )]
    Name(String),
    /// Of a label.
    #[error(
        "{what} {value:?}: it may have up to {LABEL_MAX_BYTES} bytes, without control characters"
    )]
    Label {
        /// Role or group.
        what: &'static str,
        /// As it was given.
        value: String,
    },
    /// There is nothing to retire.
    #[error("agent {0:?} neither reported nor was named; `hosts list` shows those that are there")]
    Unknown(String),
}

/// Makes a change to each of the hosts, and says what they are then.
///
/// # Errors
/// When a name or label cannot be one, a host to retire is not there, or ClickHouse does not answer;
/// then none is changed.
pub async fn change(
    storage: &Storage,
    agents: &[String],
    change: &Change,
    (changed_by, now_ms): (&str, i64),
) -> anyhow::Result<Vec<Expected>> {
    check(agents, change)?;
    let mut changed = Vec::new();
    for agent in agents {
        let before = expected(storage, agent).await?.into_iter().next();
        if before.is_none() && change.retired_at_ms.is_some_and(|at_ms| at_ms.is_some()) {
            return Err(ChangeError::Unknown(agent.clone()).into());
        }
        changed.push(apply(agent, before, change, now_ms));
    }
    changed.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
    changed.dedup_by(|a, b| a.agent_id == b.agent_id);
    storage
        .insert(&insert(&changed, changed_by, now_ms))
        .await?;
    Ok(changed)
}

fn check(agents: &[String], change: &Change) -> Result<(), ChangeError> {
    if let Some(wrong) = agents.iter().find(|agent| check_agent_id(agent).is_err()) {
        return Err(ChangeError::Name(wrong.clone()));
    }
    for (what, value) in [("role", &change.role), ("group", &change.host_group)] {
        if let Some(value) = value {
            check_label(what, value)?;
        }
    }
    Ok(())
}

/// Whether it can be a role or a group.
pub(crate) fn check_label(what: &'static str, value: &str) -> Result<(), ChangeError> {
    if value.len() > LABEL_MAX_BYTES || value.chars().any(char::is_control) {
        let value = value.to_owned();
        return Err(ChangeError::Label { what, value });
    }
    Ok(())
}

fn apply(agent: &str, before: Option<Expected>, change: &Change, now_ms: i64) -> Expected {
    let before = before.unwrap_or_else(|| Expected {
        agent_id: agent.to_owned(),
        since_ms: now_ms,
        expected_since_ms: Some(now_ms),
        ..Expected::default()
    });
    Expected {
        role: change.role.clone().unwrap_or(before.role),
        host_group: change.host_group.clone().unwrap_or(before.host_group),
        since_ms: change.expected_since_ms.unwrap_or(before.since_ms),
        expected_since_ms: change.expected_since_ms.or(before.expected_since_ms),
        retired_at_ms: change.retired_at_ms.unwrap_or(before.retired_at_ms),
        is_enrolled: true,
        ..before
    }
}

fn insert(hosts: &[Expected], changed_by: &str, now_ms: i64) -> Insert {
    let each = || hosts.iter();
    let mut native = Block::new(hosts.len(), 128);
    native.string("agent_id", each().map(|host| host.agent_id.as_bytes()));
    native.datetime_ms("changed_at", each().map(|_| now_ms));
    native.string("changed_by", each().map(|_| changed_by.as_bytes()));
    native.text("role", each().map(|host| host.role.as_str()));
    native.text("host_group", each().map(|host| host.host_group.as_str()));
    let ms = |name: &'static str, native: &mut Block, of: fn(&Expected) -> i64| {
        native.i64(name, each().map(of));
    };
    ms("expected_since_ms", &mut native, |host| {
        host.expected_since_ms.unwrap_or(0)
    });
    ms("retired_at_ms", &mut native, |host| {
        host.retired_at_ms.unwrap_or(0)
    });
    let origin = Origin::Journal(now_ms.unsigned_abs());
    let mut insert = Insert::new("host_changes", &origin, hosts.len(), native);
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}

/// A host as `hosts list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its agent.
    pub agent_id: String,
    /// What it does.
    pub role: String,
    /// What it falls with.
    pub host_group: String,
    /// 1 where somebody named it.
    pub is_enrolled: u8,
    /// Since when it is expected, Unix ms; 0 where it is not known.
    pub since_ms: i64,
    /// Unix ms; 0 where it is not retired.
    pub retired_at_ms: i64,
    /// What the detector last said.
    pub state: String,
    /// Since when, Unix ms; 0 where it never said anything.
    pub state_ms: i64,
    /// Its last heartbeat, Unix ms; 0 where none is kept.
    pub heard_ms: i64,
}

/// Every host, and what is thought of it.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn list(storage: &Storage, agent: &str) -> Result<Vec<Status>, Error> {
    Ok(list_watched(storage, agent).await?.0)
}

/// The same, and whether a collector watches over them.
///
/// # Errors
/// When ClickHouse does not answer.
pub(crate) async fn list_watched(
    storage: &Storage,
    agent: &str,
) -> Result<(Vec<Status>, bool), Error> {
    let bind = |query: clickhouse::query::Query| query.param("agent", agent);
    let mut hosts: Vec<Status> = storage.rows("hosts", HOST_STATUS, bind).await?;
    let is_watched = is_watched(storage).await?;
    // What was thought when somebody watched says nothing of now.
    if !is_watched {
        for host in &mut hosts {
            "unknown".clone_into(&mut host.state);
            host.state_ms = 0;
        }
    }
    Ok((hosts, is_watched))
}

/// Whether a collector watches over the hosts.
async fn is_watched(storage: &Storage) -> Result<bool, Error> {
    let signed = crate::turn::signed_ago(storage.client(), crate::turn::PRESENCE).await;
    let signed = signed.map_err(|error| Error::new(Code::Unavailable, error.to_string()))?;
    Ok(signed.is_some_and(|ago| ago <= crate::turn::LEFT_AFTER))
}

/// The hosts as a table.
#[must_use]
pub fn table(hosts: &[Status]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<32} {:<11} {:<19} {:<19} {:<16} {:<16} named",
        "agent", "state", "since (UTC)", "last heard (UTC)", "role", "group"
    );
    let at = |unix_ms: i64| match unix_ms {
        0 => "-".to_owned(),
        unix_ms => time(unix_ms),
    };
    for host in hosts {
        let state = match host.state.as_str() {
            "unknown" if host.heard_ms == 0 => "missing",
            state => state,
        };
        let label = |label: &str| match label {
            "" => "-".to_owned(),
            label => label.escape_debug().to_string(),
        };
        let _ = writeln!(
            text,
            "{:<32} {:<11} {:<19} {:<19} {:<16} {:<16} {}",
            host.agent_id,
            state,
            at(host.state_ms),
            at(host.heard_ms),
            label(&host.role),
            label(&host.host_group),
            if host.is_enrolled == 1 { "yes" } else { "no" }
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays() {
        let known = Expected {
            agent_id: "db-01".to_owned(),
            role: "database".to_owned(),
            since_ms: 5,
            ..Expected::default()
        };
        let retire = Change {
            retired_at_ms: Some(Some(9)),
            ..Change::default()
        };
        let retired = apply("db-01", Some(known.clone()), &retire, 100);
        assert_eq!((retired.role.as_str(), retired.since_ms), ("database", 5));
        assert_eq!(
            (retired.retired_at_ms, retired.is_enrolled),
            (Some(9), true)
        );
        let back = Change {
            retired_at_ms: Some(None),
            ..Change::default()
        };
        assert_eq!(
            apply("db-01", Some(retired), &back, 100).retired_at_ms,
            None
        );
        assert_eq!(apply("new", None, &Change::default(), 100).since_ms, 100);
    }

    #[test]
    fn names_and_labels_that_cannot_be_are_refused() {
        let good = Change::default();
        let wrong = |agent: &str| check(&[agent.to_owned()], &good).unwrap_err().to_string();
        assert!(wrong("a b").starts_with("\"a b\" is no name of an agent"));
        assert!(wrong("").contains("no name"));
        let label = Change {
            role: Some("a\u{7}".to_owned()),
            ..Change::default()
        };
        let told = check(&["a".to_owned()], &label).unwrap_err().to_string();
        assert!(told.starts_with("role \"a\\u{7}\""), "{told}");
        assert_eq!(check(&["a".to_owned()], &good), Ok(()));
    }
}
