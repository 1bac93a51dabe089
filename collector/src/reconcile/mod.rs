//! Recomputing roll-ups from base rows, and what differs.
//!
//! Owns `crmscope-collector reconcile`. Promises: every table that a materialized view feeds is
//! recomputed by the view's own SELECT, read from the server, and compared cell by cell; a level above
//! another is recomputed from base rows too. What cannot be compared, as its base rows are gone or were
//! there before the roll-up, is said. Nothing is written.
//!
//! The range is widened to whole days of UTC, the coarsest bucket. A row of a table without buckets
//! (`ledger_high_water`) is compared when its newest time is in the range, and always over all base rows.
//!
//! Rows that arrive meanwhile make no difference: base table and roll-ups are read at different moments,
//! so all that differs is looked at again, [`PAUSE`] later, and only what was the same twice is a
//! difference. What changes at each of [`LOOKS`] looks is neither right nor wrong and counted apart, as
//! is what differed at the first look beyond [`FOLLOWED_MAX`] rows and so could not be looked at again.

mod looks;
mod plan;
mod report;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::report::{Difference, NotComparable, Report, WholeSince, text};

use self::looks::{Differing, Look, judge};
use self::plan::{Column, DAY_S, Plan, View, plans, whole_days};
use crate::error::{Code, Error};
use crate::schema::DATABASE;
use crate::storage::Storage;

const VIEWS: &str = include_str!("../../../deploy/clickhouse/reconcile/views.sql");
const COLUMNS: &str = include_str!("../../../deploy/clickhouse/reconcile/columns.sql");
const MOMENT: &str = include_str!("../../../deploy/clickhouse/reconcile/moment.sql");

/// Between two looks at what differs.
const PAUSE: Duration = Duration::from_secs(5);
/// Looks at what changes each time.
const LOOKS: usize = 6;
/// Rows that differ and are looked at again, of all roll-ups together: some 50 bytes each.
const FOLLOWED_MAX: u64 = 200_000;
/// Rows of one roll-up and day whose figures are fetched once they are known to be wrong; more are only
/// counted.
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
    rows: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Row {
    hash: u64,
    state: u64,
    key: Vec<String>,
    stored_rows: u64,
    recomputed_rows: u64,
    stored: Vec<String>,
    recomputed: Vec<String>,
}

/// One roll-up in one range, and its rows that are to be looked at again.
struct Step<'a> {
    plan: &'a Plan,
    from: u64,
    to: u64,
    followed: Differing,
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
        if plan.since_s > from {
            report.whole_since.push(WholeSince {
                table: plan.target.clone(),
                since: plan.since_s,
            });
        }
        let step = |from, to| Step {
            plan,
            from,
            to,
            followed: Differing::new(),
        };
        if plan.by_bucket {
            let days = first / DAY_S..to / DAY_S;
            steps.extend(days.map(|day| step(day * DAY_S, (day + 1) * DAY_S)));
        } else if first < to {
            steps.push(step(first, to));
        }
    }
    let of = steps.len();
    let mut room = FOLLOWED_MAX;
    for (done, step) in steps.iter_mut().enumerate() {
        progress(done, of, &step.plan.target);
        room = first_look(storage, step, room, &mut report).await?;
    }
    // All looks of a round have one pause, so that many roll-ups in motion take no longer than one.
    for look in 2..=LOOKS {
        steps.retain(|step| !step.followed.is_empty());
        if steps.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let of = steps.len();
        for (done, step) in steps.iter_mut().enumerate() {
            progress(done, of, &format!("{}, look {look}", step.plan.target));
            next_look(storage, step, &mut report).await?;
        }
    }
    report.changing_rows = steps.iter().map(|step| step.followed.len() as u64).sum();
    progress(of, of, "");
    Ok(report)
}

/// Finds what differs, and follows as many rows as there is room for. Returns what is left of it.
async fn first_look(
    storage: &Storage,
    step: &mut Step<'_>,
    room: u64,
    report: &mut Report,
) -> Result<u64, Error> {
    let (compared, mut look) = look(storage, step, room).await?;
    report.compared_rows += compared;
    if room == 0 {
        // At least one has to be asked for.
        look.rows.clear();
    }
    report.unjudged_rows += look.hidden();
    step.followed = look.rows;
    Ok(room.saturating_sub(step.followed.len() as u64))
}

/// Looks again at the rows that are followed: those that are the same are told, those that are right
/// are let go.
async fn next_look(
    storage: &Storage,
    step: &mut Step<'_>,
    report: &mut Report,
) -> Result<(), Error> {
    // Others may differ by now, and must not stand in front of those that are followed.
    let limit = 2 * step.followed.len() as u64 + ROWS_MAX as u64;
    let (_, look) = look(storage, step, limit).await?;
    let verdict = judge(&step.followed, &look);
    report.unjudged_rows += verdict.unseen;
    step.followed = verdict.changing;
    report.unlisted_rows += verdict.same.len().saturating_sub(ROWS_MAX) as u64;
    let shown: Differing = verdict.same.into_iter().take(ROWS_MAX).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let plan = step.plan;
    let keys: Vec<u64> = shown.keys().copied().collect();
    let sql = plan.differences(step.from, step.to, &keys);
    for row in ask::<Row>(storage, &plan.target, &sql).await? {
        if shown.get(&row.hash) == Some(&row.state) {
            report.add(plan, &row);
        } else {
            step.followed.insert(row.hash, row.state);
        }
    }
    Ok(())
}

/// What differs now, the first of it, and how many rows were compared.
async fn look(storage: &Storage, step: &Step<'_>, limit: u64) -> Result<(u64, Look), Error> {
    let sql = step.plan.count(step.from, step.to, limit.max(1));
    let counts: Vec<Count> = ask(storage, &step.plan.target, &sql).await?;
    let Some(count) = counts.into_iter().next() else {
        return Ok((0, Look::default()));
    };
    let look = Look {
        rows: count.rows.into_iter().collect(),
        differing: count.differing,
    };
    Ok((count.compared, look))
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
