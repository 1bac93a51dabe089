//! What the looks at events say of themselves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFate {
    fate: &'static str,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    rules: Family<OfFate, Gauge>,
    open: Gauge,
    pub(super) looks: Counter,
    pub(super) failures: Counter,
    pub(super) keys: Counter,
    pub(super) events: Counter,
    pub(super) too_many: Counter,
    pub(super) written: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "correlation_rules",
            "Security rules that are looked for or refused, where this collector looks",
            metrics.rules.clone(),
        );
        registry.register(
            "correlation_open_findings",
            "Security findings that last, where this collector looks",
            metrics.open.clone(),
        );
        for (name, help, counter) in [
            (
                "correlation_looks",
                "Looks at security events",
                &metrics.looks,
            ),
            (
                "correlation_failures",
                "Looks that failed, as ClickHouse did not answer; they are made again",
                &metrics.failures,
            ),
            (
                "correlation_keys",
                "Keys with new events, of each rule",
                &metrics.keys,
            ),
            (
                "correlation_events",
                "Events that were read for them",
                &metrics.events,
            ),
            (
                "correlation_events_too_many",
                "Keys of which only the newest 10000 events were read; a finding may begin late, or be two",
                &metrics.too_many,
            ),
            (
                "correlation_findings_written",
                "Findings that were new or changed",
                &metrics.written,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        metrics
    }

    pub(super) fn set_rules(&self, rules: usize, refused: usize) {
        for (fate, count) in [("looked_for", rules), ("refused", refused)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.rules.get_or_create(&OfFate { fate }).set(count);
        }
    }

    pub(super) fn set_open(&self, open: usize) {
        self.open.set(i64::try_from(open).unwrap_or(i64::MAX));
    }
}
