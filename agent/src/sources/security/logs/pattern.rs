//! Lines by a regular expression with named groups.
//!
//! The engine takes time linear in the line; the compiled expression is bounded.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use super::super::reading::Outcome;
use super::config::LogConfig;
use super::mapping::{Field, Mapping};
use crate::sources::tail::zone::Zone;

/// Longest expression, bytes.
const PATTERN_MAX_BYTES: usize = 4096;

/// Largest compiled expression, and largest cache while it runs, bytes.
const COMPILED_MAX_BYTES: usize = 1024 * 1024;

/// Deepest nesting of groups.
const NESTING_MAX: u32 = 32;

/// Reads lines by an expression.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    mapping: Mapping,
}

impl Pattern {
    pub(super) fn of(config: &LogConfig) -> Result<Self, String> {
        if config.fields != super::config::Fields::default() || !config.conditions.is_empty() {
            return Err(
                "fields and where are for format \"json\"; use named groups in pattern".to_owned(),
            );
        }
        let text = config.pattern.as_deref().unwrap_or("");
        if text.is_empty() || text.len() > PATTERN_MAX_BYTES {
            return Err(format!(
                "pattern has {} bytes; use 1 to {PATTERN_MAX_BYTES}",
                text.len()
            ));
        }
        let regex = RegexBuilder::new(text)
            .size_limit(COMPILED_MAX_BYTES)
            .dfa_size_limit(COMPILED_MAX_BYTES)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(|error| format!("pattern: {}", place(&error)))?;
        for name in regex.capture_names().flatten() {
            if !Field::ALL.iter().any(|field| field.name() == name) {
                let known = Field::ALL.map(Field::name).join(", ");
                return Err(format!("pattern: unknown group `{name}`; use {known}"));
            }
        }
        let has = |field: Field| {
            regex
                .capture_names()
                .flatten()
                .any(|name| name == field.name())
        };
        let mapping = Mapping::of(config, has)?;
        Ok(Self { regex, mapping })
    }

    pub(super) fn read(&mut self, line: &str, zone: &Zone, now_ms: i64) -> Outcome {
        let Some(groups) = self.regex.captures(line) else {
            return Outcome::Nothing;
        };
        let value = |field: Field| {
            let group = groups.name(field.name())?;
            Some(Cow::Borrowed(group.as_str()))
        };
        self.mapping.read(value, zone, now_ms)
    }
}

/// What is wrong with an expression, and where: the library draws the place below the expression.
fn place(error: &regex::Error) -> String {
    let drawn = error.to_string();
    let caret = drawn
        .lines()
        .find(|line| line.trim_start().starts_with('^'))
        .and_then(|line| line.find('^'));
    let reason = drawn.lines().find_map(|line| line.strip_prefix("error: "));
    match (caret, reason) {
        // It is drawn four columns in.
        (Some(column), Some(reason)) => {
            format!("{reason} at character {}", column.saturating_sub(3))
        }
        _ => drawn.replace('\n', " "),
    }
}
