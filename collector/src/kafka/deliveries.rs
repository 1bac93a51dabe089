//! What the way into Kafka counts. What is under way is in `queue_batches` and `queue_bytes`.

use std::time::Duration;

use crmscope_proto::Lane;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use rdkafka::error::RDKafkaErrorCode;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

/// The producer's metrics.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    batches: Family<LaneLabel, Counter>,
    bytes: Family<LaneLabel, Counter>,
    failures: Family<Code, Counter>,
    seconds: Histogram,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            batches: Family::default(),
            bytes: Family::default(),
            failures: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
        };
        registry.register(
            "kafka_produced_batches",
            "Batches that Kafka has, by all replicas in step",
            metrics.batches.clone(),
        );
        registry.register(
            "kafka_produced_bytes",
            "Bytes of those batches as they came",
            metrics.bytes.clone(),
        );
        registry.register(
            "kafka_delivery_errors",
            "Batches that Kafka did not take, by librdkafka's code",
            metrics.failures.clone(),
        );
        registry.register(
            "kafka_delivery_seconds",
            "Time from handing a batch to the producer until Kafka has it",
            metrics.seconds.clone(),
        );
        metrics
    }

    pub(super) fn delivered(&self, lane: Lane, bytes: usize, took: Duration) {
        let lane = LaneLabel { lane: lane.name() };
        self.batches.get_or_create(&lane).inc();
        self.bytes.get_or_create(&lane).inc_by(bytes as u64);
        self.seconds.observe(took.as_secs_f64());
    }

    /// The codes are librdkafka's, of which there are some hundred.
    pub(super) fn failed(&self, code: Option<RDKafkaErrorCode>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| format!("{code:?}"));
        self.failures.get_or_create(&Code { code }).inc();
    }
}
