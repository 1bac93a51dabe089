//! Times of application logs, told by their shape.
//!
//! Pure. Known are RFC 3339 and `2026-11-25 09:48:55,123`, Unix time in seconds to nanoseconds,
//! syslog's `Nov 25 09:48:55`, and what `strftime("%c")` makes in the C and in English locales.

use super::super::syslog;
use crate::sources::tail::calendar::{Civil, digits, month, short_zone_ms};
use crate::sources::tail::zone::Zone;

/// Unix times from here on are ms, µs, ns; below it is seconds, up to the year 5138.
const SECONDS_END: i64 = 100_000_000_000;

/// Longest text that is looked at, bytes.
const TIME_MAX_BYTES: usize = 64;

/// Unix time of a text, ms. The zone is for texts that name none.
pub(super) fn parse(text: &str, zone: &Zone, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if text.len() > TIME_MAX_BYTES {
        return None;
    }
    if text.as_bytes().get(4) == Some(&b'-') {
        return civil(text.as_bytes(), zone);
    }
    if text.as_bytes().first()?.is_ascii_digit() {
        return epoch(text);
    }
    syslog::dated(&format!("{text} "), zone, now_ms)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(time_ms, _)| time_ms)
        .or_else(|| words(text, zone))
}

/// `2026-11-25`, `T` or a space, `09:48:55`, a fraction, a zone.
fn civil(text: &[u8], zone: &Zone) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let moment = Civil::dashed(head, b"Tt _")?.utc_ms()?;
    let (milliseconds, rest) = match rest.split_first() {
        Some((b'.' | b',', rest)) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, rest) = rest.split_at_checked(length)?;
            (thousandths(fraction)?, rest)
        }
        _ => (0, rest),
    };
    let moment = moment + milliseconds;
    match rest.trim_ascii_start() {
        b"" => Some(zone.unix_ms(moment)),
        b"UTC" | b"GMT" | b"z" => Some(moment),
        offset => Some(moment - short_zone_ms(offset)?),
    }
}

/// The first three digits behind the point, filled up.
fn thousandths(fraction: &[u8]) -> Option<i64> {
    let mut scaled = [b'0'; 3];
    for (place, digit) in scaled.iter_mut().zip(fraction) {
        *place = *digit;
    }
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    digits(&scaled)
}

fn epoch(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let number = digits(whole.as_bytes())?;
    digits(fraction.as_bytes())?;
    let thousand = |times: u32| number.checked_div(1000_i64.pow(times));
    if number < SECONDS_END {
        let fraction = fraction.get(..fraction.len().min(9))?;
        return number
            .checked_mul(1000)?
            .checked_add(thousandths(fraction.as_bytes())?);
    }
    if number < SECONDS_END * 1000 {
        Some(number)
    } else if number < SECONDS_END * 1_000_000 {
        thousand(1)
    } else {
        thousand(2)
    }
}

/// `Wed Nov 25 09:48:55 2026`, `Wed 25 Nov 2026 09:48:55 AM UTC`: words in any order.
fn words(text: &str, zone: &Zone) -> Option<i64> {
    let mut date = Civil {
        year: 0,
        month: 0,
        day: 0,
        hour: -1,
        minute: 0,
        second: 0,
    };
    let (mut half_day, mut at_utc) = (None, false);
    for word in text.split_ascii_whitespace() {
        let bytes = word.trim_end_matches(',').as_bytes();
        if let Some((hour, rest)) = word.split_once(':') {
            let (minute, second) = rest.split_once(':')?;
            date.hour = digits(hour.as_bytes())?;
            date.minute = digits(minute.as_bytes())?;
            date.second = digits(second.as_bytes())?;
        } else if let Some(number) = month(bytes) {
            date.month = number;
        } else if let Some(number) = digits(bytes) {
            if bytes.len() == 4 {
                date.year = number;
            } else {
                date.day = number;
            }
        } else {
            match word {
                "AM" | "am" => half_day = Some(0),
                "PM" | "pm" => half_day = Some(12),
                "UTC" | "GMT" => at_utc = true,
                // A weekday, or the name of the zone that config tells.
                _ if bytes.iter().all(u8::is_ascii_alphabetic) => {}
                _ => return None,
            }
        }
    }
    if let Some(half_day) = half_day {
        if !(1..=12).contains(&date.hour) {
            return None;
        }
        date.hour = date.hour % 12 + half_day;
    }
    // Without a year or a date there is none.
    let moment = date.utc_ms().filter(|moment| *moment >= 0)?;
    Some(if at_utc { moment } else { zone.unix_ms(moment) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 Nov 2026, 10:00 UTC.
    const NOW_MS: i64 = 1_795_600_800_000;

    #[test]
    fn times_are_told_by_their_shape() {
        let zone = Zone::of("+01:00");
        for (text, expected) in [
            ("2026-11-25T09:35:36Z", 1_795_599_336_000),
            ("2026-11-25T09:35:36.5z", 1_795_599_336_500),
            ("2026-11-25T10:35:36.123456789+01:00", 1_795_599_336_123),
            ("2026-11-25 10:35:36,123", 1_795_599_336_123),
            ("2026-11-25 10:35:36.1", 1_795_599_336_100),
            ("2026-11-25 10:35:36", 1_795_599_336_000),
            ("2026-11-25 09:35:36 UTC", 1_795_599_336_000),
            ("2026-11-25 11:35:36 +0200", 1_795_599_336_000),
            ("2026-11-25 09:35:36.123456+00", 1_795_599_336_123),
            ("2026-11-25 07:35:36-02", 1_795_599_336_000),
            ("1795599336", 1_795_599_336_000),
            ("1795599336.25", 1_795_599_336_250),
            ("1795599336250", 1_795_599_336_250),
            ("1795599336250.7", 1_795_599_336_250),
            ("1795599336250000", 1_795_599_336_250),
            ("179559933625000000", 179_559_933_625),
            ("Nov 25 10:35:36", 1_795_599_336_000),
            ("Wed Nov 25 10:35:36 2026", 1_795_599_336_000),
            ("Wed 25 Nov 2026 10:35:36 AM CET", 1_795_599_336_000),
            ("Wed 25 Nov 2026 09:35:36 PM UTC", 1_795_642_536_000),
            ("Wed 25 Nov 2026 12:00:00 AM UTC", 1_795_564_800_000),
        ] {
            assert_eq!(parse(text, &zone, NOW_MS), Some(expected), "{text}");
        }
        for text in [
            "",
            "now",
            "-1",
            "2026-11-25",
            "2026-13-25 10:35:36",
            "2026-11-25x10:35:36",
            "2026-11-25 10:35:36,",
            "2026-11-25 10:35:36 Berlin",
            "1795599336.x",
            "99999999999999999999",
            "Wed Nov 25 2026",
            "Wed Nov 25 13:35:36 PM 2026",
            "Wed Nov 31 10:35:36 2026",
            "Nov 25 10:35:36 x",
            "ä",
        ] {
            assert_eq!(parse(text, &zone, NOW_MS), None, "{text}");
        }
        assert_eq!(parse(&"1".repeat(100), &zone, NOW_MS), None);
    }
}
