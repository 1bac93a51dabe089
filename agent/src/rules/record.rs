//! An event as rules see it: named values, and the text that keywords are looked for in.
//!
//! Pure. Names are our own, those of the Elastic Common Schema, and of W3C's extended log format for
//! requests: what public rules use. Texts are strangers' and cut at [`TEXT_MAX_BYTES`]. The time is
//! written only when a rule asks for it ([`super::local`]).

use std::borrow::Cow;

use crmscope_proto::payload::truncate;
use rsigma_eval::{Event, EventValue};

use super::local::{LocalClock, When};

/// Longest text that is looked at, bytes: what web servers take as the first line of a request, by
/// default. What is behind it is not seen.
pub const TEXT_MAX_BYTES: usize = 8 * 1024;

/// A named value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A text; an empty one is not there.
    Text(&'a str),
    /// A number.
    Number(u64),
}

/// See the module.
#[derive(Debug)]
pub struct Record<'a> {
    values: Vec<(&'static str, Value<'a>)>,
    /// What keywords are looked for in.
    line: &'a str,
    /// Whether the line is of auditd, and so has named values of its own.
    audit: bool,
    /// Not among the values: keywords are not looked for in it.
    when: Option<When<'a>>,
}

impl<'a> Record<'a> {
    /// Of a line, without values.
    #[must_use]
    pub fn of(line: &'a str, audit: bool) -> Self {
        Self {
            values: Vec::with_capacity(40),
            line: truncate(line, TEXT_MAX_BYTES),
            audit,
            when: None,
        }
    }

    /// Says when it happened.
    pub fn happened(&mut self, unix_ms: i64, clock: &'a LocalClock) {
        self.when = Some(When::new(unix_ms, clock));
    }

    /// Adds a text under several names.
    pub fn text(&mut self, names: &[&'static str], text: &'a str) {
        if !text.is_empty() {
            let value = Value::Text(truncate(text, TEXT_MAX_BYTES));
            self.values.extend(names.iter().map(|name| (*name, value)));
        }
    }

    /// Adds a number under several names.
    pub fn number(&mut self, names: &[&'static str], number: u64) {
        let value = Value::Number(number);
        self.values.extend(names.iter().map(|name| (*name, value)));
    }

    fn texts(&self) -> impl Iterator<Item = &'a str> {
        let values = self.values.iter().filter_map(|(_, value)| match value {
            Value::Text(text) => Some(*text),
            Value::Number(_) => None,
        });
        let line = (!self.line.is_empty()).then_some(self.line);
        // What has a line is searched there: its values are parts of it.
        let values = line.is_none().then_some(values).into_iter().flatten();
        line.into_iter().chain(values)
    }
}

impl Event for Record<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let found = self.values.iter().find(|(name, _)| *name == path);
        match found {
            Some((_, Value::Text(text))) => Some(EventValue::Str(Cow::Borrowed(text))),
            Some((_, Value::Number(number))) => {
                Some(EventValue::Int(i64::try_from(*number).unwrap_or(i64::MAX)))
            }
            None => {
                let when = self.when.as_ref().and_then(|when| when.field(path));
                let audited = || {
                    let text = self.audit.then(|| audited(self.line, path))?;
                    text.map(Cow::Borrowed)
                };
                when.or_else(audited).map(EventValue::Str)
            }
        }
    }

    fn any_string_value(&self, is: &dyn Fn(&str) -> bool) -> bool {
        self.texts().any(is)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.texts().map(Cow::Borrowed).collect()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.texts().for_each(visit);
    }

    fn to_json(&self) -> serde_json::Value {
        let value = |value: &Value<'_>| match value {
            Value::Text(text) => serde_json::Value::from(*text),
            Value::Number(number) => serde_json::Value::from(*number),
        };
        let values = self.values.iter();
        let values = values.map(|(name, one)| ((*name).to_owned(), value(one)));
        let times = When::FIELDS.into_iter().filter_map(|name| {
            let text = self.when.as_ref()?.field(name)?;
            Some((name.to_owned(), text.into()))
        });
        values.chain(times).collect()
    }
}

/// A value of an audit record: `name=value` between spaces, in quotes or not. What programs of users
/// say in it is coded by auditd, so that it cannot look like another value.
fn audited<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = line;
    while let Some(at) = rest.find(name) {
        let (before, from) = rest.split_at(at);
        let behind = &from[name.len()..];
        let begins = before.is_empty() || before.ends_with([' ', '\'']);
        if begins && let Some(value) = behind.strip_prefix('=') {
            return Some(match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or(quoted),
                None => value.split([' ', '\'', '\u{1d}']).next().unwrap_or(value),
            });
        }
        let skip = behind.chars().next().map_or(0, char::len_utf8);
        rest = &behind[skip.min(behind.len())..];
        if name.is_empty() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_an_audit_record_is_found_by_its_name_alone() {
        let line = r#"type=SYSCALL msg=audit(1.2:3): syscall=59 success=yes exe="/usr/bin/id" ses=4 subj=x key="run" msg='op=login acct="bob" res=failed'"#;
        for (name, value) in [
            ("type", Some("SYSCALL")),
            ("syscall", Some("59")),
            ("exe", Some("/usr/bin/id")),
            ("key", Some("run")),
            ("op", Some("login")),
            ("acct", Some("bob")),
            ("res", Some("failed")),
            ("call", None),
            ("", None),
            ("id", None),
        ] {
            assert_eq!(audited(line, name), value, "{name}");
        }
    }
}
