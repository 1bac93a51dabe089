//! The header that the engine repeats in every piece of a streamed result.
//!
//! Promises: it is found by the format's own grammar, and a later piece that does not begin with
//! the very same bytes is an error, never data. Leaves to `formats` which formats have one.

use bytes::Bytes;

use super::fault::{Fault, code};

/// How a header is written; the number says how many lists it holds: names, or names and types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// A line for each list, with line breaks in names escaped.
    Lines(usize),
    /// A line for each list, every name in double quotes and theirs doubled.
    QuotedLines(usize),
    /// The number of columns, then for each list as many strings after their lengths, in LEB128.
    Binary(usize),
}

impl Header {
    /// How many bytes of `piece` it is.
    fn length(self, piece: &[u8]) -> Option<usize> {
        match self {
            Header::Lines(lines) => lines_length(piece, lines, false),
            Header::QuotedLines(lines) => lines_length(piece, lines, true),
            Header::Binary(lists) => binary_length(piece, lists),
        }
    }
}

fn lines_length(piece: &[u8], lines: usize, quotes: bool) -> Option<usize> {
    let mut is_quoted = false;
    let mut breaks = piece.iter().enumerate().filter(|(_, byte)| {
        // A doubled quote closes and opens again.
        is_quoted ^= quotes && **byte == b'"';
        !is_quoted && **byte == b'\n'
    });
    breaks.nth(lines.checked_sub(1)?).map(|(at, _)| at + 1)
}

fn binary_length(piece: &[u8], lists: usize) -> Option<usize> {
    let mut rest = piece;
    let columns = take_number(&mut rest)?;
    for _ in 0..columns.checked_mul(lists)? {
        let length = take_number(&mut rest)?;
        rest = rest.get(length..)?;
    }
    Some(piece.len() - rest.len())
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes the header from every piece but the first.
#[derive(Debug)]
pub(super) struct Once {
    header: Header,
    seen: Option<Bytes>,
}

impl Once {
    pub(super) fn new(header: Header) -> Once {
        Once { header, seen: None }
    }

    /// What `piece` adds to those before it; may be nothing.
    pub(super) fn keep(&mut self, mut piece: Bytes) -> Result<Bytes, Fault> {
        let Some(seen) = &self.seen else {
            let length = self
                .header
                .length(&piece)
                .ok_or_else(|| strange("begins without one"))?;
            self.seen = Some(piece.slice(..length));
            return Ok(piece);
        };
        if !piece.starts_with(seen) {
            return Err(strange("goes on with another"));
        }
        Ok(piece.split_off(seen.len()))
    }
}

fn strange(how: &str) -> Fault {
    Fault::new(
        code::UNKNOWN_EXCEPTION,
        format!(
            "a result whose format has a header {how}: report it, and use a format without a header, such as RowBinary, TSV or JSONEachRow"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_where_the_grammar_says() {
        for (header, piece, length) in [
            (Header::Lines(1), b"a\tb\\n\n1\t2\n".as_slice(), Some(6)),
            (Header::Lines(2), b"[\"a\"]\n[\"UInt8\"]\n[1]\n", Some(16)),
            (Header::Lines(2), b"a\n", None),
            (Header::Lines(1), b"a\r\n1\r\n", Some(3)),
            (
                Header::QuotedLines(1),
                b"\"a\"\"\n\",\"b\"\n1,2\n",
                Some(11),
            ),
            (Header::QuotedLines(1), b"\"a\n", None),
            (Header::Binary(1), b"\x02\x01a\x00xyz", Some(4)),
            (Header::Binary(2), b"\x01\x01a\x05UInt8\x01", Some(9)),
            (Header::Binary(2), b"\x01\x01a\x05UInt", None),
            (Header::Binary(1), b"\x00", Some(1)),
            (
                Header::Binary(1),
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                None,
            ),
            (Header::Binary(1), b"", None),
        ] {
            assert_eq!(header.length(piece), length, "{header:?} {piece:?}");
        }
        let mut long = vec![1, 0x80, 0x01];
        long.extend([b'x'; 130]);
        assert_eq!(Header::Binary(1).length(&long), Some(131));
    }

    #[test]
    fn appears_once_and_no_other_takes_its_place() {
        let mut once = Once::new(Header::Lines(1));
        let mut keep = |piece: &'static [u8]| once.keep(Bytes::from_static(piece));
        assert_eq!(keep(b"n\n1\n").unwrap(), "n\n1\n");
        assert_eq!(keep(b"n\n2\n").unwrap(), "2\n");
        assert_eq!(keep(b"n\n").unwrap(), "");
        assert!(keep(b"m\n3\n").is_err());
        assert!(keep(b"n").is_err());
    }
}
