//! Cutting an SQL file into statements, as ClickHouse's own lexer would.
//!
//! A `;` inside a string, a quoted name, a comment or a heredoc is text. Pure.

/// One statement of a file, without the comments before it and the `;` after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Line on which it starts, from 1.
    pub(super) line: usize,
    /// Its text.
    pub(super) text: &'a str,
}

/// What stands at a place of the file.
pub(super) enum Token {
    /// Comment or white space.
    Blank,
    /// Part of a statement.
    Text,
    /// The end of a statement.
    Semicolon,
}

/// The statements of a file.
///
/// # Errors
/// The line on which a quote, comment or heredoc starts that does not end.
pub(super) fn split(sql: &str) -> Result<Vec<Statement<'_>>, usize> {
    let line = |at: usize| 1 + sql[..at].matches('\n').count();
    let mut statements = Vec::new();
    let mut start = None;
    let mut text_end = 0;
    let mut at = 0;
    while at < sql.len() {
        let (token, end) = token(sql, at).ok_or_else(|| line(at))?;
        match token {
            Token::Blank => {}
            Token::Text => {
                start.get_or_insert(at);
                text_end = end;
            }
            Token::Semicolon => {
                if let Some(start) = start.take() {
                    statements.push((start, text_end));
                }
            }
        }
        at = end;
    }
    if let Some(start) = start {
        statements.push((start, text_end));
    }
    Ok(statements
        .into_iter()
        .map(|(start, end)| Statement {
            line: line(start),
            text: &sql[start..end],
        })
        .collect())
}

/// The token at a place and where it ends; `None` when it does not end. Of a name, each character is one.
pub(super) fn token(sql: &str, at: usize) -> Option<(Token, usize)> {
    let rest = &sql[at..];
    let first = rest.chars().next()?;
    let after = |length: usize| at + length;
    match first {
        ';' => Some((Token::Semicolon, after(1))),
        _ if first.is_whitespace() => Some((Token::Blank, after(first.len_utf8()))),
        _ if rest.starts_with("--") || rest.starts_with("# ") || rest.starts_with("#!") => {
            Some((Token::Blank, after(rest.find('\n').unwrap_or(rest.len()))))
        }
        _ if rest.starts_with("/*") => {
            let end = rest[2..].find("*/")? + 4;
            Some((Token::Blank, after(end)))
        }
        '\'' | '"' | '`' => Some((Token::Text, after(quoted_length(rest, first)?))),
        '$' if !follows_word(sql, at) => match heredoc_tag(rest) {
            Some(tag) => {
                let end = rest[tag.len()..].find(tag)? + 2 * tag.len();
                Some((Token::Text, after(end)))
            }
            None => Some((Token::Text, after(1))),
        },
        _ => Some((Token::Text, after(first.len_utf8()))),
    }
}

/// Length of the quoted text that the input starts with. A doubled quote needs no care: it reads
/// as the end of one text and the start of the next.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

/// The `$tag$` that the input starts with.
fn heredoc_tag(text: &str) -> Option<&str> {
    let name = text[1..].find(|character: char| !is_word(character))?;
    text[1 + name..].starts_with('$').then(|| &text[..name + 2])
}

/// Whether a `$` here is inside of a name.
fn follows_word(sql: &str, at: usize) -> bool {
    sql[..at].chars().next_back().is_some_and(is_word)
}

pub(super) const fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::{Statement, split};

    fn texts(sql: &str) -> Vec<&str> {
        split(sql).unwrap().iter().map(|one| one.text).collect()
    }

    #[test]
    fn semicolons_end_statements_only_outside_of_quotes_and_comments() {
        for (sql, want) in [
            ("", vec![]),
            ("  ;;\n-- only a comment;\n", vec![]),
            ("SELECT 1", vec!["SELECT 1"]),
            ("SELECT 1;SELECT 2 ; ", vec!["SELECT 1", "SELECT 2"]),
            (
                "SELECT ';' ;\nSELECT 'it''s;'",
                vec!["SELECT ';'", "SELECT 'it''s;'"],
            ),
            (r"SELECT '\';' ; x", vec![r"SELECT '\';'", "x"]),
            (r"SELECT '\\'; x", vec![r"SELECT '\\'", "x"]),
            (
                "SELECT `a;b`, \"c;d\"; x",
                vec!["SELECT `a;b`, \"c;d\"", "x"],
            ),
            ("/* a; 'b */ SELECT 1 /* c; */ ;", vec!["SELECT 1"]),
            (
                "SELECT 1 -- it's; \n + 2;",
                vec!["SELECT 1 -- it's; \n + 2"],
            ),
            ("# it's;\nSELECT 1", vec!["SELECT 1"]),
            ("SELECT $$a;'b$$; x", vec!["SELECT $$a;'b$$", "x"]),
            ("SELECT $q$a;$$;$q$; x", vec!["SELECT $q$a;$$;$q$", "x"]),
            ("SELECT a$b$ ; x", vec!["SELECT a$b$", "x"]),
            ("SELECT 'ü;…'; ö", vec!["SELECT 'ü;…'", "ö"]),
        ] {
            assert_eq!(texts(sql), want, "{sql}");
        }
    }

    #[test]
    fn a_statement_knows_its_line() {
        assert_eq!(
            split("-- why\n\nSELECT 1;\n/* x\n */ SELECT\n2;").unwrap(),
            [
                Statement {
                    line: 3,
                    text: "SELECT 1"
                },
                Statement {
                    line: 5,
                    text: "SELECT\n2"
                },
            ]
        );
    }

    #[test]
    fn what_does_not_end_is_an_error_at_its_start() {
        for sql in [
            "SELECT 1;\n'abc",
            "SELECT 1;\n/* abc",
            "SELECT 1;\n$a$ abc $b$",
            "SELECT 1;\n`a\\`",
        ] {
            assert_eq!(split(sql), Err(2), "{sql}");
        }
    }
}
