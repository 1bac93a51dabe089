//! Lines of nginx's `combined` log format, with durations behind it or not.
//!
//! Pure, and without an allocation per line. What the client sends (user, request, referer, agent)
//! is told from nginx's own fields by their quotes, which nginx escapes inside of them (`\x22`; a
//! backslash is `\x5C`), and the unquoted user by the time being anchored at the first quote.
//! Where durations may stand is told by [`DurationFields`].

use memchr::memchr;

use super::durations::DurationFields;
use super::{LineParser, Reading, Unread};
use crate::sources::requests::line::{Line, Request};
use crate::sources::tail::calendar::{Civil, digits, month, zone_ms};

/// `[23/Nov/2026:02:23:40 +0000] ` before the request's opening quote.
pub(super) const TIME_BYTES: usize = 26;

const NO_STATUS: Unread = "no status of three digits behind the request";
const NO_BYTES: Unread = "no byte count behind the status";

/// The time of the line before: most lines share theirs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimeCache {
    text: [u8; TIME_BYTES],
    unix_ms: i64,
}

impl TimeCache {
    /// `23/Nov/2026:02:23:40 +0000` as Unix ms.
    pub(super) fn unix_ms(&mut self, text: &[u8; TIME_BYTES]) -> Option<i64> {
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
    durations: DurationFields,
}

impl LineParser for Nginx {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let common = common(line, &mut self.times)?;
        let durations = self.durations.read(common.rest);
        Ok(Reading::Request(Line {
            time_ms: common.time_ms,
            request: Request::Line(common.request),
            status: common.status,
            response_bytes: common.response_bytes,
            latency_us: durations.latency_us,
            upstream_latency_us: durations.upstream_us,
            client: first_word(common.before),
            site: b"",
        }))
    }
}

/// What all formats that grew out of the common log format share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common<'a> {
    /// In front of the time: client, identity and user, a virtual host before them or not.
    pub(super) before: &'a [u8],
    pub(super) time_ms: i64,
    pub(super) request: &'a [u8],
    pub(super) status: u16,
    pub(super) response_bytes: u64,
    /// Behind the byte count.
    pub(super) rest: &'a [u8],
}

/// `client identity user [time] "request" status bytes`, and the rest.
pub(super) fn common<'a>(line: &'a [u8], times: &mut TimeCache) -> Result<Common<'a>, Unread> {
    let (head, rest) = quoted(line).ok_or("no quoted request")?;
    let (before, bracketed) = head
        .split_last_chunk::<{ TIME_BYTES + 3 }>()
        .ok_or("no [time] before the request")?;
    let [b'[', time @ .., b']', b' '] = bracketed else {
        return Err("no [time] before the request");
    };
    let time_ms = times.unix_ms(time).ok_or("the time is no date")?;
    let (request, rest) = quoted(rest).ok_or("the request's quotes do not close")?;
    let rest = rest.strip_prefix(b" ").ok_or(NO_STATUS)?;
    let (status, rest) = rest.split_first_chunk::<3>().ok_or(NO_STATUS)?;
    let status = digits(status).and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or(NO_STATUS)?;
    let rest = rest.strip_prefix(b" ").ok_or(NO_BYTES)?;
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let response_bytes = match &rest[..end] {
        b"-" => Some(0),
        text => digits(text).and_then(|bytes| u64::try_from(bytes).ok()),
    };
    Ok(Common {
        before,
        time_ms,
        request,
        status,
        response_bytes: response_bytes.ok_or(NO_BYTES)?,
        rest: &rest[end..],
    })
}

/// Text up to its first space.
pub(super) fn first_word(text: &[u8]) -> &[u8] {
    &text[..memchr(b' ', text).unwrap_or(text.len())]
}

/// Text up to its closing quote, and what follows. A quote behind an odd number of backslashes
/// does not close.
pub(super) fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
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

/// `23/Nov/2026:02:23:40 +0000` as Unix ms.
pub(super) fn time_local(text: &[u8; TIME_BYTES]) -> Option<i64> {
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
