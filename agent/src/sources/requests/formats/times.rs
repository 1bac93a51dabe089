//! Times of structured lines, in the forms that programs choose from.
//!
//! Pure.

use super::decimal::decimal;
use super::nginx::TimeCache;
use super::object::Value;
use crate::sources::tail::calendar::rfc3339;

/// Unix ms of a value: a number since 1970, RFC 3339, or the form of common logs.
pub(super) fn unix_ms(value: Value<'_>) -> Option<i64> {
    let text = value.plain()?;
    if let Some(seconds) = decimal(text, 0) {
        return since_epoch(text, seconds);
    }
    match text.get(10) {
        Some(b'T') => rfc3339(text),
        // `2026-11-23 02:23:40.123Z`, as some write it.
        Some(b' ') => {
            let mut joined = [0; 40];
            let joined = joined.get_mut(..text.len())?;
            joined.copy_from_slice(text);
            joined[10] = b'T';
            rfc3339(joined)
        }
        _ => TimeCache::default().unix_ms(text.try_into().ok()?),
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds, told apart by their size: each range ends
/// in the year 5138, and begins in 1973 but for seconds.
fn since_epoch(text: &[u8], number: i64) -> Option<i64> {
    const SECONDS_END: u64 = 100_000_000_000;
    let power = match number.unsigned_abs() {
        number if number < SECONDS_END => 3,
        number if number < SECONDS_END * 1000 => 0,
        number if number < SECONDS_END * 1_000_000 => -3,
        _ => -6,
    };
    decimal(text, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_time_is_found() {
        for (text, time_ms) in [
            ("1763865000", Some(1_763_865_000_000)),
            ("1763865000.1236", Some(1_763_865_000_124)),
            ("1763865000123", Some(1_763_865_000_123)),
            ("1763865000123.4", Some(1_763_865_000_123)),
            ("1763865000123456", Some(1_763_865_000_123)),
            ("1763865000123456789", Some(1_763_865_000_123)),
            ("2025-11-23T02:30:00Z", Some(1_763_865_000_000)),
            ("2025-11-23T02:30:00.123456789Z", Some(1_763_865_000_123)),
            ("2025-11-23T03:30:00.5+01:00", Some(1_763_865_000_500)),
            ("2025-11-23 02:30:00.5Z", Some(1_763_865_000_500)),
            ("23/Nov/2025:02:30:00 +0000", Some(1_763_865_000_000)),
            ("-5", Some(-5000)),
            ("99999999999999999999", None),
            ("2025-11-23T02:30:00", None),
            (
                "2025-11-23 02:30:00 and a text that is longer than any time",
                None,
            ),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(unix_ms(Value::Text(text.as_bytes())), time_ms, "{text}");
        }
        assert_eq!(unix_ms(Value::Missing), None);
    }
}
