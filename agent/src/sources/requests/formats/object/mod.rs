//! Looks for named values in a line that is one JSON object.
//!
//! Pure. Reads the line once and keeps references into it; nothing is allocated but for texts with
//! escapes, whose bytes go to one buffer that is used again. What nobody looks for is passed over
//! by its quotes and brackets, not checked. Of a name given twice the last one counts.
//! A path may cross dots in a name: `http.method` finds `{"http":{"method":…}}` as well as
//! `{"http.method":…}`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

use super::Unread;
use super::decimal::decimal;

/// Most paths looked for at once.
pub(super) const PATHS_MAX: usize = 64;

/// Deepest nesting that is passed over.
const DEPTH_MAX: usize = 64;

const NO_OBJECT: Unread = "the line is no JSON object";
const BROKEN: Unread = "the JSON is broken";
const OPEN: Unread = "the JSON object does not close";
const DEEP: Unread = "the JSON is nested too deep";

/// A value that was looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Value<'a> {
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
    pub(super) fn plain(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            Self::Escaped(_) | Self::Missing => None,
        }
    }

    /// A number times ten to the `power`, quoted or not.
    pub(super) fn number(self, power: i32) -> Option<i64> {
        decimal(self.plain()?, power)
    }

    /// A number that is not negative, times ten to the `power`, quoted or not.
    pub(super) fn unsigned(self, power: i32) -> Option<u64> {
        u64::try_from(self.number(power)?).ok()
    }

    /// A response status; -1 stands for none in some logs.
    pub(super) fn status(self) -> Option<u16> {
        match self.number(0)? {
            -1 => Some(0),
            status @ 0..=999 => u16::try_from(status).ok(),
            _ => None,
        }
    }

    pub(super) fn is_missing(self) -> bool {
        self == Self::Missing
    }
}

/// Finds the value of each path, in the order of the paths; `found` is as long.
pub(super) fn find<'a, P: AsRef<[u8]>>(
    line: &'a [u8],
    paths: &[P],
    found: &mut [Value<'a>],
) -> Result<(), Unread> {
    debug_assert!(paths.len() <= PATHS_MAX && paths.len() == found.len());
    found.fill(Value::Missing);
    let mut search = Search {
        rest: line.trim_ascii_start(),
        paths,
        found,
    };
    if !search.take(b'{') {
        return Err(NO_OBJECT);
    }
    let all = u64::MAX >> (PATHS_MAX - paths.len().clamp(1, PATHS_MAX));
    search.object(all, 0)?;
    if search.rest.trim_ascii_start().is_empty() {
        Ok(())
    } else {
        Err(BROKEN)
    }
}

struct Search<'a, 'f, P> {
    rest: &'a [u8],
    paths: &'f [P],
    found: &'f mut [Value<'a>],
}

impl<'a, P: AsRef<[u8]>> Search<'a, '_, P> {
    /// Reads an object behind its brace. `wanted` are the paths that lead here, all by the same
    /// first `consumed` bytes. Calls itself at most as often as a path has dots.
    fn object(&mut self, wanted: u64, consumed: usize) -> Result<(), Unread> {
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let name = match self.value()? {
                Value::Text(name) => Cow::Borrowed(name),
                Value::Escaped(name) => {
                    let mut plain = Vec::new();
                    unescape(name, &mut plain);
                    Cow::Owned(plain)
                }
                Value::Missing | Value::Bare(_) => return Err(BROKEN),
            };
            self.space();
            if !self.take(b':') {
                return Err(self.broken());
            }
            self.space();
            let (here, below) = self.matches(&name, wanted, consumed);
            if below != 0 && self.take(b'{') {
                self.object(below, consumed + name.len() + 1)?;
            } else {
                let value = self.value()?;
                let mut left = here;
                while left != 0 {
                    let path = left.trailing_zeros() as usize;
                    left &= left - 1;
                    if let Some(found) = self.found.get_mut(path) {
                        *found = value;
                    }
                }
            }
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.broken());
            }
        }
    }

    /// The wanted paths that end with this name, and those that go on below it.
    fn matches(&self, name: &[u8], wanted: u64, consumed: usize) -> (u64, u64) {
        let (mut here, mut below) = (0, 0);
        let mut left = wanted;
        while left != 0 {
            let path = left.trailing_zeros() as usize;
            left &= left - 1;
            let rest = self.paths.get(path).map(AsRef::as_ref);
            let rest = rest.and_then(|path: &[u8]| path.get(consumed..));
            // Most names are none that are looked for, and differ in their first byte.
            let Some(rest) = rest.filter(|rest| rest.first() == name.first()) else {
                continue;
            };
            match rest.strip_prefix(name) {
                Some([]) => here |= 1 << path,
                Some([b'.', ..]) => below |= 1 << path,
                _ => {}
            }
        }
        (here, below)
    }

    fn value(&mut self) -> Result<Value<'a>, Unread> {
        match self.rest.first() {
            None => Err(OPEN),
            Some(b'"') => {
                self.rest = &self.rest[1..];
                self.text()
            }
            Some(b'{' | b'[') => {
                self.pass()?;
                Ok(Value::Missing)
            }
            Some(_) => {
                let end = self
                    .rest
                    .iter()
                    .position(|byte| {
                        matches!(
                            byte,
                            b',' | b'}' | b']' | b':' | b'"' | b' ' | b'\t' | b'\r'
                        )
                    })
                    .ok_or(OPEN)?;
                let (bare, rest) = self.rest.split_at(end);
                self.rest = rest;
                match bare {
                    b"" => Err(BROKEN),
                    b"null" => Ok(Value::Missing),
                    bare => Ok(Value::Bare(bare)),
                }
            }
        }
    }

    /// Text behind its opening quote.
    fn text(&mut self) -> Result<Value<'a>, Unread> {
        let all = self.rest;
        let mut end = 0;
        let mut escaped = false;
        loop {
            end += quote_or_backslash(all.get(end..).ok_or(OPEN)?).ok_or(OPEN)?;
            if all[end] == b'"' {
                self.rest = &all[end + 1..];
                let inside = &all[..end];
                return Ok(if escaped {
                    Value::Escaped(inside)
                } else {
                    Value::Text(inside)
                });
            }
            escaped = true;
            end += 2;
        }
    }

    /// Passes over an array or object.
    fn pass(&mut self) -> Result<(), Unread> {
        let mut depth = 0;
        loop {
            let at = self
                .rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))
                .ok_or(OPEN)?;
            let byte = self.rest[at];
            self.rest = &self.rest[at + 1..];
            match byte {
                b'"' => {
                    self.text()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return Err(DEEP);
                    }
                }
                _ => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn space(&mut self) {
        if let Some(b' ' | b'\t' | b'\r') = self.rest.first() {
            self.rest = self.rest.trim_ascii_start();
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn broken(&self) -> Unread {
        if self.rest.is_empty() { OPEN } else { BROKEN }
    }
}

/// Where the next quote or backslash is. Most texts are too short for a search in wide steps.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    const SHORT: usize = 16;
    let short = text.iter().take(SHORT);
    short
        .copied()
        .position(|byte| matches!(byte, b'"' | b'\\'))
        .or_else(|| Some(SHORT + memchr2(b'"', b'\\', text.get(SHORT..)?)?))
}

/// Texts of one line, those with escapes in plain form.
#[derive(Debug, Default)]
pub(super) struct Texts {
    plain: Vec<u8>,
}

/// Where a text is.
#[derive(Clone, Debug)]
pub(super) enum Place<'a> {
    Line(&'a [u8]),
    Plain(Range<usize>),
}

impl Texts {
    /// Forgets the line before.
    pub(super) fn clear(&mut self) {
        self.plain.clear();
    }

    /// Makes a text plain. Empty for what is no text.
    pub(super) fn place<'a>(&mut self, value: Value<'a>) -> Place<'a> {
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
    pub(super) fn get<'a>(&'a self, place: Place<'a>) -> &'a [u8] {
        match place {
            Place::Line(text) => text,
            Place::Plain(range) => self.plain.get(range).unwrap_or_default(),
        }
    }
}

/// Adds a text without its escapes. What is no escape, and half a surrogate pair, becomes U+FFFD.
fn unescape(text: &[u8], plain: &mut Vec<u8>) {
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
