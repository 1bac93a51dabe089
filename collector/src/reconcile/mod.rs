//! Recomputing roll-ups from base rows, and what differs.
//!
//! Owns `crmscope-collector reconcile`. Promises: every table that a materialized view feeds is
//! recomputed by the view's own SELECT, read from the server, and compared cell by cell; a level above
//! another is recomputed from base rows too. What cannot be compared, as its base rows are gone, is
//! said. Nothing is written.
//!
//! The range is widened to whole days of UTC, the coarsest bucket. A row of a table without buckets
//! (`ledger_high_water`) is compared when its newest time is in the range, and always over all base rows.
//!
//! Rows that arrive meanwhile make no difference: base table and roll-ups of one insert are seen at
//! different moments, so a difference is asked for again until both values were the same twice,
//! [`PAUSE`] apart, or until it has lasted [`ROUNDS`] rounds. One that lasts is real: a roll-up that is
//! wrong in a busy bucket, or a block that is not yet repeated.

mod plan;
mod report;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::report::{Difference, NotComparable, Report, text};

use self::plan::{Column, DAY_S, Plan, View, plans, whole_days};
use crate::error::{Code, Error};
use crate::schema::DATABASE;
use crate::storage::Storage;

const VIEWS: &str = include_str!("../../../deploy/clickhouse/reconcile/views.sql");
const COLUMNS: &str = include_str!("../../../deploy/clickhouse/reconcile/columns.sql");
const MOMENT: &str = include_str!("../../../deploy/clickhouse/reconcile/moment.sql");

/// Between two looks at a difference.
const PAUSE: Duration = Duration::from_secs(5);
/// Looks at a difference that changes each time.
const ROUNDS: usize = 10;
/// Rows of one roll-up and day whose figures are looked at; more are only counted.
const ROWS_MAX: usize = 1000;
/// Differences a report lists; more are only counted.
const DIFFERENCES_MAX: usize = 1000;
/// One statement recomputes a day of base rows.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);

/// What to compare.
#[derive(Clone, Debug)]
pub struct Question {
    /// From when on, Unix seconds.
    pub from: u64,
    /// Until when, excluded, Unix seconds.
    pub to: u64,
    /// One roll-up only.
    pub table: Option<String>,
    /// Now, Unix seconds: tells which base rows are gone.
    pub now: u64,
}

#[derive(Deserialize)]
struct Count {
    compared: u64,
    differing: u64,
    hashes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Row {
    hash: String,
    key: Vec<String>,
    stored_rows: u64,
    recomputed_rows: u64,
    stored: Vec<String>,
    recomputed: Vec<String>,
}

/// Unix seconds of a moment such as `2026-11-28 14:00` (UTC).
///
/// # Errors
/// When ClickHouse does not answer or does not understand it.
pub async fn moment(storage: &Storage, text: &str) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Moment {
        moment: u64,
    }
    let rows: Vec<Moment> = storage
        .rows("a moment", MOMENT, |query| query.param("text", text))
        .await?;
    let moment = rows.first().map(|row| row.moment);
    moment.ok_or_else(|| Error::new(Code::Internal, format!("{text:?} is no moment")))
}

/// Compares; `progress` hears each step: steps done, steps in all, the roll-up.
///
/// # Errors
/// When ClickHouse does not answer, a view is not understood, or the table is fed by no view.
pub async fn reconcile(
    storage: &Storage,
    question: &Question,
    mut progress: impl FnMut(usize, usize, &str),
) -> Result<Report, Error> {
    let views: Vec<View> = storage.rows("views", VIEWS, |query| query).await?;
    let columns: Vec<Column> = storage.rows("columns", COLUMNS, |query| query).await?;
    let mut plans = plans(&views, &columns).map_err(|error| Error::new(Code::Internal, error))?;
    if let Some(table) = &question.table {
        plans.retain(|plan| plan.target == *table);
        if plans.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("{table:?} is no table that a materialized view of {DATABASE} feeds"),
            ));
        }
    }
    let (from, to) = whole_days(question.from, question.to);
    let mut report = Report {
        from,
        to,
        ..Report::default()
    };
    let mut steps = Vec::new();
    for plan in &plans {
        report.tables.push(plan.target.clone());
        let first = plan.kept_days.map_or(from, |days| {
            whole_days(0, question.now.saturating_sub(days * DAY_S))
                .1
                .max(from)
        });
        if first > from {
            report.not_comparable.push(NotComparable {
                table: plan.target.clone(),
                from,
                to: first.min(to),
                kept_days: plan.kept_days.unwrap_or_default(),
            });
        }
        if plan.by_bucket {
            let days = first / DAY_S..to / DAY_S;
            steps.extend(days.map(|day| (plan, day * DAY_S, (day + 1) * DAY_S)));
        } else if first < to {
            steps.push((plan, first, to));
        }
    }
    for (done, (plan, from, to)) in steps.iter().enumerate() {
        progress(done, steps.len(), &plan.target);
        step(storage, plan, *from, *to, &mut report).await?;
    }
    progress(steps.len(), steps.len(), "");
    Ok(report)
}

/// One roll-up in one range.
async fn step(
    storage: &Storage,
    plan: &Plan,
    from: u64,
    to: u64,
    report: &mut Report,
) -> Result<(), Error> {
    let counts: Vec<Count> = ask(storage, &plan.target, &plan.count(from, to, ROWS_MAX)).await?;
    let Some(count) = counts.into_iter().next() else {
        return Ok(());
    };
    report.compared_rows += count.compared;
    // Those beyond the bound cannot be looked at again one by one.
    report.unlisted_rows += count.differing.saturating_sub(count.hashes.len() as u64);
    let mut hashes = count.hashes;
    let mut before: BTreeMap<String, Row> = BTreeMap::new();
    for round in 1..=ROUNDS {
        if hashes.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u64> = hashes.iter().filter_map(|hash| hash.parse().ok()).collect();
        let rows: Vec<Row> =
            ask(storage, &plan.target, &plan.differences(from, to, &numbers)).await?;
        let mut changing = BTreeMap::new();
        for row in rows {
            if round == ROUNDS || before.get(&row.hash) == Some(&row) {
                report.add(plan, &row);
            } else {
                changing.insert(row.hash.clone(), row);
            }
        }
        hashes = changing.keys().cloned().collect();
        before = changing;
        if !hashes.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn ask<T: DeserializeOwned>(
    storage: &Storage,
    table: &str,
    sql: &str,
) -> Result<Vec<T>, Error> {
    let question = async {
        let query = storage
            .client()
            .clone()
            .with_database(DATABASE)
            .query_raw(sql);
        let query = query.with_setting("output_format_json_quote_64bit_integers", "0");
        query.fetch_bytes("JSONEachRow")?.collect().await
    };
    let failed =
        |error: String| Error::new(Code::Unavailable, format!("recomputing {table}: {error}"));
    let bytes = match tokio::time::timeout(STATEMENT_TIMEOUT, question).await {
        Ok(answer) => answer.map_err(|error| failed(error.to_string()))?,
        Err(_) => {
            return Err(failed(format!(
                "no answer within {} s",
                STATEMENT_TIMEOUT.as_secs()
            )));
        }
    };
    serde_json::Deserializer::from_slice(&bytes)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| failed(error.to_string()))
}
