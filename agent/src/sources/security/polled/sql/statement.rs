//! The query as it is sent. Pure.
//!
//! What is put into it is made here of numbers alone, so no value of a row or of config can change
//! what it says.

use super::cursor::CursorKind;

/// Longest query, bytes.
const QUERY_MAX_BYTES: usize = 16 * 1024;

/// A query with places for the cursor and the limit.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    query: String,
}

impl Statement {
    /// Of a configured query; the error says what it lacks.
    pub(super) fn new(query: &str) -> Result<Self, String> {
        let query = query.trim().trim_end_matches(';').trim_end();
        if query.len() > QUERY_MAX_BYTES {
            return Err(format!(
                "query has {} bytes; use at most {QUERY_MAX_BYTES}",
                query.len()
            ));
        }
        let word = |at: usize| query.split_ascii_whitespace().nth(at).unwrap_or_default();
        if !["select", "with"].contains(&word(0).to_lowercase().as_str()) {
            return Err("query does not begin with SELECT or WITH; it may only read".to_owned());
        }
        for (place, example) in [
            ("{cursor}", "WHERE created_at >= {cursor}"),
            ("{limit}", "ORDER BY created_at LIMIT {limit}"),
        ] {
            if !query.contains(place) {
                return Err(format!("query has no {place}; it should have `{example}`"));
            }
        }
        Ok(Self {
            query: query.to_owned(),
        })
    }

    /// Rows from `cursor` on, so many at most.
    pub(super) fn page(&self, kind: CursorKind, cursor: i64, limit: u32) -> String {
        self.filled(&kind.literal(cursor), u64::from(limit))
    }

    /// The largest number there is, for a start at "now" by an integer.
    pub(super) fn newest(&self, column: &str, quote: char) -> String {
        // As an identifier: the quote is doubled.
        let column = column.replace(quote, &format!("{quote}{quote}"));
        let all = self.filled(&i64::MIN.to_string(), i64::MAX.unsigned_abs());
        format!("SELECT MAX(q.{quote}{column}{quote}) AS newest FROM (\n{all}\n) AS q")
    }

    fn filled(&self, cursor: &str, limit: u64) -> String {
        self.query
            .replace("{cursor}", cursor)
            .replace("{limit}", &limit.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &str = "SELECT id, t FROM logins WHERE t >= {cursor} ORDER BY t LIMIT {limit};\n";

    #[test]
    fn places_are_filled_with_numbers() {
        let statement = Statement::new(QUERY).unwrap();
        assert_eq!(
            statement.page(CursorKind::Integer, -3, 10),
            "SELECT id, t FROM logins WHERE t >= -3 ORDER BY t LIMIT 10"
        );
        assert_eq!(
            statement.page(CursorKind::Timestamp, 1_795_599_336_000_001, 10),
            "SELECT id, t FROM logins WHERE t >= '2026-11-25 09:35:36.000001' ORDER BY t LIMIT 10"
        );
        assert!(
            statement
                .newest("a\"b", '"')
                .starts_with("SELECT MAX(q.\"a\"\"b\")")
        );
    }

    #[test]
    fn what_it_lacks_is_named() {
        for (query, named) in [
            ("", "SELECT"),
            (
                "DELETE FROM logins WHERE t >= {cursor} LIMIT {limit}",
                "SELECT",
            ),
            ("SELECT 1 LIMIT {limit}", "{cursor}"),
            ("SELECT 1 WHERE t >= {cursor}", "{limit}"),
        ] {
            let error = Statement::new(query).unwrap_err();
            assert!(error.contains(named), "{query}: {error}");
        }
        assert!(Statement::new(&format!("SELECT {}", "x".repeat(20_000))).is_err());
        assert!(Statement::new("with a as (select 1) select {cursor} limit {limit}").is_ok());
    }
}
