//! ClickHouse's tokens, as far as finding the parts of a statement needs: words, quoted names,
//! strings, brackets. Comments and white space are skipped. Never fails: an unclosed string runs
//! to the end, and the engine reports it.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    QuotedName,
    Text,
    Open,
    Close,
    Semicolon,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many brackets are open around it.
    pub(super) depth: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Lexer<'sql> {
    sql: &'sql [u8],
    at: usize,
    depth: usize,
}

impl<'sql> Lexer<'sql> {
    pub(super) fn new(sql: &'sql [u8]) -> Self {
        Lexer {
            sql,
            at: 0,
            depth: 0,
        }
    }

    fn rest(&self) -> &'sql [u8] {
        &self.sql[self.at..]
    }

    /// Moves past `needle`, or to the end.
    fn skip_past(&mut self, needle: &[u8]) {
        let found = self
            .rest()
            .windows(needle.len())
            .position(|window| window == needle);
        self.at = found.map_or(self.sql.len(), |position| self.at + position + needle.len());
    }

    fn skip_blank(&mut self) {
        loop {
            match self.rest() {
                [byte, ..] if byte.is_ascii_whitespace() || matches!(byte, 0x0b | 0) => {
                    self.at += 1;
                }
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => self.skip_past(b"\n"),
                [b'/', b'*', ..] => {
                    self.at += 2;
                    self.skip_past(b"*/");
                }
                _ => return,
            }
        }
    }

    /// `quote` doubled or behind a backslash does not close.
    fn skip_quoted(&mut self, quote: u8) {
        self.at += 1;
        loop {
            match self.rest() {
                [] => return,
                [b'\\', _, ..] => self.at += 2,
                [a, b, ..] if *a == quote && *b == quote => self.at += 2,
                [a, ..] => {
                    self.at += 1;
                    if *a == quote {
                        return;
                    }
                }
            }
        }
    }

    /// The length of `$tag$`, when a heredoc starts here.
    fn heredoc_tag(&self) -> Option<usize> {
        let rest = self.rest();
        let inner = rest
            .get(1..)?
            .iter()
            .position(|byte| !is_word(*byte) || *byte == b'$')?;
        (rest.get(1 + inner) == Some(&b'$')).then_some(inner + 2)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let first = *self.rest().first()?;
        let start = self.at;
        let mut depth = self.depth;
        let kind = match first {
            b'\'' => {
                self.skip_quoted(first);
                Kind::Text
            }
            b'"' | b'`' => {
                self.skip_quoted(first);
                Kind::QuotedName
            }
            b'(' | b'[' | b'{' => {
                self.at += 1;
                self.depth += 1;
                Kind::Open
            }
            b')' | b']' | b'}' => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                depth = self.depth;
                Kind::Close
            }
            b';' => {
                self.at += 1;
                Kind::Semicolon
            }
            b'$' if self.heredoc_tag().is_some() => {
                let length = self.heredoc_tag().unwrap_or(0);
                let tag = &self.rest()[..length];
                self.at += length;
                self.skip_past(tag);
                Kind::Text
            }
            _ if is_word(first) => {
                self.at += self
                    .rest()
                    .iter()
                    .take_while(|byte| is_word(**byte))
                    .count();
                Kind::Word
            }
            _ => {
                self.at += 1;
                Kind::Other
            }
        };
        Some(Token {
            kind,
            start,
            end: self.at,
            depth,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sql: &str) -> Vec<&str> {
        Lexer::new(sql.as_bytes())
            .map(|token| &sql[token.start..token.end])
            .collect()
    }

    #[test]
    fn skips_comments_and_keeps_quoted_whole() {
        assert_eq!(
            words("SELECT 'a;''b\\'' -- x;\n, `c``;d` /* ; */ # y ;\n FROM \"e\""),
            ["SELECT", "'a;''b\\''", ",", "`c``;d`", "FROM", "\"e\""]
        );
        assert_eq!(words("a $x$ ; ' $x$ b"), ["a", "$x$ ; ' $x$", "b"]);
        assert_eq!(words("unclosed 'x;"), ["unclosed", "'x;"]);
    }

    #[test]
    fn counts_brackets() {
        let depths: Vec<_> = Lexer::new(b"a(b[c])d)e").map(|token| token.depth).collect();
        assert_eq!(depths, [0, 0, 1, 1, 2, 1, 0, 0, 0, 0]);
    }
}
