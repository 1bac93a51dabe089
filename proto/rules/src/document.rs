//! From a file's text to its rules, or to what is wrong with it and where.
//!
//! Pure. A file holds documents with lines of `---` between, each of which is taken or refused for
//! itself. Correlations are passed over: they are the collector's.

use rsigma_parser::{FilterRule, SigmaRule};

use crate::expression;
use crate::weigh;

/// What a file gave.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// Each with the line it begins at.
    pub(crate) rules: Vec<(usize, SigmaRule)>,
    pub(crate) filters: Vec<(usize, FilterRule)>,
    pub(crate) faults: Vec<(usize, String)>,
}

/// Reads a file.
pub(crate) fn read(bytes: &[u8]) -> Documents {
    let mut documents = Documents::default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
            documents.faults.push((line, "not UTF-8".to_owned()));
            return documents;
        }
    };
    let parts = parts(text);
    // A document of this kind says something of those behind it.
    if parts.iter().any(|(_, part)| has_key(part, "action")) {
        documents.take(1, text);
    } else {
        for (line, part) in parts {
            documents.take(line, part);
        }
    }
    documents
}

impl Documents {
    fn take(&mut self, first_line: usize, text: &str) {
        if has_key(text, "correlation") && !has_key(text, "detection") {
            return;
        }
        let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if !text.lines().any(content) {
            return;
        }
        if let Err(reason) = weigh::check(text) {
            self.refuse(first_line, text, &reason);
            return;
        }
        let collection = match rsigma_parser::parse_sigma_yaml(text) {
            Ok(collection) => collection,
            Err(error) => {
                self.refuse(first_line, text, &error.to_string());
                return;
            }
        };
        let found =
            collection.rules.len() + collection.filters.len() + collection.correlations.len();
        if found == 0 {
            let reason = collection.errors.first();
            let reason = reason.map_or("holds no rule", String::as_str);
            self.refuse(first_line, text, reason);
        }
        for rule in collection.rules {
            match expression::check(&rule.detection) {
                Ok(()) => self.rules.push((first_line, rule)),
                Err(reason) => self.refuse(first_line, text, &reason),
            }
        }
        for filter in collection.filters {
            match expression::check(&filter.detection) {
                Ok(()) => self.filters.push((first_line, filter)),
                Err(reason) => self.refuse(first_line, text, &reason),
            }
        }
    }

    fn refuse(&mut self, first_line: usize, text: &str, reason: &str) {
        let line = first_line + line_of(text, reason);
        self.faults.push((line, one_line(reason)));
    }
}

/// The documents of a text, each with its first line, from 1. By YAML's rules, no value can hold a
/// line that begins with the mark.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if line.trim_end() == "---" {
            parts.push((start_line, &text[start..offset]));
            (start, start_line) = (end, number + 2);
        }
        offset = end;
    }
    parts.push((start_line, &text[start..]));
    parts
}

fn has_key(text: &str, key: &str) -> bool {
    text.lines().any(|line| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    })
}

/// Lines before the one that a reason is about: the YAML reader tells it; of other reasons, the first
/// line with a word that the reason quotes, or with the key it names.
pub(crate) fn line_of(text: &str, reason: &str) -> usize {
    let told = reason.split(" at line ").nth(1).map(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse::<usize>().unwrap_or(1)
    });
    if let Some(line) = told {
        return line.saturating_sub(1);
    }
    let holding = |word: &str| {
        let found = text.lines().position(|line| line.contains(word));
        found.filter(|_| word.len() > 1)
    };
    let quoted = ['\'', '`', '"'].into_iter().find_map(|mark| {
        let (_, rest) = reason.split_once(mark)?;
        holding(rest.split_once(mark)?.0)
    });
    // `unknown detection identifier: NAME`
    let last = || reason.rsplit_once(": ").and_then(|(_, word)| holding(word));
    let named = || {
        let keys = ["condition", "detection", "logsource"];
        keys.iter()
            .filter(|key| reason.to_lowercase().contains(**key))
            .find_map(|key| holding(&format!("{key}:")))
    };
    let first = || text.lines().position(|line| !line.trim().is_empty());
    quoted
        .or_else(last)
        .or_else(named)
        .or_else(first)
        .unwrap_or(0)
}

/// A reason as one line: libraries draw pictures.
pub(crate) fn one_line(reason: &str) -> String {
    const REASON_MAX_BYTES: usize = 300;
    let words: Vec<&str> = reason.split_whitespace().collect();
    let plain = words.join(" ").replace(char::is_control, "?");
    crmscope_proto::payload::truncate(&plain, REASON_MAX_BYTES).to_owned()
}
