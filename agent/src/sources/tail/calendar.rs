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

/// Year of a Unix time, UTC.
pub(crate) fn year_of(unix_ms: i64) -> i64 {
    let days = unix_ms.div_euclid(DAY_MS);
    // A first guess is off by one at most.
    let mut year = 1970 + days.div_euclid(365) - days.div_euclid(365) / 1461;
    while days_from_civil(year, 1, 1) > days {
        year -= 1;
    }
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    year
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
    fn zones() {
        assert_eq!(zone_ms(b"+0000"), Some(0));
        assert_eq!(zone_ms(b"Z"), Some(0));
        assert_eq!(zone_ms(b"-0730"), Some(-27_000_000));
        assert_eq!(zone_ms(b"+05:45"), Some(20_700_000));
        assert_eq!(zone_ms(b"+2x00"), None);
        assert_eq!(zone_ms(b"+9900"), None);
    }
}
