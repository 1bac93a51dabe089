//! Lines of Traefik's access log: its common format and its JSON.
//!
//! Pure. Both begin with the start of the request; with the duration it gives the end. In the
//! common format start and duration have a second and a millisecond; JSON has both in nanoseconds,
//! and how long the service took. `site` is the router in the common format and the requested host
//! in JSON. The client is the last address of what Traefik took for it, which may be a whole
//! `x-forwarded-for`. Of the common format's texts, Traefik leaves client and user as they are; in
//! referer and agent it escapes quotes, but no backslashes; a path has neither quotes nor blanks, a
//! query no blanks. So the last `] "` of a line stands before the request, whatever a client sends,
//! and what is behind the agent is read from the end of the line.

use memchr::{memmem, memrchr};

use super::forwarded::last_address;
use super::nginx::{TIME_BYTES, TimeCache};
use super::object::{Texts, Value, find};
use super::words::{split, status, unsigned, word};
use super::{LineParser, Reading, Unread, times};
use crate::sources::requests::line::{Line, Request};

/// In the order of [`Traefik::json`]'s pattern.
const PATHS: [&[u8]; 12] = [
    b"StartUTC",
    b"StartLocal",
    b"Duration",
    b"OriginDuration",
    b"DownstreamStatus",
    b"DownstreamContentSize",
    b"RequestMethod",
    b"RequestPath",
    b"RequestHost",
    b"ClientHost",
    b"level",
    b"message",
];

const NO_TIME: Unread = "no ` - user [time] \"` behind the client";
const NO_REQUEST: Unread = "no quoted request behind the time";
const NO_STATUS: Unread = "no status behind the request";
const NO_BYTES: Unread = "no byte count behind the status";
const NO_DURATION: Unread = "no `\"router\" \"url\" 12ms` at the end";

/// Reads Traefik's lines.
#[derive(Debug, Default)]
pub struct Traefik {
    times: TimeCache,
    texts: Texts,
}

impl LineParser for Traefik {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        if line.starts_with(b"{") {
            self.json(line)
        } else {
            self.common(line)
        }
    }
}

impl Traefik {
    fn json<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let mut found = [Value::Missing; PATHS.len()];
        find(line, &PATHS, &mut found)?;
        let [
            start,
            local,
            duration,
            origin,
            status,
            size,
            method,
            path,
            host,
            client,
            level,
            message,
        ] = found;
        // Traefik's own log may go to the same place. An access log has no `message`.
        let own = matches!(level, Value::Text(_)) && !message.is_missing();
        if own && status.is_missing() && method.is_missing() {
            return Ok(Reading::Other);
        }
        let start = if start.is_missing() { local } else { start };
        let start_ms = times::unix_ms(start).ok_or("neither `StartUTC` nor `StartLocal`")?;
        let status = status
            .status()
            .ok_or("`DownstreamStatus` is no status, or left out")?;
        let response_bytes = match size {
            Value::Missing => 0,
            size => size
                .unsigned(0)
                .ok_or("`DownstreamContentSize` is no byte count")?,
        };
        let microseconds = |value: Value<'_>| value.unsigned(-3);
        let duration_ms = match duration {
            Value::Missing => 0,
            duration => duration.unsigned(-6).ok_or("`Duration` is no number")?,
        };
        self.texts.clear();
        let [method, path, host] = [method, path, host].map(|value| self.texts.place(value));
        Ok(Reading::Request(Line {
            time_ms: start_ms.saturating_add_unsigned(duration_ms),
            request: Request::Parts {
                method: self.texts.get(method),
                target: self.texts.get(path),
            },
            status,
            response_bytes,
            latency_us: microseconds(duration),
            // 0 where Traefik answered itself.
            upstream_latency_us: microseconds(origin).filter(|&latency| latency > 0),
            client: last_address(client.plain().unwrap_or_default()),
            site: self.texts.get(host),
        }))
    }

    fn common<'a>(&mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let bracket = memmem::rfind(line, b"] \"").ok_or(NO_TIME)?;
        let (before, time) = line[..bracket]
            .split_last_chunk::<TIME_BYTES>()
            .ok_or(NO_TIME)?;
        let client = &before[..memmem::find(before, b" - ").ok_or(NO_TIME)?];
        let start_ms = self.times.unix_ms(time).ok_or("the time is no date")?;
        let (request, rest) = split(&line[bracket + 3..], b"\" ").ok_or(NO_REQUEST)?;
        let (code, rest) = word(rest).ok_or(NO_STATUS)?;
        let status = status(code).ok_or(NO_STATUS)?;
        let (bytes, rest) = word(rest).ok_or(NO_BYTES)?;
        let response_bytes = match bytes {
            b"-" => 0,
            bytes => unsigned(bytes).ok_or(NO_BYTES)?,
        };
        let (rest, duration) = rest.split_at(memrchr(b' ', rest).ok_or(NO_DURATION)?);
        let duration_ms = duration
            .strip_prefix(b" ")
            .and_then(|text| unsigned(text.strip_suffix(b"ms")?))
            .ok_or(NO_DURATION)?;
        let (rest, _url) = last_field(rest).ok_or(NO_DURATION)?;
        let (_, router) = last_field(rest).ok_or(NO_DURATION)?;
        Ok(Reading::Request(Line {
            time_ms: start_ms.saturating_add_unsigned(duration_ms),
            request: Request::Line(request),
            status,
            response_bytes,
            latency_us: Some(duration_ms.saturating_mul(1000)),
            upstream_latency_us: None,
            client: last_address(client),
            site: if router == b"-" { b"" } else { router },
        }))
    }
}

/// Takes ` "field"` or ` -` off the end.
fn last_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(before) = text.strip_suffix(b" -") {
        return Some((before, b"-"));
    }
    let inside = text.strip_suffix(b"\"")?;
    let quote = memmem::rfind(inside, b" \"")?;
    Some((&inside[..quote], &inside[quote + 2..]))
}
