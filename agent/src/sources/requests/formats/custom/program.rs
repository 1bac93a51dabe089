//! A compiled pattern: literals and fields, and how a line is divided between them.
//!
//! Fields in front of the first one that may hold anything are found from the line's start, those
//! behind the last such field from its end. So that field, usually the unquoted user, gets what
//! is left, whatever it holds. Between two such fields the first one ends where what has a fixed
//! width behind it fits. A field between two quotes of the pattern ends at the first quote
//! that is not escaped, from whichever side it is looked for.

use super::super::Unread;
use super::super::nginx::quoted;
use super::field::{Field, Found};

/// Most fields in a pattern.
const FIELDS_MAX: usize = 64;

const START: Unread = "the line does not start as the pattern does";
const END: Unread = "the line does not end as the pattern does";
const BETWEEN: Unread = "a text of the pattern is not where it should be";
const QUOTES: Unread = "quotes of the pattern do not open and close";

/// What a field's text may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// This many bytes.
    Fixed(usize),
    /// The server's own text, without spaces.
    Word,
    /// Words, separated by `, ` and ` : ` as nginx does for several upstreams.
    List,
    /// A target: begins with a slash where nothing stands in front of it. Client text.
    Target,
    /// Anything a client may send.
    Wild,
}

#[derive(Debug)]
struct Step {
    field: Field,
    shape: Shape,
    /// Name in the pattern, for errors.
    name: String,
    /// Literal behind it.
    after: Vec<u8>,
    /// Between two quotes.
    quoted: bool,
}

impl Step {
    fn is_wild(&self) -> bool {
        !self.quoted && matches!(self.shape, Shape::Target | Shape::Wild)
    }
}

/// Gathers literals and fields.
#[derive(Debug, Default)]
pub(super) struct Builder {
    start: Vec<u8>,
    steps: Vec<Step>,
    /// See [`Program::times_begin`].
    pub(super) times_begin: bool,
    /// Names without a meaning and where they are.
    pub(super) unknown: Vec<(String, usize)>,
}

impl Builder {
    pub(super) fn literal(&mut self, text: &[u8]) {
        match self.steps.last_mut() {
            Some(step) => step.after.extend_from_slice(text),
            None => self.start.extend_from_slice(text),
        }
    }

    /// Adds a field. Of fields with the same meaning the first one counts.
    pub(super) fn field(&mut self, name: &str, field: Field, shape: Shape) {
        let field = if self.has(field) {
            Field::Ignored
        } else {
            field
        };
        self.steps.push(Step {
            field,
            shape,
            name: name.to_owned(),
            after: Vec::new(),
            quoted: false,
        });
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.steps.iter().any(|step| step.field == field)
    }

    /// Puts the parts together.
    pub(super) fn build(mut self) -> Result<Program, String> {
        if self.steps.len() > FIELDS_MAX {
            return Err(format!(
                "the pattern has {} fields; use at most {FIELDS_MAX}",
                self.steps.len()
            ));
        }
        for position in 0..self.steps.len() {
            let before = match position.checked_sub(1) {
                Some(before) => &self.steps[before].after,
                None => &self.start,
            };
            let opens = before.ends_with(b"\"");
            let field = self.steps[position].field;
            let outdone = field.better().iter().any(|&better| self.has(better));
            let step = &mut self.steps[position];
            step.quoted = opens && step.after.starts_with(b"\"");
            if outdone {
                step.field = Field::Ignored;
            }
        }
        for pair in self.steps.windows(2) {
            let fixed = |step: &Step| matches!(step.shape, Shape::Fixed(_));
            let path_follows = pair[0].shape == Shape::Word && pair[1].shape == Shape::Target;
            if pair[0].after.is_empty() && !fixed(&pair[0]) && !path_follows {
                return Err(format!(
                    "nothing stands between `{}` and `{}` in the pattern: where one ends and the \
                     other begins cannot be told; put a space or a quote between them in the \
                     server's configuration",
                    pair[0].name, pair[1].name
                ));
            }
        }
        Ok(Program::new(self.start, self.steps, self.times_begin))
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    start: Vec<u8>,
    steps: Vec<Step>,
    /// Whether the time is that of a request's begin, as Apache's; nginx's is that of its end.
    pub(super) times_begin: bool,
    /// Steps from here on are found from the line's end.
    turn: usize,
}

impl Program {
    fn new(start: Vec<u8>, steps: Vec<Step>, times_begin: bool) -> Self {
        let from = steps
            .iter()
            .rposition(Step::is_wild)
            .map_or(steps.len(), |wild| wild + 1);
        // Looked for from behind, a field must be fixed or have something in front of it.
        let alone = |&position: &usize| {
            let after_field = position > 0 && steps[position - 1].after.is_empty();
            after_field && !matches!(steps[position].shape, Shape::Fixed(_))
        };
        let turn = (from..steps.len())
            .rev()
            .find(alone)
            .map_or(from, |position| position + 1);
        Self {
            start,
            steps,
            times_begin,
            turn,
        }
    }

    /// Divides a line and hands the parts over.
    pub(super) fn read<'a>(&self, line: &'a [u8], found: &mut Found<'a, '_>) -> Result<(), Unread> {
        let mut rest = line.strip_prefix(self.start.as_slice()).ok_or(START)?;
        for position in (self.turn..self.steps.len()).rev() {
            let step = &self.steps[position];
            rest = rest.strip_suffix(step.after.as_slice()).ok_or(END)?;
            let begin = step.begin(self.before(position), rest)?;
            found.take(step.field, &rest[begin..])?;
            rest = &rest[..begin];
        }
        let Some((last, steps)) = self.steps.get(..self.turn).and_then(<[Step]>::split_last) else {
            return if rest.is_empty() {
                Ok(())
            } else {
                Err(BETWEEN)
            };
        };
        for (position, step) in steps.iter().enumerate() {
            let end = step.end(rest, &self.steps[position + 1..self.turn])?;
            found.take(step.field, &rest[..end])?;
            let after = &rest[end..];
            rest = after.strip_prefix(step.after.as_slice()).ok_or(BETWEEN)?;
        }
        let rest = rest.strip_suffix(last.after.as_slice()).ok_or(END)?;
        let whole = match last.shape {
            _ if last.quoted => !has_open_quote(rest),
            Shape::Fixed(width) => rest.len() == width,
            Shape::Word => memchr::memchr(b' ', rest).is_none(),
            Shape::List | Shape::Target | Shape::Wild => true,
        };
        if !whole {
            return Err(BETWEEN);
        }
        found.take(last.field, rest)
    }

    /// The literal in front of a step.
    fn before(&self, position: usize) -> &[u8] {
        match position.checked_sub(1) {
            Some(before) => &self.steps[before].after,
            // What the line starts with is gone already.
            None => b"",
        }
    }
}

impl Step {
    /// Where the field's text ends that `rest` begins with. `next` are the steps behind it.
    fn end(&self, rest: &[u8], next: &[Self]) -> Result<usize, Unread> {
        if self.quoted {
            return quoted(rest).map(|(inside, _)| inside.len()).ok_or(QUOTES);
        }
        match self.shape {
            Shape::Fixed(width) => (rest.len() >= width).then_some(width).ok_or(BETWEEN),
            Shape::List if self.after.starts_with(b" ") => Ok(list_end(rest)),
            // A path follows.
            _ if self.after.is_empty() => memchr::memchr(b'/', rest).ok_or(BETWEEN),
            _ => memchr::memmem::find_iter(rest, &self.after)
                .find(|&end| fits(&rest[end + self.after.len()..], next))
                .ok_or(BETWEEN),
        }
    }

    /// Where the field's text begins that `rest` ends with.
    fn begin(&self, before: &[u8], rest: &[u8]) -> Result<usize, Unread> {
        if self.quoted {
            let mut end = rest.len();
            loop {
                let quote = memchr::memrchr(b'"', &rest[..end]).ok_or(QUOTES)?;
                if slashes(&rest[..quote]).is_multiple_of(2) {
                    return Ok(quote + 1);
                }
                end = quote;
            }
        }
        match self.shape {
            Shape::Fixed(width) => rest.len().checked_sub(width).ok_or(BETWEEN),
            Shape::List if before.ends_with(b" ") && !before.ends_with(b", ") => {
                Ok(list_begin(rest))
            }
            _ if before.is_empty() => Ok(0),
            _ => memchr::memmem::rfind(rest, before)
                .map(|found| found + before.len())
                .ok_or(BETWEEN),
        }
    }
}

/// Whether a text goes on as the steps of fixed width at the front say, and the literals behind
/// them: a user's name may hold the bracket of the time, but not the time with the quote behind it.
fn fits(mut rest: &[u8], steps: &[Step]) -> bool {
    for step in steps {
        let Shape::Fixed(width) = step.shape else {
            break;
        };
        match rest
            .get(width..)
            .and_then(|after| after.strip_prefix(step.after.as_slice()))
        {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// Whether a quote stands in the text that no backslash escapes.
fn has_open_quote(text: &[u8]) -> bool {
    memchr::memchr_iter(b'"', text).any(|quote| slashes(&text[..quote]).is_multiple_of(2))
}

/// Backslashes at the end.
fn slashes(text: &[u8]) -> usize {
    text.iter().rev().take_while(|&&byte| byte == b'\\').count()
}

/// Where a list ends whose words stand at the start.
fn list_end(rest: &[u8]) -> usize {
    let mut from = 0;
    while let Some(space) = memchr::memchr(b' ', &rest[from..]).map(|space| from + space) {
        if rest[..space].ends_with(b",") {
            from = space + 1;
        } else if rest[space..].starts_with(b" : ") {
            from = space + 3;
        } else {
            return space;
        }
    }
    rest.len()
}

/// Where a list begins whose words stand at the end.
fn list_begin(rest: &[u8]) -> usize {
    let mut end = rest.len();
    while let Some(space) = memchr::memrchr(b' ', &rest[..end]) {
        if rest[..space].ends_with(b",") {
            end = space;
        } else if rest[..space].ends_with(b" :") {
            end = space - 2;
        } else {
            return space + 1;
        }
    }
    0
}
