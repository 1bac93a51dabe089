//! What systemd is told of a collector that runs.
//!
//! Promises that a start ends also while ClickHouse or Kafka is away: the collector then waits for them
//! as it would later on, and the status says so. A service manager that waited for them would end the
//! collector in between. `/readyz` tells whether batches are stored.

use std::time::{Duration, Instant};

use crmscope_proto::systemd::Notifier;

use crate::readiness::Readiness;

/// Longest time between two looks.
const STEP: Duration = Duration::from_secs(1);

/// Tells for ever; to be dropped at the end.
pub(crate) async fn run(notifier: &Notifier, readiness: &Readiness) {
    if !notifier.is_on() {
        return std::future::pending().await;
    }
    let mut watchdog = notifier.watchdog();
    let mut told = None;
    loop {
        // The runtime has to take work and end it: a timer alone would go on without that.
        if tokio::spawn(std::future::ready(())).await.is_ok() {
            watchdog.beat(Instant::now(), notifier);
        }
        let status = readiness.obstacle().unwrap_or_else(|| "serving".to_owned());
        match &told {
            None if readiness.has_begun() => {
                notifier.ready(&status);
                told = Some(status);
            }
            Some(before) if *before != status => {
                notifier.status(&status);
                told = Some(status);
            }
            _ => {}
        }
        let next = Instant::now() + STEP;
        let next = watchdog.due().map_or(next, |due| due.min(next));
        tokio::time::sleep_until(next.into()).await;
    }
}
