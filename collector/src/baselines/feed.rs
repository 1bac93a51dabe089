//! What ClickHouse has: users with new events, their past, and what was told of them.
//!
//! Every answer is bounded: users come page by page, of each the newest [`ROWS_MAX`] rows of each kind.
//! Users are asked for by the hash of their name: a name is a stranger's text and may be long.

use std::collections::HashMap;

use serde::Deserialize;

use super::history::{Activity, History, Login};
use super::metrics::Metrics;
use crate::correlation::finding::Figures;
use crate::correlation::rows::only;
use crate::error::Error;
use crate::schema::queries::{
    BASELINE_ACTIVITY, BASELINE_EVIDENCE, BASELINE_LOGINS, BASELINE_LOOKED, BASELINE_NEWS,
    BASELINE_TOLD, KNOWN_USERS,
};
use crate::storage::Storage;

/// Users of one question.
pub(super) const USERS_AT_ONCE: usize = 50;
/// Users that are found at once.
pub(super) const USERS_PAGE: usize = 1_000;
/// Rows that are read of a user's activity, and as many of the logins: the newest. Some 1,000 hours are in
/// 42 days.
pub(super) const ROWS_MAX: usize = 10_000;

/// Up to when whoever looked before looked.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Looked {
    pub(super) looked_ms: i64,
    pub(super) now_ms: i64,
}

/// A user with new events, and the hours in which they happened, Unix ms.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct News {
    pub(super) user: String,
    pub(super) user_hash: u64,
    pub(super) hours_ms: Vec<i64>,
}

/// A user of whom something is known.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct KnownUser {
    pub(super) user: String,
    pub(super) user_hash: u64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

#[derive(Deserialize)]
struct ActivityRow {
    user_hash: u64,
    user: String,
    kind: String,
    failed: u8,
    hour_ms: i64,
    events: u64,
    records: u64,
    first_ms: i64,
    last_ms: i64,
}

#[derive(Deserialize)]
struct LoginRow {
    user_hash: u64,
    user: String,
    network: String,
    client: String,
    hour_ms: i64,
    first_ms: i64,
    last_ms: i64,
}

#[derive(Deserialize)]
struct ToldRow {
    user_hash: u64,
    user: String,
    from_ms: i64,
    to_ms: i64,
}

/// Which events show what was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub(super) user_hash: u64,
    pub(super) kinds: Vec<String>,
    /// `failed`, `succeeded`, or `unfailed` for all but those that failed.
    pub(super) outcome: &'static str,
    /// Empty for any.
    pub(super) network: String,
    /// Empty for any.
    pub(super) client: String,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

#[derive(Default, Deserialize)]
struct EvidenceRow {
    events: u64,
    records: u64,
    hosts: Vec<String>,
    hosts_total: u64,
    sources: Vec<String>,
    sources_total: u64,
    events_from_ms: i64,
    events_to_ms: i64,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) storage: Storage,
}

impl Feed {
    pub(super) async fn looked(&self) -> Result<Looked, Error> {
        let what = "the last look at users";
        let rows = self.storage.rows(what, BASELINE_LOOKED, |query| query);
        only(what, rows.await?)
    }

    /// The next page of users.
    pub(super) async fn news(&self, after_ms: i64, beyond: u64) -> Result<Vec<News>, Error> {
        let bind = |query: clickhouse::query::Query| {
            let query = query.param("after_ms", after_ms).param("beyond", beyond);
            query.param("limit", USERS_PAGE)
        };
        self.storage.rows("users", BASELINE_NEWS, bind).await
    }

    /// Users of a name; all, the latest first, where it is empty.
    pub(super) async fn known(&self, user: &str, limit: usize) -> Result<Vec<KnownUser>, Error> {
        let bind =
            |query: clickhouse::query::Query| query.param("user", user).param("limit", limit);
        self.storage.rows("known users", KNOWN_USERS, bind).await
    }

    /// What is known of users in a time, in their order.
    pub(super) async fn histories(
        &self,
        users: &[(u64, &str)],
        (from_ms, to_ms): (i64, i64),
        metrics: &Metrics,
    ) -> Result<Vec<History>, Error> {
        let hashes: Vec<u64> = users.iter().map(|(hash, _)| *hash).collect();
        let bind = |query: clickhouse::query::Query| {
            let query = query.param("users", &hashes).param("from_ms", from_ms);
            query.param("to_ms", to_ms).param("per_user", ROWS_MAX)
        };
        let storage = &self.storage;
        let activity: Vec<ActivityRow> = storage.rows("activity", BASELINE_ACTIVITY, bind).await?;
        let logins: Vec<LoginRow> = storage.rows("logins", BASELINE_LOGINS, bind).await?;
        let bind = |query: clickhouse::query::Query| {
            query.param("users", &hashes).param("from_ms", from_ms)
        };
        let told: Vec<ToldRow> = storage.rows("what was told", BASELINE_TOLD, bind).await?;
        metrics.rows.inc_by((activity.len() + logins.len()) as u64);
        let mut histories = vec![History::default(); users.len()];
        let places: HashMap<u64, usize> = hashes.iter().copied().zip(0..).collect();
        // Another user of the same hash is not meant.
        let place = |hash: u64, user: &str| {
            let place = places.get(&hash).copied();
            place.filter(|&place| users[place].1 == user)
        };
        for row in activity {
            let Some(place) = place(row.user_hash, &row.user) else {
                continue;
            };
            histories[place].activity.push(Activity {
                hour_ms: row.hour_ms,
                kind: row.kind,
                failed: row.failed != 0,
                events: row.events,
                records: row.records,
                first_ms: row.first_ms,
                last_ms: row.last_ms,
            });
        }
        for row in logins {
            let Some(place) = place(row.user_hash, &row.user) else {
                continue;
            };
            histories[place].logins.push(Login {
                hour_ms: row.hour_ms,
                network: row.network,
                client: row.client,
                first_ms: row.first_ms,
                last_ms: row.last_ms,
            });
        }
        for row in told {
            if let Some(place) = place(row.user_hash, &row.user) {
                histories[place].told.push((row.from_ms, row.to_ms));
            }
        }
        let full = |of: &&History| of.activity.len() >= ROWS_MAX || of.logins.len() >= ROWS_MAX;
        metrics
            .too_many
            .inc_by(histories.iter().filter(full).count() as u64);
        Ok(histories)
    }

    /// What the events of a finding are, and the data records that they were about.
    pub(super) async fn evidence(&self, of: &Evidence) -> Result<(Figures, u64), Error> {
        let bind = |query: clickhouse::query::Query| {
            let query = query.param("user", of.user_hash).param("kinds", &of.kinds);
            let query = query.param("outcome", of.outcome);
            let query = query
                .param("network", &of.network)
                .param("client", &of.client);
            query.param("from_ms", of.from_ms).param("to_ms", of.to_ms)
        };
        let rows: Vec<EvidenceRow> = self
            .storage
            .rows("events of a finding", BASELINE_EVIDENCE, bind)
            .await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let figures = Figures {
            events: row.events,
            hosts: row.hosts,
            hosts_total: row.hosts_total,
            sources: row.sources,
            sources_total: row.sources_total,
            from_ms: row.events_from_ms,
            to_ms: row.events_to_ms,
            ..Figures::default()
        };
        Ok((figures, row.records))
    }
}
