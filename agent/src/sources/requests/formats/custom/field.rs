//! What a field of a pattern means, and what fields of a line add up to.

use super::super::durations::{decimal_seconds_us, whole_attempts};
use super::super::nginx::TimeCache;
use super::super::{Unread, nginx};
use crate::sources::requests::line::Request;
use crate::sources::tail::calendar::{Civil, digits, month, rfc3339, zone_ms};

const NO_TIME: Unread = "the time is no date";

/// Meaning of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `25/Nov/2026:10:05:45 +0000`
    TimeLocal,
    /// The same in brackets, as Apache's `%t`.
    TimeBracketed,
    /// `2026-11-25T10:05:45+00:00`
    TimeIso,
    /// Since 1970, with decimals or not.
    EpochSeconds,
    EpochMilliseconds,
    EpochMicroseconds,
    Year,
    Month,
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    Zone,
    /// `GET / HTTP/1.1`
    Request,
    Method,
    Target,
    Status,
    BodyBytes,
    /// Head and body together; used where there is no `BodyBytes`.
    SentBytes,
    LatencyMicroseconds,
    LatencyMilliseconds,
    /// With decimals or not.
    LatencySeconds,
    /// Attempts, each in seconds.
    UpstreamSeconds,
    Client,
    Site,
    /// Read over.
    Ignored,
}

impl Field {
    /// What may stand for the same thing, the better ones first.
    pub(super) fn better(self) -> &'static [Self] {
        match self {
            Self::Method | Self::Target => &[Self::Request],
            Self::SentBytes => &[Self::BodyBytes],
            Self::LatencySeconds => &[Self::LatencyMicroseconds, Self::LatencyMilliseconds],
            Self::LatencyMilliseconds => &[Self::LatencyMicroseconds],
            _ => &[],
        }
    }
}

/// What the fields of a line add up to.
#[derive(Debug)]
pub(super) struct Found<'a, 't> {
    times: &'t mut TimeCache,
    time_ms: Option<i64>,
    civil: Civil,
    zone_ms: i64,
    line: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    target: &'a [u8],
    pub(super) status: u16,
    pub(super) response_bytes: u64,
    pub(super) latency_us: Option<u64>,
    pub(super) upstream_latency_us: Option<u64>,
    pub(super) client: &'a [u8],
    pub(super) site: &'a [u8],
}

impl<'a, 't> Found<'a, 't> {
    pub(super) fn new(times: &'t mut TimeCache) -> Self {
        Self {
            times,
            time_ms: None,
            civil: Civil {
                year: 0,
                month: 0,
                day: 0,
                hour: 0,
                minute: 0,
                second: 0,
            },
            zone_ms: 0,
            line: None,
            method: None,
            target: b"",
            status: 0,
            response_bytes: 0,
            latency_us: None,
            upstream_latency_us: None,
            client: b"",
            site: b"",
        }
    }

    /// Takes the text of a field.
    pub(super) fn take(&mut self, field: Field, text: &'a [u8]) -> Result<(), Unread> {
        let number = || digits(text).ok_or(NO_TIME);
        match field {
            Field::Ignored => {}
            Field::TimeLocal => self.local(text)?,
            Field::TimeBracketed => {
                let inside = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]"));
                self.local(inside.ok_or(NO_TIME)?)?;
            }
            Field::TimeIso => self.time_ms = Some(rfc3339(text).ok_or(NO_TIME)?),
            Field::EpochSeconds => {
                let point = memchr::memchr(b'.', text).unwrap_or(text.len());
                let seconds = digits(&text[..point]).ok_or(NO_TIME)?;
                let mut decimals = [b'0'; 3];
                for (decimal, digit) in decimals.iter_mut().zip(text.iter().skip(point + 1)) {
                    *decimal = *digit;
                }
                let milliseconds = digits(&decimals).ok_or(NO_TIME)?;
                let whole = seconds.checked_mul(1000).ok_or(NO_TIME)?;
                self.time_ms = Some(whole.checked_add(milliseconds).ok_or(NO_TIME)?);
            }
            Field::EpochMilliseconds => self.time_ms = Some(number()?),
            Field::EpochMicroseconds => self.time_ms = Some(number()? / 1000),
            Field::Year => self.civil.year = number()?,
            Field::Month => self.civil.month = number()?,
            Field::MonthName => self.civil.month = month(text).ok_or(NO_TIME)?,
            Field::Day => self.civil.day = digits(text.trim_ascii_start()).ok_or(NO_TIME)?,
            Field::Hour => self.civil.hour = number()?,
            Field::Minute => self.civil.minute = number()?,
            Field::Second => self.civil.second = number()?,
            Field::Zone => self.zone_ms = zone_ms(text).ok_or("the time's zone is no offset")?,
            Field::Request => self.line = Some(text),
            Field::Method => self.method = Some(text),
            Field::Target => self.target = text,
            Field::Status => {
                self.status = digits(text)
                    .filter(|_| text.len() == 3)
                    .and_then(|status| u16::try_from(status).ok())
                    .ok_or("the status is no number of three digits")?;
            }
            Field::BodyBytes | Field::SentBytes => {
                self.response_bytes = match text {
                    b"-" => 0,
                    text => unsigned(text).ok_or("the byte count is no number")?,
                };
            }
            Field::LatencyMicroseconds => self.latency_us = latency(text, 1)?,
            Field::LatencyMilliseconds => self.latency_us = latency(text, 1000)?,
            Field::LatencySeconds => {
                self.latency_us = match text {
                    b"-" | b"" => None,
                    text => Some(decimal_seconds_us(text).ok_or("the latency is no number")?),
                };
            }
            Field::UpstreamSeconds => {
                self.upstream_latency_us = match text {
                    b"" => None,
                    text => whole_attempts(text).ok_or("the upstream's latency is no number")?,
                };
            }
            Field::Client => self.client = given(text),
            Field::Site => self.site = given(text),
        }
        Ok(())
    }

    fn local(&mut self, text: &[u8]) -> Result<(), Unread> {
        let text: &[u8; nginx::TIME_BYTES] = text.try_into().map_err(|_| NO_TIME)?;
        self.time_ms = Some(self.times.unix_ms(text).ok_or(NO_TIME)?);
        Ok(())
    }

    pub(super) fn time_ms(&self) -> Result<i64, Unread> {
        match self.time_ms {
            Some(time_ms) => Ok(time_ms),
            None => Ok(self.civil.utc_ms().ok_or(NO_TIME)? - self.zone_ms),
        }
    }

    pub(super) fn request(&self) -> Result<Request<'a>, Unread> {
        Ok(match (self.line, self.method) {
            (Some(line), _) => Request::Line(line),
            // What the server could not read as a request.
            (None, Some(b"-" | b"")) => Request::Line(b"-"),
            (None, Some(method)) => Request::Parts {
                method,
                target: self.target,
            },
            (None, None) => return Err("no request"),
        })
    }
}

/// A text that is there.
fn given(text: &[u8]) -> &[u8] {
    if text == b"-" { b"" } else { text }
}

fn unsigned(text: &[u8]) -> Option<u64> {
    digits(text).and_then(|number| u64::try_from(number).ok())
}

fn latency(text: &[u8], unit_us: u64) -> Result<Option<u64>, Unread> {
    if matches!(text, b"-" | b"") {
        return Ok(None);
    }
    let number = unsigned(text).ok_or("the latency is no number")?;
    Ok(Some(number.saturating_mul(unit_us)))
}
