//! How a window repeats: on which days, at which local time, for how long.
//!
//! Pure: the zone is the caller's. Promises: a start that does not exist that day begins at the first
//! moment after the gap; one that exists twice begins at the first; the length is real time. Bounded by
//! [`DAYS_MAX`].

use std::fmt;
use std::ops::Range;

use tz::datetime::FoundDateTimeKind;
use tz::{DateTime, TimeZone, UtcDateTime};

const DAY_S: i64 = 86_400;
const DAY_MS: i64 = DAY_S * 1000;
/// A start has its moment within so many days of its date in UTC: zones are up to 14 h off, and Samoa
/// once left out a whole day.
const AROUND_DAYS: i64 = 2;
/// Days that are looked at, a century; what is asked beyond them has no occurrences.
const DAYS_MAX: i64 = 36_525;
/// Longest occurrence, minutes: a week.
pub const LENGTH_MINUTES_MAX: u32 = 7 * 24 * 60;

/// Names of days, from Monday on.
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days of the week, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// All seven.
    pub const DAILY: Self = Self(0x7f);

    /// From a number with a bit for each day, Monday the lowest.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1..=0x7f => Some(Self(bits)),
            _ => None,
        }
    }

    /// A number with a bit for each day, Monday the lowest.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The days' names, from Monday on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let has = move |day: &usize| self.0 & 1 << day != 0;
        (0..NAMES.len()).filter(has).map(|day| NAMES[day])
    }

    /// `daily`, or days such as `sat,sun`.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "daily" {
            return Ok(Self::DAILY);
        }
        let mut bits = 0;
        for part in text.split(',') {
            let name = part.trim().to_ascii_lowercase();
            let day = NAMES.iter().position(|of| *of == name);
            let day = day.ok_or("write daily, or days out of mon, tue, wed, thu, fri, sat, sun, with commas in between")?;
            bits |= 1 << day;
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::DAILY {
            return f.write_str("daily");
        }
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

/// A local time of day, minutes since midnight as clocks show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// From minutes since midnight.
    #[must_use]
    pub const fn from_minutes(minutes: u16) -> Option<Self> {
        match minutes {
            0..1440 => Some(Self(minutes)),
            _ => None,
        }
    }

    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }

    /// A time such as `02:00`.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str, limit: u16| {
            let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_plain);
            number.filter(|&number: &u16| number < limit)
        };
        let minutes = text
            .split_once(':')
            .and_then(|(hour, minute)| Some(number(hour, 24)? * 60 + number(minute, 60)?));
        minutes
            .map(Self)
            .ok_or_else(|| "write hours and minutes, such as 02:00 or 23:30".to_owned())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// On which days it begins.
    pub days: Days,
    /// When, by the clocks of its zone.
    pub start: TimeOfDay,
    /// For how long, 1 to [`LENGTH_MINUTES_MAX`].
    pub length_minutes: u32,
}

impl Repeat {
    /// How long an occurrence is, ms.
    #[must_use]
    pub fn length_ms(&self) -> i64 {
        i64::from(self.length_minutes) * 60_000
    }

    /// Whole occurrences that begin within `valid` and have a part in `asked`, Unix ms. They may overlap.
    pub(super) fn occurrences(
        &self,
        zone: &TimeZone,
        valid: &Range<i64>,
        asked: &Range<i64>,
    ) -> Vec<Range<i64>> {
        let length_ms = self.length_ms();
        let earliest = valid.start.max(asked.start.saturating_sub(length_ms));
        let latest = valid.end.min(asked.end);
        if earliest >= latest {
            return Vec::new();
        }
        let first = earliest.div_euclid(DAY_MS) - AROUND_DAYS;
        let last = (latest.div_euclid(DAY_MS) + AROUND_DAYS).min(first + DAYS_MAX);
        (first..=last)
            .filter_map(|day| self.begin(zone, day))
            .map(|begin| begin..begin.saturating_add(length_ms))
            .filter(|one| valid.contains(&one.start))
            .filter(|one| one.end > asked.start && one.start < asked.end)
            .collect()
    }

    /// When it begins on a day, which is numbered from 1970 on; Unix ms.
    fn begin(&self, zone: &TimeZone, day: i64) -> Option<i64> {
        let date = UtcDateTime::from_timespec(day.checked_mul(DAY_S)?, 0).ok()?;
        // Of tz, Sunday is 0.
        let from_monday = (date.week_day() + 6) % 7;
        if self.days.0 & 1 << from_monday == 0 {
            return None;
        }
        let [hour, minute] = [self.start.0 / 60, self.start.0 % 60].map(u8::try_from);
        let found = DateTime::find(
            date.year(),
            date.month(),
            date.month_day(),
            hour.ok()?,
            minute.ok()?,
            0,
            0,
            zone.as_ref(),
        );
        let begin = match found.ok()?.into_inner().first()? {
            FoundDateTimeKind::Normal(moment) => *moment,
            FoundDateTimeKind::Skipped {
                after_transition, ..
            } => *after_transition,
        };
        begin.unix_time().checked_mul(1000)
    }
}
