//! Hours of services in ClickHouse: judged whole, replaced whole, and every change of one explained.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use serde::Deserialize;

use super::evidence::seconds;
use super::{Interval, clip};
use crate::error::{Code, Error};
use crate::presence::availability::{Times, state_name};
use crate::presence::hours::HOUR_MS;
use crate::presence::hours::store::{named, of, second};
use crate::presence::timeline::State;
use crate::schema::queries::SERVICE_HOURS;
use crate::storage::Storage;
use crate::writer::block::Insert;
use crate::writer::native::Block;

#[derive(Deserialize)]
struct HourRow {
    t: i64,
    version: u64,
    runs: u64,
    from_ms: Vec<i64>,
    to_ms: Vec<i64>,
    answered: Vec<u8>,
    everywhere: Vec<u8>,
}

/// An hour of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hour {
    /// Its first ms, Unix.
    pub(super) from_ms: i64,
    /// With how many runs in it it was judged.
    pub(super) runs: u64,
    /// What is known of it; less than the hour where the service was not expected in all of it.
    pub(super) intervals: Vec<Interval>,
    /// Of one that is kept, when it was judged, Unix ms.
    pub(super) version: u64,
}

/// The hours that are kept of a service, by their first ms.
pub(super) async fn read(
    storage: &Storage,
    service: &str,
    range: &Range<i64>,
) -> Result<BTreeMap<i64, Hour>, Error> {
    let [from, to] = [range.start, range.end].map(seconds);
    let bind = |query: clickhouse::query::Query| {
        let query = query.param("service", service);
        query.param("from", &from).param("to", &to)
    };
    let rows: Vec<HourRow> = storage.rows("service_hours", SERVICE_HOURS, bind).await?;
    let hours = rows.into_iter().map(|row| {
        let hour = parse(row)?;
        Ok((hour.from_ms, hour))
    });
    hours.collect()
}

fn parse(row: HourRow) -> Result<Hour, Error> {
    let wrong = || {
        let text = format!("service_hours: hour {} is not whole", row.t);
        Error::new(Code::Internal, text)
    };
    let state = |numbers: &[u8], position: usize| {
        let number = numbers.get(position).copied();
        number.and_then(State::from_number).ok_or_else(wrong)
    };
    let mut intervals = Vec::with_capacity(row.from_ms.len());
    for (position, &from_ms) in row.from_ms.iter().enumerate() {
        intervals.push(Interval {
            from_ms,
            to_ms: *row.to_ms.get(position).ok_or_else(wrong)?,
            answered: state(&row.answered, position)?,
            everywhere: state(&row.everywhere, position)?,
        });
    }
    Ok(Hour {
        from_ms: row.t * 1000,
        runs: row.runs,
        intervals,
        version: row.version,
    })
}

/// Intervals cut into hours; `runs` says how many began in each.
pub(super) fn cut(
    intervals: &[Interval],
    range: &Range<i64>,
    runs: impl Fn(&Range<i64>) -> u64,
) -> Vec<Hour> {
    let mut hours = Vec::new();
    let mut from_ms = range.start;
    while from_ms < range.end {
        let hour = from_ms..from_ms + HOUR_MS;
        let first = intervals.partition_point(|interval| interval.to_ms <= from_ms);
        let within = intervals[first..].iter();
        let within = within.take_while(|interval| interval.from_ms < hour.end);
        hours.push(Hour {
            from_ms,
            runs: runs(&hour),
            intervals: clip(within.cloned(), &hour),
            version: 0,
        });
        from_ms = hour.end;
    }
    hours
}

/// Writes what is new or different from what was `before`, and for what is different a row of the audit.
pub(super) async fn write(
    storage: &Storage,
    service: &str,
    hours: &[Hour],
    before: &BTreeMap<i64, Hour>,
    now_ms: i64,
) -> Result<(), Error> {
    let is_new = |hour: &&Hour| {
        before
            .get(&hour.from_ms)
            .is_none_or(|kept| (kept.runs, &kept.intervals) != (hour.runs, &hour.intervals))
    };
    let changed: Vec<&Hour> = hours.iter().filter(is_new).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let other = |hour: &&Hour| {
        let old = before.get(&hour.from_ms)?;
        let claimed = [&old.intervals, &hour.intervals].map(|of| claims(of));
        (old.intervals != hour.intervals).then_some((hour.from_ms, claimed))
    };
    let audit: Vec<(i64, [String; 2])> = changed.iter().filter_map(other).collect();
    // The audit first: a change without a row of it would be one that nobody can explain.
    if !audit.is_empty() {
        let rows = audit_rows(service, &audit, now_ms);
        storage.insert(&rows).await?;
    }
    // Another collector's clock may have been ahead.
    let versions = changed
        .iter()
        .filter_map(|hour| before.get(&hour.from_ms))
        .map(|kept| kept.version + 1);
    let version = versions.max().unwrap_or(0).max(now_ms.unsigned_abs());
    storage.insert(&hour_rows(service, &changed, version)).await
}

/// What is claimed of an hour, in short: `up/down 1200000` for each interval.
pub(super) fn claims(intervals: &[Interval]) -> String {
    let mut text = String::new();
    for interval in intervals {
        let _ = write!(
            text,
            "{}{}/{} {}",
            if text.is_empty() { "" } else { ", " },
            state_name(interval.answered),
            state_name(interval.everywhere),
            interval.to_ms - interval.from_ms,
        );
    }
    text
}

fn audit_rows(service: &str, audit: &[(i64, [String; 2])], now_ms: i64) -> Insert {
    let each = || audit.iter();
    let mut native = Block::new(audit.len(), 256);
    native.text("service", each().map(|_| service));
    native.datetime("t", each().map(|(from_ms, _)| second(*from_ms)));
    native.datetime_ms("changed_at", each().map(|_| now_ms));
    native.string("before", each().map(|(_, [before, _])| before.as_bytes()));
    native.string("after", each().map(|(_, [_, after])| after.as_bytes()));
    let number = now_ms.unsigned_abs();
    named("service_audit", service, number, audit.len(), native)
}

fn hour_rows(service: &str, hours: &[&Hour], version: u64) -> Insert {
    let each = || hours.iter();
    let all = || each().map(|hour| hour.intervals.as_slice());
    let mut native = Block::new(hours.len(), 256);
    native.text("service", each().map(|_| service));
    native.datetime("t", each().map(|hour| second(hour.from_ms)));
    native.u64("version", each().map(|_| version));
    native.u64("runs", each().map(|hour| hour.runs));
    native.i64_arrays("from_ms", &of(all(), |interval| interval.from_ms));
    native.i64_arrays("to_ms", &of(all(), |interval| interval.to_ms));
    let numbers = |state: fn(&Interval) -> State| of(all(), |one| state(one).number());
    native.u8_arrays("answered", &numbers(|one| one.answered));
    native.u8_arrays("everywhere", &numbers(|one| one.everywhere));
    let sums: Vec<[Times; 2]> = all().map(sums).collect();
    let names = [
        ["answered_up_ms", "answered_down_ms", "answered_unknown_ms"],
        [
            "everywhere_up_ms",
            "everywhere_down_ms",
            "everywhere_unknown_ms",
        ],
    ];
    for (part, [up, down, unknown]) in names.into_iter().enumerate() {
        native.i64(up, sums.iter().map(|of| of[part].up_ms));
        native.i64(down, sums.iter().map(|of| of[part].down_ms));
        native.i64(unknown, sums.iter().map(|of| of[part].unknown_ms));
    }
    named("service_hours", service, version, hours.len(), native)
}

/// The sums of an hour: answered, and answered everywhere.
fn sums(intervals: &[Interval]) -> [Times; 2] {
    let mut sums = [Times::default(); 2];
    for interval in intervals {
        let length_ms = interval.to_ms - interval.from_ms;
        let [answered, everywhere] = &mut sums;
        answered.add(interval.answered, length_ms);
        everywhere.add(interval.everywhere, length_ms);
    }
    sums
}
