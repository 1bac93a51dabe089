//! What the API says of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A query; the catalog bounds how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Query {
    pub(crate) query: &'static str,
}

/// Counters of answers.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) entries: Gauge,
    pub(crate) bytes: Gauge,
    pub(crate) refused: Counter,
    pub(crate) failures: Family<Query, Counter>,
    pub(crate) seconds: Family<Query, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            hits: Counter::default(),
            misses: Counter::default(),
            entries: Gauge::default(),
            bytes: Gauge::default(),
            refused: Counter::default(),
            failures: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.002, 2.0, 13))
            }),
        };
        registry.register(
            "api_cache_hits",
            "Answers that were kept, or that somebody else was asking for",
            metrics.hits.clone(),
        );
        registry.register(
            "api_cache_misses",
            "Answers that ClickHouse was asked for; hits / (hits + misses) is the hit ratio",
            metrics.misses.clone(),
        );
        registry.register("api_cache_entries", "Answers kept", metrics.entries.clone());
        registry.register("api_cache_bytes", "Bytes of them", metrics.bytes.clone());
        registry.register(
            "api_queries_refused",
            "Questions refused because too many were under way",
            metrics.refused.clone(),
        );
        registry.register(
            "api_query_failures",
            "Questions that ClickHouse did not answer",
            metrics.failures.clone(),
        );
        registry.register(
            "api_query_seconds",
            "How long ClickHouse took for an answer",
            metrics.seconds.clone(),
        );
        metrics
    }
}
