//! What became of notifications, as ClickHouse has it: table `notifications`.
//!
//! Promises: what was delivered is written as soon as the receiver took it, also when the desk is aborted
//! meanwhile; an insert whose outcome is unknown is repeated and counts once. What cannot be written waits;
//! when too much waits it goes, and is counted: after a restart it may be told again.

use std::time::{Duration, Instant};

use crmscope_proto::Id;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::metrics::Metrics;
use super::notification::{Notification, Phase, Target};
use crate::error::Error;
use crate::schema::queries::NOTIFICATIONS;
use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// Notifications whose records wait.
const WAITING_MAX: usize = 1000;
/// Rows in an insert.
const ROWS_MAX: usize = 10_000;
/// How long is tried on when the desk is gone.
const LAST_TRIES: Duration = Duration::from_secs(10);
/// Ids in one question: it is a part of an address, of which servers take some KB.
pub(super) const ASKED_MAX: usize = 150;

/// How a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// The receiver refused it for good.
    GivenUp,
}

/// What became of one incident's beginning or end at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Incident.
    pub incident_id: Id,
    /// Which end.
    pub phase: Phase,
    /// Who was told.
    pub target: Target,
    /// What became of it.
    pub outcome: Outcome,
}

#[derive(Deserialize)]
struct Row {
    incident_id: String,
    phase: String,
    target: String,
    outcome: String,
}

/// Records of these incidents; ask for at most [`ASKED_MAX`].
///
/// # Errors
/// When ClickHouse does not answer.
pub(super) async fn read(storage: &Storage, ids: &[Id]) -> Result<Vec<Record>, Error> {
    let list: Vec<String> = ids.iter().map(Id::to_string).collect();
    let list = list.join(",");
    let bind = |query: clickhouse::query::Query| query.param("incidents", &list);
    let rows: Vec<Row> = storage.rows("notifications", NOTIFICATIONS, bind).await?;
    Ok(rows.iter().filter_map(record).collect())
}

/// What a row says; none where it is about a target or a phase that only a newer collector has.
fn record(row: &Row) -> Option<Record> {
    let mut phases = [Phase::Firing, Phase::Resolved].into_iter();
    let mut targets = Target::ALL.into_iter();
    Some(Record {
        incident_id: Id::parse(&row.incident_id).ok()?,
        phase: phases.find(|phase| phase.name() == row.phase)?,
        target: targets.find(|target| target.name() == row.target)?,
        outcome: match row.outcome.as_str() {
            "delivered" => Outcome::Delivered,
            // Whatever else became of it, it is settled.
            _ => Outcome::GivenUp,
        },
    })
}

/// A notification that ended.
#[derive(Debug)]
pub(super) struct Entry {
    rows: Vec<(Record, String)>,
    kind: &'static str,
    ended_ms: i64,
    attempts: u32,
}

impl Entry {
    pub(super) fn new(
        notification: &Notification,
        outcome: Outcome,
        ended_ms: i64,
        attempts: u32,
    ) -> Self {
        let row = |incident: &std::sync::Arc<super::Incident>| {
            let record = Record {
                incident_id: incident.incident_id,
                phase: notification.phase,
                target: notification.target,
                outcome,
            };
            (record, incident.agent_id.clone())
        };
        Self {
            rows: notification.incidents.iter().map(row).collect(),
            kind: notification.kind.name(),
            ended_ms,
            attempts,
        }
    }

    fn rows(&self) -> impl Iterator<Item = &(Record, String)> {
        self.rows.iter()
    }
}

/// Writes entries, one insert after the other.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    entries: mpsc::Sender<Entry>,
    metrics: Metrics,
}

impl Recorder {
    /// Starts it. It ends by itself, once nobody holds it and what waits is written or was tried long enough.
    pub(super) fn start(storage: Storage, metrics: Metrics) -> Self {
        let (entries, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write(storage, waiting, metrics.clone()));
        Self { entries, metrics }
    }

    pub(super) fn put(&self, entry: Entry) {
        let rows = entry.rows.len() as u64;
        if self.entries.try_send(entry).is_err() {
            self.metrics.records_dropped.inc_by(rows);
        }
    }
}

async fn write(storage: Storage, mut waiting: mpsc::Receiver<Entry>, metrics: Metrics) {
    while let Some(first) = waiting.recv().await {
        let mut entries = vec![first];
        let mut rows = entries[0].rows.len();
        while rows < ROWS_MAX
            && let Ok(next) = waiting.try_recv()
        {
            rows += next.rows.len();
            entries.push(next);
        }
        let insert = insert(&entries, rows);
        let mut backoff = Backoff::new(200, 15_000);
        let mut alone_since = None;
        while let Err(error) = storage.insert(&insert).await {
            if waiting.is_closed() {
                let since = *alone_since.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST_TRIES {
                    tracing::warn!(%error, rows, "deliveries are not recorded; they may be repeated");
                    metrics.records_dropped.inc_by(rows as u64);
                    break;
                }
            }
            let pause = backoff.next_pause();
            tracing::warn!(%error, pause_ms = pause.as_millis(), "deliveries will be recorded later");
            tokio::time::sleep(pause).await;
        }
    }
}

fn insert(entries: &[Entry], rows: usize) -> Insert {
    let each = || {
        let rows = |entry| Entry::rows(entry).map(move |row| (entry, row));
        entries.iter().flat_map(rows)
    };
    let mut token = Sha256::new();
    for (_, (record, _)) in each() {
        token.update(record.incident_id.0);
        token.update(record.phase.name());
        token.update(record.target.name());
    }
    let mut native = Block::new(rows, 64);
    native.uuid("incident_id", each().map(|(_, row)| row.0.incident_id));
    let phase = |phase| match phase {
        Phase::Firing => 1,
        Phase::Resolved => 2,
    };
    let phases = "Enum8('firing' = 1, 'resolved' = 2)";
    native.enum8("phase", phases, each().map(|(_, row)| phase(row.0.phase)));
    native.text("target", each().map(|(_, row)| row.0.target.name()));
    let outcome = |outcome| match outcome {
        Outcome::Delivered => 1,
        Outcome::GivenUp => 2,
    };
    let outcomes = "Enum8('delivered' = 1, 'given_up' = 2)";
    native.enum8(
        "outcome",
        outcomes,
        each().map(|(_, row)| outcome(row.0.outcome)),
    );
    native.text("kind", each().map(|(entry, _)| entry.kind));
    native.text("agent_id", each().map(|(_, row)| row.1.as_str()));
    native.datetime_ms("delivered_at", each().map(|(entry, _)| entry.ended_ms));
    native.u32("attempts", each().map(|(entry, _)| entry.attempts));
    let mut insert = Insert::new("notifications", &Origin::Journal(0), rows, native);
    insert.token = format!("notifications-{:x}", token.finalize());
    insert
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::tests::notification;

    #[test]
    fn rows_of_a_newer_collector_stop_nothing() {
        let row = |phase: &str, target: &str, outcome: &str| {
            record(&Row {
                incident_id: Id([7; 16]).to_string(),
                phase: phase.to_owned(),
                target: target.to_owned(),
                outcome: outcome.to_owned(),
            })
        };
        let known = row("resolved", "mail", "delivered").unwrap();
        assert_eq!((known.phase, known.target), (Phase::Resolved, Target::Mail));
        assert_eq!(known.outcome, Outcome::Delivered);
        assert_eq!(row("firing", "pager", "delivered"), None);
        assert_eq!(row("noted", "mail", "delivered"), None);
        let settled = row("firing", "mail", "silenced").unwrap();
        assert_eq!(settled.outcome, Outcome::GivenUp);
    }

    #[test]
    fn the_same_records_have_the_same_token_and_others_another() {
        let entry = |phase, ended_ms| {
            let notification = notification(Target::Mail, phase, 3);
            Entry::new(&notification, Outcome::Delivered, ended_ms, 1)
        };
        let token = |entries: &[Entry]| insert(entries, 3 * entries.len()).token;
        let firing = token(&[entry(Phase::Firing, 1)]);
        assert_eq!(firing, token(&[entry(Phase::Firing, 2)]));
        assert_ne!(firing, token(&[entry(Phase::Resolved, 1)]));
        assert_ne!(
            firing,
            token(&[entry(Phase::Firing, 1), entry(Phase::Resolved, 1)])
        );
    }
}
