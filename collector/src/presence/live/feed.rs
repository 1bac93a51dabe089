//! Heartbeats as they are stored, and what was known before.
//!
//! Promises: every heartbeat that is stored while it is asked, and is there to be read within 10 s, is told
//! at least once; one that is told
//! again is for [`super::Fleet`] to know. Times of storing are one clock's, ClickHouse's own.

use std::time::Duration;

use crmscope_proto::Id;
use serde::Deserialize;

use super::{Arrival, Fault};
use crate::alerts::Kind;
use crate::error::{Code, Error};
use crate::presence::timeline::Goodbye;
use crate::schema::queries::{INCIDENTS, PRESENCE_ARRIVALS, PRESENCE_LAST};
use crate::storage::Storage;

/// An insert may become visible so long after its time of storing, ms.
const OVERLAP_MS: i64 = 10_000;
/// A heartbeat that was received so long after it was made came late, ms.
const LATE_MS: i64 = 5_000;
/// How long ago faults may have ended that are told again after a takeover, seconds.
const OVER_SECONDS: u32 = 86_400;
/// How far back the pace of a host is learnt when the watch begins, seconds.
pub(super) const LEARN_SECONDS: u32 = 900;

#[derive(Deserialize)]
struct ArrivalRow {
    agent_id: String,
    start_id: String,
    number: u64,
    goodbye: u8,
    received_ms: i64,
    late_ms: i64,
    stored_ms: i64,
    now_ms: i64,
}

#[derive(Deserialize)]
struct LastRow {
    agent_id: String,
    start_id: String,
    number: u64,
    goodbye: u8,
    received_ms: i64,
    age_ms: i64,
}

#[derive(Deserialize)]
struct IncidentRow {
    incident_id: String,
    kind: String,
    agent_id: String,
    role: String,
    host_group: String,
    objective: String,
    began_ms: i64,
    ended_ms: i64,
    summary: String,
    version: u64,
}

/// See the module.
pub(super) struct Feed {
    storage: Storage,
    stored_ms: i64,
}

impl Feed {
    pub(super) const fn new(storage: Storage) -> Self {
        Self {
            storage,
            stored_ms: 0,
        }
    }

    /// What was stored since it was last asked, and how long ago; at first of the last [`LEARN_SECONDS`].
    pub(super) async fn next(&mut self) -> Result<Vec<(Arrival, Duration)>, Error> {
        let after_ms = (self.stored_ms - OVERLAP_MS).max(0).to_string();
        let seconds = LEARN_SECONDS.to_string();
        let bind = |query: clickhouse::query::Query| {
            query
                .param("after_ms", &after_ms)
                .param("seconds", &seconds)
        };
        let rows: Vec<ArrivalRow> = self
            .storage
            .rows("arrivals", PRESENCE_ARRIVALS, bind)
            .await?;
        let newest = rows.iter().map(|row| row.stored_ms).max();
        let arrivals: Result<_, Error> = rows
            .into_iter()
            .map(|row| {
                let ago = ms(row.now_ms - row.stored_ms);
                let arrival = Arrival {
                    start_id: id("arrivals", &row.start_id)?,
                    agent_id: row.agent_id,
                    number: row.number,
                    received_ms: row.received_ms,
                    is_late: row.late_ms > LATE_MS,
                    goodbye: goodbye(row.goodbye),
                };
                Ok((arrival, ago))
            })
            .collect();
        let arrivals = arrivals?;
        self.stored_ms = self.stored_ms.max(newest.unwrap_or(0));
        Ok(arrivals)
    }

    /// The same from the beginning, for whoever begins to watch.
    pub(super) async fn begin(&mut self) -> Result<Vec<(Arrival, Duration)>, Error> {
        self.stored_ms = 0;
        self.next().await
    }

    /// The last heartbeats of hosts that were not heard for longer, and how long ago.
    pub(super) async fn last(&self) -> Result<Vec<(Arrival, Duration)>, Error> {
        let seconds = LEARN_SECONDS.to_string();
        let bind = |query: clickhouse::query::Query| query.param("seconds", &seconds);
        let rows: Vec<LastRow> = self
            .storage
            .rows("last heartbeats", PRESENCE_LAST, bind)
            .await?;
        rows.into_iter()
            .map(|row| {
                let arrival = Arrival {
                    start_id: id("heartbeats", &row.start_id)?,
                    agent_id: row.agent_id,
                    number: row.number,
                    received_ms: row.received_ms,
                    is_late: false,
                    goodbye: goodbye(row.goodbye),
                };
                Ok((arrival, ms(row.age_ms)))
            })
            .collect()
    }

    /// Faults that are not over, and those that ended lately; and the highest version of their rows.
    pub(super) async fn faults(&self) -> Result<(Vec<Fault>, u64), Error> {
        let seconds = OVER_SECONDS.to_string();
        let bind = |query: clickhouse::query::Query| query.param("seconds", &seconds);
        let rows: Vec<IncidentRow> = self.storage.rows("incidents", INCIDENTS, bind).await?;
        let version = rows.iter().map(|row| row.version).max().unwrap_or(0);
        let fault = |row: IncidentRow| {
            // One of a later version is not this one's to end.
            let kind = Kind::ALL.iter().find(|kind| kind.name() == row.kind)?;
            let fault = id("incidents", &row.incident_id).map(|fault_id| Fault {
                fault_id,
                kind: *kind,
                agent_id: row.agent_id,
                role: row.role,
                host_group: row.host_group,
                objective: row.objective,
                began_ms: row.began_ms,
                ended_ms: Some(row.ended_ms).filter(|&ended_ms| ended_ms != 0),
                summary: row.summary,
            });
            Some(fault)
        };
        let faults: Result<Vec<Fault>, Error> = rows.into_iter().filter_map(fault).collect();
        Ok((faults?, version))
    }
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn id(table: &str, text: &str) -> Result<Id, Error> {
    Id::parse(text).map_err(|error| Error::new(Code::Internal, format!("{table}: {error}")))
}

const fn goodbye(number: u8) -> Goodbye {
    match number {
        0 => Goodbye::None,
        2 => Goodbye::Host,
        _ => Goodbye::Agent,
    }
}
