//! What was compared and what differs, for people and programs. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::plan::Plan;
use super::{DIFFERENCES_MAX, Row};
use crate::presence::availability::time;

/// Outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// First second compared, Unix.
    pub from: u64,
    /// Where the range ends, excluded, Unix.
    pub to: u64,
    /// Roll-ups that were looked at.
    pub tables: Vec<String>,
    /// Rows compared.
    pub compared_rows: u64,
    /// Differing cells; the first 1000 are listed.
    pub differing_cells: u64,
    /// Rows that differ, the same at two looks, and were only counted.
    pub unlisted_rows: u64,
    /// Rows that differed at every look, and each time otherwise: data in flight, or a wrong figure that
    /// is still added to.
    pub changing_rows: u64,
    /// Rows that differed once and were not looked at again, as too many did.
    pub unjudged_rows: u64,
    /// What differs.
    pub differences: Vec<Difference>,
    /// What could not be compared.
    pub not_comparable: Vec<NotComparable>,
    /// Roll-ups of which the beginning of the range was not compared.
    pub whole_since: Vec<WholeSince>,
}

/// One cell that is not what base rows say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Roll-up.
    pub table: String,
    /// Its key, by column.
    pub key: BTreeMap<String, String>,
    /// Column; `name[cell]` in a map.
    pub column: String,
    /// What the roll-up holds; `no row` where it has none.
    pub stored: String,
    /// What base rows say; `no row` where they say nothing.
    pub recomputed: String,
}

/// A range whose base rows are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotComparable {
    /// Roll-up.
    pub table: String,
    /// Start, Unix seconds.
    pub from: u64,
    /// End, excluded, Unix seconds.
    pub to: u64,
    /// Days for which base rows are kept.
    pub kept_days: u64,
}

/// A roll-up that came later than its base rows, with a later version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WholeSince {
    /// Roll-up.
    pub table: String,
    /// From when on it is whole, and compared, Unix seconds.
    pub since: u64,
}

const NO_ROW: &str = "no row";

impl Report {
    /// Whether a cell is not what base rows say.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.differing_cells > 0 || self.unlisted_rows > 0
    }

    /// Whether every row that was compared is known to be right or wrong.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        self.changing_rows == 0 && self.unjudged_rows == 0
    }

    /// 1 when a cell is wrong, 3 when none is known to be and some rows could not be judged, else 0.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match (self.is_wrong(), self.is_judged()) {
            (true, _) => 1,
            (false, false) => 3,
            (false, true) => 0,
        }
    }

    pub(super) fn add(&mut self, plan: &Plan, row: &Row) {
        let key: BTreeMap<String, String> = plan
            .keys
            .iter()
            .cloned()
            .zip(row.key.iter().cloned())
            .collect();
        let mut add = |column: String, stored: &str, recomputed: &str| {
            self.differing_cells += 1;
            if self.differences.len() < DIFFERENCES_MAX {
                self.differences.push(Difference {
                    table: plan.target.clone(),
                    key: key.clone(),
                    column,
                    stored: stored.to_owned(),
                    recomputed: recomputed.to_owned(),
                });
            }
        };
        if row.stored_rows != 1 || row.recomputed_rows != 1 {
            let rows = |count: u64| match count {
                0 => NO_ROW.to_owned(),
                1 => "a row".to_owned(),
                _ => format!("{count} rows"),
            };
            add(
                "*".to_owned(),
                &rows(row.stored_rows),
                &rows(row.recomputed_rows),
            );
            return;
        }
        for ((column, stored), recomputed) in
            plan.figures.iter().zip(&row.stored).zip(&row.recomputed)
        {
            if stored == recomputed {
                continue;
            }
            match (cells(stored), cells(recomputed)) {
                (Some(stored), Some(recomputed)) => {
                    let mut names: Vec<&str> =
                        stored.keys().chain(recomputed.keys()).copied().collect();
                    names.sort_unstable();
                    names.dedup();
                    for name in names {
                        let value = |cells: &BTreeMap<&str, &str>| {
                            cells.get(name).copied().unwrap_or("0").to_owned()
                        };
                        let (stored, recomputed) = (value(&stored), value(&recomputed));
                        if stored != recomputed {
                            add(format!("{column}[{name}]"), &stored, &recomputed);
                        }
                    }
                }
                _ => add(column.clone(), stored, recomputed),
            }
        }
    }
}

/// The cells of a map of numbers, as ClickHouse writes it: `{-3:1,7:2}`.
fn cells(text: &str) -> Option<BTreeMap<&str, &str>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    if inner.is_empty() {
        return Some(BTreeMap::new());
    }
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let cell = |cell: &'_ str| number(&cell.replacen(':', "", 1));
    inner.split(',').all(cell).then_some(())?;
    inner.split(',').map(|cell| cell.split_once(':')).collect()
}

/// The report for people.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        let key: Vec<String> = difference
            .key
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let _ = writeln!(
            text,
            "{} {} {}: stored {:?}, recomputed {:?}",
            difference.table,
            key.join(" "),
            difference.column,
            difference.stored,
            difference.recomputed
        );
    }
    for gone in &report.not_comparable {
        let _ = writeln!(
            text,
            "{}: {} of {} days are not comparable: base rows are kept {} days",
            gone.table,
            (gone.to - gone.from) / super::DAY_S,
            (report.to - report.from) / super::DAY_S,
            gone.kept_days
        );
    }
    for later in &report.whole_since {
        let since_ms = i64::try_from(later.since).unwrap_or(i64::MAX / 1000) * 1000;
        let _ = writeln!(
            text,
            "{}: compared from {} on: it came with a later version than the rows it is made of",
            later.table,
            time(since_ms)
        );
    }
    if report.changing_rows > 0 {
        let _ = writeln!(
            text,
            "{} rows differed at each of {} looks, each time otherwise: data in flight, so neither right nor \
             wrong. Ask again later, or let --to end the range before the days that are being written.",
            report.changing_rows,
            super::LOOKS
        );
    }
    if report.unjudged_rows > 0 {
        let _ = writeln!(
            text,
            "{} rows differed once and were not looked at again, as more than {} did. Ask for a shorter \
             range, or for one roll-up with --table.",
            report.unjudged_rows,
            super::FOLLOWED_MAX
        );
    }
    let (tables, rows) = (report.tables.len(), report.compared_rows);
    let _ = match report.exit_code() {
        0 => writeln!(
            text,
            "{tables} roll-ups, {rows} rows: every cell is what the base rows say."
        ),
        1 => writeln!(
            text,
            "{} cells differ in {tables} roll-ups of {rows} rows; {} listed, {} further rows only counted.",
            report.differing_cells,
            report.differences.len(),
            report.unlisted_rows
        ),
        _ => writeln!(
            text,
            "{tables} roll-ups, {rows} rows: no cell is known to be wrong, and {} rows are not judged.",
            report.changing_rows + report.unjudged_rows
        ),
    };
    text
}
