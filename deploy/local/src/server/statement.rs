//! Where a statement's parts are: what kind it is, and for an INSERT with data, where the data
//! starts and in which format. Pure; the engine's own parser stays the judge of everything else.

use super::fault::{Fault, code};
use super::lexer::{Kind, Lexer, Token};

/// How a statement is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// Its result may be large and is streamed.
    Rows,
    /// Run to its end in one call; DDL, SHOW, INSERT … SELECT and the like.
    Whole,
    /// `sql[..head_end]` is the INSERT, the data starts at `data_start`.
    Insert {
        head_end: usize,
        format: String,
        data_start: usize,
    },
}

/// Finds what `sql` is. `None`: the text so far does not tell; with `complete` it always tells.
pub(super) fn parse(sql: &[u8], complete: bool) -> Result<Option<Statement>, Fault> {
    let mut tokens = Lexer::new(sql).filter(|token| token.kind != Kind::Open);
    let Some(first) = tokens
        .next()
        .filter(|token| complete || token.end < sql.len())
    else {
        return match complete {
            true => Err(Fault::new(code::SYNTAX_ERROR, "Empty query")),
            false => Ok(None),
        };
    };
    if is(sql, first, "INSERT") {
        return parse_insert(sql, complete);
    }
    if !complete {
        return Ok(None);
    }
    forbid(sql)?;
    let rows = ["SELECT", "WITH"].iter().any(|word| is(sql, first, word));
    Ok(Some(if rows {
        Statement::Rows
    } else {
        Statement::Whole
    }))
}

fn parse_insert(sql: &[u8], complete: bool) -> Result<Option<Statement>, Fault> {
    // An INSERT with data is cut at FORMAT or VALUES; what looks like one of those words in the
    // target's name, in brackets or in quotes is not it.
    let mut tokens = Lexer::new(sql)
        .skip(1)
        .filter(|token| token.depth == 0)
        .peekable();
    tokens.next_if(|token| is(sql, *token, "INTO"));
    tokens.next_if(|token| is(sql, *token, "TABLE"));
    tokens.next_if(|token| is(sql, *token, "FUNCTION"));
    tokens.next();
    while tokens
        .next_if(|token| &sql[token.start..token.end] == b".")
        .is_some()
    {
        tokens.next();
    }
    let mut selects = false;
    while let Some(token) = tokens.next() {
        if !complete && token.end == sql.len() {
            return Ok(None);
        }
        if selects {
            // The engine's inserts of data take no SELECT, and in the text of the statement data
            // is not safe: it can end early, or never.
            if is(sql, token, "FORMAT") && takes_input(&sql[..token.start]) {
                return Err(Fault::new(
                    code::UNSUPPORTED_METHOD,
                    "INSERT … SELECT FROM input(…) is not supported by the embedded engine; insert the data into a table, and select from that",
                ));
            }
            continue;
        }
        if is(sql, token, "VALUES") {
            return Ok(Some(Statement::Insert {
                head_end: token.start,
                format: "Values".to_owned(),
                data_start: token.end,
            }));
        }
        if is(sql, token, "FORMAT")
            && let Some(name) = tokens.peek().filter(|name| name.kind == Kind::Word)
        {
            let data_start = after_line_break(sql, name.end);
            // Without a byte after it, neither the name nor the line break is known to be over.
            if !complete && data_start >= sql.len() {
                return Ok(None);
            }
            return Ok(Some(Statement::Insert {
                head_end: token.start,
                format: String::from_utf8_lossy(&sql[name.start..name.end]).into_owned(),
                data_start,
            }));
        }
        if ["SELECT", "WITH", "WATCH"]
            .iter()
            .any(|word| is(sql, token, word))
        {
            // Behind it, the words above mean other things.
            selects = true;
            continue;
        }
        if is(sql, token, "INFILE") {
            return Err(Fault::new(
                code::UNSUPPORTED_METHOD,
                "FROM INFILE is not allowed over HTTP",
            ));
        }
    }
    if !complete {
        return Ok(None);
    }
    forbid(sql)?;
    Ok(Some(Statement::Whole))
}

/// Whether an INSERT … SELECT reads the data that comes with it.
fn takes_input(sql: &[u8]) -> bool {
    let mut tokens = Lexer::new(sql).peekable();
    while let Some(token) = tokens.next() {
        let called = |next: &Token| &sql[next.start..next.end] == b"(";
        if is(sql, token, "input") && tokens.peek().is_some_and(called) {
            return true;
        }
    }
    false
}

/// What may never reach the engine: a second statement (it would run unseen), and writing files.
fn forbid(sql: &[u8]) -> Result<(), Fault> {
    let mut previous: Option<Token> = None;
    for token in Lexer::new(sql) {
        if let Some(before) = previous {
            if before.kind == Kind::Semicolon {
                return Err(Fault::new(
                    code::SYNTAX_ERROR,
                    format!(
                        "Syntax error (Multi-statements are not allowed): failed at position {}",
                        before.end
                    ),
                ));
            }
            if is(sql, before, "INTO") && is(sql, token, "OUTFILE") {
                return Err(Fault::new(
                    code::INTO_OUTFILE_NOT_ALLOWED,
                    "INTO OUTFILE is not allowed",
                ));
            }
        }
        previous = Some(token);
    }
    Ok(())
}

/// The format a statement asks for itself: FORMAT and a name outside brackets, at the end or before
/// SETTINGS. Elsewhere, `format` is the name of a column or a table.
pub(super) fn output_format(sql: &[u8]) -> Option<String> {
    let mut found = None;
    let mut tokens = Lexer::new(sql).filter(|token| token.depth == 0).peekable();
    while let Some(token) = tokens.next() {
        if !is(sql, token, "FORMAT") {
            continue;
        }
        let is_name = |name: &Token| matches!(name.kind, Kind::Word | Kind::QuotedName);
        let Some(name) = tokens.next_if(is_name) else {
            continue;
        };
        let is_clause = tokens
            .peek()
            .is_none_or(|next| next.kind == Kind::Semicolon || is(sql, *next, "SETTINGS"));
        if is_clause {
            let text = String::from_utf8_lossy(&sql[name.start..name.end]);
            found = Some(text.trim_matches(['"', '`']).to_owned());
        }
    }
    found
}

fn is(sql: &[u8], token: Token, word: &str) -> bool {
    token.kind == Kind::Word && sql[token.start..token.end].eq_ignore_ascii_case(word.as_bytes())
}

/// ClickHouse's rule: blanks and one line break after the format's name are not data.
fn after_line_break(sql: &[u8], mut at: usize) -> usize {
    let byte = |at: usize| sql.get(at).copied();
    while matches!(byte(at), Some(b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if byte(at) == Some(b'\r') {
        at += 1;
    }
    if byte(at) == Some(b'\n') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
