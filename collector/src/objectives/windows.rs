//! What is known of an objective's windows, from ClickHouse.

use std::ops::Range;

use serde::Deserialize;

use super::burn::{WINDOWS_MINUTES, Window, Windows};
use super::config::{Measure, Objective};
use crate::error::Error;
use crate::presence::services;
use crate::schema::queries::OBJECTIVE_WINDOWS;
use crate::storage::Storage;

/// How far back windows reach, ms.
pub(super) const LONGEST_MS: i64 = 4_320 * 60_000;
/// Requests of the longer windows are of whole hours, which may begin earlier, ms.
pub(super) const BEFORE_MS: i64 = 3_600_000;

#[derive(Deserialize)]
struct WindowRow {
    minutes: u32,
    requests: u64,
    bad: u64,
}

/// The windows that end now, without `idle`: times of maintenance, sorted and apart.
pub(super) async fn windows(
    storage: &Storage,
    objective: &Objective,
    idle: &[Range<i64>],
    now_ms: i64,
) -> Result<Windows, Error> {
    let each = match objective.kind {
        Measure::Requests => requests(storage, objective, idle).await?,
        Measure::Availability => times(storage, &objective.service, idle, now_ms).await?,
    };
    let hour = now_ms - 3_600_000..now_ms;
    let within = idle
        .iter()
        .map(|range| (range.end.min(hour.end) - range.start.max(hour.start)).max(0));
    let idle_ms = within.sum::<i64>().unsigned_abs();
    Ok(Windows { each, idle_ms })
}

async fn requests(
    storage: &Storage,
    objective: &Objective,
    idle: &[Range<i64>],
) -> Result<[Window; WINDOWS_MINUTES.len()], Error> {
    let latency_us = objective.latency_ms.saturating_mul(1000).to_string();
    let seconds = |of: fn(&Range<i64>) -> i64| {
        let all = idle.iter().map(|range| of(range).to_string());
        format!("[{}]", all.collect::<Vec<_>>().join(","))
    };
    let from = seconds(|range| range.start.div_euclid(1000));
    let to = seconds(|range| (range.end + 999).div_euclid(1000));
    let bind = |query: clickhouse::query::Query| {
        let query = query.param("service", &objective.service);
        let query = query.param("latency_us", &latency_us);
        query.param("idle_from", &from).param("idle_to", &to)
    };
    let rows: Vec<WindowRow> = storage
        .rows("windows of an objective", OBJECTIVE_WINDOWS, bind)
        .await?;
    let mut each = [Window::default(); WINDOWS_MINUTES.len()];
    for row in rows {
        let known = WINDOWS_MINUTES.iter().zip(&mut each);
        for (_, window) in known.filter(|(minutes, _)| **minutes == row.minutes) {
            *window = Window {
                all: row.requests,
                bad: row.bad,
            };
        }
    }
    Ok(each)
}

async fn times(
    storage: &Storage,
    service: &str,
    idle: &[Range<i64>],
    now_ms: i64,
) -> Result<[Window; WINDOWS_MINUTES.len()], Error> {
    let range = now_ms - LONGEST_MS..now_ms;
    let intervals = services::intervals(storage, service, &range, now_ms).await?;
    Ok(WINDOWS_MINUTES.map(|minutes| {
        let window = now_ms - i64::from(minutes) * 60_000..now_ms;
        let within = services::clip(intervals.iter().cloned(), &window);
        let times = services::report(service, &within, idle).answered.times;
        Window {
            all: (times.up_ms + times.down_ms).unsigned_abs(),
            bad: times.down_ms.unsigned_abs(),
        }
    }))
}
