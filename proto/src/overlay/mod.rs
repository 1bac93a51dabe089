//! Overlays: what a collector lays over an agent's own configuration.
//!
//! Pure. Owns which keys that may be ([`allowed`]), how operators write it ([`file`]), how it is laid over
//! others and over an agent's own configuration, and how it travels: as JSON, an object of keys with their
//! sections, in order, `{"intervals.batch_ms":10000}`, with a hash of these bytes as its version. Promises
//! that what was decoded has allowed keys with values in range and nothing else, whoever made the bytes.
//! Leaves what values mean together to the agent's own checks.

pub mod allowed;
pub mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::limits::OVERLAY_MAX_BYTES;
use allowed::Merge;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    values: BTreeMap<String, Value>,
}

/// Bytes that are no overlay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// Too many.
    #[error("the settings have {0} bytes, of {OVERLAY_MAX_BYTES} at most")]
    Large(usize),
    /// Others than were sent.
    #[error("the settings are damaged: their version is not that of their contents")]
    Damaged,
    /// Not of the form.
    #[error("the settings cannot be read: {0}")]
    Form(String),
    /// A key that may not be, or a value that cannot.
    #[error("{key} {reason}")]
    Value {
        /// The key.
        key: String,
        /// Why, as the rest of the sentence.
        reason: String,
    },
}

impl Overlay {
    /// Sets a key.
    ///
    /// # Errors
    /// When the key may not be set, or not to this value.
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), OverlayError> {
        let refused = |reason: String| OverlayError::Value {
            key: crate::payload::truncate(key, 128)
                .escape_debug()
                .to_string(),
            reason,
        };
        let allowed = allowed::find(key).ok_or_else(|| refused(allowed::refusal(key)))?;
        allowed.check(&value).map_err(refused)?;
        self.values.insert(key.to_owned(), value);
        Ok(())
    }

    /// Keys and values, in order.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Lays a later one over it: its values stand, and its lists come behind.
    pub fn lay(&mut self, later: &Self) {
        for (key, value) in &later.values {
            let adds = allowed::find(key).is_some_and(|allowed| allowed.merge == Merge::Adds);
            match self.values.get_mut(key) {
                Some(Value::Array(list)) if adds => add_later(list, value),
                _ => {
                    self.values.insert(key.clone(), value.clone());
                }
            }
        }
    }

    /// Lays it over an agent's own configuration, section by section.
    ///
    /// # Errors
    /// When the configuration has no such key: an agent's configuration has them all.
    pub fn lay_over(&self, own: &mut Value) -> Result<(), OverlayError> {
        for (key, value) in &self.values {
            let missing = || OverlayError::Value {
                key: key.clone(),
                reason: "is no key of this agent; this is a bug".to_owned(),
            };
            let allowed = allowed::find(key).ok_or_else(missing)?;
            let place = own
                .pointer_mut(&format!("/{}", key.replace('.', "/")))
                .ok_or_else(missing)?;
            match (allowed.merge, place) {
                (Merge::Replaces, place) => *place = value.clone(),
                (Merge::Lowers, place) => {
                    if value.as_u64() < place.as_u64() {
                        *place = value.clone();
                    }
                }
                (Merge::Narrows, place) => {
                    if *value == Value::Bool(false) {
                        *place = value.clone();
                    }
                }
                (Merge::Adds, Value::Array(list)) => add_own_first(list, value),
                (Merge::Adds, _) => return Err(missing()),
            }
        }
        Ok(())
    }

    /// As it travels; nothing for an empty one.
    ///
    /// # Errors
    /// When that is too large.
    pub fn encode(&self) -> Result<Vec<u8>, OverlayError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = serde_json::to_vec(&self.values)
            .map_err(|error| OverlayError::Form(error.to_string()))?;
        match bytes.len() {
            0..=OVERLAY_MAX_BYTES => Ok(bytes),
            large => Err(OverlayError::Large(large)),
        }
    }

    /// What was encoded, by anybody.
    ///
    /// # Errors
    /// See [`OverlayError`].
    pub fn decode(version: u64, bytes: &[u8]) -> Result<Self, OverlayError> {
        if bytes.len() > OVERLAY_MAX_BYTES {
            return Err(OverlayError::Large(bytes.len()));
        }
        if version_of(bytes) != version {
            return Err(OverlayError::Damaged);
        }
        let mut overlay = Self::default();
        if bytes.is_empty() {
            return Ok(overlay);
        }
        let values: BTreeMap<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| OverlayError::Form(error.to_string()))?;
        for (key, value) in values {
            overlay.set(&key, value)?;
        }
        Ok(overlay)
    }
}

/// The version of encoded bytes: the first of their hash; 0 for none, and never 0 for some.
#[must_use]
pub fn version_of(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let digest = Sha256::digest(bytes);
    let first = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}

/// Elements behind those that are there. Of two groups of processes with one name, the later stands.
fn add_later(list: &mut Vec<Value>, more: &Value) {
    for element in more.as_array().into_iter().flatten() {
        match list.iter_mut().find(|there| is_same(there, element)) {
            Some(there) => *there = element.clone(),
            None => list.push(element.clone()),
        }
    }
}

/// Elements behind the agent's own. Of two groups of processes with one name, its own stands.
fn add_own_first(own: &mut Vec<Value>, more: &Value) {
    for element in more.as_array().into_iter().flatten() {
        if !own.iter().any(|there| is_same(there, element)) {
            own.push(element.clone());
        }
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one.get("name"), other.get("name")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
