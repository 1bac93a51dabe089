//! The words of a statement and where they stand: what rewriting one goes by. Pure.

use super::statements::{Token, is_word, token};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a number.
    Name,
    /// A text or a name in quotes, with them, or a heredoc.
    Quoted,
    /// One character of anything else.
    Sign,
}

/// A word of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// What it is.
    pub(super) kind: Kind,
    /// As it stands there.
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) at: usize,
}

impl Word<'_> {
    /// Where it ends.
    pub(super) const fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Name && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this character.
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

/// The words of a statement, without comments; what does not end ends with it.
pub(super) fn words(statement: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut at = 0;
    while at < statement.len() {
        let (what, end) = token(statement, at).unwrap_or((Token::Text, statement.len()));
        let text = &statement[at..end];
        let first = text.chars().next();
        let kind = match first {
            _ if matches!(what, Token::Blank) => None,
            Some(first) if is_word(first) => Some(Kind::Name),
            Some('\'' | '"' | '`') => Some(Kind::Quoted),
            Some('$') if text.len() > 1 => Some(Kind::Quoted),
            _ => Some(Kind::Sign),
        };
        match (kind, words.last_mut()) {
            (None, _) => {}
            // Tokens of a name are its characters.
            (Some(Kind::Name), Some(last)) if last.kind == Kind::Name && last.end() == at => {
                last.text = &statement[last.at..end];
            }
            (Some(kind), _) => words.push(Word { kind, text, at }),
        }
        at = end;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::Kind::{Name, Quoted, Sign};
    use super::words;

    #[test]
    fn names_texts_and_signs_are_told_apart_and_comments_left_out() {
        let statement = "CREATE TABLE `a b`.c_1 /* ENGINE = x */ (d 'it''s;' $$(,$$) -- e\n= 1.5é";
        let found: Vec<_> = words(statement)
            .into_iter()
            .map(|word| {
                assert_eq!(&statement[word.at..word.end()], word.text);
                (word.kind, word.text)
            })
            .collect();
        assert_eq!(
            found,
            [
                (Name, "CREATE"),
                (Name, "TABLE"),
                (Quoted, "`a b`"),
                (Sign, "."),
                (Name, "c_1"),
                (Sign, "("),
                (Name, "d"),
                (Quoted, "'it'"),
                (Quoted, "'s;'"),
                (Quoted, "$$(,$$"),
                (Sign, ")"),
                (Sign, "="),
                (Name, "1"),
                (Sign, "."),
                (Name, "5"),
                (Sign, "é"),
            ]
        );
        assert!(words("  -- nothing\n").is_empty());
    }
}
