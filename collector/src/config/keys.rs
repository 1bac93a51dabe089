//! Which keys there are, and which one was meant.

use std::collections::{BTreeSet, HashMap};

use config::{Value, ValueKind};

use super::Config;

/// Nearness below which a guess would only confuse.
const LIKENESS: f64 = 0.7;

/// A key that is none.
#[derive(Debug, thiserror::Error)]
pub struct UnknownKey {
    place: String,
    nearest: Option<String>,
}

impl std::fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: there is no such key", self.place)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => write!(f, "; collector.example.toml lists all of them"),
        }
    }
}

/// Every key as `section.key`, read off the defaults, so that none can be forgotten.
pub(super) fn known(defaults: &Config) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let value = serde_json::to_value(defaults).unwrap_or_default();
    for (section, inner) in value.as_object().into_iter().flatten() {
        for key in inner
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// The keys of a source as `section.key`.
pub(super) fn flatten(read: config::Map<String, Value>) -> BTreeSet<String> {
    fn walk(prefix: &str, value: &Value, keys: &mut BTreeSet<String>) {
        match &value.kind {
            ValueKind::Table(table) => {
                for (key, value) in table {
                    walk(&format!("{prefix}.{key}"), value, keys);
                }
            }
            _ => {
                keys.insert(prefix.to_owned());
            }
        }
    }
    let mut keys = BTreeSet::new();
    let read: HashMap<String, Value> = read.into_iter().collect();
    for (key, value) in &read {
        walk(key, value, &mut keys);
    }
    keys
}

/// Checks that every key found is known.
pub(super) fn check(
    found: &BTreeSet<String>,
    known: &BTreeSet<String>,
    place: &dyn Fn(&str) -> String,
) -> Result<(), UnknownKey> {
    let Some(key) = found.iter().find(|key| !known.contains(*key)) else {
        return Ok(());
    };
    let likeness = |candidate: &str| strsim::jaro_winkler(key, candidate);
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|nearest| likeness(nearest) >= LIKENESS);
    Err(UnknownKey {
        place: place(key),
        nearest: nearest.map(|nearest| {
            place(nearest)
                .rsplit(": ")
                .next()
                .unwrap_or(nearest)
                .to_owned()
        }),
    })
}
