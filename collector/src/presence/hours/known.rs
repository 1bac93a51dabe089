//! What is known of hosts in a time: from hours that are judged, where they are, and from heartbeats
//! elsewhere.
//!
//! Many hosts are asked for together, as a question for each would take longer than its answer: their hours
//! in one question, and what is not judged yet, which is the last hour of each most of the time, some hosts
//! at once.

use std::ops::Range;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::plan::hour;
use super::store::{self, KeptHours};
use super::{AT_ONCE, HOUR_MS};
use crate::error::{Code, Error};
use crate::presence::evidence::{self, Asked, Host};
use crate::presence::timeline::{Interval, clip};
use crate::storage::Storage;

/// Hosts that are asked for together. Their names stand in the address of the question, which has 64 KiB.
const HOSTS_MAX: i64 = 100;
/// Hours of hosts that are held at once, some hundred bytes each, as far as one host has not more.
const HOST_HOURS_MAX: i64 = 20_000;

/// A stretch of time of one host.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// What is judged of an hour.
    Judged(Vec<Interval>),
    /// Nothing is judged in this time.
    Open(Range<i64>),
}

/// How many hosts [`intervals`] may be asked for.
#[must_use]
pub fn hosts_at_once(asked: &Asked) -> usize {
    let range = asked.range_ms();
    let hours = (range.end.min(asked.now_ms) - range.start) / HOUR_MS + 1;
    let hosts = HOST_HOURS_MAX / hours.max(1);
    usize::try_from(hosts.clamp(1, HOSTS_MAX)).unwrap_or(1)
}

/// What is known of hosts in the time that is asked for, host by host as they are given.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn intervals(
    storage: &Storage,
    hosts: &[Host],
    asked: &Asked,
    watched: &Arc<[Range<i64>]>,
) -> Result<Vec<Vec<Interval>>, Error> {
    let expected = |host: &Host| {
        let range = asked.range_ms();
        range.start.max(host.first_ms)..range.end.min(asked.now_ms)
    };
    let agents: Vec<&str> = hosts.iter().map(|host| host.agent_id.as_str()).collect();
    let range = asked.range_ms();
    let range = hour(range.start)..range.end.min(asked.now_ms);
    let mut kept = store::read(storage, &agents, &range).await?;
    let mut parts: Vec<Vec<Part>> = Vec::with_capacity(hosts.len());
    let mut open = Vec::new();
    for (position, host) in hosts.iter().enumerate() {
        let hours = kept.remove(&host.agent_id).unwrap_or_default();
        let of_host = split(hours, &expected(host));
        for (place, part) in of_host.iter().enumerate() {
            if let Part::Open(range) = part {
                open.push((position, place, within(range, asked.now_ms)));
            }
        }
        parts.push(of_host);
    }
    let mut open = open.into_iter();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE
            && let Some((position, place, asked)) = open.next()
        {
            let Some(host) = hosts.get(position).cloned() else {
                continue;
            };
            let (storage, watched) = (storage.clone(), Arc::clone(watched));
            tasks.spawn(async move {
                let found = evidence::timeline_of(&storage, &host, &asked, &watched).await;
                (position, place, found)
            });
        }
        let Some(done) = tasks.join_next().await else {
            break;
        };
        let gone = |error| Error::new(Code::Internal, format!("reading heartbeats: {error}"));
        let (position, place, found) = done.map_err(gone)?;
        let part = parts.get_mut(position).and_then(|of| of.get_mut(place));
        if let Some(part) = part {
            *part = Part::Judged(found?);
        }
    }
    let whole = |(host, parts): (&Host, Vec<Part>)| {
        let mut range = expected(host);
        range.end = range.end.min(host.retired_at_ms.unwrap_or(i64::MAX));
        let known = parts.into_iter().flat_map(|part| match part {
            Part::Judged(intervals) => intervals,
            Part::Open(_) => Vec::new(),
        });
        clip(known.collect(), range)
    };
    Ok(hosts.iter().zip(parts).map(whole).collect())
}

/// A time in whole seconds.
fn within(range: &Range<i64>, now_ms: i64) -> Asked {
    let seconds = |ms: i64| ms.div_euclid(1000).max(0).unsigned_abs();
    Asked {
        from: seconds(range.start),
        to: seconds(range.end + 999),
        now_ms,
    }
}

/// The time from the beginning of its first hour on, as far as it is judged, and as far as it is not.
fn split(mut judged: KeptHours, range: &Range<i64>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at_ms = hour(range.start);
    while at_ms < range.end && range.start < range.end {
        if let Some(found) = judged.remove(&at_ms) {
            parts.push(Part::Judged(found.hour.intervals));
            at_ms += HOUR_MS;
            continue;
        }
        let next = judged.range(at_ms..).next();
        let until_ms = next.map_or(range.end, |(&from_ms, _)| from_ms);
        parts.push(Part::Open(at_ms..until_ms));
        at_ms = until_ms;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::Hour;
    use super::*;

    #[test]
    fn what_is_judged_is_not_asked_for_again_and_the_rest_is() {
        let at = |hours: i64| hours * HOUR_MS;
        let judged = |hours: &[i64]| -> KeptHours {
            let hour = |&from: &i64| Hour {
                from_ms: at(from),
                intervals: Vec::new(),
                open_ms: at(from + 1),
            };
            let kept = |from: &i64| (at(*from), store::Kept::new(hour(from)));
            hours.iter().map(kept).collect()
        };
        let done = || Part::Judged(Vec::new());
        assert_eq!(
            split(judged(&[2, 3, 6]), &(at(1) + 5..at(8) + 7)),
            [
                Part::Open(at(1)..at(2)),
                done(),
                done(),
                Part::Open(at(4)..at(6)),
                done(),
                Part::Open(at(7)..at(8) + 7),
            ]
        );
        // One that was judged before a host was expected says nothing, and an empty time is none.
        assert_eq!(
            split(judged(&[0]), &(at(1)..at(2))),
            [Part::Open(at(1)..at(2))]
        );
        assert_eq!(split(judged(&[1]), &(at(1) + 5..at(1) + 5)), []);
    }

    #[test]
    fn what_is_held_is_bounded_by_hosts_and_by_hours() {
        let hosts = |hours: u64| {
            hosts_at_once(&Asked {
                from: 0,
                to: hours * 3_600,
                now_ms: i64::MAX,
            })
        };
        assert_eq!(
            [1, 24, 30 * 24, 13 * 30 * 24, 1 << 30].map(hosts),
            [100, 100, 27, 2, 1]
        );
    }
}
