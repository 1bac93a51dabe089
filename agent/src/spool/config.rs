//! How much the spool may hold.

use crmscope_proto::Lane;
use serde::{Deserialize, Serialize};

/// Quotas of the spool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes the metrics lane may hold; the oldest goes first beyond that.
    pub metrics_max_bytes: u64,
    /// The same for the requests lane.
    pub requests_max_bytes: u64,
    /// The same for the security lane.
    pub security_max_bytes: u64,
    /// The same for the presence lane.
    pub presence_max_bytes: u64,
    /// Longest time that batches of metrics, requests and presence may wait to be synced to disk,
    /// ms; 0 syncs each. Security batches do not wait, and none is sent before it is synced.
    pub sync_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            metrics_max_bytes: 256 * MIB,
            requests_max_bytes: 256 * MIB,
            security_max_bytes: 256 * MIB,
            presence_max_bytes: 64 * MIB,
            sync_interval_ms: 1000,
        }
    }
}

impl Config {
    /// Smallest quota that still holds a segment and a large batch beside it.
    pub(super) const QUOTA_MIN_BYTES: u64 = 4 * 1024 * 1024;

    /// Longest time between syncs.
    const SYNC_INTERVAL_MAX_MS: u64 = 60_000;

    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the key that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        for lane in Lane::BY_URGENCY {
            if self.quota_bytes(lane) < Self::QUOTA_MIN_BYTES {
                let name = lane.name();
                return Err(format!(
                    "spool.{name}_max_bytes must be at least {} (4 MiB)",
                    Self::QUOTA_MIN_BYTES
                ));
            }
        }
        if self.sync_interval_ms > Self::SYNC_INTERVAL_MAX_MS {
            return Err(format!(
                "spool.sync_interval_ms must be 0 to {}",
                Self::SYNC_INTERVAL_MAX_MS
            ));
        }
        Ok(())
    }

    /// Whether a batch of the lane is synced before it counts as appended.
    pub(super) const fn syncs_at_once(&self, lane: Lane) -> bool {
        matches!(lane, Lane::Security) || self.sync_interval_ms == 0
    }

    /// What all lanes may hold together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        Lane::BY_URGENCY.into_iter().fold(0, |total, lane| {
            total.saturating_add(self.quota_bytes(lane))
        })
    }

    pub(super) const fn quota_bytes(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Metrics | Lane::Unspecified => self.metrics_max_bytes,
            Lane::Requests => self.requests_max_bytes,
            Lane::Security => self.security_max_bytes,
            Lane::Presence => self.presence_max_bytes,
        }
    }
}
