//! What alerts count. What was to be told to a target is pending, or counted by its fate: nothing else leaves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::notification::{Phase, Target};

/// What became of one incident's beginning or end at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The receiver took it.
    Delivered,
    /// The receiver refused it for good.
    GivenUp,
    /// Too many waited.
    Dropped,
    /// It was moot before it was tried.
    Withdrawn,
}

impl Fate {
    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fates {
    target: &'static str,
    phase: &'static str,
    fate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct At {
    target: &'static str,
}

/// The metrics of alerts.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) changes: Counter,
    pub(super) too_many: Counter,
    unread: Gauge,
    pub(super) guessed: Counter,
    pub(super) records_dropped: Counter,
    pub(super) refresh_failures: Counter,
    notifications: Family<Fates, Counter>,
    failures: Family<At, Counter>,
    pending: Family<At, Gauge>,
}

impl Metrics {
    /// Registers them.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "alerts_incident_changes",
            "Changes of incidents that came in",
            metrics.changes.clone(),
        );
        registry.register(
            "alerts_incidents_dropped",
            "Incidents that are told to nobody, as too many are open at once",
            metrics.too_many.clone(),
        );
        registry.register(
            "alerts_incidents_unread",
            "Incidents that wait for ClickHouse to say what became of them before",
            metrics.unread.clone(),
        );
        registry.register(
            "alerts_incidents_guessed",
            "Incidents that are told without knowing whether they were before, as ClickHouse was away",
            metrics.guessed.clone(),
        );
        registry.register(
            "alerts_records_dropped",
            "Deliveries that could not be recorded; after a restart they may be repeated",
            metrics.records_dropped.clone(),
        );
        registry.register(
            "alerts_refresh_failures",
            "Attempts to tell an Alertmanager again what is still firing that failed",
            metrics.refresh_failures.clone(),
        );
        registry.register(
            "alerts_notifications",
            "Beginnings and ends of incidents by what became of them at a target",
            metrics.notifications.clone(),
        );
        registry.register(
            "alerts_attempt_failures",
            "Attempts to notify a target that failed, for good or for now",
            metrics.failures.clone(),
        );
        registry.register(
            "alerts_pending",
            "Beginnings and ends of incidents that wait to be told",
            metrics.pending.clone(),
        );
        metrics
    }

    pub(super) fn fate(&self, target: Target, phase: Phase, fate: Fate, incidents: usize) {
        let label = Fates {
            target: target.name(),
            phase: phase.name(),
            fate: fate.name(),
        };
        self.notifications
            .get_or_create(&label)
            .inc_by(incidents as u64);
    }

    pub(super) fn unread(&self, incidents: usize) {
        self.unread
            .set(i64::try_from(incidents).unwrap_or(i64::MAX));
    }

    pub(super) fn failure(&self, target: Target) {
        let target = target.name();
        self.failures.get_or_create(&At { target }).inc();
    }

    pub(super) fn pending(&self, target: Target, incidents: usize) {
        let target = target.name();
        let incidents = i64::try_from(incidents).unwrap_or(i64::MAX);
        self.pending.get_or_create(&At { target }).set(incidents);
    }

    #[cfg(test)]
    pub(super) fn count(&self, target: Target, phase: Phase, fate: Fate) -> u64 {
        let label = Fates {
            target: target.name(),
            phase: phase.name(),
            fate: fate.name(),
        };
        self.notifications.get_or_create(&label).get()
    }
}
