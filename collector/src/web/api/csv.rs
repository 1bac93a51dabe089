//! Answers as CSV (RFC 4180), for spreadsheets. Pure.
//!
//! Promises: a stranger's text is text. A spreadsheet takes a cell that begins with `=` for a formula,
//! so such cells get an apostrophe in front, which it does not show.

use serde_json::Value as Json;

use super::answer::Answer;
use super::fault::{Code, Fault};

/// What makes a spreadsheet calculate.
const FORMULA_BEGINS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes the rows below a row of names.
///
/// # Errors
/// When a row is not what ClickHouse promises.
pub(crate) fn write(answer: &Answer) -> Result<Vec<u8>, Fault> {
    let mut text = String::with_capacity(answer.rows.len() + 256);
    let names = answer.columns.iter().map(|column| column.name.as_str());
    for (at, name) in names.enumerate() {
        separate(&mut text, at);
        cell(&mut text, name);
    }
    text.push_str("\r\n");
    for line in answer.lines() {
        let row: Vec<Json> = serde_json::from_slice(line)
            .map_err(|error| Fault::new(Code::Internal, format!("a row is no array: {error}")))?;
        for (at, value) in row.iter().enumerate() {
            separate(&mut text, at);
            match value {
                Json::Null => {}
                Json::String(value) => cell(&mut text, value),
                Json::Number(_) | Json::Bool(_) => text.push_str(&value.to_string()),
                Json::Array(_) | Json::Object(_) => cell(&mut text, &value.to_string()),
            }
        }
        text.push_str("\r\n");
    }
    Ok(text.into_bytes())
}

fn separate(text: &mut String, at: usize) {
    if at > 0 {
        text.push(',');
    }
}

fn cell(text: &mut String, value: &str) {
    let is_formula = value.starts_with(FORMULA_BEGINS);
    let is_plain = !value.contains(['"', ',', '\n', '\r']) && !is_formula;
    if is_plain {
        text.push_str(value);
        return;
    }
    text.push('"');
    if is_formula {
        text.push('\'');
    }
    text.push_str(&value.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::answer::Column;
    use super::*;

    fn answer(rows: &str) -> Answer {
        let column = |name: &str| Column {
            name: name.to_owned(),
            sql_type: "String".to_owned(),
        };
        Answer {
            query: "x",
            parameters: serde_json::Map::new(),
            columns: vec![column("a"), column("b")],
            rows: rows.to_owned().into(),
            next_offset: None,
            asked_ms: 0,
            took_ms: 0,
        }
    }

    #[test]
    fn cells_are_quoted_and_harmless() {
        let rows = "[\"=1+1\",-5]\n[\"a\\\"b,c\\nd\",null]\n[\"@x\",\"-1\"]\n[[1,\"x\"],1.5]\n[\"\\tx\",true]\n";
        let text = String::from_utf8(write(&answer(rows)).unwrap()).unwrap();
        let want = "a,b\r\n\"'=1+1\",-5\r\n\"a\"\"b,c\nd\",\r\n\"'@x\",\"'-1\"\r\n\"[1,\"\"x\"\"]\",1.5\r\n\"'\tx\",true\r\n";
        assert_eq!(text, want);
    }

    #[test]
    fn rows_that_cannot_be_read_are_an_error() {
        assert!(write(&answer("{\"a\":1}\n")).is_err());
        assert_eq!(write(&answer("")).unwrap(), b"a,b\r\n");
    }
}
