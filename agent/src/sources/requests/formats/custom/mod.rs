//! Formats written down as web servers do: nginx's `log_format`, Apache's `LogFormat`.
//!
//! Pure. A pattern is the format alone, or pasted with its directive ([`directive`]). It is compiled once ([`compile`]) into literals and fields ([`program`]), and what
//! fields mean is one table for each syntax ([`nginx`], [`apache`]). Promises that a pattern which
//! cannot say when, what and with which status is refused, with the place and a remedy; and that a
//! client's text shifts no field where the pattern quotes it, or has one such field unquoted.

mod apache;
mod directive;
mod field;
mod nginx;
mod program;
#[cfg(test)]
mod tests;

use super::super::line::{Line, Request, end_ms};
use super::{LineParser, Reading, Unread, escapes};
use field::{Field, Found};
use program::{Builder, Program};

/// Longest pattern, bytes.
pub const PATTERN_MAX_BYTES: usize = 4096;

/// Reads lines of a pattern.
#[derive(Debug)]
pub struct Custom {
    program: Program,
    times: super::nginx::TimeCache,
    plain: Vec<u8>,
}

impl Custom {
    /// A parser for one file.
    ///
    /// # Errors
    /// What is wrong with the pattern, where, and what would do.
    pub fn new(pattern: &str) -> Result<Self, String> {
        Ok(Self {
            program: compile(pattern)?,
            times: super::nginx::TimeCache::default(),
            plain: Vec::new(),
        })
    }
}

impl LineParser for Custom {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let mut found = Found::new(&mut self.times);
        self.program.read(line, &mut found)?;
        let request = found.request()?;
        let time_ms = found.time_ms()?;
        let line = Line {
            time_ms: if self.program.times_begin {
                end_ms(time_ms, found.latency_us)
            } else {
                time_ms
            },
            request: Request::Line(b""),
            status: found.status,
            response_bytes: found.response_bytes,
            latency_us: found.latency_us,
            upstream_latency_us: found.upstream_latency_us,
            client: found.client,
            site: found.site,
        };
        Ok(Reading::Request(Line {
            request: escapes::request(request, &mut self.plain),
            ..line
        }))
    }
}

/// Compiles a pattern. Which syntax it is of is told by its `$` or `%`.
fn compile(pattern: &str) -> Result<Program, String> {
    if pattern.len() > PATTERN_MAX_BYTES {
        return Err(format!(
            "the pattern has {} bytes; use at most {PATTERN_MAX_BYTES}",
            pattern.len()
        ));
    }
    let pattern = &*directive::format_of(pattern)?;
    let variable = |pair: &[u8]| {
        pair[0] == b'$' && (pair[1] == b'{' || pair[1] == b'_' || pair[1].is_ascii_alphabetic())
    };
    let mut builder = Builder::default();
    if pattern.as_bytes().windows(2).any(variable) {
        nginx::read(pattern, &mut builder)?;
        check(&builder, &nginx::WORDS)?;
    } else if pattern.contains('%') {
        apache::read(pattern, &mut builder)?;
        check(&builder, &apache::WORDS)?;
    } else {
        return Err(
            "the pattern has neither variables ($request, as in nginx's log_format) nor \
             directives (%r, as in Apache's LogFormat)"
                .to_owned(),
        );
    }
    builder.build()
}

/// What to add when something is missing.
struct Words {
    time: &'static str,
    zone: &'static str,
    status: &'static str,
    request: &'static str,
    method: &'static str,
    target: &'static str,
    /// The nearest known name, for a name that means nothing.
    nearest: fn(&str) -> Option<&'static str>,
}

/// Whether the fields say enough.
fn check(builder: &Builder, words: &Words) -> Result<(), String> {
    let has = |field: Field| builder.has(field);
    let whole = [
        Field::TimeLocal,
        Field::TimeBracketed,
        Field::TimeIso,
        Field::EpochSeconds,
        Field::EpochMilliseconds,
        Field::EpochMicroseconds,
    ];
    let parts = [
        Field::Year,
        Field::Day,
        Field::Hour,
        Field::Minute,
        Field::Second,
    ];
    let month = has(Field::Month) || has(Field::MonthName);
    let missing = if whole.into_iter().any(has) {
        None
    } else if parts.into_iter().all(has) && month {
        (!has(Field::Zone)).then_some(("zone of its time", words.zone))
    } else {
        Some(("time", words.time))
    };
    let missing = missing
        .or_else(|| (!has(Field::Status)).then_some(("status", words.status)))
        .or_else(
            || match (has(Field::Request), has(Field::Method), has(Field::Target)) {
                (true, _, _) | (false, true, true) => None,
                (false, false, false) => Some(("request", words.request)),
                (false, true, false) => Some(("target of the request", words.target)),
                (false, false, true) => Some(("method of the request", words.method)),
            },
        );
    let Some((what, remedy)) = missing else {
        return Ok(());
    };
    let mut message = format!("the pattern has no {what}; add {remedy}");
    for (name, position) in &builder.unknown {
        if let Some(nearest) = (words.nearest)(name) {
            message += &format!(
                ", or did you mean `${nearest}` by `{name}` at byte {}?",
                position + 1
            );
            break;
        }
    }
    Err(message)
}
