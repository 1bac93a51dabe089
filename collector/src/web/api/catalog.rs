//! Which queries are offered, and what each takes: read once at the start out of the files themselves.
//!
//! Promises: what is listed, what is checked, what OpenAPI says and what ClickHouse runs are the same
//! text. Leaves out what only the machinery asks.

use serde::Serialize;

use super::header::{self, Column};
use super::moment::{Moment, Unit};
use super::parameter::{DefaultValue, Kind, Parameter};
use crate::schema::queries::{self, Query};

/// Beginnings of names of queries that only the collector itself asks.
const OWN_PREFIXES: [&str; 3] = ["baseline_", "correlation_", "presence_"];
/// Ends of such names.
const OWN_SUFFIXES: [&str; 3] = ["_known", "_judged", "_looked"];
/// Such names.
const OWN_NAMES: [&str; 4] = ["chain_rows", "chain_links", "chain_ledger", "chain_marks"];

/// The parameter by which some queries bound themselves; the page's length is put in.
pub(crate) const LIMIT: &str = "limit";
/// Rows of a page where the header says nothing.
pub(crate) const LIMIT_DEFAULT: u32 = 1000;
/// Most rows of a page.
pub(crate) const LIMIT_MAX: u32 = 10_000;

/// A query as it is offered.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// Its name in the path.
    pub(crate) name: &'static str,
    /// The question it answers.
    pub(crate) question: String,
    /// What has to be known besides.
    pub(crate) notes: String,
    /// What it takes, `limit` aside.
    pub(crate) parameters: Vec<Parameter>,
    /// What it gives.
    pub(crate) columns: Vec<Column>,
    /// Rows of a page where none is asked for.
    pub(crate) limit_default: u32,
    /// Whether its text has a `{limit:…}` of its own.
    #[serde(skip)]
    pub(crate) takes_limit: bool,
    /// Its text.
    #[serde(skip)]
    pub(crate) sql: &'static str,
}

/// A file whose header cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("deploy/clickhouse/queries/{name}.sql: {what}")]
pub(crate) struct HeaderError {
    name: &'static str,
    what: String,
}

/// All that are offered.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// By name.
    pub(crate) entries: Vec<Entry>,
}

impl Catalog {
    /// Reads every header.
    ///
    /// # Errors
    /// Names the file and what its header lacks.
    pub(crate) fn read() -> Result<Self, HeaderError> {
        let offered = queries::ALL.iter().filter(|query| is_offered(query.name));
        let entries = offered.map(read).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The offered name that is most like another.
    pub(crate) fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.entries.iter().map(|entry| entry.name))
    }
}

/// The name that is most like `name`, where one is.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LIKE_MIN: f64 = 0.75;
    // Longer ones are nobody's slip, and comparing takes the product of both lengths.
    const NAME_MAX_BYTES: usize = 64;
    if name.len() > NAME_MAX_BYTES {
        return None;
    }
    known
        .map(|one| (strsim::jaro_winkler(name, one), one))
        .filter(|(likeness, _)| *likeness >= LIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, one)| one)
}

fn is_offered(name: &str) -> bool {
    !OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !OWN_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        && !OWN_NAMES.contains(&name)
}

fn read(query: &Query) -> Result<Entry, HeaderError> {
    let wrong = |what: String| HeaderError {
        name: query.name,
        what,
    };
    let read = header::read(query.sql);
    if read.question.is_empty() || read.columns.is_empty() {
        return Err(wrong("its header has no question or no columns".to_owned()));
    }
    let placed = placed(query.sql);
    let mut parameters = Vec::new();
    for declared in &read.parameters {
        let (name, sql_type) = (declared.name.as_str(), declared.sql_type.as_str());
        if !placed.contains(&(name, sql_type)) {
            return Err(wrong(format!("nothing in it is {{{name}:{sql_type}}}")));
        }
        let kind = Kind::of(name, sql_type)
            .ok_or_else(|| wrong(format!("{name} has a type that is not known: {sql_type}")))?;
        let default = header::default_of(&declared.description)
            .map(|text| default(&kind, name, text).ok_or((name, text)))
            .transpose()
            .map_err(|(name, text)| wrong(format!("the default of {name} is no value: {text}")))?;
        parameters.push(Parameter::new(declared, kind, default));
    }
    if let Some((name, sql_type)) = placed
        .iter()
        .find(|(name, _)| !parameters.iter().any(|one| one.name == *name))
    {
        return Err(wrong(format!("its header lacks {name} {sql_type}")));
    }
    let takes_limit = parameters.iter().any(|one| one.name == LIMIT);
    let own = parameters.iter().find(|one| one.name == LIMIT);
    let limit_default = own.and_then(Parameter::default_integer);
    let limit_default = limit_default.and_then(|limit| u32::try_from(limit).ok());
    parameters.retain(|one| one.name != LIMIT);
    Ok(Entry {
        name: query.name,
        question: read.question,
        notes: read.notes,
        parameters,
        columns: read.columns,
        limit_default: limit_default.unwrap_or(LIMIT_DEFAULT),
        takes_limit,
        sql: query.sql,
    })
}

/// Every `{name:Type}` of the text, once.
fn placed(sql: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for part in sql.split('{').skip(1) {
        let inner = part.split_once('}').map_or("", |(inner, _)| inner);
        if let Some((name, sql_type)) = inner.split_once(':')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && !found.contains(&(name, sql_type))
        {
            found.push((name, sql_type));
        }
    }
    found
}

/// A default as headers write it: a value, or in words of a time.
fn default(kind: &Kind, name: &str, text: &str) -> Option<DefaultValue> {
    let ago = match kind {
        Kind::Moment(_) => words_ago(name, text),
        _ => None,
    };
    match (ago, kind) {
        (Some(seconds), _) => Some(DefaultValue::moment(Moment::Ago(seconds))),
        (None, Kind::Text) => {
            let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
            Some(DefaultValue::text(inner))
        }
        (None, Kind::Array(_)) => (text == "[]").then(DefaultValue::empty),
        (None, Kind::Moment(_)) => {
            Moment::parse(text.split(' ').next()?, Unit::Seconds).map(DefaultValue::moment)
        }
        (None, _) => kind.parse(text).ok().map(DefaultValue),
    }
}

/// `the last 7 days`, `the last hour`, `a day ago`: seconds before now, of which `to` has none.
fn words_ago(name: &str, text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').collect();
    let (number, unit) = match words.as_slice() {
        ["the", "last", unit] | ["a" | "an", unit, "ago"] => (1, *unit),
        ["the", "last", number, unit] => (number.parse().ok()?, *unit),
        _ => return None,
    };
    let seconds = match unit {
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    let is_end = name == "to" || name == "to_ms";
    Some(if is_end { 0 } else { number * seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_query_has_a_header_that_can_be_read() {
        let catalog = Catalog::read().unwrap();
        assert!(catalog.entries.len() > 50, "{}", catalog.entries.len());
        for entry in &catalog.entries {
            assert!(entry.question.ends_with('?'), "{}", entry.name);
            for parameter in &entry.parameters {
                assert!(
                    !parameter.description.is_empty(),
                    "{}: {}",
                    entry.name,
                    parameter.name
                );
            }
            // A range that is left out is one that is told.
            let of = |name: &str| entry.parameters.iter().find(|one| one.name == name);
            for name in ["from", "to", "from_ms", "to_ms", "step_seconds", "seconds"] {
                let Some(one) = of(name) else { continue };
                let is_array = matches!(one.kind, Kind::Array(_));
                assert!(one.default.is_some() || is_array, "{}: {name}", entry.name);
            }
        }
    }

    #[test]
    fn what_only_the_machinery_asks_is_not_offered() {
        let catalog = Catalog::read().unwrap();
        for name in [
            "baseline_news",
            "presence_beats",
            "chain_rows",
            "service_judged",
        ] {
            assert!(catalog.find(name).is_none(), "{name}");
        }
        for name in ["host_timeline", "ledger_proof", "chain_heads", "findings"] {
            assert!(catalog.find(name).is_some(), "{name}");
        }
        assert_eq!(catalog.nearest("host_timelime"), Some("host_timeline"));
        assert_eq!(catalog.nearest("zzz"), None);
    }

    #[test]
    fn a_header_that_says_something_else_than_the_text_is_refused() {
        let read = |sql| read(&Query { name: "x", sql }).map(|entry| entry.limit_default);
        let head = "-- Question: what?\n-- Parameters:\n--   a String: x; default ''\n\
                    --   limit UInt32: how many; default 7\n-- Columns:\n--   a: b\n";
        let whole = format!("{head}SELECT {{a:String}} LIMIT {{limit:UInt32}}");
        let read_of = |text: String| read(Box::leak(text.into_boxed_str()));
        assert_eq!(read_of(whole.clone()).unwrap(), 7);
        for (from, to, want) in [
            ("{a:String}", "{a:UInt8}", "{a:String}"),
            ("{a:String}", "{a:String}, {b:UInt8}", "lacks b"),
            ("default ''", "default x", "default of a"),
            ("a String", "a Fancy", "{a:Fancy}"),
            ("Question", "Answer", "no question"),
        ] {
            let error = read_of(whole.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
