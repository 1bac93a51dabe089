//! The pace: how many bytes may go out, so that the network ceiling holds on average.
//!
//! Owns two token buckets. Everything is paid out of the common one, which may go into debt by one
//! batch, or by what is urgent; while it is in debt, what is not urgent waits. Urgent lanes have
//! credit of their own beside it, so that a large batch or a backlog of others never holds them
//! up. Over any time, no more goes out than the ceiling allows, plus a second's worth of each
//! bucket and a batch that each may owe. Reads no clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crmscope_proto::Lane;

/// Shortest wait: many small batches go together rather than each at its own microsecond.
const WAIT_MIN: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_s: u64,
    common: Bucket,
    urgent: Bucket,
    filled: Option<Instant>,
}

/// One pace for all streams of the agent.
#[derive(Clone, Debug)]
pub(crate) struct SharedPace(Arc<Mutex<Pace>>);

impl SharedPace {
    pub(super) fn new(bytes_per_s: u64) -> Self {
        Self(Arc::new(Mutex::new(Pace::new(bytes_per_s))))
    }

    /// From now on so many. What is owed stays owed.
    pub(crate) fn limit(&self, bytes_per_s: u64) {
        let mut pace = self.lock();
        if pace.bytes_per_s != bytes_per_s.max(1) {
            pace.bytes_per_s = bytes_per_s.max(1);
            // No more is held than the new buckets take.
            let full = i128::from(pace.bytes_per_s) * PARTS;
            pace.common.0 = pace.common.0.min(full);
            pace.urgent.0 = pace.urgent.0.min(full);
        }
    }

    /// See [`Pace::leave`].
    pub(super) fn leave(&self, lane: Lane, now: Instant) -> Leave {
        self.lock().leave(lane, now)
    }

    /// See [`Pace::spend`].
    pub(super) fn spend(&self, lane: Lane, bytes: usize) {
        self.lock().spend(lane, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be sent, in parts of a byte: 1,000,000 a byte, so that a microsecond adds whole ones.
#[derive(Clone, Copy, Debug)]
struct Bucket(i128);

const PARTS: i128 = 1_000_000;

impl Bucket {
    fn bytes(self) -> usize {
        usize::try_from(self.0 / PARTS).unwrap_or(0)
    }
}

/// Whether a lane may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// About so many bytes; a batch that is larger too.
    Bytes(usize),
    /// Not before this time passed.
    Wait(Duration),
}

impl Pace {
    /// Full buckets: a second's worth.
    pub(super) fn new(bytes_per_s: u64) -> Self {
        let bytes_per_s = bytes_per_s.max(1);
        let full = Bucket(i128::from(bytes_per_s) * PARTS);
        Self {
            bytes_per_s,
            common: full,
            urgent: full,
            filled: None,
        }
    }

    /// What a lane may send now.
    pub(super) fn leave(&mut self, lane: Lane, now: Instant) -> Leave {
        self.fill(now);
        let bytes = if is_urgent(lane) {
            self.common.bytes().max(self.urgent.bytes())
        } else {
            self.common.bytes()
        };
        if bytes > 0 {
            return Leave::Bytes(bytes);
        }
        let owed = if is_urgent(lane) {
            self.common.0.max(self.urgent.0)
        } else {
            self.common.0
        };
        // Up to one byte above nothing, rounded up.
        let wait_us = (PARTS - owed) / i128::from(self.bytes_per_s) + 1;
        let wait = Duration::from_micros(u64::try_from(wait_us).unwrap_or(u64::MAX));
        Leave::Wait(wait.max(WAIT_MIN))
    }

    /// A batch went out.
    pub(super) fn spend(&mut self, lane: Lane, bytes: usize) {
        let parts = i128::try_from(bytes).unwrap_or(i128::MAX / PARTS) * PARTS;
        self.common.0 = self.common.0.saturating_sub(parts);
        if is_urgent(lane) {
            self.urgent.0 = self.urgent.0.saturating_sub(parts);
        }
    }

    fn fill(&mut self, now: Instant) {
        let filled = *self.filled.get_or_insert(now);
        let passed_us = now.saturating_duration_since(filled).as_micros();
        self.filled = Some(now.max(filled));
        // A microsecond at a byte a second is one part.
        let parts = i128::try_from(passed_us)
            .unwrap_or(i128::MAX)
            .saturating_mul(self.bytes_per_s.into());
        let full = i128::from(self.bytes_per_s) * PARTS;
        for bucket in [&mut self.common, &mut self.urgent] {
            bucket.0 = bucket.0.saturating_add(parts).min(full);
        }
    }
}

/// Lanes that no backlog may hold up: security events, and the heartbeats presence is judged by.
pub(super) const fn is_urgent(lane: Lane) -> bool {
    matches!(lane, Lane::Security | Lane::Presence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u64 = 10_000;

    #[test]
    fn a_backlog_goes_out_at_the_ceiling() {
        let (mut pace, begin) = (Pace::new(RATE), Instant::now());
        let (mut now, mut sent) = (begin, 0u64);
        while now < begin + Duration::from_secs(100) {
            match pace.leave(Lane::Metrics, now) {
                Leave::Bytes(_) => {
                    pace.spend(Lane::Metrics, 700);
                    sent += 700;
                }
                Leave::Wait(wait) => {
                    assert!(
                        wait >= WAIT_MIN && wait < Duration::from_secs(1),
                        "{wait:?}"
                    );
                    now += wait;
                }
            }
        }
        let ceiling = 100 * RATE;
        assert!(
            (ceiling..=ceiling + RATE + 2 * 700).contains(&sent),
            "{sent} of {ceiling}"
        );
    }

    #[test]
    fn a_debt_of_others_does_not_hold_up_what_is_urgent() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        pace.spend(Lane::Metrics, 1_000_000);
        let Leave::Wait(wait) = pace.leave(Lane::Requests, now) else {
            panic!("a debt of 100 s is no leave")
        };
        assert!((98..=100).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(pace.leave(Lane::Security, now), Leave::Bytes(10_000));
        pace.spend(Lane::Presence, 10_000);
        assert!(matches!(pace.leave(Lane::Security, now), Leave::Wait(_)));
        let later = now + Duration::from_millis(500);
        assert_eq!(pace.leave(Lane::Security, later), Leave::Bytes(5_000));
    }

    #[test]
    fn a_clock_that_stands_or_jumps_does_no_harm() {
        let (mut pace, now) = (Pace::new(u64::MAX), Instant::now());
        pace.spend(Lane::Metrics, usize::MAX);
        assert!(matches!(pace.leave(Lane::Metrics, now), Leave::Wait(_)));
        let later = now + Duration::from_secs(1 << 32);
        assert!(matches!(pace.leave(Lane::Metrics, later), Leave::Bytes(_)));
        assert!(matches!(pace.leave(Lane::Metrics, now), Leave::Bytes(_)));
    }

    proptest! {
        /// However batches come: no stretch of time sees more than the ceiling and what the buckets
        /// hold and owe, and what is urgent waits for what is urgent only.
        #[test]
        fn the_ceiling_holds_over_any_time(
            offers in proptest::collection::vec((0u64..3_000, any::<bool>(), 1usize..50_000), 1..200),
        ) {
            let (mut pace, begin) = (Pace::new(RATE), Instant::now());
            let (mut now_ms, mut urgent_bytes) = (0u64, -i128::from(RATE));
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (passed_ms, urgent, bytes) in offers {
                now_ms += passed_ms;
                let lane = if urgent { Lane::Security } else { Lane::Metrics };
                let rate = i128::from(RATE);
                urgent_bytes = (urgent_bytes - rate * i128::from(passed_ms) / 1_000).max(-rate);
                match pace.leave(lane, begin + Duration::from_millis(now_ms)) {
                    Leave::Bytes(_) => {
                        pace.spend(lane, bytes);
                        sent.push((now_ms, bytes as u64));
                        if urgent {
                            urgent_bytes += bytes as i128;
                        }
                    }
                    Leave::Wait(_) => prop_assert!(!urgent || urgent_bytes >= 0, "{urgent_bytes}"),
                }
            }
            for (first, &(from_ms, _)) in sent.iter().enumerate() {
                let mut total = 0;
                for &(at_ms, bytes) in &sent[first..] {
                    total += bytes;
                    let most = RATE * (at_ms - from_ms) / 1_000 + 2 * RATE + 2 * 50_000;
                    prop_assert!(total <= most, "{total} from {from_ms} to {at_ms} ms, at most {most}");
                }
            }
        }
    }
}
