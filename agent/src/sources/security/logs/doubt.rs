//! Lines that stand behind a login name with a line break.
//!
//! An application that writes a client's login as it is lets the client end the line, and what the
//! client puts behind may look like any line of the log. The first piece gives it away: it lacks the
//! end of its shape. What the application wrote at once is read at once, so that lines of the same
//! reading, and of the same time, are not believed. Pure.
//!
//! A log cannot tell everything: a name that brings the end of the shape with it, and its break
//! behind that, looks like a line that is whole.

use super::super::reading::{Outcome, Reading};

/// Said of the first piece.
const BROKEN: &str = "line break in the name";

/// Severity of the first piece: nobody types a line break by mistake.
const BROKEN_SEVERITY: u32 = 3;

/// Readings this far apart do not hold pieces of one line, ms.
const READINGS_APART_MS: i64 = 2000;

/// Lines this much younger are not of the same writing, ms, unless they claim to be of the future.
const LINES_APART_MS: i64 = 10_000;

/// What a line says, before it is believed.
#[derive(Debug)]
pub(super) enum Claim {
    /// A login in its full shape, or anything else that does not end in a client's text.
    Whole(Outcome),
    /// A login that lacks the end of its shape.
    Cut(Reading),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    since: Option<Since>,
}

/// The first piece.
#[derive(Clone, Copy, Debug)]
struct Since {
    /// When it was read.
    read_ms: i64,
    line_ms: i64,
}

impl Doubt {
    /// What to believe of a line that was read at `now_ms`.
    pub(super) fn judge(&mut self, claim: Claim, now_ms: i64) -> Outcome {
        match claim {
            Claim::Whole(Outcome::Event(reading)) if self.covers(reading.time_ms, now_ms) => {
                Outcome::Unknown
            }
            Claim::Whole(outcome) => outcome,
            Claim::Cut(reading) => {
                if self.covers(reading.time_ms, now_ms) {
                    return Outcome::Unknown;
                }
                self.since = Some(Since {
                    read_ms: now_ms,
                    line_ms: reading.time_ms,
                });
                Outcome::Event(Box::new(Reading {
                    address: String::new(),
                    detail: BROKEN.to_owned(),
                    severity_at_least: BROKEN_SEVERITY,
                    ..reading
                }))
            }
        }
    }

    fn covers(&self, line_ms: i64, now_ms: i64) -> bool {
        self.since.is_some_and(|since| {
            let read_apart = now_ms.saturating_sub(since.read_ms) >= READINGS_APART_MS;
            let younger = line_ms.saturating_sub(since.line_ms) >= LINES_APART_MS;
            !(read_apart || younger && line_ms <= now_ms)
        })
    }
}
