//! Lines of Caddy's access log in its JSON encoding.
//!
//! Pure. Lines of Caddy's other loggers may stand in the same file and are passed over. The
//! duration is in seconds, as Caddy writes it unless told otherwise. `site` is the host that the
//! client asked for. Caddy knows how long an upstream took only where a header says so, so there is
//! no upstream latency.

use super::object::{Texts, Value, find};
use super::{LineParser, Reading, Unread, times};
use crate::sources::requests::line::{Line, Request};

/// In the order of [`Caddy::parse`]'s pattern.
const PATHS: [&[u8]; 12] = [
    b"level",
    b"msg",
    b"ts",
    b"logger",
    b"status",
    b"size",
    b"duration",
    b"request.method",
    b"request.uri",
    b"request.client_ip",
    b"request.remote_ip",
    b"request.host",
];

/// Reads Caddy's lines.
#[derive(Debug, Default)]
pub struct Caddy {
    texts: Texts,
}

impl LineParser for Caddy {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        if line.first() != Some(&b'{') {
            return Err(if is_console(line) {
                "Caddy's console encoding is not read: set `format json` in its log block"
            } else {
                "the line is no JSON object"
            });
        }
        let mut found = [Value::Missing; PATHS.len()];
        find(line, &PATHS, &mut found)?;
        let [
            level,
            message,
            ts,
            logger,
            status,
            size,
            duration,
            method,
            uri,
            client,
            remote,
            host,
        ] = found;
        let errors = logger
            .plain()
            .is_some_and(|name| name.starts_with(b"http.log.error"));
        let own = matches!(level, Value::Text(_)) && !message.is_missing() && !ts.is_missing();
        if own && (errors || (status.is_missing() && method.is_missing())) {
            return Ok(Reading::Other);
        }
        let time_ms = times::unix_ms(ts).ok_or("`ts` is no time")?;
        if method.is_missing() || uri.is_missing() {
            return Err("no `request` with `method` and `uri`");
        }
        let status = status.status().ok_or("`status` is no status")?;
        let response_bytes = match size {
            Value::Missing => 0,
            size => size.unsigned(0).ok_or("`size` is no byte count")?,
        };
        let latency_us = match duration {
            Value::Missing => None,
            duration => Some(
                duration
                    .unsigned(6)
                    .ok_or("`duration` is no number: leave `duration_format` at seconds")?,
            ),
        };
        self.texts.clear();
        let [method, uri, host] = [method, uri, host].map(|value| self.texts.place(value));
        // Caddy before 2.7 knows no client behind a trusted proxy.
        let client = if client.is_missing() { remote } else { client };
        Ok(Reading::Request(Line {
            time_ms,
            request: Request::Parts {
                method: self.texts.get(method),
                target: self.texts.get(uri),
            },
            status,
            response_bytes,
            latency_us,
            upstream_latency_us: None,
            client: client.plain().unwrap_or_default(),
            site: self.texts.get(host),
        }))
    }
}

/// Time, level, logger and message, parted by tabs, the level perhaps in colour.
fn is_console(line: &[u8]) -> bool {
    let head = &line[..line.len().min(120)];
    memchr::memmem::find(head, b"\tINFO\t").is_some()
        || memchr::memmem::find(head, b"INFO\x1b[0m\t").is_some()
        || memchr::memmem::find(head, b"\tERROR\t").is_some()
        || memchr::memmem::find(head, b"ERROR\x1b[0m\t").is_some()
}
