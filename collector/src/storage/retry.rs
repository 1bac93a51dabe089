//! When to try again: pauses that grow, with jitter, so that retries do not come in step.

use std::time::Duration;

/// Pauses between attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial_ms: u64,
    max_ms: u64,
    attempts: u32,
}

impl Backoff {
    /// From `initial_ms`, doubling up to `max_ms`.
    #[must_use]
    pub const fn new(initial_ms: u64, max_ms: u64) -> Self {
        Self {
            initial_ms,
            max_ms,
            attempts: 0,
        }
    }

    /// Failed attempts so far.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next pause: between half of the step and all of it.
    pub fn next_pause(&mut self) -> Duration {
        let doubled = self.initial_ms.saturating_mul(1 << self.attempts.min(20));
        let step = doubled.clamp(1, self.max_ms.max(1));
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_millis(fastrand::u64(step.div_ceil(2)..=step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_stay() {
        let mut backoff = Backoff::new(100, 1000);
        for limit in [100u64, 200, 400, 800, 1000, 1000] {
            let pause = u64::try_from(backoff.next_pause().as_millis()).unwrap();
            assert!((limit / 2..=limit).contains(&pause), "{pause} of {limit}");
        }
        for _ in 0..100 {
            backoff.next_pause();
        }
        assert_eq!(backoff.attempts(), 106);
    }
}
