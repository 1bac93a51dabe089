//! What a row's increments cover.

use std::time::Instant;

/// Time between readings of one file, so that a reading that failed lengthens the next interval.
#[derive(Debug, Default)]
pub(crate) struct Interval {
    begin: Option<Instant>,
    /// Of the last reading, since `begin`. Differences of whole milliseconds since one moment add
    /// up exactly; rounding each interval by itself would drift.
    last_ms: u64,
}

impl Interval {
    /// Milliseconds from the last reading to this one, which becomes the last; `None` at the first.
    pub(crate) fn next(&mut self, now: Instant) -> Option<u32> {
        let Some(begin) = self.begin else {
            self.begin = Some(now);
            return None;
        };
        let now_ms = u64::try_from(now.saturating_duration_since(begin).as_millis());
        let now_ms = now_ms.unwrap_or(u64::MAX);
        let interval = now_ms.saturating_sub(self.last_ms);
        self.last_ms = now_ms;
        Some(u32::try_from(interval).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn intervals_add_up() {
        let begin = Instant::now();
        let mut interval = Interval::default();
        assert_eq!(interval.next(begin), None);
        let mut total = 0;
        for tick in 1..=1000u32 {
            total += interval
                .next(begin + tick * Duration::from_micros(1_000_900))
                .unwrap();
        }
        assert_eq!(total, 1_000_900);
    }
}
