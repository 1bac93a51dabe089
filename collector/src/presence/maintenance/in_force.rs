//! Which hosts are expected, and which hosts and services may be silent now, for whoever watches over them.

use std::ops::Range;
use std::time::Duration;

use super::{Calendar, Window, ZoneError, Zones, store};
use crate::clock::now_ms;
use crate::error::Error;
use crate::presence::hosts::{Expected, expected};
use crate::storage::Storage;

/// The windows' zones, from one reading to the next.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    zones: Zones,
    /// Zones of windows that cannot be followed, as they were last told.
    failures: Vec<ZoneError>,
}

impl InForce {
    /// What is expected of all hosts, and which may be silent. A window that begins within `ahead`, when
    /// this is asked again, counts, so that nobody is convicted in it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub(crate) async fn hosts(
        &mut self,
        storage: &Storage,
        ahead: Duration,
    ) -> Result<Vec<Expected>, Error> {
        let mut hosts = expected(storage, "").await?;
        let now_ms = now_ms();
        let ahead_ms = i64::try_from(ahead.as_millis()).unwrap_or(0);
        let calendar = self.calendar(storage, &(now_ms..now_ms + ahead_ms)).await?;
        for host in &mut hosts {
            host.in_maintenance = calendar.has(&host.agent_id, &host.host_group);
        }
        Ok(hosts)
    }

    /// The times of windows in a time; those whose zone cannot be used are told, and have none.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub(crate) async fn calendar(
        &mut self,
        storage: &Storage,
        range: &Range<i64>,
    ) -> Result<Calendar, Error> {
        let windows = store::windows(storage, range.start).await?;
        let windows: Vec<Window> = windows.into_iter().map(|of| of.window).collect();
        let failures = self.zones.load(&windows);
        if failures != self.failures {
            for error in &failures {
                tracing::warn!(%error, "maintenance in this zone is not in force here");
            }
            self.failures = failures;
        }
        Ok(Calendar::new(&windows, &self.zones, range))
    }
}
