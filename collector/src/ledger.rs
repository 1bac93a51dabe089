//! The proof: what was emitted, and what became of it, lane by lane.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::schema::queries::LEDGER_PROOF;
use crate::storage::Storage;

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
    let accounts: Vec<Account> = storage
        .rows("the ledger", LEDGER_PROOF, |query| {
            query
                .param("agent", &question.agent)
                .param("from", date_time(question.from))
        })
        .await?;
    let wanted = |account: &Account| {
        question
            .lane
            .as_ref()
            .is_none_or(|lane| *lane == account.lane)
    };
    Ok(accounts.into_iter().filter(wanted).collect())
}

/// A parameter of type DateTime: short numbers are not taken for Unix time.
fn date_time(seconds: u64) -> String {
    match seconds {
        0 => "1970-01-01 00:00:00".to_owned(),
        _ => format!("{seconds:010}"),
    }
}

const HEAD: [&str; 12] = [
    "agent",
    "spool",
    "lane",
    "emitted",
    "stored",
    "dropped",
    "sampled",
    "rejected",
    "in flight",
    "missing",
    "duplicates",
    "",
];

fn cells(account: &Account) -> [String; 12] {
    [
        account.agent_id.clone(),
        account.spool_id.chars().take(8).collect(),
        account.lane.clone(),
        account.emitted.to_string(),
        account.stored.to_string(),
        account.dropped.to_string(),
        account.sampled.to_string(),
        account.rejected.to_string(),
        account.in_flight.to_string(),
        account.missing.to_string(),
        account.duplicates.to_string(),
        if account.is_whole() {
            "whole"
        } else {
            "NOT WHOLE"
        }
        .to_owned(),
    ]
}

/// The accounts as a table for people, with the verdict below.
#[must_use]
pub fn table(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "The ledger has no batches to account for.\n".to_owned();
    }
    let rows: Vec<[String; 12]> = accounts.iter().map(cells).collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |row: &[&str]| {
        let mut joined = String::new();
        for (position, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Names to the left, numbers to the right.
            let _ = match position {
                0..=2 | 11 => write!(joined, "{cell:<width$}  "),
                _ => write!(joined, "{cell:>width$}  "),
            };
        }
        let _ = writeln!(text, "{}", joined.trim_end());
    };
    line(&HEAD);
    for row in &rows {
        line(&row.each_ref().map(String::as_str));
    }
    let broken = accounts
        .iter()
        .filter(|account| !account.is_whole())
        .count();
    let _ = match broken {
        0 => writeln!(
            text,
            "\nEmitted = stored + dropped + sampled + rejected + in flight in every lane: nothing is missing, nothing is counted twice."
        ),
        _ => writeln!(
            text,
            "\n{broken} of {} lanes are not whole; the query ledger_gaps lists the missing ranges.",
            accounts.len()
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(missing: u64) -> Account {
        Account {
            agent_id: "crm-web-01".to_owned(),
            spool_id: "01010101-0101-0101-0101-010101010101".to_owned(),
            lane: "metrics".to_owned(),
            emitted: 12,
            stored: 12 - missing,
            dropped: 0,
            sampled: 0,
            rejected: 0,
            in_flight: 0,
            missing,
            duplicates: 0,
            stored_items: 120,
        }
    }

    #[test]
    fn the_table_ends_with_the_verdict() {
        let whole = table(&[account(0)]);
        assert!(
            whole.contains("01010101  metrics       12      12"),
            "{whole}"
        );
        assert!(whole.contains("nothing is missing"));
        let broken = table(&[account(0), account(2)]);
        assert!(
            broken.contains("NOT WHOLE") && broken.contains("1 of 2 lanes"),
            "{broken}"
        );
        assert!(table(&[]).contains("no batches"));
    }
}
