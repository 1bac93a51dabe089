//! Requests that rules match, as security events.
//!
//! Owns how many: of one client and the same rules, the first [`ROWS_MAX`] of ten seconds have an event
//! each, and the rest together have one that counts them. Promises that lines no rule can match cost a
//! look ([`Sieve`]) and nothing else, and that an event's id depends only on where its line was read.

use std::collections::HashMap;
use std::sync::Arc;

use crmscope_proto::limits::REQUEST_BUCKET_MS;
use crmscope_proto::payload::SecurityRow;

use super::config::Format;
use super::line::Line;
use super::web::{WebLine, target_of};
use crate::rules::{Class, Matched, Origin, RuleSet, Rules, Sieve};
use crate::sources::security::web::{Place, WebRequest, web_row};

/// Most events of one client and the same rules in ten seconds; the others are counted in one more.
const ROWS_MAX: u32 = 10;

/// Most pairs of client and rules that are told apart; all others are taken for one client.
const CLIENTS_MAX: usize = 4096;

/// How long a pair is remembered for lines that come late.
const LATE_BUCKETS: i64 = 6;

/// Most events held: reading waits at this many until they are handed over.
const HELD_MAX: usize = 10_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    bucket: i64,
    address: String,
    rules: Vec<String>,
}

#[derive(Debug, Default)]
struct Window {
    rows: u32,
    /// Position of the event that counts the rest.
    rest: Option<usize>,
}

/// Events since the last drain.
#[derive(Debug, Default)]
pub(super) struct Matches {
    rules: Arc<Rules>,
    rows: Vec<SecurityRow>,
    windows: HashMap<Key, Window>,
}

/// Where a line was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) format: Format,
    pub(super) service: &'a str,
    pub(super) place: Place<'a>,
}

impl Matches {
    pub(super) fn of(rules: &Arc<Rules>) -> Self {
        Self {
            rules: Arc::clone(rules),
            ..Self::default()
        }
    }

    /// The rules of this run; `None` where none is for access logs.
    pub(super) fn set(&self) -> Option<Arc<RuleSet>> {
        self.rules.current().filter(|set| set.sieve().is_some())
    }

    /// Whether another line can be looked at.
    pub(super) fn ready(&self) -> bool {
        self.rows.len() < HELD_MAX
    }

    /// Asks the rules about a line that may match one.
    pub(super) fn look(&mut self, set: &RuleSet, parsed: &Line<'_>, reading: &Reading<'_>) {
        let web = WebLine::of(reading.format, reading.place.line, parsed);
        let origin = Origin {
            class: Class::Web,
            product: reading.format.name(),
            service: reading.service,
        };
        let record = web.record(reading.service, set);
        if let Some(matched) = set.evaluate(&origin, &record) {
            self.rules.count(&matched);
            self.hold(&web, parsed.time_ms, matched, reading);
        }
    }

    fn hold(&mut self, web: &WebLine<'_>, time_ms: i64, matched: Matched, reading: &Reading<'_>) {
        let full = self.windows.len() >= CLIENTS_MAX;
        let mut key = Key {
            bucket: time_ms.div_euclid(REQUEST_BUCKET_MS),
            address: web.address.clone(),
            rules: matched.rules,
        };
        if full && !self.windows.contains_key(&key) {
            key.address.clear();
        }
        let row = || {
            let request = WebRequest {
                time_ms,
                service: reading.service,
                method: web.method,
                status: web.status(),
                address: &key.address,
                detail: &web.detail(),
            };
            let mut row = web_row(&request, &reading.place);
            row.event.severity_id = matched.severity;
            row.event.rules.clone_from(&key.rules);
            row
        };
        let known = self.windows.get(&key);
        let rows = known.map_or(0, |window| window.rows);
        match known.and_then(|window| window.rest) {
            Some(rest) => {
                let count = &mut self.rows[rest].event.count;
                *count = count.saturating_add(1);
            }
            None => {
                self.rows.push(row());
                let rest = (rows >= ROWS_MAX).then(|| self.rows.len() - 1);
                let window = Window {
                    rows: rows + 1,
                    rest,
                };
                self.windows.insert(key, window);
            }
        }
    }

    /// Hands over the events, and forgets clients of long ago.
    pub(super) fn drain(&mut self, now_ms: i64, rows: &mut Vec<SecurityRow>) {
        rows.append(&mut self.rows);
        let oldest = now_ms.div_euclid(REQUEST_BUCKET_MS) - LATE_BUCKETS;
        self.windows.retain(|key, window| {
            window.rest = None;
            key.bucket >= oldest
        });
    }
}

/// Whether a line is worth it.
pub(super) fn may_match(
    sieve: &Sieve,
    line: &[u8],
    parsed: &Line<'_>,
    plain: &mut Vec<u8>,
) -> bool {
    sieve.lets_through(line, target_of(&parsed.request), parsed.status, plain)
}
