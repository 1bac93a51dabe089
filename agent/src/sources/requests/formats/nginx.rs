//! Lines of nginx's `combined` log format, with `$request_time` behind it or not.
//!
//! Pure, and without an allocation per line. What the client sends (user, request, referer, agent)
//! is told from nginx's own fields by their quotes, which nginx escapes inside of them (`\x22`; a
//! backslash is `\x5C`), and the unquoted user by the time being anchored at the first quote.
//! A latency is taken from the first bare field behind the quoted ones if it is written as
//! `$request_time` is (`0.123`), or from `rt=` or `request_time=`; anything else has none.

use memchr::memchr;

use super::{LineParser, Reading, Unread};
use crate::sources::requests::line::{Line, Request};
use crate::sources::tail::calendar::{Civil, digits, month, zone_ms};

/// `[23/Nov/2026:02:23:40 +0000] ` before the request's opening quote.
const TIME_BYTES: usize = 26;

const NO_STATUS: Unread = "no status of three digits behind the request";
const NO_BYTES: Unread = "no byte count behind the status";

/// The time of the line before: most lines share theirs.
#[derive(Clone, Copy, Debug, Default)]
struct TimeCache {
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

/// Reads nginx's lines.
#[derive(Debug, Default)]
pub struct Nginx {
    times: TimeCache,
}

impl LineParser for Nginx {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let quote = memchr(b'"', line).ok_or("no quoted request")?;
        let head = line[..quote]
            .split_last_chunk::<{ TIME_BYTES + 3 }>()
            .ok_or("no [time] before the request")?;
        let (client, bracketed) = head;
        let [b'[', time @ .., b']', b' '] = bracketed else {
            return Err("no [time] before the request");
        };
        let time_ms = self.times.unix_ms(time).ok_or("the time is no date")?;
        let (request, rest) =
            quoted(&line[quote + 1..]).ok_or("the request's quotes do not close")?;
        let rest = rest.strip_prefix(b" ").ok_or(NO_STATUS)?;
        let (status, rest) = rest.split_first_chunk::<3>().ok_or(NO_STATUS)?;
        let status = digits(status).and_then(|status| u16::try_from(status).ok());
        let rest = rest.strip_prefix(b" ").ok_or(NO_BYTES)?;
        let end = memchr(b' ', rest).unwrap_or(rest.len());
        let response_bytes = match &rest[..end] {
            b"-" => Some(0),
            text => digits(text).and_then(|bytes| u64::try_from(bytes).ok()),
        };
        Ok(Reading::Request(Line {
            time_ms,
            request: Request::Line(request),
            status: status.ok_or(NO_STATUS)?,
            response_bytes: response_bytes.ok_or(NO_BYTES)?,
            latency_us: latency_us(&rest[end..]),
            upstream_latency_us: None,
            client: &client[..memchr(b' ', client).unwrap_or(client.len())],
            site: b"",
        }))
    }
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
