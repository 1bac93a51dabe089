//! Hours in ClickHouse.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::{Hour, claims, sums};
use crate::error::{Code, Error};
use crate::presence::availability::{Times, reason_name};
use crate::presence::timeline::{Interval, Reason, State};
use crate::schema::queries::PRESENCE_HOURS;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

#[derive(Deserialize)]
struct HourRow {
    agent_id: String,
    t: i64,
    version: u64,
    open_ms: i64,
    from_ms: Vec<i64>,
    to_ms: Vec<i64>,
    server: Vec<u8>,
    network: Vec<u8>,
    agent: Vec<u8>,
    reason: Vec<String>,
}

/// An hour as it is kept.
pub(super) struct Kept {
    pub(super) hour: Hour,
    version: u64,
}

#[cfg(test)]
impl Kept {
    pub(super) const fn new(hour: Hour) -> Self {
        Self { hour, version: 1 }
    }
}

/// Hours of a host that are judged, by their first ms.
pub(super) type KeptHours = BTreeMap<i64, Kept>;

/// The hours that are judged of some hosts in whole hours.
pub(super) async fn read(
    storage: &Storage,
    agents: &[&str],
    range: &Range<i64>,
) -> Result<BTreeMap<String, KeptHours>, Error> {
    let seconds = |ms: i64| format!("{:010}", ms.div_euclid(1000).max(0));
    let (from, to) = (seconds(range.start), seconds(range.end));
    let bind = |query: clickhouse::query::Query| {
        let query = query.param("agents", agents);
        query.param("from", &from).param("to", &to)
    };
    let rows: Vec<HourRow> = storage.rows("presence_hours", PRESENCE_HOURS, bind).await?;
    let mut kept: BTreeMap<String, KeptHours> = BTreeMap::new();
    for mut row in rows {
        let (agent_id, version) = (std::mem::take(&mut row.agent_id), row.version);
        let hour = parse(row)?;
        let hours = kept.entry(agent_id).or_default();
        hours.insert(hour.from_ms, Kept { hour, version });
    }
    Ok(kept)
}

fn parse(row: HourRow) -> Result<Hour, Error> {
    let wrong = || {
        Error::new(
            Code::Internal,
            format!("presence_hours: hour {} is not whole", row.t),
        )
    };
    let state = |number: Option<&u8>| {
        let state = number.and_then(|&number| State::from_number(number));
        state.ok_or_else(wrong)
    };
    let mut intervals = Vec::with_capacity(row.from_ms.len());
    for (position, &from_ms) in row.from_ms.iter().enumerate() {
        let name = row.reason.get(position).ok_or_else(wrong)?;
        let reason = Reason::ALL
            .into_iter()
            .find(|reason| reason_name(*reason) == name);
        intervals.push(Interval {
            from_ms,
            to_ms: *row.to_ms.get(position).ok_or_else(wrong)?,
            server: state(row.server.get(position))?,
            network: state(row.network.get(position))?,
            agent: state(row.agent.get(position))?,
            reason: reason.ok_or_else(wrong)?,
        });
    }
    Ok(Hour {
        from_ms: row.t * 1000,
        intervals,
        open_ms: row.open_ms,
    })
}

/// What was judged of a host: its hours, and what was kept of them before.
pub(super) struct Judgement {
    pub(super) agent_id: String,
    pub(super) hours: Vec<Hour>,
    pub(super) before: KeptHours,
}

impl Judgement {
    /// The hours that are new or different.
    fn changed(&self) -> impl Iterator<Item = (&str, &Hour)> {
        // Of an hour in which the host was not expected there is nothing to keep.
        let is_new = |hour: &&Hour| match self.before.get(&hour.from_ms) {
            // Heartbeats go, and what they proved stays.
            Some(kept) if !is_known(hour) && is_known(&kept.hour) => false,
            Some(kept) => kept.hour != **hour,
            None => !hour.intervals.is_empty(),
        };
        let hours = self.hours.iter().filter(is_new);
        hours.map(|hour| (self.agent_id.as_str(), hour))
    }

    /// What was claimed before of hours that are judged otherwise now, and what is claimed now.
    fn audit(&self) -> impl Iterator<Item = Audit<'_>> {
        self.changed().filter_map(|(agent_id, hour)| {
            let old = &self.before.get(&hour.from_ms)?.hour;
            (old.intervals != hour.intervals).then(|| Audit {
                agent_id,
                from_ms: hour.from_ms,
                before: claims(&old.intervals),
                after: claims(&hour.intervals),
            })
        })
    }
}

struct Audit<'a> {
    agent_id: &'a str,
    from_ms: i64,
    before: String,
    after: String,
}

/// Writes what is new or different of all these, and for what is different a row of the audit.
pub(super) async fn write(
    storage: &Storage,
    judgements: &[Judgement],
    now_ms: i64,
) -> Result<(), Error> {
    let changed: Vec<(&str, &Hour)> = judgements.iter().flat_map(Judgement::changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let audit: Vec<Audit<'_>> = judgements.iter().flat_map(Judgement::audit).collect();
    // The audit first: a change without a row of it would be one that nobody can explain.
    if !audit.is_empty() {
        storage.insert(&audit_rows(&audit, now_ms)).await?;
    }
    // Another collector's clock may have been ahead.
    let before = judgements.iter().flat_map(|host| host.before.values());
    let version = before.map(|kept| kept.version + 1).max().unwrap_or(0);
    let rows = hour_rows(&changed, version.max(now_ms.unsigned_abs()));
    storage.insert(&rows).await
}

/// Whether anything is known of it.
fn is_known(hour: &Hour) -> bool {
    hour.intervals
        .iter()
        .any(|interval| interval.server != State::Unknown)
}

fn audit_rows(audit: &[Audit<'_>], now_ms: i64) -> Insert {
    let each = || audit.iter();
    let mut native = Block::new(audit.len(), 256);
    native.text("agent_id", each().map(|row| row.agent_id));
    native.datetime("t", each().map(|row| second(row.from_ms)));
    native.datetime_ms("changed_at", each().map(|_| now_ms));
    native.string("before", each().map(|row| row.before.as_bytes()));
    native.string("after", each().map(|row| row.after.as_bytes()));
    let whose = audit.first().map_or("", |row| row.agent_id);
    let number = now_ms.unsigned_abs();
    named("presence_audit", whose, number, audit.len(), native)
}

fn hour_rows(hours: &[(&str, &Hour)], version: u64) -> Insert {
    let each = || hours.iter().map(|(_, hour)| *hour);
    let mut native = Block::new(hours.len(), 512);
    native.text("agent_id", hours.iter().map(|(agent_id, _)| *agent_id));
    native.datetime("t", each().map(|hour| second(hour.from_ms)));
    native.u64("version", each().map(|_| version));
    native.i64("open_ms", each().map(|hour| hour.open_ms));
    let all = || each().map(|hour| hour.intervals.as_slice());
    native.i64_arrays("from_ms", &of(all(), |interval| interval.from_ms));
    native.i64_arrays("to_ms", &of(all(), |interval| interval.to_ms));
    let numbers = |state: fn(&Interval) -> State| of(all(), |one| state(one).number());
    native.u8_arrays("server", &numbers(|one| one.server));
    native.u8_arrays("network", &numbers(|one| one.network));
    native.u8_arrays("agent", &numbers(|one| one.agent));
    native.string_arrays(
        "reason",
        &of(all(), |interval| reason_name(interval.reason)),
    );
    let all: Vec<[Times; 4]> = each().map(|hour| sums(&hour.intervals)).collect();
    let names = [
        ["server_up_ms", "server_down_ms", "server_unknown_ms"],
        ["network_up_ms", "network_down_ms", "network_unknown_ms"],
        ["agent_up_ms", "agent_down_ms", "agent_unknown_ms"],
        ["total_up_ms", "total_down_ms", "total_unknown_ms"],
    ];
    for (part, [up, down, unknown]) in names.into_iter().enumerate() {
        native.i64(up, all.iter().map(|sums| sums[part].up_ms));
        native.i64(down, all.iter().map(|sums| sums[part].down_ms));
        native.i64(unknown, all.iter().map(|sums| sums[part].unknown_ms));
    }
    let whose = hours.first().map_or("", |(agent_id, _)| *agent_id);
    named("presence_hours", whose, version, hours.len(), native)
}

/// A figure of each interval, by hours.
pub(in crate::presence) fn of<'a, I: 'a, T>(
    hours: impl Iterator<Item = &'a [I]>,
    value: impl Fn(&I) -> T,
) -> Vec<Vec<T>> {
    hours
        .map(|intervals| intervals.iter().map(&value).collect())
        .collect()
}

/// As tables have it.
pub(in crate::presence) fn second(unix_ms: i64) -> u32 {
    u32::try_from(unix_ms.div_euclid(1000)).unwrap_or(0)
}

/// An insert of hours of a host or service, which is not to be taken for another.
pub(in crate::presence) fn named(
    table: &'static str,
    whose: &str,
    number: u64,
    rows: usize,
    native: Block,
) -> Insert {
    let origin = Origin::Journal(number);
    let mut insert = Insert::new(table, &origin, rows, native);
    insert.token = format!("{}-{whose}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
