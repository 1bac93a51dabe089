//! Looks for named values in a line that is one JSON object.
//!
//! Pure. Reads the line once and keeps references into it; nothing is allocated but for texts with
//! escapes, whose bytes go to one buffer that is used again. What nobody looks for is passed over
//! by its quotes and brackets, not checked. Of a name given twice the last one counts.
//! A path may cross dots in a name: `http.method` finds `{"http":{"method":…}}` as well as
//! `{"http.method":…}`.

#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use memchr::memchr2;

use super::Unread;
use value::unescape;
pub(super) use value::{Texts, Value};

/// Most paths looked for at once.
pub(super) const PATHS_MAX: usize = 64;

/// Deepest nesting that is passed over.
const DEPTH_MAX: usize = 64;

const NO_OBJECT: Unread = "the line is no JSON object";
const BROKEN: Unread = "the JSON is broken";
const OPEN: Unread = "the JSON object does not close";
const DEEP: Unread = "the JSON is nested too deep";

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
