//! Words and numbers out of kernel text, as bytes and without allocation.
//!
//! Owns the few shapes in which the kernel prints figures. Promises to take nothing from a line
//! that is cut off: a line counts only with its line feed, so half a number is never taken for a
//! whole one. Leaves the meaning of the words to the parsers.

/// What is wrong with a text, for [`crate::sources::SourceError::Format`].
pub(crate) type Malformed = &'static str;

/// Whole lines, without their line feeds.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let line = first_line(rest)?;
        rest = &rest[line.len() + 1..];
        Some(line)
    })
}

/// The first line, if it is whole.
pub(crate) fn first_line(text: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b'\n', text).map(|end| &text[..end])
}

/// Reads a line from left to right.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next run of bytes between blanks.
    pub(crate) fn word(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_blank(byte))?;
        let rest = &self.rest[start..];
        let end = rest
            .iter()
            .position(|&byte| is_blank(byte))
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        Some(word)
    }

    /// The next word, if it is a number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        digits(self.word()?)
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A word that is a decimal number of 64 bits and nothing else.
pub(crate) fn digits(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A word like `12.34`, times 100.
pub(crate) fn hundredths(word: &[u8]) -> Option<u64> {
    let point = word.len().checked_sub(3)?;
    if word[point] != b'.' {
        return None;
    }
    digits(&word[..point])?
        .checked_mul(100)?
        .checked_add(digits(&word[point + 1..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_only_with_its_line_feed() {
        let got: Vec<&[u8]> = lines(b"one\n\ntwo\ncut").collect();
        assert_eq!(got, [&b"one"[..], b"", b"two"]);
        assert_eq!(lines(b"").count(), 0);
    }

    #[test]
    fn numbers_are_whole_words_of_64_bits() {
        for (word, want) in [
            (&b"0"[..], Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"99999999999999999999999999", None),
            (b"", None),
            (b"-1", None),
            (b"12a", None),
            (b"1.5", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(digits(word), want, "{}", word.escape_ascii());
        }
        let mut fields = Fields::new(b"  1\t22 x 3");
        assert_eq!(fields.number(), Some(1));
        assert_eq!(fields.number(), Some(22));
        assert_eq!(fields.number(), None);
        assert_eq!(fields.number(), Some(3));
        assert_eq!(fields.word(), None);
    }

    #[test]
    fn hundredths_need_two_decimals() {
        for (word, want) in [
            (&b"0.58"[..], Some(58)),
            (b"1782.03", Some(178_203)),
            (b".10", None),
            (b"1", None),
            (b"1.5", None),
            (b"1.a5", None),
            (b"", None),
            (b"184467440737095516.16", None),
        ] {
            assert_eq!(hundredths(word), want, "{}", word.escape_ascii());
        }
    }
}
