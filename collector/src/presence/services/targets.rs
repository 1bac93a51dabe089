//! Which targets failed in the outages of a service.
//!
//! What is kept of an hour says that a service was down, not by which of its targets; the roll-up of runs
//! says which had failed runs in the minutes of an outage, and is kept for 90 days. Bounded: the targets
//! with the most failed runs are named, the others counted.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::schema::queries::SERVICE_FAILED_TARGETS;
use crate::storage::Storage;

/// Targets that are named of each outage.
const TARGETS_MAX: u32 = 5;
/// Outages of one question: their times stand in its address, which has 64 KiB.
const OUTAGES_MAX: usize = 500;
/// Of a name in words, so many characters are shown.
const NAME_MAX: usize = 120;

/// A target with failed runs in an outage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FailedTarget {
    /// As agents call it.
    pub(super) target: String,
    /// Runs that failed in the minutes of the outage.
    pub(super) failed_runs: u64,
    /// Agents of which runs failed.
    pub(super) agents: u64,
}

/// The targets that failed in one outage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// Those with the most failed runs.
    pub(super) named: Vec<FailedTarget>,
    /// How many more there are.
    pub(super) others: u64,
}

/// By the times of outages, Unix ms; nothing is known of those that are not in it.
pub(super) type FailedBy = BTreeMap<(i64, i64), Failed>;

#[derive(Deserialize)]
struct TargetRow {
    number: usize,
    target: String,
    failed_runs: u64,
    agents: u64,
    targets: u64,
}

/// Asks for the targets that failed in each of these times.
///
/// # Errors
/// When ClickHouse does not answer.
pub(super) async fn failed(
    storage: &Storage,
    service: &str,
    outages: &[Range<i64>],
) -> Result<FailedBy, Error> {
    let mut failed = FailedBy::new();
    for outages in outages.chunks(OUTAGES_MAX) {
        let from_ms: Vec<i64> = outages.iter().map(|outage| outage.start).collect();
        let to_ms: Vec<i64> = outages.iter().map(|outage| outage.end).collect();
        let bind = |query: clickhouse::query::Query| {
            let query = query.param("service", service).param("from_ms", &from_ms);
            query.param("to_ms", &to_ms).param("at_most", TARGETS_MAX)
        };
        let rows: Vec<TargetRow> = storage
            .rows("targets that failed", SERVICE_FAILED_TARGETS, bind)
            .await?;
        for row in rows {
            let Some(outage) = row.number.checked_sub(1).and_then(|at| outages.get(at)) else {
                continue;
            };
            let of = failed.entry((outage.start, outage.end)).or_default();
            of.named.push(FailedTarget {
                target: row.target,
                failed_runs: row.failed_runs,
                agents: row.agents,
            });
            of.others = row.targets.saturating_sub(of.named.len() as u64);
        }
    }
    Ok(failed)
}

/// In words, behind an outage; nothing where nothing is known. Names are what agents were told by
/// whoever configured them, so nothing in them is taken for anything but text.
pub(super) fn words(failed: Option<&Failed>) -> String {
    let Some(failed) = failed.filter(|failed| !failed.named.is_empty()) else {
        return String::new();
    };
    let mut named: Vec<String> = failed.named.iter().map(name).collect();
    if failed.others > 0 {
        named.push(format!("{} more", failed.others));
    }
    format!(": {}", named.join(", "))
}

fn name(failed: &FailedTarget) -> String {
    let counted = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let mut name: String = failed.target.chars().take(NAME_MAX).collect();
    if name.len() < failed.target.len() {
        name.push('…');
    }
    format!(
        "{} ({} of {})",
        name.escape_debug(),
        counted(failed.failed_runs, "failed run"),
        counted(failed.agents, "agent")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_bounded() {
        let target = |target: &str, failed_runs, agents| FailedTarget {
            target: target.to_owned(),
            failed_runs,
            agents,
        };
        let mut failed = Failed {
            named: vec![target("page", 3, 2), target("a\u{1b}[2J\nb", 1, 1)],
            others: 0,
        };
        assert_eq!(
            words(Some(&failed)),
            ": page (3 failed runs of 2 agents), a\\u{1b}[2J\\nb (1 failed run of 1 agent)"
        );
        failed.named = vec![target(&"é".repeat(1000), 1, 1)];
        failed.others = 7;
        let long = words(Some(&failed));
        assert_eq!(
            long,
            format!(
                ": {}… (1 failed run of 1 agent), 7 more",
                "é".repeat(NAME_MAX)
            )
        );
        assert_eq!(words(None), "");
        assert_eq!(words(Some(&Failed::default())), "");
    }
}
