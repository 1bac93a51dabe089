//! Lines of nginx's `combined` log format, with `$request_time` behind it or not.
//!
//! Pure, and without an allocation per line. What the client sends (user, request, referer, agent)
//! is told from nginx's own fields by their quotes, which nginx escapes inside of them (`\x22`; a
//! backslash is `\x5C`), and the unquoted user by the time being anchored at the first quote.
//! A latency is taken from the first bare field behind the quoted ones if it is written as
//! `$request_time` is (`0.123`), or from `rt=` or `request_time=`; anything else has none.

use memchr::memchr;

use crate::sources::tail::calendar::{Civil, digits, month, zone_ms};

/// `[23/Nov/2026:02:23:40 +0000] ` before the request's opening quote.
const TIME_BYTES: usize = 26;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When the request ended, Unix ms, whole seconds.
    pub time_ms: i64,
    /// The request line as escaped by nginx.
    pub request: &'a [u8],
    /// Response status; 0 to 999.
    pub status: u16,
    /// Response body bytes.
    pub response_bytes: u64,
    /// How long it took, µs.
    pub latency_us: Option<u64>,
}

/// The time of the line before: most lines share theirs.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeCache {
    text: [u8; TIME_BYTES],
    unix_ms: i64,
}

impl TimeCache {
    fn unix_ms(&mut self, text: &[u8; TIME_BYTES]) -> Option<i64> {
        if *text != self.text {
            self.unix_ms = time_local(text)?;
            self.text = *text;
        }
        Some(self.unix_ms)
    }
}

/// Reads a line. `None` when it is not of this format.
#[must_use]
pub fn parse<'a>(line: &'a [u8], times: &mut TimeCache) -> Option<Line<'a>> {
    let quote = memchr(b'"', line)?;
    let bracketed: &[u8; TIME_BYTES + 3] = line[..quote].last_chunk()?;
    let [b'[', time @ .., b']', b' '] = bracketed else {
        return None;
    };
    let time_ms = times.unix_ms(time)?;
    let (request, rest) = quoted(&line[quote + 1..])?;
    let rest = rest.strip_prefix(b" ")?;
    let (status, rest) = rest.split_first_chunk::<3>()?;
    let status = u16::try_from(digits(status)?).ok()?;
    let rest = rest.strip_prefix(b" ")?;
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let response_bytes = match &rest[..end] {
        b"-" => 0,
        text => u64::try_from(digits(text)?).ok()?,
    };
    Some(Line {
        time_ms,
        request,
        status,
        response_bytes,
        latency_us: latency_us(&rest[end..]),
    })
}

/// Text up to its closing quote, and what follows.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let quote = from + memchr(b'"', &text[from..])?;
        let slashes = text[..quote]
            .iter()
            .rev()
            .take_while(|&&byte| byte == b'\\')
            .count();
        if slashes % 2 == 0 {
            return Some((&text[..quote], &text[quote + 1..]));
        }
        from = quote + 1;
    }
}

/// Latency in the fields behind the byte count.
fn latency_us(mut rest: &[u8]) -> Option<u64> {
    let mut quoted_fields = 0;
    let mut bare_fields = 0;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(inside) = rest.strip_prefix(b"\"") {
            rest = quoted(inside)?.1;
            quoted_fields += 1;
            continue;
        }
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .iter()
            .position(|&byte| byte == b' ' || byte == b'"')
            .unwrap_or(rest.len());
        let mut field = &rest[..end];
        rest = &rest[end..];
        let named = [b"rt=".as_slice(), b"request_time="]
            .iter()
            .find_map(|name| field.strip_prefix(*name));
        if let Some(value) = named {
            field = value;
            if field.is_empty()
                && let Some(inside) = rest.strip_prefix(b"\"")
            {
                field = quoted(inside)?.0;
            }
            return seconds_us(field);
        }
        // Referer and agent come before it.
        if bare_fields == 0
            && quoted_fields >= 2
            && let Some(latency) = seconds_us(field)
        {
            return Some(latency);
        }
        bare_fields += 1;
    }
}

/// Seconds with exactly three decimals, as nginx writes them.
fn seconds_us(text: &[u8]) -> Option<u64> {
    let (whole, decimals) = text.split_last_chunk::<4>()?;
    let decimals = decimals.strip_prefix(b".")?;
    let milliseconds = digits(whole)?
        .checked_mul(1000)?
        .checked_add(digits(decimals)?)?;
    u64::try_from(milliseconds.checked_mul(1000)?).ok()
}

/// `23/Nov/2026:02:23:40 +0000` as Unix ms.
fn time_local(text: &[u8; TIME_BYTES]) -> Option<i64> {
    let separators = [2, 6, 11, 14, 17, 20].map(|position| text[position]);
    if separators != *b"//::: " {
        return None;
    }
    let local = Civil {
        year: digits(&text[7..11])?,
        month: month(&text[3..6])?,
        day: digits(&text[..2])?,
        hour: digits(&text[12..14])?,
        minute: digits(&text[15..17])?,
        second: digits(&text[18..20])?,
    };
    Some(local.utc_ms()? - zone_ms(&text[21..26])?)
}
