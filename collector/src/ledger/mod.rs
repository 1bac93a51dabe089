//! The proof: what was emitted, and what became of it, lane by lane and minute by minute.
//!
//! Owns the questions and their answers. Promises that emitted = stored + sampled + rejected +
//! dropped + missing + in flight in every answer. Leaves the arithmetic to the queries
//! `ledger_proof`, `ledger_gaps` and `ledger_minutes`.

mod text;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::schema::queries::{LEDGER_GAPS, LEDGER_MINUTES, LEDGER_PROOF};
use crate::storage::Storage;

pub use self::text::{minute_table, table};

/// Batches by the reason for which they are not stored.
pub type Reasons = BTreeMap<String, u64>;

/// The account of one lane of one spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Agent.
    pub agent_id: String,
    /// Spool.
    pub spool_id: String,
    /// Lane.
    pub lane: String,
    /// Batches that exist.
    pub emitted: u64,
    /// Batches in the tables.
    pub stored: u64,
    /// Batches the agent dropped and said so.
    pub dropped: u64,
    /// Batches left out on purpose.
    pub sampled: u64,
    /// Batches in the dead letters.
    pub rejected: u64,
    /// Batches still with the agent or on their way.
    pub in_flight: u64,
    /// Batches of which nothing is known: a loss.
    pub missing: u64,
    /// Batches counted twice.
    pub duplicates: u64,
    /// Rows, lines and events of the stored batches.
    pub stored_items: u64,
    /// Batches by reason, as the ledger has them.
    pub reasons: Reasons,
    /// The missing batches, at most [`RANGES_MAX`] ranges.
    #[serde(default)]
    pub missing_ranges: Vec<Range>,
}

/// Missing batches that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Sequence of the first.
    pub first_sequence: u64,
    /// Sequence of the last, included.
    pub last_sequence: u64,
}

/// Missing ranges of one lane that are listed.
pub const RANGES_MAX: usize = 100;

/// The account of one lane in one minute of the agent's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Agent.
    pub agent_id: String,
    /// Lane.
    pub lane: String,
    /// Beginning of the minute, UTC.
    pub t: String,
    /// Batches that exist.
    pub emitted: u64,
    /// Batches in the tables.
    pub stored: u64,
    /// Batches left out on purpose.
    pub sampled: u64,
    /// Batches in the dead letters.
    pub rejected: u64,
    /// Batches the agent dropped and said so.
    pub dropped: u64,
    /// Batches of which nothing is known.
    pub missing: u64,
    /// Batches still with the agent or on their way.
    pub in_flight: u64,
    /// Batches by reason.
    pub reasons: Reasons,
}

#[derive(Deserialize)]
struct Gap {
    agent_id: String,
    spool_id: String,
    lane: String,
    #[serde(flatten)]
    range: Range,
}

impl Account {
    /// Whether nothing is missing and nothing counted twice.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.missing == 0 && self.duplicates == 0
    }
}

/// Which accounts to show.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// One agent; empty for all.
    pub agent: String,
    /// One lane.
    pub lane: Option<String>,
    /// From when on, Unix seconds; 0 for the beginning.
    pub from: u64,
}

/// Asks ClickHouse for the accounts.
///
/// # Errors
/// When it does not answer.
pub async fn accounts(storage: &Storage, question: &Question) -> Result<Vec<Account>, Error> {
    let mut accounts: Vec<Account> = question.ask(storage, LEDGER_PROOF).await?;
    accounts.retain(|account| question.wants(&account.lane));
    if accounts.iter().any(|account| account.missing > 0) {
        for gap in question.ask::<Gap>(storage, LEDGER_GAPS).await? {
            let account = accounts.iter_mut().find(|account| {
                account.agent_id == gap.agent_id
                    && account.spool_id == gap.spool_id
                    && account.lane == gap.lane
            });
            if let Some(account) = account
                && account.missing_ranges.len() < RANGES_MAX
            {
                account.missing_ranges.push(gap.range);
            }
        }
    }
    Ok(accounts)
}

/// Asks ClickHouse for the account of every minute.
///
/// # Errors
/// When it does not answer.
pub async fn minutes(storage: &Storage, question: &Question) -> Result<Vec<Minute>, Error> {
    let mut minutes: Vec<Minute> = question.ask(storage, LEDGER_MINUTES).await?;
    minutes.retain(|minute| question.wants(&minute.lane));
    Ok(minutes)
}

impl Question {
    async fn ask<T: DeserializeOwned>(
        &self,
        storage: &Storage,
        sql: &'static str,
    ) -> Result<Vec<T>, Error> {
        storage
            .rows("the ledger", sql, |query| {
                query
                    .param("agent", &self.agent)
                    .param("from", date_time(self.from))
            })
            .await
    }

    fn wants(&self, lane: &str) -> bool {
        self.lane.as_ref().is_none_or(|wanted| wanted == lane)
    }
}

/// A parameter of type DateTime: short numbers are not taken for Unix time.
fn date_time(seconds: u64) -> String {
    match seconds {
        0 => "1970-01-01 00:00:00".to_owned(),
        _ => format!("{seconds:010}"),
    }
}
