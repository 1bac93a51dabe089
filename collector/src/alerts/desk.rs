//! What alerts are built of, and the loop that runs them.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::clerk::{Clerk, EVENTS_MAX};
use super::config::{Config, ConfigError};
use super::metrics::Metrics;
use super::notification::Incident;
use super::outbox::Settings;
use super::receivers::Receivers;
use crate::storage::Storage;

/// Incidents in memory, about 1 KB each with what was told of it to whom.
const KNOWN_MAX: usize = 50_000;

/// Everything that is needed to notify; built once, before the collector starts. It may hold a secret in an
/// address, and is not to be shown.
#[derive(Clone)]
pub struct Desk {
    pub(super) settings: Settings,
    pub(super) refresh_ms: i64,
    pub(super) receivers: Arc<Receivers>,
    pub(super) metrics: Metrics,
}

impl Desk {
    /// A desk by the configuration; connects only when there is something to send.
    ///
    /// # Errors
    /// When an address or a file of the configuration cannot be used.
    pub fn new(config: &Config, registry: &mut Registry) -> Result<Self, ConfigError> {
        config.validate()?;
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Ok(Self {
            settings: Settings {
                group_wait_ms: ms(config.group_wait_ms),
                retry_initial_ms: ms(config.retry_initial_ms),
                retry_max_ms: ms(config.retry_max_ms),
                pending_max: config.pending_max,
                known_max: KNOWN_MAX,
            },
            refresh_ms: ms(config.alertmanager.refresh_ms),
            receivers: Arc::new(Receivers::new(config)?),
            metrics: Metrics::register(registry),
        })
    }
}

/// Notifies of `incidents` until it is aborted. It gets every change of an incident, and after a start
/// everything again that is open or lately ended. Only one collector at a time may run it. It takes no more
/// in while very much waits for ClickHouse.
pub async fn run(desk: Desk, storage: Storage, mut incidents: mpsc::Receiver<Incident>) {
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let mut clerk = Clerk::new(desk, storage, sender);
    let mut is_open = true;
    loop {
        clerk.start_what_is_due();
        let wake = clerk.wake();
        let takes_in = is_open && clerk.has_room();
        tokio::select! {
            incident = incidents.recv(), if takes_in => match incident {
                Some(incident) => clerk.take_in(incident),
                None => is_open = false,
            },
            Some(event) = events.recv() => clerk.take_event(event),
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}
