//! Lines that are one JSON object each, by field mapping.
//!
//! Pure. Which fields count is said by [`Fields`]; numbers may be quoted, as nginx writes them with
//! `escape=json`. The time is that of the end of a request: epoch seconds, milliseconds,
//! microseconds or nanoseconds, RFC 3339, or the form of common logs. A latency of `-` or nothing
//! is none; an upstream's may be a list, as nginx writes it for several attempts, and is their sum.

use super::decimal::decimal;
use super::object::{PATHS_MAX, Texts, Value, find};
use super::{LineParser, Reading, Unread, times};
use crate::sources::requests::fields::{Fields, LatencyUnit, USUAL};
use crate::sources::requests::line::{Line, Request};

/// Fields in the order of [`USUAL`].
const COUNT: usize = USUAL.len();

/// Reads JSON lines.
#[derive(Debug)]
pub struct Json {
    paths: Vec<Box<[u8]>>,
    /// For each path the position of its field in [`USUAL`].
    fields: Vec<usize>,
    power: i32,
    texts: Texts,
}

impl Json {
    /// For fields that were validated.
    #[must_use]
    pub fn new(fields: &Fields, unit: LatencyUnit) -> Self {
        let mut parser = Self {
            paths: Vec::new(),
            fields: Vec::new(),
            power: unit.power(),
            texts: Texts::default(),
        };
        for (position, (usual, path)) in USUAL.iter().zip(fields.paths()).enumerate() {
            match path {
                Some("") => {}
                Some(path) => parser.look_for(path, position),
                None => {
                    for name in usual.names {
                        parser.look_for(name, position);
                    }
                }
            }
        }
        parser
    }

    fn look_for(&mut self, path: &str, field: usize) {
        if self.paths.len() < PATHS_MAX {
            self.paths.push(path.as_bytes().into());
            self.fields.push(field);
        }
    }

    /// The values of a line by field.
    fn values<'a>(&self, line: &'a [u8]) -> Result<[Value<'a>; COUNT], Unread> {
        let mut found = [Value::Missing; PATHS_MAX];
        let found = &mut found[..self.paths.len()];
        find(line, &self.paths, found)?;
        let mut values = [Value::Missing; COUNT];
        // The first of the usual names that is there.
        for (&value, &field) in found.iter().zip(&self.fields) {
            if values[field].is_missing() {
                values[field] = value;
            }
        }
        Ok(values)
    }
}

impl LineParser for Json {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let [
            time,
            request,
            method,
            target,
            status,
            bytes,
            latency,
            upstream,
            client,
            site,
        ] = self.values(line)?;
        let time_ms = times::unix_ms(time).ok_or("`time` is not there, or no time")?;
        let status = status
            .status()
            .ok_or("`status` is not there, or no status")?;
        let response_bytes = match bytes {
            Value::Missing | Value::Text(b"-" | b"") => 0,
            bytes => bytes.unsigned(0).ok_or("`bytes` is no byte count")?,
        };
        let latency_us = duration(latency, self.power, "`latency` is no number")?;
        let upstream_latency_us = duration(upstream, self.power, "`upstream` is no number")?;
        self.texts.clear();
        let parts = !method.is_missing() && !target.is_missing();
        if !parts && request.is_missing() {
            return Err("neither `method` and `target` nor `request`");
        }
        let [method, target, request, client, site] =
            [method, target, request, client, site].map(|value| self.texts.place(value));
        let request = if parts {
            Request::Parts {
                method: self.texts.get(method),
                target: self.texts.get(target),
            }
        } else {
            Request::Line(self.texts.get(request))
        };
        Ok(Reading::Request(Line {
            time_ms,
            request,
            status,
            response_bytes,
            latency_us,
            upstream_latency_us,
            client: self.texts.get(client),
            site: self.texts.get(site),
        }))
    }
}

/// A duration, or the sum of a list such as `0.001, 0.002 : -`.
fn duration(value: Value<'_>, power: i32, bad: Unread) -> Result<Option<u64>, Unread> {
    if value.is_missing() {
        return Ok(None);
    }
    let text = value.plain().ok_or(bad)?;
    let mut sum = None;
    for attempt in text.split(|byte| matches!(byte, b',' | b':')) {
        let attempt = attempt.trim_ascii();
        if attempt.is_empty() || attempt == b"-" {
            continue;
        }
        let attempt = decimal(attempt, power).and_then(|number| u64::try_from(number).ok());
        sum = Some(attempt.ok_or(bad)?.saturating_add(sum.unwrap_or(0)));
    }
    Ok(sum)
}
