//! What the watch says of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::State;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

/// What the watch says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    hosts: Family<OfState, Gauge>,
    pub(super) leads: Gauge,
    guarded: Gauge,
    pub(super) failures: Counter,
    pub(super) faults: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "presence_hosts",
            "Hosts by what is thought of them, where this collector watches",
            metrics.hosts.clone(),
        );
        registry.register(
            "presence_watches",
            "1 where this collector watches over the hosts",
            metrics.leads.clone(),
        );
        registry.register(
            "presence_guarded",
            "1 while nobody is convicted, as this collector stood still or could not read",
            metrics.guarded.clone(),
        );
        registry.register(
            "presence_failures",
            "Looks at the hosts that failed, as ClickHouse did not answer",
            metrics.failures.clone(),
        );
        registry.register(
            "presence_incidents",
            "Incidents that began or ended",
            metrics.faults.clone(),
        );
        metrics
    }

    /// Counts hosts by what is thought of them.
    pub(super) fn set_states(&self, states: impl Iterator<Item = State>, is_guarded: bool) {
        self.guarded.set(i64::from(is_guarded));
        let mut counts = [0; State::ALL.len()];
        for state in states {
            counts[state as usize] += 1;
        }
        for (state, count) in State::ALL.into_iter().zip(counts) {
            let state = state.name();
            self.hosts.get_or_create(&OfState { state }).set(count);
        }
    }

    /// This collector does not watch any more.
    pub(super) fn clear(&self) {
        self.leads.set(0);
        self.hosts.clear();
    }
}
