//! Lines of W3C extended logs, as IIS writes them.
//!
//! Pure. `#Fields:` says what the lines after it hold, and may come again at any place. Times are
//! UTC, to the second, and those of the end of a request; `time-taken` is in ms. IIS writes `+` for
//! the blanks inside of a field, so blanks tell fields apart; a `+` in a path is left as it is, for
//! a real one looks the same. `site` is the host that the client asked for, or else IIS's name of
//! the site.

use memchr::memchr2;

use super::words::{status, unsigned};
use super::{LineParser, Reading, Unread};
use crate::sources::requests::line::{Line, Request};
use crate::sources::tail::calendar::{Civil, digits};

/// Most fields in a line; IIS has some thirty, and adds what an administrator names.
const FIELDS_MAX: usize = 128;

const NO_FIELDS: Unread = "no #Fields: line stands before it";
const TOO_FEW: Unread = "fewer fields than #Fields: announces";
const TOO_MANY: Unread = "more fields than #Fields: announces";
const NO_DATE: Unread = "no date and time";

/// A field that counts. Its number is its place in [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Date,
    Time,
    Method,
    Stem,
    Status,
    Bytes,
    TimeTaken,
    Client,
    Host,
    Site,
}

const FIELDS: usize = Field::Site as usize + 1;

/// What is there of a line.
type Fields<'a> = [Option<&'a [u8]>; FIELDS];

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"date" => Self::Date,
            b"time" => Self::Time,
            b"cs-method" => Self::Method,
            b"cs-uri-stem" => Self::Stem,
            b"sc-status" => Self::Status,
            b"sc-bytes" => Self::Bytes,
            b"time-taken" => Self::TimeTaken,
            b"c-ip" => Self::Client,
            b"cs-host" | b"cs(Host)" => Self::Host,
            b"s-sitename" => Self::Site,
            _ => return None,
        })
    }
}

/// Reads W3C lines.
#[derive(Debug, Default)]
pub struct Iis {
    /// In the order of the line; empty before a `#Fields:` line.
    columns: Vec<Option<Field>>,
    /// Of the `#Date:` line, for logs without a date in each line: `2026-11-25`.
    date: Option<[u8; 10]>,
    /// The second of the line before, and when it was: most lines share theirs.
    second: ([u8; 10], [u8; 8]),
    second_ms: i64,
}

impl Iis {
    fn header(&mut self, line: &[u8]) {
        if let Some(names) = line.strip_prefix(b"#Fields:") {
            self.columns.clear();
            let names = names
                .split(u8::is_ascii_whitespace)
                .filter(|name| !name.is_empty());
            self.columns.extend(names.take(FIELDS_MAX).map(Field::of));
        } else if let Some(date) = line.strip_prefix(b"#Date:") {
            self.date = date.trim_ascii_start().first_chunk().copied();
        }
    }

    fn time_ms(&mut self, fields: &Fields<'_>) -> Option<i64> {
        let date: [u8; 10] = match fields[Field::Date as usize] {
            Some(date) => date.try_into().ok()?,
            None => self.date?,
        };
        let time: [u8; 8] = fields[Field::Time as usize]?.try_into().ok()?;
        if self.second != (date, time) {
            self.second_ms = civil(&date, &time)?.utc_ms()?;
            self.second = (date, time);
        }
        Some(self.second_ms)
    }
}

impl LineParser for Iis {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            self.header(line);
            return Ok(Reading::Other);
        }
        if self.columns.is_empty() {
            return Err(NO_FIELDS);
        }
        let mut fields: Fields<'a> = [None; FIELDS];
        let mut rest = Some(line);
        for column in &self.columns {
            let text = rest.ok_or(TOO_FEW)?;
            let end = memchr2(b' ', b'\t', text).unwrap_or(text.len());
            rest = text.get(end + 1..);
            let field = &text[..end];
            if let Some(column) = column
                && field != b"-"
            {
                fields[*column as usize] = Some(field);
            }
        }
        if rest.is_some_and(|rest| !rest.is_empty()) {
            return Err(TOO_MANY);
        }
        let time_ms = self.time_ms(&fields).ok_or(NO_DATE)?;
        let get = |field: Field| fields[field as usize];
        let status = get(Field::Status)
            .and_then(status)
            .ok_or("`sc-status` is no status, or not logged")?;
        let response_bytes = match get(Field::Bytes) {
            None => 0,
            Some(bytes) => unsigned(bytes).ok_or("`sc-bytes` is no byte count")?,
        };
        let latency_us = match get(Field::TimeTaken) {
            None => None,
            Some(ms) => {
                let ms = unsigned(ms).ok_or("`time-taken` is no number")?;
                Some(ms.saturating_mul(1000))
            }
        };
        // A request that could not be read has neither.
        let request = match (get(Field::Method), get(Field::Stem)) {
            (Some(method), Some(target)) => Request::Parts { method, target },
            _ => Request::Line(b"-"),
        };
        Ok(Reading::Request(Line {
            time_ms,
            request,
            status,
            response_bytes,
            latency_us,
            upstream_latency_us: None,
            client: get(Field::Client).unwrap_or_default(),
            site: get(Field::Host)
                .or_else(|| get(Field::Site))
                .unwrap_or_default(),
        }))
    }

    fn learn(&mut self, line: &[u8]) {
        self.header(line.strip_suffix(b"\r").unwrap_or(line));
    }

    fn has_header(&self) -> bool {
        true
    }
}

fn civil(date: &[u8; 10], time: &[u8; 8]) -> Option<Civil> {
    if [date[4], date[7], time[2], time[5]] != *b"--::" {
        return None;
    }
    Some(Civil {
        year: digits(&date[..4])?,
        month: digits(&date[5..7])?,
        day: digits(&date[8..])?,
        hour: digits(&time[..2])?,
        minute: digits(&time[3..5])?,
        second: digits(&time[6..])?,
    })
}
