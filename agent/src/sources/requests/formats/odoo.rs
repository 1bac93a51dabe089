//! Requests in Odoo's own log: lines of its logger `werkzeug`.
//!
//! Pure. The log holds what all of Odoo has to say; lines of other loggers, and those that go on
//! without a head (tracebacks), are no requests. Times are UTC: Odoo sets its process to that zone.
//! A latency is the SQL time and the rest together, which Odoo writes behind the line.
//! Werkzeug escapes no quotes, so the request ends at the line's last one: what follows is Odoo's.
//! It also colours requests by their status, in files too; the colours are taken off.

use super::{LineParser, Reading, Unread};
use crate::sources::requests::formats::durations::decimal_seconds_us;
use crate::sources::requests::line::{Line, Request};
use crate::sources::tail::calendar::{Civil, digits};

/// `2026-11-25 09:35:36,123 `
const TIME_BYTES: usize = 24;

/// `25/Nov/2026 09:35:36`
const DATE_BYTES: usize = 20;

const NO_HEAD: Unread = "no `date time,ms pid LEVEL database logger:` at the start";
const NO_STATUS: Unread = "no status of three digits behind the request";
const NO_BYTES: Unread = "no byte count behind the status";

/// Reads Odoo's lines.
#[derive(Debug, Default)]
pub struct Odoo {
    /// Whether a line with a head was seen: what has none goes on with it.
    begun: bool,
}

impl LineParser for Odoo {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let Some((time_ms, logger, message)) = head(line) else {
            return if self.begun {
                Ok(Reading::Other)
            } else {
                Err(NO_HEAD)
            };
        };
        self.begun = true;
        if logger != b"werkzeug" {
            return Ok(Reading::Other);
        }
        // `1.2.3.4 - - [25/Nov/2026 09:35:36] "`; anything else is what the server says of itself.
        let client = &message[..memchr::memchr(b' ', message).unwrap_or(message.len())];
        let Some(rest) = message[client.len()..].strip_prefix(b" - - [") else {
            return Ok(Reading::Other);
        };
        // Right behind the date: a message about a bad request holds the client's text, quotes and
        // brackets, too.
        let request = rest
            .get(DATE_BYTES..)
            .and_then(|rest| rest.strip_prefix(b"] \""));
        let Some(request) = request else {
            return Ok(Reading::Other);
        };
        let end = memchr::memrchr(b'"', request).ok_or("the request's quotes do not close")?;
        let mut fields = request[end + 1..]
            .split(u8::is_ascii_whitespace)
            .filter(|field| !field.is_empty());
        let status = fields.next().filter(|field| field.len() == 3);
        let status = status.and_then(digits).ok_or(NO_STATUS)?;
        let response_bytes = match fields.next().ok_or(NO_BYTES)? {
            b"-" => 0,
            text => digits(text).ok_or(NO_BYTES)?,
        };
        let mut seconds = fields.skip(1).map(decimal_seconds_us);
        let latency_us = match (seconds.next().flatten(), seconds.next().flatten()) {
            (Some(sql), Some(rest)) => Some(sql + rest),
            _ => None,
        };
        Ok(Reading::Request(Line {
            time_ms,
            request: Request::Line(plain(&request[..end])),
            status: u16::try_from(status).map_err(|_| NO_STATUS)?,
            response_bytes: u64::try_from(response_bytes).map_err(|_| NO_BYTES)?,
            latency_us,
            upstream_latency_us: None,
            client,
            site: b"",
        }))
    }
}

/// The request without the colours around it.
fn plain(mut request: &[u8]) -> &[u8] {
    while let Some(rest) = request.strip_prefix(b"\x1b[") {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match rest[digits..].strip_prefix(b"m") {
            Some(rest) => request = rest,
            None => break,
        }
    }
    request.strip_suffix(b"\x1b[0m").unwrap_or(request)
}

/// Time, logger and message.
fn head(line: &[u8]) -> Option<(i64, &[u8], &[u8])> {
    let (time, rest) = line.split_first_chunk::<TIME_BYTES>()?;
    let time_ms = time_ms(time)?;
    let mut words = rest.splitn(4, |&byte| byte == b' ');
    digits(words.next()?)?;
    let level = words.next()?;
    if level.is_empty() || !level.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    words.next()?;
    let rest = words.next()?;
    let colon = memchr::memchr2(b':', b' ', rest)?;
    let message = rest[colon..].strip_prefix(b":")?;
    Some((
        time_ms,
        &rest[..colon],
        message.strip_prefix(b" ").unwrap_or(message),
    ))
}

fn time_ms(text: &[u8; TIME_BYTES]) -> Option<i64> {
    let separators = [4, 7, 10, 13, 16, 19, 23].map(|position| text[position]);
    if separators != *b"-- ::, " {
        return None;
    }
    let civil = Civil {
        year: digits(&text[..4])?,
        month: digits(&text[5..7])?,
        day: digits(&text[8..10])?,
        hour: digits(&text[11..13])?,
        minute: digits(&text[14..16])?,
        second: digits(&text[17..19])?,
    };
    Some(civil.utc_ms()? + digits(&text[20..23])?)
}
