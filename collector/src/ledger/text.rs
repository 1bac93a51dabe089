//! The ledger as tables for people.

use std::fmt::Write as _;

use super::{Account, Minute, Reasons};

const ACCOUNTS: [&str; 12] = [
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

const MINUTES: [&str; 11] = [
    "agent",
    "minute (UTC)",
    "lane",
    "emitted",
    "stored",
    "dropped",
    "sampled",
    "rejected",
    "in flight",
    "missing",
    "reasons",
];

/// The accounts with what is not stored by reason, the missing ranges, and the verdict.
#[must_use]
pub fn table(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "The ledger has no batches to account for.\n".to_owned();
    }
    let rows = accounts.iter().map(|account| {
        let verdict = if account.is_whole() {
            "whole"
        } else {
            "NOT WHOLE"
        };
        [
            account.agent_id.clone(),
            short(&account.spool_id),
            account.lane.clone(),
            account.emitted.to_string(),
            account.stored.to_string(),
            account.dropped.to_string(),
            account.sampled.to_string(),
            account.rejected.to_string(),
            account.in_flight.to_string(),
            account.missing.to_string(),
            account.duplicates.to_string(),
            verdict.to_owned(),
        ]
    });
    let mut text = columns(&ACCOUNTS, &rows.collect::<Vec<_>>());
    for account in accounts {
        let (agent, spool, lane) = (&account.agent_id, short(&account.spool_id), &account.lane);
        if !account.reasons.is_empty() {
            let reasons = list(&account.reasons);
            let _ = writeln!(text, "not stored: {agent} {spool} {lane}: {reasons}");
        }
        for range in &account.missing_ranges {
            let (first, last) = (range.first_sequence, range.last_sequence);
            let _ = writeln!(text, "missing: {agent} {spool} {lane}: {first} to {last}");
        }
        if account.missing_ranges.len() == super::RANGES_MAX {
            let _ = writeln!(
                text,
                "missing: {agent} {spool} {lane}: perhaps more; the query ledger_gaps lists all"
            );
        }
    }
    let broken = accounts.iter().filter(|account| !account.is_whole());
    let _ = match broken.count() {
        0 => writeln!(
            text,
            "\nEmitted = stored + dropped + sampled + rejected + in flight in every lane: nothing is missing, nothing is counted twice."
        ),
        broken => writeln!(
            text,
            "\n{broken} of {} lanes are not whole.",
            accounts.len()
        ),
    };
    text
}

/// The accounts of minutes.
#[must_use]
pub fn minute_table(minutes: &[Minute]) -> String {
    let rows = minutes.iter().map(|minute| {
        [
            minute.agent_id.clone(),
            minute.t.clone(),
            minute.lane.clone(),
            minute.emitted.to_string(),
            minute.stored.to_string(),
            minute.dropped.to_string(),
            minute.sampled.to_string(),
            minute.rejected.to_string(),
            minute.in_flight.to_string(),
            minute.missing.to_string(),
            list(&minute.reasons),
        ]
    });
    columns(&MINUTES, &rows.collect::<Vec<_>>())
}

fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

fn list(reasons: &Reasons) -> String {
    let reasons: Vec<String> = reasons
        .iter()
        .map(|(reason, batches)| format!("{reason} {batches}"))
        .collect();
    reasons.join(", ")
}

/// Names to the left, numbers to the right: the first three columns and the last are names.
fn columns<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |row: [&str; N]| {
        let mut joined = String::new();
        for (position, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if position < 3 || position + 1 == N {
                write!(joined, "{cell:<width$}  ")
            } else {
                write!(joined, "{cell:>width$}  ")
            };
        }
        let _ = writeln!(text, "{}", joined.trim_end());
    };
    line(*head);
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::*;

    fn account(missing: u64) -> Account {
        let range = Range {
            first_sequence: 3,
            last_sequence: 2 + missing,
        };
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
            reasons: Reasons::new(),
            missing_ranges: vec![range; usize::from(missing > 0)],
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
        assert!(
            broken.contains("missing: crm-web-01 01010101 metrics: 3 to 4\n"),
            "{broken}"
        );
        assert!(table(&[]).contains("no batches"));
    }

    #[test]
    fn what_is_not_stored_stands_by_reason() {
        let mut dropped = account(0);
        dropped.stored = 5;
        dropped.dropped = 7;
        dropped.reasons = [
            ("spool_full".to_owned(), 4),
            ("spool_corrupt".to_owned(), 3),
        ]
        .into();
        let text = table(&[dropped]);
        let line = "not stored: crm-web-01 01010101 metrics: spool_corrupt 3, spool_full 4\n";
        assert!(text.contains(line), "{text}");
    }
}
