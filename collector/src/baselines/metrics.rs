//! What the looks at users say of themselves.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(super) looks: Counter,
    pub(super) failures: Counter,
    pub(super) users: Counter,
    pub(super) hours: Counter,
    pub(super) rows: Counter,
    pub(super) too_many: Counter,
    pub(super) written: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for (name, help, counter) in [
            (
                "baselines_looks",
                "Looks at what users did, where this collector looks",
                &metrics.looks,
            ),
            (
                "baselines_failures",
                "Looks that failed, as ClickHouse did not answer; they are made again",
                &metrics.failures,
            ),
            (
                "baselines_users",
                "Users with new events, in each look",
                &metrics.users,
            ),
            (
                "baselines_hours",
                "Hours of users that were judged",
                &metrics.hours,
            ),
            (
                "baselines_rows",
                "Rows of their past that were read",
                &metrics.rows,
            ),
            (
                "baselines_rows_too_many",
                "Users of whom only the newest 10000 rows were read; their past is shorter",
                &metrics.too_many,
            ),
            (
                "baselines_findings_written",
                "Findings that were new or changed",
                &metrics.written,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        metrics
    }
}
