//! Which hours of a host are to be judged. Pure.

use std::ops::Range;

use super::HOUR_MS;

/// An hour is judged so long after its end: until then a collector may still say that it watched.
const LAG_MS: i64 = 120_000;
/// Late evidence in a time of which nothing was known may prove so much of it.
const BEFORE_MS: i64 = 24 * HOUR_MS;
/// From one time that hours are judged anew to the next.
const REST_MS: i64 = 600_000;
/// Hours judged in one go.
const HOURS_MAX: i64 = 24;
/// Heartbeats are kept for so long.
const KEPT_MS: i64 = 30 * 24 * HOUR_MS;

/// How far a host is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Until when, Unix ms.
    pub(super) to_ms: i64,
    /// Where the time begins of which nothing is known yet, Unix ms; else `to_ms`.
    pub(super) open_ms: i64,
    /// Hours from here on are to be judged anew, Unix ms: evidence of them came late.
    pub(super) stale_ms: Option<i64>,
    /// Not before this, Unix ms, unless there is an hour that was never judged: a spool that is drained,
    /// or a clock that is wrong, brings late evidence again and again.
    pub(super) rests_until_ms: i64,
}

impl Judged {
    /// A host of which nothing is judged.
    pub(super) const fn nothing(first_ms: i64, now_ms: i64) -> Self {
        let kept = now_ms - KEPT_MS;
        let from_ms = hour(if first_ms > kept { first_ms } else { kept });
        Self {
            to_ms: from_ms,
            open_ms: from_ms,
            stale_ms: None,
            rests_until_ms: 0,
        }
    }

    /// New evidence is there, the earliest of `first_ms`. It may prove what was before it, up to the
    /// heartbeat before: where the time is open, or, of one that came late, within [`BEFORE_MS`].
    pub(super) fn renew(&mut self, first_ms: i64, now_ms: i64) {
        let kept = hour(now_ms - KEPT_MS) + HOUR_MS;
        let late_from_ms = match first_ms < self.to_ms {
            true => hour(first_ms - BEFORE_MS),
            false => i64::MAX,
        };
        let from_ms = late_from_ms.min(hour(self.open_ms)).max(kept);
        if from_ms < self.to_ms {
            self.stale_ms = Some(self.stale_ms.unwrap_or(from_ms).min(from_ms));
        }
    }

    /// What is expected of the host is another since this time, Unix ms.
    pub(super) fn expect(&mut self, from_ms: i64, now_ms: i64) {
        let kept = hour(now_ms - KEPT_MS) + HOUR_MS;
        let from_ms = hour(from_ms).max(kept);
        if from_ms < self.to_ms {
            self.stale_ms = Some(self.stale_ms.unwrap_or(from_ms).min(from_ms));
            self.rests_until_ms = 0;
        }
    }

    /// The next hours to judge, if any.
    pub(super) fn next(&self, now_ms: i64) -> Option<Range<i64>> {
        let end = hour(now_ms - LAG_MS);
        let rests = now_ms < self.rests_until_ms && end <= self.to_ms;
        let from_ms = self.stale_ms.filter(|_| !rests).unwrap_or(self.to_ms);
        // What is stale is judged with what follows it, so that nothing old is left behind it.
        let to_ms = end.min(from_ms + HOURS_MAX * HOUR_MS);
        (from_ms < to_ms).then_some(from_ms..to_ms)
    }

    /// These hours are judged.
    pub(super) fn done(&mut self, range: &Range<i64>, open_ms: i64, now_ms: i64) {
        self.open_ms = open_ms;
        if range.end < self.to_ms {
            self.stale_ms = Some(range.end);
            return;
        }
        if self.stale_ms.take().is_some() {
            self.rests_until_ms = now_ms + REST_MS;
        }
        self.to_ms = range.end;
    }
}

/// The beginning of the hour.
pub(in crate::presence) const fn hour(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(HOUR_MS) * HOUR_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 500_000 * HOUR_MS + 10 * 60_000;

    #[test]
    fn hours_are_judged_once_over_and_a_day_at_a_time() {
        let mut judged = Judged::nothing(NOW - 50 * HOUR_MS, NOW);
        let mut hours = 0;
        while let Some(range) = judged.next(NOW) {
            assert!(range.end - range.start <= 24 * HOUR_MS);
            hours += (range.end - range.start) / HOUR_MS;
            judged.done(&range, range.end, NOW);
        }
        assert_eq!(hours, 50);
        assert_eq!(judged.to_ms, 500_000 * HOUR_MS);
        assert_eq!(judged.next(NOW + 51 * 60_000), None);
        assert!(judged.next(NOW + 52 * 60_000).is_some());
    }

    #[test]
    fn what_is_expected_from_earlier_on_is_judged_before_the_first_hour() {
        let first_ms = NOW - 5 * HOUR_MS;
        let mut judged = Judged::nothing(first_ms, NOW);
        let all = judged.next(NOW).unwrap();
        judged.done(&all, all.end, NOW);
        judged.expect(NOW - 7 * HOUR_MS, NOW);
        let again = judged.next(NOW).unwrap();
        assert_eq!(again, hour(NOW - 7 * HOUR_MS)..all.end);
        judged.done(&again, again.end, NOW);
        assert_eq!(judged.next(NOW), None);
        judged.expect(i64::MIN / 2, NOW);
        let kept = judged.next(NOW).unwrap();
        assert_eq!(kept.start, hour(NOW - KEPT_MS) + HOUR_MS);
        // Of what is not judged yet nothing is stale.
        let mut judged = Judged::nothing(first_ms, NOW);
        judged.expect(NOW, NOW);
        assert_eq!(judged.stale_ms, None);
    }

    #[test]
    fn new_evidence_reaches_back_to_where_the_time_is_open_and_to_its_own() {
        let to_ms = 500_000 * HOUR_MS;
        let mut judged = Judged {
            to_ms,
            open_ms: to_ms,
            stale_ms: None,
            rests_until_ms: 0,
        };
        // A beat of now changes nothing that is judged.
        judged.renew(NOW, NOW);
        assert_eq!(judged.next(NOW), None);
        // The host was silent for ten hours.
        judged.open_ms = to_ms - 10 * HOUR_MS - 1;
        judged.renew(NOW, NOW);
        assert_eq!(judged.next(NOW), Some(to_ms - 11 * HOUR_MS..to_ms));
        // A beat of two days ago: everything from then on, in goes.
        judged.renew(NOW - 48 * HOUR_MS, NOW);
        let first = judged.next(NOW).unwrap();
        assert_eq!(first.start, hour(NOW - 72 * HOUR_MS));
        judged.done(&first, first.end, NOW);
        let second = judged.next(NOW).unwrap();
        assert_eq!(second.start, first.end);
        judged.done(&second, second.end, NOW);
        let rest = judged.next(NOW).unwrap();
        judged.done(&rest, to_ms - 11 * HOUR_MS, NOW);
        assert_eq!(judged.next(NOW), None);
        judged.renew(NOW, NOW);
        // Not again at once.
        assert_eq!(judged.next(NOW), None);
        let third = judged.next(NOW + REST_MS).unwrap();
        assert_eq!(third.end, to_ms);
        judged.done(&third, to_ms, NOW);
        assert_eq!(judged.next(NOW), None);
        // A clock that says anything does not reach behind what is kept.
        judged.renew(i64::MIN / 2, NOW);
        assert_eq!(
            judged.next(NOW + REST_MS).unwrap().start,
            hour(NOW - KEPT_MS) + HOUR_MS
        );
    }
}
