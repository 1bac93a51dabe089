//! Overlays as operators write them: TOML with the sections of the agent's own configuration.
//!
//! Pure. Every mistake is told with its line; one that has one makes no overlay.

use std::fmt;

use config::{Config, File, FileFormat};
use serde_json::Value;

use super::{Overlay, OverlayError, allowed};

/// Most mistakes that are told of one file.
const FAULTS_MAX: usize = 20;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1; 0 where it cannot be said.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

/// Reads a file's text.
///
/// # Errors
/// All that is wrong in it, in the order of lines.
pub fn parse(text: &str) -> Result<Overlay, Vec<Fault>> {
    let read = Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .and_then(Config::try_deserialize::<Value>);
    let tree = read.map_err(|error| vec![syntax(&error.to_string())])?;
    let mut leaves = Vec::new();
    collect(&tree, "", &mut leaves);
    let mut overlay = Overlay::default();
    let mut faults: Vec<Fault> = leaves
        .into_iter()
        .filter_map(|(key, value)| match overlay.set(&key, value.clone()) {
            Ok(()) => None,
            Err(error) => Some(fault(text, &key, value, &error)),
        })
        .collect();
    if faults.is_empty() {
        return match overlay.encode() {
            Ok(_) => Ok(overlay),
            Err(error) => Err(vec![Fault {
                line: 0,
                reason: error.to_string(),
            }]),
        };
    }
    faults.sort_by_key(|fault| fault.line);
    faults.truncate(FAULTS_MAX);
    Err(faults)
}

/// Values with their keys: all that is no table, and what is an allowed key.
fn collect<'a>(value: &'a Value, path: &str, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) if path.is_empty() || !map.is_empty() => {
            for (key, inner) in map {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                collect(inner, &path, leaves);
            }
        }
        // An empty section says nothing, unless it is none.
        Value::Object(_) if is_section(path) => {}
        value => leaves.push((path.to_owned(), value)),
    }
}

fn is_section(path: &str) -> bool {
    let begins = |key: &str| {
        key.strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    allowed::ALLOWED.iter().any(|allowed| begins(allowed.key))
}

fn fault(text: &str, key: &str, value: &Value, error: &OverlayError) -> Fault {
    // A group that has what it may not have stands somewhere in a list.
    let inner = value.as_array().into_iter().flatten();
    let forbidden = inner
        .filter_map(Value::as_object)
        .flat_map(|group| group.keys())
        .find(|name| !matches!(name.as_str(), "name" | "comm" | "executable"));
    let of_group = forbidden.and_then(|name| line_of(text, &format!("{key}.{name}")));
    Fault {
        line: of_group.or_else(|| line_of(text, key)).unwrap_or(0),
        reason: error.to_string(),
    }
}

/// The parser's message, on one line, and its line.
fn syntax(message: &str) -> Fault {
    let numbers = message.split("line ").nth(1).unwrap_or_default();
    let digits: String = numbers.chars().take_while(char::is_ascii_digit).collect();
    let lines: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains('|'))
        .collect();
    Fault {
        line: digits.parse().unwrap_or(0),
        reason: lines.join("; "),
    }
}

/// The line in which a key is set, or else its table begins. Looks at lines as people write them.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut table = String::new();
    let mut of_table = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_start_matches('[');
            table = plain(header.split(']').next().unwrap_or_default());
            if table == key {
                of_table = of_table.or(Some(number));
            }
            continue;
        }
        let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let name = match table.as_str() {
            "" => plain(name),
            table => format!("{table}.{}", plain(name)),
        };
        let below = key.strip_prefix(&name);
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            return Some(number);
        }
    }
    of_table
}

/// A key without blanks and quotes.
fn plain(key: &str) -> String {
    let is_plain = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '\'');
    key.chars().filter(is_plain).collect()
}
