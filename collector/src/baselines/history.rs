//! What is known of a user, hour by hour, and what of it counts as the past of an hour. Pure.

use tz::TimeZone;

/// An hour, ms.
pub const HOUR_MS: i64 = 3_600_000;
/// A day, ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours of a week.
pub const WEEK_HOURS: i64 = 168;

/// Events of a kind in an hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    /// Beginning of the hour, Unix ms.
    pub hour_ms: i64,
    /// What happened, such as `app_login`.
    pub kind: String,
    /// Whether it failed.
    pub failed: bool,
    /// How often.
    pub events: u64,
    /// Data records that it was about; 0 where logs tell none.
    pub records: u64,
    /// First event of the hour, Unix ms.
    pub first_ms: i64,
    /// Last event of the hour, Unix ms.
    pub last_ms: i64,
}

/// Logins from a network by a program or key in an hour; only those that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Login {
    /// Beginning of the hour, Unix ms.
    pub hour_ms: i64,
    /// The /24 or /64; empty where the log tells none.
    pub network: String,
    /// What it was logged in with: service, method, and what the log says of a program or a key.
    pub client: String,
    /// First login of the hour, Unix ms.
    pub first_ms: i64,
    /// Last login of the hour, Unix ms.
    pub last_ms: i64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In any order.
    pub activity: Vec<Activity>,
    /// In any order.
    pub logins: Vec<Login>,
    /// Times of which something was told, first and last moment, Unix ms.
    pub told: Vec<(i64, i64)>,
}

impl History {
    /// When the user was first seen, as far as is known, Unix ms.
    #[must_use]
    pub fn since_ms(&self) -> Option<i64> {
        let activity = self.activity.iter().map(|of| of.hour_ms);
        activity
            .chain(self.logins.iter().map(|of| of.hour_ms))
            .min()
    }
}

/// What of the hours before an hour counts as its past.
#[derive(Clone, Debug)]
pub struct Past<'a> {
    /// The hour that is judged, Unix ms.
    pub hour_ms: i64,
    from_ms: i64,
    to_ms: i64,
    quarantine_ms: i64,
    told: &'a [(i64, i64)],
}

impl<'a> Past<'a> {
    /// From so many days before it, without the last hours and what is in quarantine.
    #[must_use]
    pub fn new(
        hour_ms: i64,
        days: u32,
        settle_hours: u32,
        quarantine_days: u32,
        told: &'a [(i64, i64)],
    ) -> Self {
        Self {
            hour_ms,
            from_ms: hour_ms - i64::from(days) * DAY_MS,
            to_ms: hour_ms - i64::from(settle_hours) * HOUR_MS,
            quarantine_ms: i64::from(quarantine_days) * DAY_MS,
            told,
        }
    }

    /// The same, from fewer days before.
    #[must_use]
    pub fn within(&self, days: u32) -> Self {
        let from_ms = self.hour_ms - i64::from(days) * DAY_MS;
        Self {
            from_ms: self.from_ms.max(from_ms),
            ..self.clone()
        }
    }

    /// Whether an hour is a part of it.
    #[must_use]
    pub fn has(&self, hour_ms: i64) -> bool {
        let is_told = |&(from_ms, to_ms): &(i64, i64)| {
            from_ms < hour_ms + HOUR_MS
                && to_ms >= hour_ms
                && self.hour_ms - from_ms < self.quarantine_ms
        };
        hour_ms >= self.from_ms && hour_ms < self.to_ms && !self.told.iter().any(is_told)
    }

    /// Its hours since one, in order.
    pub fn hours(&self, since_ms: i64) -> impl Iterator<Item = i64> {
        let first = self.from_ms.max(since_ms).div_euclid(HOUR_MS);
        let end = self.to_ms.div_euclid(HOUR_MS);
        (first..end)
            .map(|hour| hour * HOUR_MS)
            .filter(|&hour_ms| self.has(hour_ms))
    }

    /// How long ago something was, days.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "times of some hundred years are exact to the millisecond"
    )]
    pub fn age_days(&self, at_ms: i64) -> f64 {
        (self.hour_ms - at_ms) as f64 / DAY_MS as f64
    }
}

/// An hour by the clocks of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local {
    /// Days since 1970.
    pub day: i64,
    /// Hour of the day, 0 to 23.
    pub hour: i64,
}

impl Local {
    /// By the zone's clocks at a moment.
    #[must_use]
    pub fn of(zone: &TimeZone, at_ms: i64) -> Self {
        let seconds = at_ms.div_euclid(1000);
        // What lies beyond all that a zone knows of is as in UTC.
        let offset = zone
            .find_local_time_type(seconds)
            .map_or(0, tz::LocalTimeType::ut_offset);
        let hours = (seconds + i64::from(offset)).div_euclid(3600);
        Self {
            day: hours.div_euclid(24),
            hour: hours.rem_euclid(24),
        }
    }

    /// Monday is 0.
    #[must_use]
    pub const fn weekday(self) -> i64 {
        // 1 January 1970 was a Thursday.
        (self.day + 3).rem_euclid(7)
    }

    /// Saturday or Sunday.
    #[must_use]
    pub const fn is_weekend(self) -> bool {
        self.weekday() >= 5
    }

    /// 0 is the first hour of Monday.
    #[must_use]
    pub const fn hour_of_week(self) -> i64 {
        self.weekday() * 24 + self.hour
    }
}
