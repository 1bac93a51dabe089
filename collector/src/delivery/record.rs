//! What each agent is to have, on its way to `rule_targets` or `settings_targets`.
//!
//! A row is written when the version changes, and not by every collector that has the same sets: since
//! when an agent is to have something is the time of its row.

use std::collections::HashMap;

use serde::Deserialize;

use crate::clock::now_ms;
use crate::error::Error;
use crate::schema::queries::{RULE_TARGETS, SETTINGS_TARGETS};
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

/// Where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `rule_targets`.
    Rules,
    /// `settings_targets`.
    Settings,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rule_targets",
            Self::Settings => "settings_targets",
        }
    }

    const fn query(self) -> &'static str {
        match self {
            Self::Rules => RULE_TARGETS,
            Self::Settings => SETTINGS_TARGETS,
        }
    }
}

/// What an agent is to have.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Agent.
    pub agent_id: &'a str,
    /// Version of what it is to have.
    pub version: u64,
    /// Names of the sets that make it.
    pub sets: &'a [String],
    /// Of rules, how many are good, and how many will be refused.
    pub rules: [usize; 2],
}

/// See the module.
pub(super) struct Record {
    table: Table,
    storage: Storage,
    /// As the table has it, as far as is known.
    written: HashMap<String, (u64, Vec<String>)>,
}

impl Record {
    pub(super) fn new(table: Table, storage: Storage) -> Self {
        Self {
            table,
            storage,
            written: HashMap::new(),
        }
    }

    /// Writes what changed.
    ///
    /// # Errors
    /// When ClickHouse does not answer; the next call writes it.
    pub(super) async fn note(&mut self, mut wanted: Vec<Wanted<'_>>) -> Result<(), Error> {
        if wanted.iter().all(|wanted| self.is_written(wanted)) {
            return Ok(());
        }
        // Another collector may have written it.
        let rows: Vec<Target> = self
            .storage
            .rows("targets of delivery", self.table.query(), |query| query)
            .await?;
        let target = |row: Target| (row.agent_id, (row.version, row.sets));
        self.written = rows.into_iter().map(target).collect();
        wanted.retain(|wanted| !self.is_written(wanted));
        wanted.sort_by_key(|wanted| wanted.agent_id);
        for rows in wanted.chunks(ROWS_MAX) {
            let insert = insert(self.table, rows, now_ms());
            self.storage.insert(&insert).await?;
            for wanted in rows {
                let target = (wanted.version, wanted.sets.to_vec());
                self.written.insert(wanted.agent_id.to_owned(), target);
            }
        }
        Ok(())
    }

    fn is_written(&self, wanted: &Wanted<'_>) -> bool {
        let written = self.written.get(wanted.agent_id);
        written.is_some_and(|(version, sets)| {
            *version == wanted.version && sets.as_slice() == wanted.sets
        })
    }
}

fn insert(table: Table, rows: &[Wanted<'_>], now_ms: i64) -> Insert {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let sets: Vec<Vec<&str>> = rows
        .iter()
        .map(|wanted| wanted.sets.iter().map(String::as_str).collect())
        .collect();
    let mut native = Block::new(rows.len(), 64);
    native.string("agent_id", rows.iter().map(|row| row.agent_id.as_bytes()));
    native.datetime_ms("changed_at", rows.iter().map(|_| now_ms));
    native.string_arrays("sets", &sets);
    native.u64("version", rows.iter().map(|row| row.version));
    if table == Table::Rules {
        native.u32("rules", rows.iter().map(|row| number(row.rules[0])));
        native.u32("refused", rows.iter().map(|row| number(row.rules[1])));
    }
    let origin = Origin::Journal(now_ms.unsigned_abs());
    let mut insert = Insert::new(table.name(), &origin, rows.len(), native);
    // Several collectors may write in the same millisecond.
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
