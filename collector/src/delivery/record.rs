//! What each agent is to have, on its way to `rule_targets`.
//!
//! A row is written when the version changes, and not by every collector that has the same sets: since
//! when an agent is to have something is the time of its row.

use std::collections::HashMap;

use serde::Deserialize;

use super::offers::{Offer, Offers};
use crate::clock::now_ms;
use crate::error::Error;
use crate::schema::queries::RULE_TARGETS;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// Most rows of an insert.
const ROWS_MAX: usize = 10_000;

#[derive(Deserialize)]
struct Target {
    agent_id: String,
    version: u64,
    sets: Vec<String>,
}

/// See the module.
pub(super) struct Record {
    storage: Storage,
    /// As the table has it, as far as is known.
    written: HashMap<String, (u64, Vec<String>)>,
}

impl Record {
    pub(super) fn new(storage: Storage) -> Self {
        Self {
            storage,
            written: HashMap::new(),
        }
    }

    /// Writes what changed.
    ///
    /// # Errors
    /// When ClickHouse does not answer; the next call writes it.
    pub(super) async fn note(&mut self, offers: &Offers) -> Result<(), Error> {
        let is_new =
            |written: &HashMap<String, (u64, Vec<String>)>, agent_id: &str, offer: &Offer| {
                let target = (offer.packed.version, offer.sets.clone());
                written.get(agent_id) != Some(&target)
            };
        if !offers
            .targets()
            .any(|(agent_id, offer)| is_new(&self.written, agent_id, offer))
        {
            return Ok(());
        }
        // Another collector may have written it.
        let rows: Vec<Target> = self
            .storage
            .rows("rule targets", RULE_TARGETS, |query| query)
            .await?;
        let target = |row: Target| (row.agent_id, (row.version, row.sets));
        self.written = rows.into_iter().map(target).collect();
        let mut news: Vec<(&str, &Offer)> = offers
            .targets()
            .filter(|(agent_id, offer)| is_new(&self.written, agent_id, offer))
            .map(|(agent_id, offer)| (agent_id, offer.as_ref()))
            .collect();
        news.sort_by_key(|(agent_id, _)| *agent_id);
        for rows in news.chunks(ROWS_MAX) {
            self.storage.insert(&insert(rows, now_ms())).await?;
            for (agent_id, offer) in rows {
                let target = (offer.packed.version, offer.sets.clone());
                self.written.insert((*agent_id).to_owned(), target);
            }
        }
        Ok(())
    }
}

fn insert(rows: &[(&str, &Offer)], now_ms: i64) -> Insert {
    let offers = || rows.iter().map(|(_, offer)| *offer);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let sets: Vec<Vec<&str>> = offers()
        .map(|offer| offer.sets.iter().map(String::as_str).collect())
        .collect();
    let mut native = Block::new(rows.len(), 64);
    native.string("agent_id", rows.iter().map(|(id, _)| id.as_bytes()));
    native.datetime_ms("changed_at", rows.iter().map(|_| now_ms));
    native.string_arrays("sets", &sets);
    native.u64("version", offers().map(|offer| offer.packed.version));
    native.u32("rules", offers().map(|offer| number(offer.rules)));
    native.u32("refused", offers().map(|offer| number(offer.refused)));
    let origin = Origin::Journal(now_ms.unsigned_abs());
    let mut insert = Insert::new("rule_targets", &origin, rows.len(), native);
    // Several collectors may write in the same millisecond.
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
