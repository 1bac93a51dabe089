//! Whether a network, or a program or key, is new of a user. Pure.
//!
//! Each day on which it was seen weighs 2^(-age / half-life), and what weighs at least [`KNOWN_MIN`] is
//! known. What is new of a user who always comes from somewhere else says nothing: the chance that the next
//! is one that was never seen is about n1 / n, where n1 of n sightings are of what was seen once (Good,
//! Biometrika 40, 1953, for the estimate of Turing); a sighting is a day.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Origins;

/// A day that is two half-lives ago weighs so much.
pub const KNOWN_MIN: f64 = 0.25;

/// What is known of one origin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Sum of the weights of its days.
    pub weight: f64,
    /// On which days it was seen.
    pub days: BTreeSet<i64>,
}

/// What is known of all origins of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// By name.
    pub origins: BTreeMap<String, Known>,
    /// Days with logins.
    pub days: BTreeSet<i64>,
}

impl Seen {
    /// Of sightings, each with its day and its age in days; empty names are none.
    #[must_use]
    pub fn of<'a>(
        settings: &Origins,
        sightings: impl Iterator<Item = (&'a str, i64, f64)>,
    ) -> Self {
        let mut seen = Self::default();
        for (name, day, age_days) in sightings.filter(|(name, ..)| !name.is_empty()) {
            seen.days.insert(day);
            let known = seen.origins.entry(name.to_owned()).or_default();
            if known.days.insert(day) {
                known.weight += (-age_days / f64::from(settings.half_life_days)).exp2();
            }
        }
        seen
    }

    /// The chance that the next is a new one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "these are some thousand days")]
    pub fn novelty(&self) -> f64 {
        let all: usize = self.origins.values().map(|known| known.days.len()).sum();
        let once = self.origins.values().filter(|known| known.days.len() == 1);
        match all {
            0 => 1.0,
            all => once.count() as f64 / all as f64,
        }
    }

    /// Whether one is new, of a user of whom enough is known.
    #[must_use]
    pub fn is_new(&self, settings: &Origins, name: &str) -> bool {
        let is_known = |known: &Known| known.weight >= KNOWN_MIN;
        !name.is_empty()
            && self.days.len() >= settings.days_min as usize
            && !self.origins.get(name).is_some_and(is_known)
            && self.novelty() <= settings.novelty_max
    }
}
