//! When a host could not be reached, by the beats that came late.
//!
//! Beats that wait in the spool come in order once the path is back, so the path was down from the
//! last beat that came in time until the first of those that did not was received.

use std::ops::Range;

use super::anchor::Placed;
use super::spans::Pace;
use super::{Interval, Reason, State};

/// An agent whose collector is back is so, too, after this time at the latest, ms: the longest pause
/// between its tries, and some for the rest.
const RECONNECT_MS: i64 = 40_000;

/// Times in which beats did not get through, in order.
pub(super) fn downs(beats: &[Placed], pace: &Pace) -> Vec<Range<i64>> {
    let mut downs: Vec<Range<i64>> = Vec::new();
    // When something last got through.
    let mut contact_ms = None;
    for (position, beat) in beats.iter().enumerate() {
        let received_ms = beat.beat.received_ms;
        match downs.last_mut() {
            _ if !beat.late => contact_ms = Some(beat.at_ms),
            // It waited with those before it.
            Some(down) if position > 0 && beats[position - 1].late && beat.at_ms <= down.end => {
                down.end = down.end.min(received_ms);
                contact_ms = Some(received_ms);
            }
            _ => {
                let start =
                    contact_ms.unwrap_or(beat.at_ms - pace.interval_ms(position).unwrap_or(0));
                downs.push(start.min(beat.at_ms)..received_ms);
                contact_ms = Some(received_ms);
            }
        }
    }
    downs
}

/// The times in order, joined where they touch, each without the time that the agent takes to come
/// back: until something of it is received, for [`RECONNECT_MS`] at most.
pub(super) fn joined(times: &[Range<i64>], beats: &[Placed]) -> Vec<Range<i64>> {
    let mut received: Vec<i64> = beats.iter().map(|beat| beat.beat.received_ms).collect();
    received.sort_unstable();
    let mut times = times.to_vec();
    times.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<i64>> = Vec::new();
    for range in times {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    for range in &mut joined {
        let next = received.partition_point(|&received_ms| received_ms < range.start);
        let back_ms = range.start.saturating_add(RECONNECT_MS).min(range.end);
        range.start = received.get(next).map_or(back_ms, |&ms| ms.min(back_ms));
    }
    joined
}

/// The intervals with the network down in these times, where the host and its agent were up; unknown
/// where nobody was there to receive. `watched` is [`joined`].
pub(super) fn lay_over(
    intervals: Vec<Interval>,
    downs: &[Range<i64>],
    watched: &[Range<i64>],
) -> Vec<Interval> {
    let mut laid = Vec::with_capacity(intervals.len());
    for interval in intervals {
        if interval.network != State::Up {
            laid.push(interval);
            continue;
        }
        let mut from_ms = interval.from_ms;
        for (range, network, reason) in pieces(&interval, downs, watched) {
            if from_ms < range.start {
                laid.push(Interval {
                    from_ms,
                    to_ms: range.start,
                    ..interval.clone()
                });
            }
            laid.push(Interval {
                from_ms: range.start,
                to_ms: range.end,
                network,
                reason,
                ..interval.clone()
            });
            from_ms = range.end;
        }
        if from_ms < interval.to_ms {
            laid.push(Interval {
                from_ms,
                ..interval
            });
        }
    }
    laid
}

/// The parts of an interval in which the network was not up, in order and apart.
fn pieces(
    interval: &Interval,
    downs: &[Range<i64>],
    watched: &[Range<i64>],
) -> Vec<(Range<i64>, State, Reason)> {
    let mut pieces = Vec::new();
    let mut done = interval.from_ms;
    let first = downs.partition_point(|down| down.end <= interval.from_ms);
    for down in downs[first..]
        .iter()
        .take_while(|down| down.start < interval.to_ms)
    {
        let (start, end) = (down.start.max(done), down.end.min(interval.to_ms));
        if start >= end {
            continue;
        }
        let mut from = start;
        let first = watched.partition_point(|seen| seen.end <= from);
        for seen in watched[first..].iter().take_while(|seen| seen.start < end) {
            if from < seen.start {
                pieces.push((from..seen.start, State::Unknown, Reason::Unwatched));
            }
            let (begin, stop) = (seen.start.max(from), seen.end.min(end));
            pieces.push((begin..stop, State::Down, Reason::Delayed));
            from = stop;
        }
        if from < end {
            pieces.push((from..end, State::Unknown, Reason::Unwatched));
        }
        done = end;
    }
    pieces
}
