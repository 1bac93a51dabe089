//! The last hour of a host in 60 figures.

use std::ops::Range;

/// Minutes of a strip.
pub const MINUTES: usize = 60;
/// Slots of 10 s in a minute.
const SLOTS: u8 = 6;
const MINUTE_MS: i64 = 60_000;
/// A heartbeat is stored within this time, ms; before that its slot is not held against the host.
const STORED_WITHIN_MS: i64 = 5_000;

/// The hour that strips show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Begin of the newest minute, Unix ms.
    pub newest_ms: i64,
    /// Unix ms.
    pub now_ms: i64,
    /// Times in which a collector was there to receive, sorted, Unix ms.
    pub received: Vec<Range<i64>>,
}

impl Hour {
    fn start_ms(&self, place: usize) -> i64 {
        let back = i64::try_from(MINUTES - 1 - place.min(MINUTES - 1)).unwrap_or(0);
        self.newest_ms - back * MINUTE_MS
    }

    fn is_received(&self, minute: &Range<i64>) -> bool {
        let held = self.received.iter().map(|range| {
            let shared = range.end.min(minute.end) - range.start.max(minute.start);
            shared.max(0)
        });
        // Half of it, as a collector claims its times a few seconds later.
        2 * held.sum::<i64>() >= minute.end.min(self.now_ms) - minute.start
    }

    /// The strip of a host that is expected since a time; `slots` are those it was heard in, or none of a
    /// host that was not heard at all.
    #[must_use]
    pub fn strip(&self, slots: &[u8], expected_ms: i64) -> Vec<Option<f64>> {
        (0..MINUTES)
            .map(|place| {
                let heard = slots.get(place).copied().unwrap_or(0).min(SLOTS);
                let start_ms = self.start_ms(place);
                let minute = start_ms..start_ms + MINUTE_MS;
                if heard == 0 && (minute.end <= expected_ms || !self.is_received(&minute)) {
                    return None;
                }
                // Of the newest minute only what is over counts.
                let over_ms = (self.now_ms - STORED_WITHIN_MS - start_ms).clamp(0, MINUTE_MS);
                let due = u8::try_from(over_ms / (MINUTE_MS / i64::from(SLOTS))).unwrap_or(SLOTS);
                match (heard, due) {
                    (0, 0) => None,
                    (heard, due) => Some(f64::from(heard) / f64::from(due.max(heard))),
                }
            })
            .collect()
    }
}
