//! Dates of log lines: civil dates to Unix time, month names, fixed-width digits.
//!
//! Pure; the caller supplies zone and year where lines do not carry them.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A civil moment without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Civil {
    /// Of `2026-11-25 09:48:55`, with one of `separators` between date and time.
    pub(crate) fn dashed(text: &[u8; 19], separators: &[u8]) -> Option<Self> {
        let [_, _, _, _, a, _, _, b, _, _, c, _, _, d, _, _, e, _, _] = *text;
        if [a, b, d, e] != *b"--::" || !separators.contains(&c) {
            return None;
        }
        Some(Self {
            year: digits(text.get(..4)?)?,
            month: digits(text.get(5..7)?)?,
            day: digits(text.get(8..10)?)?,
            hour: digits(text.get(11..13)?)?,
            minute: digits(text.get(14..16)?)?,
            second: digits(text.get(17..)?)?,
        })
    }

    /// Of what [`Civil::utc_ms`] gives, without its fraction of a second.
    pub(crate) fn of_ms(civil_ms: i64) -> Self {
        let (year, month, day) = civil_from_days(civil_ms.div_euclid(DAY_MS));
        let second_of_day = civil_ms.rem_euclid(DAY_MS) / 1000;
        Self {
            year,
            month,
            day,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }

    /// As if the zone were UTC, ms. `None` when there is no such moment; second 60 is a leap second.
    pub(crate) fn utc_ms(self) -> Option<i64> {
        let valid = (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..=60).contains(&self.second);
        valid.then(|| {
            let days = days_from_civil(self.year, self.month, self.day);
            let seconds = self.hour * 3600 + self.minute * 60 + self.second;
            days * DAY_MS + seconds * 1000
        })
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day since 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    // Leap days are taken out, so that years are of one length.
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = (months_since_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Year of a Unix time, UTC.
pub(crate) fn year_of(unix_ms: i64) -> i64 {
    civil_from_days(unix_ms.div_euclid(DAY_MS)).0
}

/// Day of the week, from 0 for Monday.
pub(crate) fn weekday(civil_ms: i64) -> usize {
    // 1970 began on a Thursday.
    let day = (civil_ms.div_euclid(DAY_MS) + 3).rem_euclid(7);
    usize::try_from(day).unwrap_or(0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Number of an English three-letter month name, from 1.
pub(crate) fn month(name: &[u8]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// A number made of digits only.
pub(crate) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0i64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

/// A zone such as `+0200`, `-07:30` or `Z`, as ms east of UTC.
pub(crate) fn zone_ms(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        b"Z" => return Some(0),
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => (sign, [*a, *b], [*c, *d]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    let offset = (hours * 60 + minutes) * 60_000;
    match sign {
        _ if hours > 18 || minutes > 59 => None,
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

/// The same, or without minutes, such as `+02`, as PostgreSQL writes it.
pub(crate) fn short_zone_ms(text: &[u8]) -> Option<i64> {
    match text {
        [sign @ (b'+' | b'-'), a, b] => zone_ms(&[*sign, *a, *b, b'0', b'0']),
        _ => zone_ms(text),
    }
}

/// `2026-11-23T02:23:40.123456+00:00` as Unix ms.
pub(crate) fn rfc3339(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let separators = [4, 7, 10, 13, 16].map(|position| head[position]);
    if separators != *b"--T::" {
        return None;
    }
    let civil = Civil {
        year: digits(&head[..4])?,
        month: digits(&head[5..7])?,
        day: digits(&head[8..10])?,
        hour: digits(&head[11..13])?,
        minute: digits(&head[14..16])?,
        second: digits(&head[17..])?,
    };
    let (milliseconds, zone) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, zone) = rest.split_at(length);
            if !(1..=9).contains(&length) {
                return None;
            }
            let mut scaled = [b'0'; 3];
            let kept = length.min(3);
            scaled[..kept].copy_from_slice(&fraction[..kept]);
            (digits(&scaled)?, zone)
        }
        None => (0, rest),
    };
    Some(civil.utc_ms()? + milliseconds - zone_ms(zone)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        let at = |year, month, day| {
            Civil {
                year,
                month,
                day,
                hour: 0,
                minute: 0,
                second: 0,
            }
            .utc_ms()
        };
        assert_eq!(at(1970, 1, 1), Some(0));
        assert_eq!(at(2000, 2, 29), Some(951_782_400_000));
        assert_eq!(at(2026, 11, 23), Some(1_795_392_000_000));
        assert_eq!(at(2026, 2, 29), None);
        assert_eq!(at(1900, 2, 29), None);
        assert_eq!(at(2026, 13, 1), None);
    }

    #[test]
    fn every_day_of_two_centuries_has_its_year() {
        for year in 1900..2100 {
            let first = days_from_civil(year, 1, 1) * DAY_MS;
            assert_eq!(year_of(first), year);
            assert_eq!(year_of(first - 1), year - 1);
        }
    }

    #[test]
    fn a_moment_is_what_it_was_made_of() {
        // Each day of eight centuries, at some second of it.
        for day in -150_000..150_000_i64 {
            let moment_ms = day * DAY_MS + day.rem_euclid(86_400) * 1000;
            let civil = Civil::of_ms(moment_ms + 999);
            assert_eq!(civil.utc_ms(), Some(moment_ms), "{civil:?}");
        }
        for (moment_ms, of_week) in [
            (0, 3),
            (-1, 2),
            (1_795_392_000_000, 0),
            (1_795_391_999_999, 6),
        ] {
            assert_eq!(weekday(moment_ms), of_week, "{moment_ms}");
        }
        // A log may say any time.
        for moment_ms in [i64::MIN, i64::MAX] {
            let _ = (Civil::of_ms(moment_ms), weekday(moment_ms));
        }
    }

    #[test]
    fn zones() {
        assert_eq!(zone_ms(b"+0000"), Some(0));
        assert_eq!(zone_ms(b"Z"), Some(0));
        assert_eq!(zone_ms(b"-0730"), Some(-27_000_000));
        assert_eq!(zone_ms(b"+05:45"), Some(20_700_000));
        assert_eq!(zone_ms(b"+2x00"), None);
        assert_eq!(zone_ms(b"+9900"), None);
        assert_eq!(zone_ms(b"+02"), None);
        assert_eq!(short_zone_ms(b"+02"), Some(7_200_000));
        assert_eq!(short_zone_ms(b"-0730"), Some(-27_000_000));
        assert_eq!(short_zone_ms(b"x02"), None);
    }
}
