//! From views and columns to the statements that compare them. Pure.
//!
//! A view's SELECT reads its source under the name `crmscope.<source>`. For a roll-up of a roll-up the
//! SELECT of the level below is put in its place, so that every level is recomputed from base rows.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Seconds of the coarsest bucket; ranges are whole ones.
pub(super) const DAY_S: u64 = 86_400;

const ROWS: &str = include_str!("../../../deploy/clickhouse/reconcile/rows.sql");
const COUNT: &str = include_str!("../../../deploy/clickhouse/reconcile/count.sql");
/// What both sides of a row hold, as one number.
const STATE: &str = include_str!("../../../deploy/clickhouse/reconcile/state.sql");
const DIFFERENCES: &str = include_str!("../../../deploy/clickhouse/reconcile/differences.sql");
/// Levels above base rows that are followed.
const DEPTH_MAX: usize = 8;

/// A row of `views.sql`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct View {
    pub(super) view: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) query: String,
    pub(super) source_days: u64,
    pub(super) target_days: u64,
    /// From when on the roll-up is whole, Unix s; 0 where it always was.
    pub(super) since_s: u64,
}

/// A row of `columns.sql`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    pub(super) table: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) key: u8,
}

/// One roll-up and how it is recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The roll-up.
    pub(super) target: String,
    /// Names of its key.
    pub(super) keys: Vec<String>,
    /// Names of the figures.
    pub(super) figures: Vec<String>,
    /// Days for which both base rows and the roll-up are kept; `None` is for ever.
    pub(super) kept_days: Option<u64>,
    /// Whether a row is a bucket of time; else a row is looked at by its newest time.
    pub(super) by_bucket: bool,
    /// Rows before are not compared: the roll-up came later than its base rows, Unix s.
    pub(super) since_s: u64,
    time: String,
    rows: String,
}

/// What each view feeds, by the roll-up's name.
///
/// # Errors
/// When a view is not of the form that is understood, by name.
pub(super) fn plans(views: &[View], columns: &[Column]) -> Result<Vec<Plan>, String> {
    let mut by_table: BTreeMap<&str, Vec<&Column>> = BTreeMap::new();
    for column in columns {
        by_table.entry(&column.table).or_default().push(column);
    }
    views
        .iter()
        .map(|view| {
            let columns = by_table.get(view.target.as_str());
            let columns = columns
                .ok_or_else(|| format!("view {}: it feeds no table of crmscope", view.view))?;
            plan(view, views, columns)
        })
        .collect()
}

fn plan(view: &View, views: &[View], columns: &[&Column]) -> Result<Plan, String> {
    let (query, base_days) = from_base(view, views, 0)?;
    let is_time = |column: &&&Column| column.kind.contains("DateTime");
    let in_key = columns
        .iter()
        .find(|column| column.key == 1 && is_time(column));
    let time = in_key.or_else(|| columns.iter().find(is_time));
    let time = time.ok_or_else(|| format!("table {}: it has no column of time", view.target))?;
    let texts = |key: u8| -> (Vec<String>, Vec<String>) {
        let chosen = columns.iter().filter(|column| column.key == key);
        chosen
            .map(|column| (column.name.clone(), text_of(column)))
            .unzip()
    };
    let ((keys, key_texts), (figures, figure_texts)) = (texts(1), texts(0));
    Ok(Plan {
        target: view.target.clone(),
        keys,
        figures,
        kept_days: [base_days, view.target_days]
            .into_iter()
            .filter(|days| *days > 0)
            .min(),
        by_bucket: in_key.is_some(),
        since_s: view.since_s,
        time: time.name.clone(),
        rows: ROWS
            .replace("{{keys}}", &key_texts.join(", "))
            .replace("{{values}}", &figure_texts.join(", "))
            .replace("{{target}}", &view.target)
            .replace("{{query}}", &query),
    })
}

/// The view's SELECT over base rows, and for how many days those are kept.
fn from_base(view: &View, views: &[View], depth: usize) -> Result<(String, u64), String> {
    let name = format!("FROM crmscope.{} AS ", view.source);
    if depth > DEPTH_MAX
        || view.query.matches(&name).count() != 1
        || view.query.matches("crmscope.").count() != 1
    {
        return Err(format!(
            "view {}: its SELECT is not understood; it must read crmscope.{} once, with an alias, and nothing else",
            view.view, view.source
        ));
    }
    let Some(below) = views.iter().find(|below| below.target == view.source) else {
        return Ok((view.query.clone(), view.source_days));
    };
    let (inner, days) = from_base(below, views, depth + 1)?;
    Ok((
        view.query.replace(&name, &format!("FROM ({inner}) AS ")),
        days,
    ))
}

/// A column as text that is equal exactly where its contents are.
fn text_of(column: &Column) -> String {
    let name = format!("`{}`", column.name);
    if column.kind.starts_with("AggregateFunction(groupBitmap") {
        return format!("toString(arraySort(bitmapToArray({name})))");
    }
    if column.kind.starts_with("AggregateFunction(") {
        return format!("toString(finalizeAggregation({name}))");
    }
    // SimpleAggregateFunction(sum, UInt64) holds a plain UInt64.
    let plain = column
        .kind
        .strip_prefix("SimpleAggregateFunction(")
        .and_then(|rest| rest.split_once(", "))
        .and_then(|(_, kind)| kind.strip_suffix(')'))
        .unwrap_or(&column.kind);
    let cast = format!(
        "CAST({name}, '{}')",
        plain.replace('\\', "\\\\").replace('\'', "\\'")
    );
    if plain.starts_with("Map(") {
        // A merge drops cells that are 0 where one sum over all rows may keep them.
        return format!("toString(mapSort(mapFilter((k, v) -> v != 0, {cast})))");
    }
    format!("ifNull(toString({cast}), 'NULL')")
}

impl Plan {
    /// Both sides within a range of Unix seconds, `to` excluded.
    fn rows(&self, from: u64, to: u64) -> String {
        let (time, from) = (&self.time, from.max(self.since_s));
        let range =
            format!("{time} >= toDateTime({from}, 'UTC') AND {time} < toDateTime({to}, 'UTC')");
        self.rows.replace("{{range}}", &range)
    }

    /// The statement that counts and finds what differs.
    pub(super) fn count(&self, from: u64, to: u64, limit: u64) -> String {
        COUNT
            .replace("{{limit}}", &limit.to_string())
            .replace("{{state}}", STATE.trim_end())
            .replace("{{rows}}", &self.rows(from, to))
    }

    /// The statement that shows rows by the hash of their key.
    pub(super) fn differences(&self, from: u64, to: u64, hashes: &[u64]) -> String {
        let hashes: Vec<String> = hashes.iter().map(u64::to_string).collect();
        DIFFERENCES
            .replace("{{hashes}}", &hashes.join(", "))
            .replace("{{state}}", STATE.trim_end())
            .replace("{{rows}}", &self.rows(from, to))
    }
}

/// Days from the one that holds `from` to the one that holds the second before `to`.
pub(super) fn whole_days(from: u64, to: u64) -> (u64, u64) {
    (from / DAY_S * DAY_S, to.div_ceil(DAY_S) * DAY_S)
}
