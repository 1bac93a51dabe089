//! What ClickHouse has: new events by rule and key, the events themselves, and findings.
//!
//! Every answer is bounded: keys come page by page, of each key the newest events, findings of the keys that
//! are asked for. Times of storing are one clock's, ClickHouse's own.

use super::field::Field;
use super::finding::{Figures, Finding};
use super::firing::{self, Event};
use super::rows::{EventRow, FiguresRow, FindingRow, Looked, News, Touched, finding, id, only};
use super::rule::{Kind, Rule};
use crate::error::Error;
use crate::schema::queries::{
    CORRELATION_EVENTS, CORRELATION_FIGURES, CORRELATION_KEYS, CORRELATION_KEYS_SINCE,
    CORRELATION_LOOKED, CORRELATION_NEWS, FINDINGS, FINDINGS_OF_KEYS,
};
use crate::storage::Storage;

/// Keys of one question: they are a part of an address, of which servers take some KB.
pub(super) const KEYS_AT_ONCE: usize = 50;
/// Keys that are found at once.
pub(super) const KEYS_PAGE: usize = 1_000;
/// Events that are read of a key at once, the newest. More than any rule can ask for.
pub(super) const EVENTS_MAX: usize = 10_000;
/// Findings that are read when a watch begins, the latest.
pub(crate) const FINDINGS_MAX: usize = 20_000;
/// A time to come.
const NEVER_MS: i64 = 4_102_444_800_000;

/// From when on events are new: by when they were stored, and also by when they happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) stored_ms: i64,
    pub(super) happened_ms: Option<i64>,
}

/// From when on keys are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Stored(i64),
    Happened(i64),
}

/// What is asked for of findings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) from_ms: i64,
    pub(crate) open: bool,
    pub(crate) merged: bool,
    pub(crate) limit: usize,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) storage: Storage,
}

impl Feed {
    pub(super) async fn news(&self, after_ms: i64) -> Result<News, Error> {
        let bind = |query: clickhouse::query::Query| query.param("after_ms", after_ms);
        let rows = self.storage.rows("news", CORRELATION_NEWS, bind).await?;
        only("news", rows)
    }

    pub(super) async fn looked(&self) -> Result<Looked, Error> {
        let what = "the last look at events";
        let rows = self.storage.rows(what, CORRELATION_LOOKED, |query| query);
        only(what, rows.await?)
    }

    /// The next page of keys.
    pub(super) async fn keys(
        &self,
        rule: &Rule,
        from: Start,
        beyond: u64,
    ) -> Result<Vec<Touched>, Error> {
        let (sql, name, from_ms) = match from {
            Start::Stored(ms) => (CORRELATION_KEYS, "after_ms", ms),
            Start::Happened(ms) => (CORRELATION_KEYS_SINCE, "since_ms", ms),
        };
        let bind = |query: clickhouse::query::Query| {
            let query = query
                .param("rules", &rule.bases)
                .param("fields", columns(&rule.fields))
                .param("keep_empty", u8::from(rule.keeps_empty))
                .param(name, from_ms);
            query.param("beyond", beyond).param("limit", KEYS_PAGE)
        };
        self.storage.rows("keys", sql, bind).await
    }

    /// Of each key the events that decide, in order, and whether these are all of them.
    pub(super) async fn events(
        &self,
        rule: &Rule,
        keys: &[Touched],
    ) -> Result<Vec<(Vec<Event>, bool)>, Error> {
        // Both ends excluded: an event decides about those that are younger than the timespan.
        let span = |key: &Touched| {
            let from_ms = key.first_ms.saturating_sub(rule.timespan_ms);
            (from_ms, key.last_ms.saturating_add(rule.timespan_ms))
        };
        let hashes: Vec<u64> = keys.iter().map(|key| key.key_hash).collect();
        let spans: Vec<(i64, i64)> = keys.iter().map(span).collect();
        let bind = |query| ask(query, rule, &hashes, &spans).param("per_key", EVENTS_MAX + 1);
        let rows: Vec<EventRow> = self
            .storage
            .rows("events", CORRELATION_EVENTS, bind)
            .await?;
        let mut events: Vec<Vec<Event>> = vec![Vec::new(); keys.len()];
        for row in rows {
            let event = Event {
                at_ms: row.ts_ms,
                event_id: id("security_events", &row.event_id)?,
                count: row.events,
                bases: 1u32
                    .checked_shl(row.rule_place.wrapping_sub(1))
                    .unwrap_or(0),
                value: row.value,
            };
            if let Some(of) = events.get_mut(row.key_place.wrapping_sub(1)) {
                of.push(event);
            }
        }
        let arranged = events.into_iter().map(|mut events| {
            let is_all = events.len() <= EVENTS_MAX;
            firing::arrange(&mut events);
            (events, is_all)
        });
        Ok(arranged.collect())
    }

    /// Counts anew what findings of a rule have.
    pub(super) async fn count(&self, rule: &Rule, findings: &mut [Finding]) -> Result<(), Error> {
        let span = |finding: &Finding| {
            let from_ms = finding.first_ms.saturating_sub(rule.timespan_ms);
            (from_ms, finding.last_ms)
        };
        for findings in findings.chunks_mut(KEYS_AT_ONCE) {
            let hashes: Vec<u64> = findings.iter().map(|finding| finding.key_hash).collect();
            let spans: Vec<(i64, i64)> = findings.iter().map(span).collect();
            let bind = |query| ask(query, rule, &hashes, &spans);
            let rows: Vec<FiguresRow> = self
                .storage
                .rows("figures", CORRELATION_FIGURES, bind)
                .await?;
            for row in rows {
                let Some(finding) = findings.get_mut(row.place.wrapping_sub(1)) else {
                    continue;
                };
                finding.figures = Figures {
                    events: row.events,
                    distinct_values: row.distinct_values,
                    hosts: row.hosts,
                    hosts_total: row.hosts_total,
                    users: row.users,
                    users_total: row.users_total,
                    sources: row.sources,
                    sources_total: row.sources_total,
                    from_ms: row.events_from_ms,
                    to_ms: row.events_to_ms,
                };
                finding.explain(&rule.what);
            }
        }
        Ok(())
    }

    /// Findings of keys that are not merged and touch a time.
    pub(crate) async fn near(
        &self,
        rule: &Rule,
        keys: &[Touched],
        span: (i64, i64),
    ) -> Result<Vec<Finding>, Error> {
        let hashes: Vec<u64> = keys.iter().map(|key| key.key_hash).collect();
        let bind = |query: clickhouse::query::Query| {
            let query = query.param("rule", &rule.id).param("keys", &hashes);
            query.param("from_ms", span.0).param("to_ms", span.1)
        };
        let rows = self.storage.rows("findings", FINDINGS_OF_KEYS, bind);
        rows.await?.into_iter().map(finding).collect()
    }

    /// Findings, and the highest version of their rows.
    pub(crate) async fn findings(&self, asked: Asked) -> Result<(Vec<Finding>, u64), Error> {
        let bind = |query: clickhouse::query::Query| {
            let query = query.param("from_ms", asked.from_ms);
            let query = query.param("open", u8::from(asked.open));
            let query = query.param("merged", u8::from(asked.merged));
            query.param("limit", asked.limit)
        };
        let rows: Vec<FindingRow> = self.storage.rows("findings", FINDINGS, bind).await?;
        let version = rows.iter().map(|row| row.version).max().unwrap_or(0);
        let findings: Result<_, Error> = rows.into_iter().map(finding).collect();
        Ok((findings?, version))
    }
}

/// What questions about events have in common.
fn ask(
    query: clickhouse::query::Query,
    rule: &Rule,
    hashes: &[u64],
    spans: &[(i64, i64)],
) -> clickhouse::query::Query {
    let counted = match &rule.kind {
        Kind::ValueCount { values, .. } => columns(values),
        _ => vec![Vec::new(); rule.bases.len()],
    };
    let froms: Vec<i64> = spans.iter().map(|span| span.0).collect();
    let tos: Vec<i64> = spans.iter().map(|span| span.1).collect();
    let (from_ms, to_ms) = (froms.iter().min(), tos.iter().max());
    let query = query
        .param("from_ms", from_ms.copied().unwrap_or_default().max(0))
        .param(
            "to_ms",
            to_ms.copied().unwrap_or_default().clamp(0, NEVER_MS),
        );
    let query = query.param("froms", froms).param("tos", tos);
    query
        .param("rules", &rule.bases)
        .param("fields", columns(&rule.fields))
        .param("counted", counted)
        .param("keys", hashes)
}

fn columns(fields: &[Vec<Field>]) -> Vec<Vec<&'static str>> {
    let of = |fields: &Vec<Field>| fields.iter().map(|field| field.name()).collect();
    fields.iter().map(of).collect()
}
