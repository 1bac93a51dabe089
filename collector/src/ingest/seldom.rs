//! Warnings that strangers can cause at will: one now and then, with how many were held back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one warning in this time; counters have all of them.
const INTERVAL: Duration = Duration::from_secs(10);

/// When the last warning was given, and how many were not since.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Seldom {
    /// Whether to warn now; if so, how many warnings were suppressed before this one.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |last| now.saturating_duration_since(last) < INTERVAL;
        if state.last.is_some_and(lately) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_an_interval_says_how_many_were_held_back() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.admit(start), Some(0));
        for _ in 0..7 {
            assert_eq!(seldom.admit(start + INTERVAL / 2), None);
        }
        assert_eq!(seldom.admit(start + INTERVAL), Some(7));
        assert_eq!(seldom.admit(start + INTERVAL), None);
        assert_eq!(seldom.admit(start + INTERVAL * 2), Some(1));
    }
}
