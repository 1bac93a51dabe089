//! What ClickHouse has of a service: its runs, and the hours that are judged.

use std::ops::Range;

use serde::Deserialize;

use super::timeline::{Evidence, HOLD_MAX_MS, Run, Track, timeline};
use super::{Interval, clip, hours};
use crate::error::Error;
use crate::presence::hours::{HOUR_MS, hour};
use crate::schema::queries::{PROBED_SERVICES, SERVICE_LAST_RUN, SERVICE_RUNS};
use crate::storage::Storage;

/// Hours that are read at once.
const HOURS_MAX: i64 = 12;

/// Runs are gone after so long, ms: a week, and a day until the last of a part is over.
const RUNS_KEPT_MS: i64 = 8 * 24 * HOUR_MS;

#[derive(Deserialize)]
struct ServiceRow {
    service: String,
}

#[derive(Deserialize)]
struct TrackRow {
    agent_id: String,
    target: String,
    at_ms: Vec<i64>,
    interval_ms: Vec<i64>,
    up: Vec<u8>,
}

#[derive(Deserialize)]
struct LastRow {
    last_ms: i64,
}

/// The services of which anything is known in a time; one of them, or all where `service` is empty.
pub(super) async fn services(
    storage: &Storage,
    service: &str,
    range: &Range<i64>,
) -> Result<Vec<String>, Error> {
    let [from, to] = [hour(range.start), range.end].map(seconds);
    let bind = |query: clickhouse::query::Query| {
        let query = query.param("service", service);
        query.param("from", &from).param("to", &to)
    };
    let rows: Vec<ServiceRow> = storage
        .rows("probed services", PROBED_SERVICES, bind)
        .await?;
    Ok(rows.into_iter().map(|row| row.service).collect())
}

/// The runs that say something of whole hours.
pub(super) async fn runs(
    storage: &Storage,
    service: &str,
    range: &Range<i64>,
) -> Result<Evidence, Error> {
    let from_ms = range.start - HOLD_MAX_MS;
    let [from, to] = [from_ms, range.end].map(seconds);
    let of = |query: clickhouse::query::Query| query.param("service", service).param("from", &from);
    let bind = |query: clickhouse::query::Query| of(query).param("to", &to);
    let rows: Vec<TrackRow> = storage.rows("runs of probes", SERVICE_RUNS, bind).await?;
    let last: Vec<LastRow> = storage
        .rows("a service's last run", SERVICE_LAST_RUN, of)
        .await?;
    let tracks = rows.into_iter().map(|row| Track {
        agent_id: row.agent_id,
        target: row.target,
        runs: row
            .at_ms
            .into_iter()
            .zip(row.interval_ms)
            .zip(row.up)
            .map(|((at_ms, interval_ms), up)| Run {
                at_ms,
                interval_ms,
                up: up != 0,
            })
            .collect(),
    });
    Ok(Evidence {
        tracks: tracks.collect(),
        last_ms: last.into_iter().map(|row| row.last_ms).find(|&ms| ms > 0),
    })
}

/// What is known of a service in a time: from hours that are judged, where they are, and from runs
/// elsewhere.
///
/// # Errors
/// When ClickHouse does not answer.
pub(crate) async fn intervals(
    storage: &Storage,
    service: &str,
    range: &Range<i64>,
    now_ms: i64,
) -> Result<Vec<Interval>, Error> {
    let end_ms = range.end.min(now_ms);
    let judged = hours::read(storage, service, &(hour(range.start)..end_ms)).await?;
    let mut intervals = Vec::new();
    let mut at_ms = hour(range.start);
    while at_ms < end_ms {
        if let Some(kept) = judged.get(&at_ms) {
            intervals.extend(kept.intervals.iter().cloned());
            at_ms += HOUR_MS;
            continue;
        }
        let next = judged.range(at_ms..).next();
        let until_ms = next.map_or(end_ms, |(&from_ms, _)| from_ms);
        let until_ms = until_ms.min(at_ms + HOURS_MAX * HOUR_MS);
        // Of what is older than any run that is kept nothing is asked.
        if until_ms > now_ms - RUNS_KEPT_MS {
            let asked = at_ms..until_ms;
            let evidence = runs(storage, service, &asked).await?;
            intervals.extend(timeline(&evidence, &asked, now_ms));
        }
        at_ms = until_ms;
    }
    Ok(clip(intervals, &(range.start..end_ms)))
}

/// A parameter of a query, in whole seconds, the last one included.
pub(super) fn seconds(unix_ms: i64) -> String {
    format!("{:010}", (unix_ms + 999).div_euclid(1000).max(0))
}
