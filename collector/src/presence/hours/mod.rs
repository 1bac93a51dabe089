//! What the heartbeats proved, hour by hour, kept: figures of months need no heartbeats of months.
//!
//! Owns `presence_hours`. An hour of a host is its intervals, cut at the hour's edges, and their sums; it
//! is judged whole by [`super::timeline`], and replaced whole when later evidence proves something else
//! (`presence_audit` has both then). So every figure is arithmetic over intervals: nothing is added up
//! twice, whatever the order in which evidence came. [`keeper`] says which hours are to be judged.

mod inventory;
pub(crate) mod keeper;
mod known;
mod plan;
pub(super) mod store;

use std::fmt::Write as _;
use std::ops::Range;

pub use self::known::{hosts_at_once, intervals};
pub(super) use self::plan::hour;
use super::availability::{Times, reason_name};
use super::timeline::{Interval, Reason, State};

/// Hosts whose heartbeats are read at once.
const AT_ONCE: usize = 4;

/// An hour, ms.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// An hour of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Its first ms, Unix.
    pub from_ms: i64,
    /// What is known of it; less than the hour where the host was not expected in all of it.
    pub intervals: Vec<Interval>,
    /// Where the time begins of which nothing is known yet at its end, Unix ms; else its end.
    pub open_ms: i64,
}

/// Intervals cut into hours; `known_open_ms` is where the unknown time began that reaches into them.
fn cut(intervals: &[Interval], range: Range<i64>, known_open_ms: i64) -> Vec<Hour> {
    let mut hours = Vec::new();
    let mut open_ms = known_open_ms.min(range.start);
    let mut from_ms = range.start;
    let first = |from_ms: i64| intervals.partition_point(|interval| interval.to_ms <= from_ms);
    while from_ms < range.end {
        let to_ms = from_ms + HOUR_MS;
        let within: Vec<Interval> = intervals[first(from_ms)..]
            .iter()
            .take_while(|interval| interval.from_ms < to_ms)
            .map(|interval| Interval {
                from_ms: interval.from_ms.max(from_ms),
                to_ms: interval.to_ms.min(to_ms),
                ..interval.clone()
            })
            .collect();
        open_ms = match within.last() {
            Some(last) if is_open(last) => {
                // One that fills the hour began in an earlier one.
                if within.len() == 1 && last.from_ms == from_ms {
                    open_ms
                } else {
                    last.from_ms
                }
            }
            _ => to_ms,
        };
        hours.push(Hour {
            from_ms,
            intervals: within,
            open_ms,
        });
        from_ms = to_ms;
    }
    hours
}

/// Whether nothing is known since, so that the next heartbeat may prove something of it.
fn is_open(interval: &Interval) -> bool {
    let nothing_since = matches!(
        interval.reason,
        Reason::Silent | Reason::AgentStopped | Reason::ShutDown | Reason::NeverSeen
    );
    nothing_since && interval.server == State::Unknown
}

/// The sums of an hour: server, network, agent, and server and network at once.
fn sums(intervals: &[Interval]) -> [Times; 4] {
    let mut sums = [Times::default(); 4];
    for interval in intervals {
        let length_ms = interval.to_ms - interval.from_ms;
        let states = [
            interval.server,
            interval.network,
            interval.agent,
            interval.total(),
        ];
        for (times, state) in sums.iter_mut().zip(states) {
            times.add(state, length_ms);
        }
    }
    sums
}

/// What is claimed of an hour, in short: `up/down/up 1200000 delayed` for each interval.
fn claims(intervals: &[Interval]) -> String {
    let word = |state: State| match state {
        State::Up => "up",
        State::Down => "down",
        State::Unknown => "unknown",
    };
    let mut text = String::new();
    for interval in intervals {
        let _ = write!(
            text,
            "{}{}/{}/{} {} {}",
            if text.is_empty() { "" } else { ", " },
            word(interval.server),
            word(interval.network),
            word(interval.agent),
            interval.to_ms - interval.from_ms,
            reason_name(interval.reason)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(from_ms: i64, to_ms: i64, server: State, reason: Reason) -> Interval {
        Interval {
            from_ms,
            to_ms,
            server,
            network: server,
            agent: server,
            reason,
        }
    }

    #[test]
    fn hours_hold_all_of_the_time_and_know_where_it_is_open() {
        let up = interval(0, HOUR_MS + 5, State::Up, Reason::Beats);
        let silent = interval(HOUR_MS + 5, 4 * HOUR_MS, State::Unknown, Reason::Silent);
        let hours = cut(&[up, silent], 0..4 * HOUR_MS, 0);
        let opens: Vec<i64> = hours.iter().map(|hour| hour.open_ms).collect();
        assert_eq!(opens, [HOUR_MS, HOUR_MS + 5, HOUR_MS + 5, HOUR_MS + 5]);
        assert_eq!(hours[1].intervals.len(), 2);
        for hour in &hours {
            for times in sums(&hour.intervals) {
                assert_eq!(times.up_ms + times.down_ms + times.unknown_ms, HOUR_MS);
            }
        }
        assert_eq!(
            claims(&hours[1].intervals),
            "up/up/up 5 beats, unknown/unknown/unknown 3599995 silent"
        );
        // Open since before.
        let silent = interval(0, HOUR_MS, State::Unknown, Reason::Silent);
        assert_eq!(cut(&[silent], 0..HOUR_MS, -77)[0].open_ms, -77);
        // Not expected in the whole of it.
        let late = interval(10, HOUR_MS, State::Up, Reason::Beats);
        assert_eq!(
            sums(&cut(&[late], 0..HOUR_MS, 0)[0].intervals)[0].up_ms,
            HOUR_MS - 10
        );
    }
}
