//! How long to wait before the next attempt: doubling, with full jitter.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// After a refusal (wrong token, wrong version) only a person can help; asking often does not.
const REFUSED: Duration = Duration::from_secs(15);

/// See the module. Jitter keeps thousands of agents from coming back in one moment.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { ceiling: FIRST }
    }
}

impl Backoff {
    /// The next wait: between half of the ceiling and the ceiling, which then doubles. A pause that
    /// was asked for is waited in any case: all who were refused with it come back spread over as
    /// long again.
    pub(super) fn next(&mut self, refused: bool, pause: Option<Duration>) -> Duration {
        let ceiling = if refused {
            self.ceiling.max(REFUSED)
        } else {
            self.ceiling
        };
        let ceiling = ceiling.max(2 * pause.unwrap_or_default());
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        ceiling.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }

    /// After a connection that worked.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        for ceiling_ms in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let wait = backoff.next(false, None);
            assert!(
                wait.as_millis() >= ceiling_ms / 2 && wait.as_millis() <= ceiling_ms,
                "{wait:?} of {ceiling_ms} ms"
            );
        }
        backoff.reset();
        assert!(backoff.next(false, None) <= FIRST);
        assert!(backoff.next(true, None) >= REFUSED / 2);
        backoff.reset();
        let pause = Duration::from_secs(5);
        for _ in 0..20 {
            let wait = backoff.next(false, Some(pause));
            assert!(wait >= pause && wait <= LONGEST, "{wait:?}");
        }
    }
}
