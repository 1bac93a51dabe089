//! What ClickHouse has of a host's presence.

use std::collections::BTreeMap;
use std::ops::Range;

use crmscope_proto::Id;
use serde::Deserialize;

use super::timeline::{Beat, Evidence, Goodbye, Interval, timeline};
use crate::error::{Code, Error};
use crate::schema::queries::{PRESENCE_BEATS, PRESENCE_HOSTS, PRESENCE_WATCHED};
use crate::storage::Storage;

/// Evidence is looked for so far around the time that was asked for, seconds: late beats that prove what
/// was before them, and clocks that are off.
const AROUND_S: u64 = 3_600;

/// The time that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// First second, Unix.
    pub from: u64,
    /// The second after the last one, Unix.
    pub to: u64,
    /// Now, Unix ms: of later nothing is known.
    pub now_ms: i64,
}

impl Asked {
    /// The same in ms.
    #[must_use]
    pub fn range_ms(&self) -> Range<i64> {
        let ms = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX / 1000) * 1000;
        ms(self.from)..ms(self.to)
    }

    /// As parameters of queries, with what is around it.
    fn around(&self) -> [String; 2] {
        let text = |seconds: u64| format!("{seconds:010}");
        [
            text(self.from.saturating_sub(AROUND_S)),
            text(self.to + AROUND_S),
        ]
    }
}

/// A host with heartbeats.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Host {
    /// Its agent.
    pub agent_id: String,
    /// From when on it is expected, or else its first heartbeat that is kept, Unix ms.
    pub first_ms: i64,
    /// Until when it was expected, Unix ms.
    #[serde(skip)]
    pub retired_at_ms: Option<i64>,
    /// What it falls with.
    #[serde(skip)]
    pub host_group: String,
}

#[derive(Deserialize)]
struct BeatRow {
    boot_id: String,
    start_id: String,
    spool_id: String,
    number: u64,
    sequence: u64,
    boottime_ms: u64,
    monotonic_ms: u64,
    wall_ms: i64,
    clock_offset_ms: Option<i64>,
    received_ms: i64,
    goodbye: u8,
}

#[derive(Deserialize)]
struct WatchedRow {
    from_ms: i64,
    to_ms: i64,
}

/// The hosts that ever sent a heartbeat which is kept, and those that were added; one of them, or all
/// where `agent` is empty.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn hosts(storage: &Storage, agent: &str) -> Result<Vec<Host>, Error> {
    let bind = |query: clickhouse::query::Query| query.param("agent", agent);
    let heard: Vec<Host> = storage
        .rows("hosts with heartbeats", PRESENCE_HOSTS, bind)
        .await?;
    let mut hosts: BTreeMap<String, Host> = heard
        .into_iter()
        .map(|host| (host.agent_id.clone(), host))
        .collect();
    for expected in super::hosts::expected(storage, agent).await? {
        if !expected.is_enrolled {
            continue;
        }
        let heard_ms = hosts.get(&expected.agent_id).map(|host| host.first_ms);
        let host = Host {
            first_ms: expected
                .expected_since_ms
                .or(heard_ms)
                .unwrap_or(expected.since_ms),
            retired_at_ms: expected.retired_at_ms,
            agent_id: expected.agent_id,
            host_group: expected.host_group,
        };
        hosts.insert(host.agent_id.clone(), host);
    }
    Ok(hosts.into_values().collect())
}

/// When a collector was there to receive.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn watched(storage: &Storage, asked: &Asked) -> Result<Vec<Range<i64>>, Error> {
    let [from, to] = asked.around();
    let bind = |query: clickhouse::query::Query| query.param("from", &from).param("to", &to);
    let rows: Vec<WatchedRow> = storage
        .rows("watched times", PRESENCE_WATCHED, bind)
        .await?;
    Ok(rows.into_iter().map(|row| row.from_ms..row.to_ms).collect())
}

/// What is known of a host in the time that is asked for, as far as it is expected then.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn timeline_of(
    storage: &Storage,
    host: &Host,
    asked: &Asked,
    watched: &[Range<i64>],
) -> Result<Vec<Interval>, Error> {
    let [from, to] = asked.around();
    let bind = |query: clickhouse::query::Query| {
        let query = query.param("agent", &host.agent_id);
        query.param("from", &from).param("to", &to)
    };
    let rows: Vec<BeatRow> = storage.rows("heartbeats", PRESENCE_BEATS, bind).await?;
    let beats: Result<Vec<Beat>, Error> = rows.into_iter().map(beat).collect();
    let evidence = Evidence {
        beats: beats?,
        watched: watched.to_vec(),
    };
    let range = asked.range_ms();
    let from_ms = range.start.max(host.first_ms);
    let to_ms = range.end.min(host.retired_at_ms.unwrap_or(i64::MAX));
    Ok(timeline(
        &evidence,
        from_ms..to_ms.max(from_ms),
        asked.now_ms,
    ))
}

fn beat(row: BeatRow) -> Result<Beat, Error> {
    let id = |text: &str| {
        Id::parse(text).map_err(|error| Error::new(Code::Internal, format!("heartbeats: {error}")))
    };
    Ok(Beat {
        boot_id: id(&row.boot_id)?,
        start_id: id(&row.start_id)?,
        spool_id: id(&row.spool_id)?,
        number: row.number,
        sequence: row.sequence,
        boottime_ms: row.boottime_ms,
        monotonic_ms: row.monotonic_ms,
        wall_ms: row.wall_ms,
        clock_offset_ms: row.clock_offset_ms,
        received_ms: row.received_ms,
        goodbye: match row.goodbye {
            0 => Goodbye::None,
            2 => Goodbye::Host,
            _ => Goodbye::Agent,
        },
    })
}
