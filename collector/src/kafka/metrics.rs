//! What the writers count of the log.

use std::sync::atomic::AtomicI64;

use crmscope_proto::Lane;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::claim::Outcome;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLane {
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Commit {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Unread {
    lane: &'static str,
    reason: &'static str,
}

/// The metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    lag: Family<OfLane, Gauge<i64, AtomicI64>>,
    partitions: Family<OfLane, Gauge<i64, AtomicI64>>,
    commits: Family<Commit, Counter>,
    repeated: Counter,
    poison: Family<Unread, Counter>,
    gone: Family<OfLane, Counter>,
    refused: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "log_lag_records",
            "Records of this collector's partitions that are not in the tables yet",
            metrics.lag.clone(),
        );
        registry.register(
            "log_partitions",
            "Partitions that are assigned to this collector",
            metrics.partitions.clone(),
        );
        registry.register(
            "log_commits",
            "Commits of claims, plans and positions, by outcome",
            metrics.commits.clone(),
        );
        registry.register(
            "log_blocks_repeated",
            "Blocks that an owner before announced and this collector inserted again",
            metrics.repeated.clone(),
        );
        registry.register(
            "log_poison_records",
            "Records that are no batches; they are dead letters",
            metrics.poison.clone(),
        );
        registry.register(
            "log_offsets_gone",
            "Offsets that were to be read and that the log does not have",
            metrics.gone.clone(),
        );
        registry.register(
            "log_partitions_refused",
            "Partitions this collector will not write, because it could not be exact; its log says why",
            metrics.refused.clone(),
        );
        metrics
    }

    pub(super) fn lag(&self, lane: Lane, records: i64) {
        let lane = lane.name();
        self.lag.get_or_create(&OfLane { lane }).set(records);
    }

    pub(super) fn partitions(&self, lane: Lane, partitions: usize) {
        let lane = lane.name();
        let count = i64::try_from(partitions).unwrap_or(i64::MAX);
        self.partitions.get_or_create(&OfLane { lane }).set(count);
    }

    pub(super) fn commit(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Fenced => "fenced",
            Outcome::Unknown => "unknown",
        };
        self.commits.get_or_create(&Commit { outcome }).inc();
    }

    pub(super) fn repeated(&self) {
        self.repeated.inc();
    }

    pub(super) fn poison(&self, lane: Lane, reason: &'static str) {
        let lane = lane.name();
        self.poison.get_or_create(&Unread { lane, reason }).inc();
    }

    pub(super) fn gone(&self, lane: Lane, offsets: i64) {
        let lane = lane.name();
        let offsets = u64::try_from(offsets).unwrap_or(0);
        self.gone.get_or_create(&OfLane { lane }).inc_by(offsets);
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }
}
