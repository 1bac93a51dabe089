//! Times, ages and strangers' text in words.

use crate::alerts::one_line;
use crate::presence::availability::time;

/// Longest name within a sentence, bytes.
const NAME_MAX_BYTES: usize = 40;
/// Longest sentence of somebody else, bytes.
const SENTENCE_MAX_BYTES: usize = 600;
/// Longest name or label by itself, bytes.
const LABEL_MAX_BYTES: usize = 256;

/// A name in a sentence.
pub(super) fn name(text: &str) -> String {
    one_line(text, NAME_MAX_BYTES)
}

/// A name or label by itself.
pub(super) fn label(text: &str) -> String {
    one_line(text, LABEL_MAX_BYTES)
}

/// A sentence of somebody else.
pub(super) fn sentence(text: &str) -> String {
    one_line(text, SENTENCE_MAX_BYTES)
}

/// A time of day, UTC; with the day where that is another one than now's.
#[must_use]
pub fn clock(unix_ms: i64, now_ms: i64) -> String {
    let (text, today) = (time(unix_ms), time(now_ms));
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) if today.starts_with(day) => format!("{minute} UTC"),
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// How long, in the unit that fits.
#[must_use]
pub fn age(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{:.1} s", s.max(0.0)),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// A count and its noun.
pub(super) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}
