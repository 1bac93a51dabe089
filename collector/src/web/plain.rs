//! Every host as ClickHouse knows it.

use serde::Deserialize;

use crate::error::Error;
use crate::schema::queries::OVERVIEW_HOSTS;
use crate::storage::Storage;

/// One host. `None` is "not known", which is never shown as good.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Host {
    pub agent_id: String,
    pub hostname: String,
    pub agent_version: String,
    pub heartbeat_age_seconds: Option<f64>,
    pub data_age_seconds: Option<f64>,
    pub cpu_busy_ratio: Option<f64>,
    pub memory_used_ratio: Option<f64>,
    pub requests_per_second: Option<f64>,
    pub error_ratio: Option<f64>,
    pub latency_p95_us: Option<f64>,
    pub failed_logins: Option<u64>,
    pub dropped_items: Option<u64>,
}

pub(super) async fn hosts(storage: &Storage, window_seconds: u32) -> Result<Vec<Host>, Error> {
    storage
        .rows("the hosts", OVERVIEW_HOSTS, |query| {
            query.param("seconds", window_seconds)
        })
        .await
}
