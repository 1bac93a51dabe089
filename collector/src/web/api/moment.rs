//! Moments as people and programs write them: RFC 3339, Unix time, how long ago, or `now`.
//!
//! Pure: a moment that is relative stays so until the caller says what time it is, so that the same
//! question asked twice is known as the same.

use tz::{DateTime, UtcDateTime};

/// The latest moment that ClickHouse's `DateTime` knows, 2106-02-07, Unix ms.
const LATEST_MS: i64 = 4_294_967_295_000;
/// Bare numbers in this unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Unix seconds.
    Seconds,
    /// Unix ms.
    Milliseconds,
}

impl Unit {
    const fn in_ms(self) -> i64 {
        match self {
            Self::Seconds => 1000,
            Self::Milliseconds => 1,
        }
    }
}

/// A moment, or how long before the time at which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Unix ms.
    At(i64),
    /// Seconds before now; 0 is now.
    Ago(i64),
}

impl Moment {
    /// Reads one; `None` where it is none, or one that ClickHouse cannot hold.
    pub(crate) fn parse(text: &str, unit: Unit) -> Option<Self> {
        if text == "now" {
            return Some(Self::Ago(0));
        }
        if let Some(ago) = text.strip_prefix('-') {
            return ago_seconds(ago).map(Self::Ago);
        }
        let ms = match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<i64>().ok()?.checked_mul(unit.in_ms())?,
            false => rfc3339_ms(text)?,
        };
        (0..=LATEST_MS).contains(&ms).then_some(Self::At(ms))
    }

    /// Unix ms, never before 1970.
    pub(crate) const fn ms(self, now_ms: i64) -> i64 {
        let ms = match self {
            Self::At(ms) => ms,
            Self::Ago(seconds) => now_ms.saturating_sub(seconds.saturating_mul(1000)),
        };
        if ms < 0 { 0 } else { ms }
    }

    /// As a key of what was asked: the same text for the same question.
    pub(crate) fn key(self) -> String {
        match self {
            Self::At(ms) => ms.to_string(),
            Self::Ago(seconds) => format!("-{seconds}s"),
        }
    }
}

/// `90s`, `30m`, `6h`, `7d`, `4w`.
fn ago_seconds(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<i64>().ok().filter(|_| is_number)?;
    let seconds = number.checked_mul(unit)?;
    (seconds <= LATEST_MS / 1000).then_some(seconds)
}

/// `2026-11-29T10:00:00Z`, with a fraction or an offset where there is one.
fn rfc3339_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 || bytes.len() > 40 {
        return None;
    }
    let is_at = |at: usize, any: &[u8]| any.contains(&bytes[at]);
    let separators =
        is_at(4, b"-") && is_at(7, b"-") && is_at(10, b"Tt ") && is_at(13, b":") && is_at(16, b":");
    if !separators {
        return None;
    }
    let rest = &text[19..];
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let moment = UtcDateTime::new(
        number(&text[0..4])?,
        number(&text[5..7])?,
        number(&text[8..10])?,
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
        0,
    )
    .ok()?;
    let seconds = moment.unix_time().checked_sub(offset_seconds(zone)?)?;
    seconds
        .checked_mul(1000)?
        .checked_add(fraction_ms(fraction)?)
}

fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// `.5` is 500 ms; what is less than a ms is left out.
fn fraction_ms(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix('.').filter(|digits| !digits.is_empty())?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let first: String = digits.chars().chain("00".chars()).take(3).collect();
    first.parse().ok()
}

/// East of Greenwich is positive.
fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes): (i64, i64) = match (hours.len(), minutes.len()) {
        (2, 2) => (number(hours)?, number(minutes)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// RFC 3339 in UTC; with ms where there are some.
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    let (seconds, ms) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
    let text = civil(seconds, 'T');
    match ms {
        0 => format!("{text}Z"),
        ms => format!("{text}.{ms:03}Z"),
    }
}

/// `2026-11-29 10:00:00`, as a parameter of type `DateTime`: a number of few digits would be taken for
/// a date.
pub(crate) fn date_time(unix_ms: i64) -> String {
    civil(unix_ms.div_euclid(1000), ' ')
}

fn civil(unix_seconds: i64, separator: char) -> String {
    // Moments are between 1970 and 2106.
    let at = DateTime::from_timespec(unix_seconds, 0, tz::TimeZoneRef::utc());
    at.map_or_else(
        |_| unix_seconds.to_string(),
        |at| {
            format!(
                "{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}",
                at.year(),
                at.month(),
                at.month_day(),
                at.hour(),
                at.minute(),
                at.second()
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: i64 = 1_795_946_400_000;

    #[test]
    fn moments_are_read_in_every_form() {
        for (text, want) in [
            ("2026-11-29T10:00:00Z", Moment::At(TEN)),
            ("2026-11-29t10:00:00z", Moment::At(TEN)),
            ("2026-11-29T11:30:00.25+01:30", Moment::At(TEN + 250)),
            ("2026-11-29T09:59:59.9999-00:00", Moment::At(TEN - 1)),
            ("1795946400", Moment::At(TEN)),
            ("0", Moment::At(0)),
            ("now", Moment::Ago(0)),
            ("-90s", Moment::Ago(90)),
            ("-2h", Moment::Ago(7200)),
            ("-4w", Moment::Ago(28 * 86_400)),
        ] {
            assert_eq!(Moment::parse(text, Unit::Seconds), Some(want), "{text}");
        }
        let ms = Moment::parse("1795946400123", Unit::Milliseconds);
        assert_eq!(ms, Some(Moment::At(TEN + 123)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "-",
            "-h",
            "--1h",
            "-1y",
            "-1",
            "- 1h",
            "-99999999999999999999d",
            "-9223372036854775807d",
            "2026-11-29",
            "2026-13-29T10:00:00Z",
            "2026-02-30T10:00:00Z",
            "2026-11-29T10:00:00",
            "2026-11-29T10:00:00+1",
            "2026-11-29T10:00:00.Z",
            "2026-11-29T10:00:00+99:00",
            "+026-11-29T10:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "4294967296",
            "99999999999999999999",
            "١٢٣",
            "now'",
        ] {
            assert_eq!(Moment::parse(text, Unit::Seconds), None, "{text}");
        }
    }

    #[test]
    fn moments_are_written_as_they_are_read() {
        assert_eq!(rfc3339(TEN), "2026-11-29T10:00:00Z");
        assert_eq!(rfc3339(TEN + 5), "2026-11-29T10:00:00.005Z");
        assert_eq!(date_time(0), "1970-01-01 00:00:00");
        assert_eq!(Moment::Ago(60).ms(TEN), TEN - 60_000);
        assert_eq!(Moment::Ago(i64::MAX).ms(TEN), 0);
    }
}
