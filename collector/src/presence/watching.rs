//! A collector says when it was there to receive.
//!
//! Without it a collector that was away would look like a network that was down. Promises that no time
//! is claimed which the collector did not run through: where its own loop stood still, by its monotonic
//! clock or by the wall clock, the time in between is left out. What cannot be written soon is not
//! claimed either. So a network that was down just before a collector stood still is told as down: looks are
//! a second apart. Times that touch are joined, so little waits.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crmscope_proto::Id;

use crate::clock::now_ms;
use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// From one look at the clock to the next: as much as may be missing before a stall.
const EVERY: Duration = Duration::from_secs(1);
/// From one writing to the next.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// A look that comes so much later or earlier than it should is no proof of the time in between.
const STALL_MS: i64 = 5_000;
/// What cannot be written for so long is not claimed: a collector that cannot store takes no more
/// batches before long, and then late beats say nothing of networks.
const CLAIM_MAX: Duration = Duration::from_secs(60);
/// Most times that wait; the oldest go, and read as not watched.
const PENDING_MAX: usize = 10_000;

/// Times that are to be written.
#[derive(Clone, Default)]
struct Pending(Arc<Mutex<Vec<Range<i64>>>>);

impl Pending {
    fn push(&self, watched: Range<i64>) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = pending.last_mut()
            && last.end == watched.start
        {
            last.end = watched.end;
            return;
        }
        if pending.len() >= PENDING_MAX {
            pending.remove(0);
        }
        pending.push(watched);
    }

    fn take(&self) -> Vec<Range<i64>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Looks at the clock and writes, until it is aborted.
pub(crate) async fn run(storage: Storage) {
    let pending = Pending::default();
    tokio::join!(look(pending.clone()), write(storage, pending));
}

async fn look(pending: Pending) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = (Instant::now(), now_ms());
    loop {
        ticks.tick().await;
        let now = (Instant::now(), now_ms());
        if let Some(watched) = ran_through(now.0 - before.0, before.1..now.1) {
            pending.push(watched);
        }
        before = now;
    }
}

/// The time between two looks, where it was run through: neither clock shows more than it should, and
/// they agree.
fn ran_through(elapsed: Duration, wall: Range<i64>) -> Option<Range<i64>> {
    let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    let every_ms = i64::try_from(EVERY.as_millis()).unwrap_or(i64::MAX);
    let is_near = |ms: i64| (ms - every_ms).abs() < STALL_MS;
    (is_near(elapsed_ms) && is_near(wall.end - wall.start) && wall.start < wall.end).then_some(wall)
}

async fn write(storage: Storage, pending: Pending) {
    let collector_id = Id(fastrand::u128(..).to_be_bytes());
    loop {
        tokio::time::sleep(WRITE_EVERY).await;
        let watched = pending.take();
        let Some(insert) = insert(collector_id, &watched) else {
            continue;
        };
        let mut backoff = Backoff::new(500, 15_000);
        let begun = Instant::now();
        while let Err(error) = storage.insert(&insert).await {
            if begun.elapsed() > CLAIM_MAX {
                tracing::debug!(%error, "not claimed as watched: nothing could be stored");
                pending.take();
                break;
            }
            let pause = backoff.next_pause();
            tracing::debug!(%error, "collector_watch will be written later");
            tokio::time::sleep(pause).await;
        }
    }
}

fn insert(collector_id: Id, watched: &[Range<i64>]) -> Option<Insert> {
    let first = watched.first()?;
    let mut native = Block::new(watched.len(), 32);
    native.uuid("collector_id", watched.iter().map(|_| collector_id));
    native.datetime_ms("watched_from", watched.iter().map(|range| range.start));
    native.datetime_ms("watched_to", watched.iter().map(|range| range.end));
    let origin = Origin::Journal(first.start.unsigned_abs());
    let mut insert = Insert::new("collector_watch", &origin, watched.len(), native);
    // Several collectors may begin in the same millisecond.
    insert.token = format!("{}-{collector_id}", insert.token);
    Some(insert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_was_not_run_through_is_not_claimed() {
        let set_back = Range {
            start: 10_000,
            end: 5_000,
        };
        for (elapsed_ms, wall, claimed) in [
            (1_000, 0..1_000, true),
            (5_900, 0..5_900, true),
            // The loop stood still, or the whole machine, or the clock was set.
            (6_000, 0..6_000, false),
            (30_000, 0..30_000, false),
            (1_000, 0..30_000, false),
            (1_000, set_back, false),
            (1_000, 0..0, false),
        ] {
            let told = ran_through(Duration::from_millis(elapsed_ms), wall.clone());
            assert_eq!(told, claimed.then_some(wall), "{elapsed_ms}");
        }
    }

    #[test]
    fn times_that_touch_wait_as_one_and_few_wait() {
        let pending = Pending::default();
        for at in 0..100 {
            pending.push(at * 5..(at + 1) * 5);
        }
        assert_eq!(pending.take().first(), Some(&(0..500)));
        for at in 0..20_000 {
            pending.push(at * 10..at * 10 + 5);
        }
        let kept = pending.take();
        assert_eq!(kept.len(), PENDING_MAX);
        assert_eq!(kept.last(), Some(&(199_990..199_995)));
    }
}
