//! Values of a JSON line: numbers, and texts with and without escapes.

use std::ops::Range;

use crate::sources::requests::formats::decimal::decimal;

/// A value that was looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Value<'a> {
    /// Not there; or null, an array or an object, which say as little.
    #[default]
    Missing,
    /// Between quotes, without escapes.
    Text(&'a [u8]),
    /// Between quotes, with escapes.
    Escaped(&'a [u8]),
    /// Without quotes: a number, a truth value, or garbage.
    Bare(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text of a number, quoted or not.
    pub(in super::super) fn plain(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            Self::Escaped(_) | Self::Missing => None,
        }
    }

    /// A number times ten to the `power`, quoted or not.
    pub(in super::super) fn number(self, power: i32) -> Option<i64> {
        decimal(self.plain()?, power)
    }

    /// A number that is not negative, times ten to the `power`, quoted or not.
    pub(in super::super) fn unsigned(self, power: i32) -> Option<u64> {
        u64::try_from(self.number(power)?).ok()
    }

    /// A response status; -1 stands for none in some logs.
    pub(in super::super) fn status(self) -> Option<u16> {
        match self.number(0)? {
            -1 => Some(0),
            status @ 0..=999 => u16::try_from(status).ok(),
            _ => None,
        }
    }

    pub(in super::super) fn is_missing(self) -> bool {
        self == Self::Missing
    }
}

/// Texts of one line, those with escapes in plain form.
#[derive(Debug, Default)]
pub(in super::super) struct Texts {
    plain: Vec<u8>,
}

/// Where a text is.
#[derive(Clone, Debug)]
pub(in super::super) enum Place<'a> {
    Line(&'a [u8]),
    Plain(Range<usize>),
}

impl Texts {
    /// Forgets the line before.
    pub(in super::super) fn clear(&mut self) {
        self.plain.clear();
    }

    /// Makes a text plain. Empty for what is no text.
    pub(in super::super) fn place<'a>(&mut self, value: Value<'a>) -> Place<'a> {
        match value {
            Value::Missing => Place::Line(b""),
            Value::Text(text) | Value::Bare(text) => Place::Line(text),
            Value::Escaped(text) => {
                let start = self.plain.len();
                unescape(text, &mut self.plain);
                Place::Plain(start..self.plain.len())
            }
        }
    }

    /// The text at a place.
    pub(in super::super) fn get<'a>(&'a self, place: Place<'a>) -> &'a [u8] {
        match place {
            Place::Line(text) => text,
            Place::Plain(range) => self.plain.get(range).unwrap_or_default(),
        }
    }
}

/// Adds a text without its escapes. What is no escape, and half a surrogate pair, becomes U+FFFD.
pub(super) fn unescape(text: &[u8], plain: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(slash) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..slash]);
        rest = &rest[slash + 1..];
        let Some((&kind, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        let character = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => unicode(&mut rest),
            _ => char::REPLACEMENT_CHARACTER,
        };
        plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    plain.extend_from_slice(rest);
}

/// The character behind a `\u`, and the second half of its pair.
fn unicode(rest: &mut &[u8]) -> char {
    let Some(first) = unit(rest) else {
        return char::REPLACEMENT_CHARACTER;
    };
    if (0xd800..0xdc00).contains(&first)
        && let Some(mut second) = rest.strip_prefix(b"\\u")
        && let Some(low @ 0xdc00..=0xdfff) = unit(&mut second)
    {
        *rest = second;
        let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Four hexadecimal digits.
fn unit(rest: &mut &[u8]) -> Option<u32> {
    let (digits, after) = rest.split_first_chunk::<4>()?;
    let number = digits.iter().try_fold(0, |number, &byte| {
        Some(number << 4 | char::from(byte).to_digit(16)?)
    })?;
    *rest = after;
    Some(number)
}
