//! Durations in log lines: how nginx writes them, and where its log formats put them.
//!
//! Pure, and without an allocation. Promises that what a client sends is never taken for a
//! duration: quoted fields are passed over unless their place never held anything else, and bare
//! ones are not a client's.

use super::nginx::quoted;
use crate::sources::tail::calendar::digits;

/// Longer than any request: `$msec` is written as durations are, and stands for a date.
const SECONDS_MAX: i64 = 100_000_000;

/// Quoted fields behind the byte count that are a client's in every usual format: referer and
/// agent.
const CLIENT_FIELDS: u32 = 2;

/// Quoted fields whose place is remembered.
const PLACES_MAX: u32 = 64;

/// What a line says of durations, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Durations {
    pub(super) latency_us: Option<u64>,
    pub(super) upstream_us: Option<u64>,
}

/// Finds durations in the lines of one file.
///
/// The latency is what `rt=` or `request_time=` names, or else the first bare field behind referer
/// and agent if it is written as `$request_time` is, or a quoted one there. The application's is
/// what `urt=` or `upstream_response_time=` names, or else what follows the latency: with connect
/// and header times beside it, the longest of them, which is always that of the response.
#[derive(Debug, Default)]
pub(super) struct DurationFields {
    /// Places of quoted fields that once held something else, one bit each: the header a client
    /// sends stands there, and may look like a duration some day.
    not_durations: u64,
}

impl DurationFields {
    /// Reads the fields behind the byte count.
    pub(super) fn read(&mut self, mut rest: &[u8]) -> Durations {
        let mut named = Durations::default();
        let mut placed = Durations::default();
        let mut quoted_fields = 0;
        let mut bare_fields = 0;
        // Whether the field before was a placed duration.
        let mut follows = false;
        loop {
            rest = rest.trim_ascii_start();
            if let Some(inside) = rest.strip_prefix(b"\"") {
                let Some((inside, after)) = quoted(inside) else {
                    break;
                };
                rest = after;
                quoted_fields += 1;
                if quoted_fields > CLIENT_FIELDS && quoted_fields < PLACES_MAX {
                    follows = if follows {
                        longest(&mut placed, whole_attempts(inside))
                    } else {
                        self.quoted_place(quoted_fields, inside, &mut placed)
                    };
                }
                continue;
            }
            if rest.is_empty() {
                break;
            }
            if follows && let Some((sum, end)) = attempts(rest) {
                rest = &rest[end..];
                longest(&mut placed, Some(sum));
                continue;
            }
            follows = false;
            let end = rest
                .iter()
                .position(|&byte| byte == b' ' || byte == b'"')
                .unwrap_or(rest.len());
            let field = &rest[..end];
            if let Some((latency, value)) = name(field) {
                let after = &rest[end - value..];
                rest = named_value(after, latency, &mut named);
                continue;
            }
            rest = &rest[end..];
            if bare_fields == 0 && quoted_fields >= CLIENT_FIELDS && placed.latency_us.is_none() {
                placed.latency_us = seconds_us(field);
                follows = placed.latency_us.is_some();
            }
            bare_fields += 1;
        }
        Durations {
            latency_us: named.latency_us.or(placed.latency_us),
            upstream_us: named.upstream_us.or(placed.upstream_us),
        }
    }

    /// A quoted field as the latency, if nothing else ever stood at its place.
    fn quoted_place(&mut self, place: u32, inside: &[u8], placed: &mut Durations) -> bool {
        let bit = 1 << place;
        let Some(latency) = seconds_us(inside) else {
            self.not_durations |= bit;
            return false;
        };
        if placed.latency_us.is_some() || self.not_durations & bit != 0 {
            return false;
        }
        placed.latency_us = Some(latency);
        true
    }
}

/// Keeps the longest upstream time. Returns whether there was a field of such times.
fn longest(placed: &mut Durations, field: Option<Option<u64>>) -> bool {
    if let Some(upstream_us) = field {
        placed.upstream_us = placed.upstream_us.max(upstream_us);
    }
    field.is_some()
}

/// Whether a bare field names a latency (true) or an upstream's, and the length of its value.
fn name(field: &[u8]) -> Option<(bool, usize)> {
    if !matches!(field.first(), Some(b'r' | b'u')) {
        return None;
    }
    [
        (b"rt=".as_slice(), true),
        (b"request_time=", true),
        (b"urt=", false),
        (b"upstream_response_time=", false),
    ]
    .into_iter()
    .find_map(|(name, latency)| Some((latency, field.strip_prefix(name)?.len())))
}

/// Reads the value of a named field, quoted or not; returns what follows it.
fn named_value<'a>(text: &'a [u8], latency: bool, named: &mut Durations) -> &'a [u8] {
    let (value, after) = match text.strip_prefix(b"\"").and_then(quoted) {
        Some((inside, after)) => (whole_attempts(inside), after),
        None => match attempts(text) {
            Some((sum, end)) => (Some(sum), &text[end..]),
            None => {
                let end = memchr::memchr2(b' ', b'"', text).unwrap_or(text.len());
                (None, &text[end..])
            }
        },
    };
    let slot = if latency {
        &mut named.latency_us
    } else {
        &mut named.upstream_us
    };
    *slot = slot.or(value.flatten());
    after
}

/// A field that is nothing but the times of attempts.
pub(super) fn whole_attempts(text: &[u8]) -> Option<Option<u64>> {
    let (sum, end) = attempts(text)?;
    (end == text.len()).then_some(sum)
}

/// `0.001, 0.002 : 0.003` or `-`: the times of all attempts together, and where they end.
fn attempts(text: &[u8]) -> Option<(Option<u64>, usize)> {
    let mut sum: Option<u64> = None;
    let mut end = None;
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let length = rest
            .iter()
            .take_while(|&&byte| byte.is_ascii_digit() || byte == b'.')
            .count();
        let attempt = if length > 0 {
            seconds_us(&rest[..length]).map(Some)
        } else {
            rest.starts_with(b"-").then_some(None)
        };
        let length = length.max(1);
        let ended = |rest: &[u8]| matches!(rest.first(), None | Some(b' ' | b'"' | b','));
        let Some(attempt) = attempt.filter(|_| ended(&rest[length..])) else {
            break;
        };
        if let Some(attempt) = attempt {
            sum = Some(sum.unwrap_or(0).saturating_add(attempt));
        }
        at += length;
        end = Some((sum, at));
        let rest = &text[at..];
        if rest.starts_with(b", ") {
            at += 2;
        } else if rest.starts_with(b" : ") {
            at += 3;
        } else {
            break;
        }
    }
    end
}

/// Seconds with exactly three decimals, as nginx writes them.
fn seconds_us(text: &[u8]) -> Option<u64> {
    let (whole, decimals) = text.split_last_chunk::<4>()?;
    let decimals = decimals.strip_prefix(b".")?;
    let seconds = digits(whole).filter(|&seconds| seconds < SECONDS_MAX)?;
    u64::try_from((seconds * 1000 + digits(decimals)?) * 1000).ok()
}

/// Seconds with any number of decimals, cut to µs; `%T` has none.
pub(super) fn decimal_seconds_us(text: &[u8]) -> Option<u64> {
    let point = memchr::memchr(b'.', text).unwrap_or(text.len());
    let seconds = digits(&text[..point]).filter(|&seconds| seconds < SECONDS_MAX)?;
    let mut decimals = [b'0'; 6];
    if point < text.len() {
        let fraction = &text[point + 1..];
        digits(fraction)?;
        let kept = fraction.len().min(decimals.len());
        decimals[..kept].copy_from_slice(&fraction[..kept]);
    }
    u64::try_from(seconds * 1_000_000 + digits(&decimals)?).ok()
}
