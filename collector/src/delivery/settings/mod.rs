//! Settings that the collector gives to agents: files in TOML, by everybody, role and group.
//!
//! Promises: a file with a mistake is refused as a whole, with file, line and reason, and what agents were
//! given before stays; so is one that cannot be read. Nobody raises a number: the version is a hash of what
//! is given. Leaves to [`crmscope_proto::overlay`] what may be set, and to agents whether it works for them.

mod config;
mod read;
pub mod show;
#[cfg(test)]
mod tests;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::watch::{Gauges, Source, gauge};

pub use self::config::{Config, ConfigError, SetConfig};
pub use self::read::{Offer, Set};

/// Settings for each agent.
pub type Offers = super::offers::Offers<Set>;

impl Config {
    /// Where the sets come from.
    pub(crate) fn source(&self) -> Source<Set> {
        Source {
            check_interval_ms: self.check_interval_ms,
            own: Set::of_section(self),
            configs: self.sets.clone(),
        }
    }
}

/// Gauges of what is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    keys: Gauge,
    refused: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "delivery_settings_keys",
            "Keys in the sets of settings for agents",
            metrics.keys.clone(),
        );
        registry.register(
            "delivery_settings_refused",
            "Sets of settings for agents, or such together, that have a mistake, cannot be read or are too large, so that agents keep what they were given before",
            metrics.refused.clone(),
        );
        metrics
    }
}

impl Gauges<Set> for Metrics {
    fn set(&self, sets: &mut dyn Iterator<Item = &Set>, not_given: usize) {
        let keys = sets.map(|set| set.overlay.values().count()).sum();
        self.keys.set(gauge(keys));
        self.refused.set(gauge(not_given));
    }
}
