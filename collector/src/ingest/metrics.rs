//! What ingest counts.

use std::sync::atomic::AtomicI64;

use crmscope_proto::Lane;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Ingest's metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    pub(super) streams_open: Gauge<i64, AtomicI64>,
    pub(super) streams: Counter,
    throttles: Family<LaneLabel, Counter>,
    pub(super) windows_exceeded: Counter,
    pub(super) quota_waits: Counter,
    pub(super) clock_probes: Counter,
    pub(super) acks: Counter,
    auth_failures: Family<Reason, Counter>,
    refused: Family<Reason, Counter>,
    config_status: Family<Reason, Counter>,
    pub(super) settings_sent: Counter,
    pub(super) rules_sent: Counter,
    rules_status: Family<Reason, Counter>,
    batches: Family<LaneLabel, Counter>,
    bytes: Family<LaneLabel, Counter>,
}

impl Metrics {
    /// Registers them.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter(
            "ingest_streams",
            "Streams that said hello",
            &metrics.streams,
        );
        counter(
            "ingest_windows_exceeded",
            "Batches that came beyond their lane's window, so that the stream was not read on until an ack",
            &metrics.windows_exceeded,
        );
        counter(
            "ingest_quota_pauses",
            "Pauses asked of agents that sent more than ingest.quota allows",
            &metrics.quota_waits,
        );
        counter(
            "ingest_clock_probes",
            "Clock probes answered",
            &metrics.clock_probes,
        );
        counter("ingest_acks", "Acknowledgements sent", &metrics.acks);
        registry.register(
            "ingest_throttles",
            "Pauses asked of agents because the queue was crowded, by lane; unspecified is every lane",
            metrics.throttles.clone(),
        );
        registry.register(
            "ingest_streams_open",
            "Streams open now",
            metrics.streams_open.clone(),
        );
        registry.register(
            "ingest_auth_failures",
            "Streams refused for their token or certificate, by reason",
            metrics.auth_failures.clone(),
        );
        registry.register(
            "ingest_streams_refused",
            "Streams refused or closed by the collector, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "ingest_agent_config",
            "What agents answered to settings that were pushed",
            metrics.config_status.clone(),
        );
        registry.register(
            "ingest_agent_settings_sent",
            "Settings sent to agents that had others",
            metrics.settings_sent.clone(),
        );
        registry.register(
            "ingest_agent_rules_sent",
            "Sets of rules sent to agents that had another version",
            metrics.rules_sent.clone(),
        );
        registry.register(
            "ingest_agent_rules",
            "What agents answered to them",
            metrics.rules_status.clone(),
        );
        registry.register(
            "ingest_batches",
            "Batches received and handed to the writer",
            metrics.batches.clone(),
        );
        registry.register(
            "ingest_bytes",
            "Bytes of those batches as they came",
            metrics.bytes.clone(),
        );
        metrics
    }

    pub(super) fn auth_failed(&self, reason: &'static str) {
        self.auth_failures.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn config_status(&self, in_force: bool) {
        let reason = if in_force { "in_force" } else { "refused" };
        self.config_status.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn rules_status(&self, in_force: bool) {
        let reason = if in_force { "in_force" } else { "refused" };
        self.rules_status.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn throttled(&self, lane: Lane) {
        let lane = LaneLabel { lane: lane.name() };
        self.throttles.get_or_create(&lane).inc();
    }

    pub(super) fn batch(&self, lane: Lane, bytes: usize) {
        let lane = LaneLabel { lane: lane.name() };
        self.batches.get_or_create(&lane).inc();
        self.bytes.get_or_create(&lane).inc_by(bytes as u64);
    }
}
