//! Rules of events that the collector gives to agents: directories, by everybody, role and group.
//!
//! Promises: a directory that is not there takes no rules from agents; rules that agents will refuse are
//! told with file, line and reason, and leave the others of their set good.

mod config;
mod read;
pub mod show;
#[cfg(test)]
mod tests;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::watch::{Gauges, Source, gauge};

pub use self::config::{Config, SetConfig};
pub use self::read::{Offer, Set};

/// Rules for each agent.
pub type Offers = super::offers::Offers<Set>;

impl Config {
    /// Where the sets come from.
    pub(crate) fn source(&self) -> Source<Set> {
        Source {
            check_interval_ms: self.check_interval_ms,
            own: None,
            configs: self.sets.clone(),
        }
    }
}

/// Gauges of what is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    rules: Gauge,
    refused: Gauge,
    unreadable: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge(
            "delivery_rules",
            "Rules and filters in the sets for agents that are good",
            &metrics.rules,
        );
        gauge(
            "delivery_rules_refused",
            "Rules, filters and files in the sets for agents that they will refuse",
            &metrics.refused,
        );
        gauge(
            "delivery_sets_unreadable",
            "Sets for agents, or such together, that cannot be read or are too large, so that agents keep what they were given before",
            &metrics.unreadable,
        );
        metrics
    }
}

impl Gauges<Set> for Metrics {
    fn set(&self, sets: &mut dyn Iterator<Item = &Set>, not_given: usize) {
        let sum = |(taken, refused): (usize, usize), set: &Set| {
            (taken + set.taken, refused + set.refused)
        };
        let (taken, refused) = sets.fold((0, 0), sum);
        self.rules.set(gauge(taken));
        self.refused.set(gauge(refused));
        self.unreadable.set(gauge(not_given));
    }
}
