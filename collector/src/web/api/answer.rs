//! Asks ClickHouse a question, within limits and reading only, and writes the answer.
//!
//! Promises: never more rows or bytes than allowed, and never longer; an answer is whole or an error.

use std::time::Duration;

use bytes::Bytes;
use clickhouse::error::Error as ClickhouseError;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::fault::{Code, Fault};
use super::question::Question;
use crate::schema::DATABASE;
use crate::storage::Storage;

/// Names, types, then rows as arrays: rows need not be read to be passed on.
const FORMAT: &str = "JSONCompactEachRowWithNamesAndTypes";

/// What one question may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Time.
    pub(crate) seconds: u32,
    /// ClickHouse's memory.
    pub(crate) memory_bytes: u64,
    /// Size of the answer.
    pub(crate) answer_bytes: usize,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) sql_type: String,
}

/// An answer, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) query: &'static str,
    pub(crate) parameters: Map<String, Json>,
    pub(crate) columns: Vec<Column>,
    /// Rows as JSON arrays, one a line.
    pub(crate) rows: Bytes,
    pub(crate) next_offset: Option<u64>,
    pub(crate) asked_ms: i64,
    pub(crate) took_ms: u64,
}

#[derive(Serialize)]
struct Head<'a> {
    query: &'a str,
    parameters: &'a Map<String, Json>,
    columns: &'a [Column],
}

impl Answer {
    /// The answer as JSON.
    pub(crate) fn json(&self, cached: bool) -> Result<Vec<u8>, Fault> {
        let head = Head {
            query: self.query,
            parameters: &self.parameters,
            columns: &self.columns,
        };
        let mut text = serde_json::to_vec(&head).map_err(|error| unreadable(&error.to_string()))?;
        text.pop();
        text.reserve(self.rows.len() + 128);
        text.extend_from_slice(b",\"rows\":[");
        for (at, row) in self.lines().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            text.extend_from_slice(row);
        }
        let next = self.next_offset.map_or(Json::Null, Json::from);
        let tail = format!(
            "],\"next_offset\":{next},\"asked_ms\":{},\"took_ms\":{},\"cached\":{cached}}}\n",
            self.asked_ms, self.took_ms
        );
        text.extend_from_slice(tail.as_bytes());
        Ok(text)
    }

    /// Its rows, each a JSON array.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.rows)
    }

    /// Roughly what it takes in memory, bytes.
    pub(crate) fn weight(&self) -> usize {
        const FRAME_BYTES: usize = 512;
        let columns = self.columns.iter();
        let columns: usize = columns
            .map(|one| one.name.len() + one.sql_type.len() + 64)
            .sum();
        let values = self.parameters.iter();
        let values: usize = values
            .map(|(name, value)| name.len() + told_bytes(value) + 64)
            .sum();
        FRAME_BYTES + columns + values + self.rows.len()
    }
}

fn told_bytes(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len(),
        Json::Array(values) => values.len() * 32,
        _ => 8,
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// Asks.
///
/// # Errors
/// When it asks for too much, or ClickHouse does not answer.
pub(crate) async fn ask(
    storage: &Storage,
    limits: &Limits,
    question: &Question<'_>,
) -> Result<Answer, Fault> {
    let started = tokio::time::Instant::now();
    // ClickHouse ends a query itself; this is for one that does not answer at all.
    let patience = Duration::from_secs(u64::from(limits.seconds) + 2);
    let asked = tokio::time::timeout(patience, collect(storage, limits, question));
    let text = asked.await.unwrap_or_else(|_| {
        let text = format!("ClickHouse did not answer within {} s", patience.as_secs());
        Err(Fault::new(Code::Unavailable, text))
    })?;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    read(question, text, took_ms)
}

async fn collect(
    storage: &Storage,
    limits: &Limits,
    question: &Question<'_>,
) -> Result<Vec<u8>, Fault> {
    let client = storage.client().clone().with_database(DATABASE);
    let mut query = client.query_raw(question.entry.sql);
    for (name, value) in question.bound() {
        query = query.param(name, value);
    }
    if let Some(rows) = question.own_limit() {
        query = query.param(super::catalog::LIMIT, rows);
    }
    let rows = u64::from(question.limit) + 1;
    for (name, value) in [
        ("max_execution_time", limits.seconds.to_string()),
        ("timeout_overflow_mode", "throw".to_owned()),
        ("max_memory_usage", limits.memory_bytes.to_string()),
        ("max_result_rows", rows.to_string()),
        ("max_result_bytes", (limits.answer_bytes * 4).to_string()),
        ("result_overflow_mode", "throw".to_owned()),
        ("limit", rows.to_string()),
        ("offset", question.offset.to_string()),
        ("wait_end_of_query", "1".to_owned()),
        (
            "cancel_http_readonly_queries_on_client_close",
            "1".to_owned(),
        ),
        ("date_time_output_format", "iso".to_owned()),
        ("output_format_json_quote_64bit_integers", "0".to_owned()),
        ("output_format_json_quote_denormals", "0".to_owned()),
        ("output_format_json_validate_utf8", "1".to_owned()),
    ] {
        query = query.with_setting(name, value);
    }
    let failed = |error: ClickhouseError| fault(question.entry.name, &error);
    let mut cursor = query.fetch_bytes(FORMAT).map_err(failed)?;
    let mut text = Vec::new();
    while let Some(piece) = cursor.next().await.map_err(failed)? {
        if text.len() + piece.len() > limits.answer_bytes {
            return Err(too_much(&format!(
                "the answer is larger than {} bytes",
                limits.answer_bytes
            )));
        }
        text.extend_from_slice(&piece);
    }
    // It may be kept, and its weight is its length.
    text.shrink_to_fit();
    Ok(text)
}

fn too_much(what: &str) -> Fault {
    let text = format!("{what}; ask for a shorter range, longer steps, or fewer rows with limit");
    Fault::new(Code::InvalidArgument, text)
}

fn unreadable(what: &str) -> Fault {
    let text = format!("the answer of ClickHouse cannot be read: {what}");
    Fault::new(Code::Internal, text)
}

/// Takes the text apart, and the row off that is beyond the page.
fn read(question: &Question<'_>, text: Vec<u8>, took_ms: u64) -> Result<Answer, Fault> {
    let text = Bytes::from(text);
    let mut all = lines(&text);
    let mut head = || -> Result<Vec<String>, Fault> {
        let line = all.next().ok_or_else(|| unreadable("it has no head"))?;
        serde_json::from_slice(line).map_err(|error| unreadable(&error.to_string()))
    };
    let (names, types) = (head()?, head()?);
    let limit = question.limit as usize;
    let page: Vec<&[u8]> = all.clone().take(limit).collect();
    let is_more = all.nth(limit).is_some();
    // Lines follow each other in the text, so the page is one piece of it.
    let rows = match (page.first(), page.last()) {
        (Some(first), Some(last)) => {
            let at = |line: &[u8]| line.as_ptr() as usize - text.as_ptr() as usize;
            text.slice(at(first)..at(last) + last.len())
        }
        _ => Bytes::new(),
    };
    Ok(Answer {
        query: question.entry.name,
        parameters: question.told(),
        columns: names
            .into_iter()
            .zip(types)
            .map(|(name, sql_type)| Column { name, sql_type })
            .collect(),
        rows,
        next_offset: is_more.then(|| question.offset + u64::from(question.limit)),
        asked_ms: question.now_ms,
        took_ms,
    })
}

/// What an error of ClickHouse means for whoever asked. Its own text names tables and settings, so it
/// goes to the log.
fn fault(query: &str, error: &ClickhouseError) -> Fault {
    let text = error.to_string();
    tracing::warn!(query, error = %text, "a question of the API failed");
    match error_code(&text) {
        // TIMEOUT_EXCEEDED, TOO_SLOW, TOO_MANY_ROWS, TOO_MANY_ROWS_OR_BYTES, MEMORY_LIMIT_EXCEEDED
        Some(159 | 160) => too_much("it takes longer than is allowed"),
        Some(158 | 396 | 307) => too_much("it reads or gives more than is allowed"),
        Some(241) => too_much("it takes more memory than is allowed"),
        Some(202) => Fault::new(Code::ResourceExhausted, "ClickHouse has too many queries"),
        // Values that are of their types and yet cannot be worked with: a date out of reach, arrays of
        // different lengths.
        Some(
            code @ (6 | 27 | 36 | 38 | 41 | 43 | 53 | 69 | 72 | 128 | 131 | 153 | 190 | 321 | 407
            | 457),
        ) => {
            let text = format!("ClickHouse cannot work with these values (code {code})");
            Fault::new(Code::InvalidArgument, text)
        }
        // UNKNOWN_TABLE, UNKNOWN_DATABASE: before the first migration.
        Some(60 | 81) => Fault::new(Code::Unavailable, "the schema is not there yet"),
        Some(code) => Fault::new(
            Code::Internal,
            format!("ClickHouse refused the query with code {code}; the collector's log says why"),
        ),
        None => Fault::new(Code::Unavailable, "ClickHouse does not answer"),
    }
}

/// `Code: 159. DB::Exception: …`
fn error_code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Code: ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
