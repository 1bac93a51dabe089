//! What TLS counts.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

/// Counters of every address with TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    failures: Family<Failure, Counter>,
    expires: Family<Listener, Gauge<i64, AtomicI64>>,
    reload_failures: Family<Listener, Counter>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "tls_handshake_failures",
            "Connections that ended before TLS was set up, by reason",
            metrics.failures.clone(),
        );
        registry.register(
            "tls_certificate_expires_timestamp_seconds",
            "When the certificate in force expires, Unix time",
            metrics.expires.clone(),
        );
        registry.register(
            "tls_reload_failures",
            "Changed certificate files that could not be used, so that the old ones stay",
            metrics.reload_failures.clone(),
        );
        metrics
    }

    pub(crate) fn failed(&self, listener: &'static str, reason: &'static str) {
        let failure = Failure { listener, reason };
        self.failures.get_or_create(&failure).inc();
    }

    pub(super) fn in_force(&self, listener: &'static str, expires_ms: Option<i64>) {
        let gauge = self.expires.get_or_create(&Listener { listener });
        gauge.set(expires_ms.unwrap_or(0) / 1000);
    }

    pub(super) fn reload_failed(&self, listener: &'static str) {
        let listener = Listener { listener };
        self.reload_failures.get_or_create(&listener).inc();
    }
}
