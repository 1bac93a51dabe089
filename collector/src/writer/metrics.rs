//! What the writer counts. batches received = stored + rejected + duplicate + queued, always.

use std::time::Duration;

use crmscope_proto::Lane;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::judge::Verdict;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Its rows are in the tables.
    Stored,
    /// It is a dead letter.
    Rejected,
    /// It was there already.
    Duplicate,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    lane: &'static str,
    disposition: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

/// The writer's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    batches: Family<Fate, Counter>,
    items: Family<Fate, Counter>,
    retries: Family<What, Counter>,
    blocks: Counter,
    recovered: Counter,
    seconds: Histogram,
    marks_agents: Gauge,
}

impl Disposition {
    /// What becomes of a batch that is fresh, or not.
    #[must_use]
    pub const fn of(fresh: bool, verdict: &Verdict) -> Self {
        match (fresh, verdict) {
            (false, _) => Self::Duplicate,
            (true, Verdict::Stored(_)) => Self::Stored,
            (true, Verdict::Rejected(_)) => Self::Rejected,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            batches: Family::default(),
            items: Family::default(),
            retries: Family::default(),
            blocks: Counter::default(),
            recovered: Counter::default(),
            seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            marks_agents: Gauge::default(),
        };
        registry.register(
            "writer_batches",
            "Batches by what becomes of them",
            metrics.batches.clone(),
        );
        registry.register(
            "writer_items",
            "Rows, lines and events of those batches, as their envelopes say",
            metrics.items.clone(),
        );
        registry.register(
            "writer_retries",
            "Attempts that failed and are repeated, by what was attempted",
            metrics.retries.clone(),
        );
        registry.register("writer_blocks", "Blocks settled", metrics.blocks.clone());
        registry.register(
            "writer_blocks_recovered",
            "Blocks repeated out of the journal at start",
            metrics.recovered.clone(),
        );
        registry.register(
            "writer_block_seconds",
            "Time from a journaled block to its ledger rows, retries included",
            metrics.seconds.clone(),
        );
        registry.register(
            "writer_marks_agents",
            "Agents whose high-water marks are in memory",
            metrics.marks_agents.clone(),
        );
        metrics
    }

    pub(crate) fn batch(&self, lane: Lane, disposition: Disposition, items: u32) {
        let fate = Fate {
            lane: lane.name(),
            disposition: disposition.name(),
        };
        self.batches.get_or_create(&fate).inc();
        self.items.get_or_create(&fate).inc_by(items.into());
    }

    pub(super) fn retry(&self, what: &'static str) {
        self.retries.get_or_create(&What { what }).inc();
    }

    pub(crate) fn block(&self, took: Duration) {
        self.blocks.inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(super) fn recovered(&self) {
        self.recovered.inc();
    }

    pub(super) fn marks_agents(&self, agents: usize) {
        self.marks_agents
            .set(i64::try_from(agents).unwrap_or(i64::MAX));
    }
}
