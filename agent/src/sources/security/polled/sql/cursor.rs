//! Columns that grow: numbers, timestamps and Unix time. Pure.

use serde::{Deserialize, Serialize};

use crate::sources::tail::calendar::{Civil, civil_from_days, digits, short_zone_ms};

/// What a cursor's column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorKind {
    /// A date and a time, with or without a zone.
    #[default]
    Timestamp,
    /// Seconds of Unix time, with or without a fraction.
    UnixS,
    /// A number that a sequence gives.
    Integer,
}

impl CursorKind {
    /// A column's text as a number: µs for times, as if those without a zone were UTC.
    pub(super) fn parse(self, text: &str) -> Option<i64> {
        match self {
            Self::Integer => text.parse().ok(),
            Self::Timestamp => timestamp_us(text),
            Self::UnixS => unix_us(text),
        }
    }

    /// Whether a column's text names its zone.
    pub(super) fn is_zoned(self, text: &str) -> bool {
        let behind = text.get(19..).unwrap_or_default();
        self == Self::Timestamp && behind.contains(['+', '-', 'Z'])
    }

    /// The number as it stands in a query.
    pub(super) fn literal(self, cursor: i64) -> String {
        match self {
            Self::Integer => cursor.to_string(),
            Self::Timestamp => format!("'{}'", written(cursor)),
            Self::UnixS => {
                // Below 0 there are no logins.
                let cursor = cursor.max(0);
                format!("{}.{:06}", cursor / 1_000_000, cursor % 1_000_000)
            }
        }
    }

    /// How far back a configured lookback reaches.
    pub(super) fn lookback(self, configured: u64) -> i64 {
        let configured = i64::try_from(configured).unwrap_or(i64::MAX);
        match self {
            Self::Integer => configured,
            Self::Timestamp | Self::UnixS => configured.saturating_mul(1000),
        }
    }

    /// What it is called in an error.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Timestamp => "a timestamp",
            Self::UnixS => "Unix time in seconds",
        }
    }
}

/// `2026-11-25 09:35:36`, with a `T`, a fraction and a zone where there are.
fn timestamp_us(text: &str) -> Option<i64> {
    let (head, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let civil_ms = Civil::dashed(head, b"T ")?.utc_ms()?;
    let (fraction_us, rest) = match rest.split_first() {
        Some((b'.', rest)) => fraction(rest)?,
        _ => (0, rest),
    };
    let offset_ms = match rest {
        b"" => 0,
        zone => short_zone_ms(zone)?,
    };
    civil_ms
        .checked_sub(offset_ms)?
        .checked_mul(1000)?
        .checked_add(fraction_us)
}

/// `1795599336.25`, also as `1.79559933625e+09`.
fn unix_us(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
        let seconds: f64 = text.parse().ok()?;
        let us = seconds * 1e6;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be in range, and a fraction of a µs is no matter"
        )]
        return (0.0..9e18).contains(&us).then_some(us as i64);
    }
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    let (fraction_us, rest) = match behind {
        "" => (0, &b""[..]),
        behind => fraction(behind.as_bytes())?,
    };
    if !rest.is_empty() {
        return None;
    }
    digits(whole.as_bytes())?
        .checked_mul(1_000_000)?
        .checked_add(fraction_us)
}

/// Up to six digits in µs; further ones are cut.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text.split_at_checked(length)?;
    if fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let mut scaled = [b'0'; 6];
    for (place, digit) in scaled.iter_mut().zip(fraction) {
        *place = *digit;
    }
    Some((digits(&scaled)?, rest))
}

/// µs as `2026-11-25 09:35:36.000001`, within the years 1 to 9999.
pub(in super::super) fn written(us: i64) -> String {
    const FIRST_DAY: i64 = -719_162;
    const LAST_DAY: i64 = 2_932_896;
    const DAY_US: i64 = 86_400_000_000;
    let day = us.div_euclid(DAY_US);
    let us = match day {
        ..FIRST_DAY => FIRST_DAY * DAY_US,
        FIRST_DAY..=LAST_DAY => us,
        _ => (LAST_DAY + 1) * DAY_US - 1,
    };
    let (day, within) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
    let (year, month, day) = civil_from_days(day);
    let second = within / 1_000_000;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:06}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        within % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT_US: i64 = 1_795_599_336_000_000;

    #[test]
    fn columns_are_read_by_their_kind() {
        for (kind, text, expected) in [
            (CursorKind::Integer, "42", Some(42)),
            (CursorKind::Integer, "-1", Some(-1)),
            (CursorKind::Integer, "4.2", None),
            (CursorKind::Timestamp, "2026-11-25 09:35:36", Some(AT_US)),
            (
                CursorKind::Timestamp,
                "2026-11-25 09:35:36.5",
                Some(AT_US + 500_000),
            ),
            (
                CursorKind::Timestamp,
                "2026-11-25 09:35:36.000001+00",
                Some(AT_US + 1),
            ),
            (CursorKind::Timestamp, "2026-11-25 10:35:36+01", Some(AT_US)),
            (
                CursorKind::Timestamp,
                "2026-11-25T11:05:36+01:30",
                Some(AT_US),
            ),
            (CursorKind::Timestamp, "infinity", None),
            (CursorKind::Timestamp, "0000-00-00 00:00:00", None),
            (CursorKind::Timestamp, "2026-11-25 09:35:36 BC", None),
            (CursorKind::UnixS, "1795599336", Some(AT_US)),
            (CursorKind::UnixS, "1795599336.25", Some(AT_US + 250_000)),
            (CursorKind::UnixS, "1.795599336e+09", Some(AT_US)),
            (CursorKind::UnixS, "1795599336.x", None),
            (CursorKind::UnixS, "NaN", None),
            (CursorKind::UnixS, "-5", None),
        ] {
            assert_eq!(kind.parse(text), expected, "{kind:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(us in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let kind = CursorKind::Timestamp;
            let literal = kind.literal(us);
            let text = literal.trim_matches('\'');
            prop_assert_eq!(kind.parse(text), Some(us), "{}", text);
            if us >= 0 {
                let kind = CursorKind::UnixS;
                prop_assert_eq!(kind.parse(&kind.literal(us)), Some(us));
            }
        }

        #[test]
        fn any_cursor_has_a_literal_of_numbers(us in any::<i64>()) {
            for kind in [CursorKind::Timestamp, CursorKind::UnixS, CursorKind::Integer] {
                let literal = kind.literal(us);
                prop_assert!(literal.bytes().all(|byte| b"0123456789-:. '".contains(&byte)), "{}", literal);
                prop_assert!(literal.len() <= 28);
            }
        }
    }
}
