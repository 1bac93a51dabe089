//! The collector: takes what agents send, stores it exactly, and says what became of it.
//!
//! One path, read from top to bottom in [`run`]: ingest → queue (the direct log) → writer →
//! ClickHouse. Beside it: the inventory of agents, and the web pages. Owns wiring and the order of
//! starting and stopping; promises that an `Ack` means committed, that a replay changes nothing,
//! and that every bound has a counter. Each module's head says what it leaves to others.

pub mod cli;
mod clock;
pub mod config;
pub mod error;
pub mod ingest;
pub mod judge;
pub mod ledger;
pub mod logging;
pub mod readiness;
pub mod schema;
mod sockets;
pub mod storage;
pub mod web;
pub mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::config::Config;
use crate::ingest::Ingest;
use crate::ingest::auth::Tokens;
use crate::readiness::{Readiness, Stage};
use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::writer::Writer;
use crate::writer::agents::Inventory;

/// What is not configuration: where to tell the bound addresses.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// File that gets the bound addresses as JSON.
    pub address_file: Option<PathBuf>,
}

/// Runs a collector until `shutdown`, then drains it.
///
/// # Errors
/// When it cannot start, or cannot go on without being inexact.
pub async fn run(
    config: Config,
    options: Options,
    tokens: Tokens,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut registry = Registry::with_prefix("crmscope_collector");
    let readiness = Readiness::default();
    let (drain, draining) = watch::channel(false);
    let (complete, completed) = watch::channel(false);

    // Listeners first: a taken port is told before anything is begun.
    let agents = sockets::bind("ingest.listen", config.ingest.listen).await?;
    let pages = sockets::bind("web.listen", config.web.listen).await?;
    let bound = sockets::Addresses::of(&agents, &pages)?;
    bound.tell(options.address_file.as_deref())?;

    let storage = Storage::new(&config.clickhouse, &mut registry)?;
    let inventory = Arc::new(Inventory::new(&mut registry));

    // ingest → queue → writer → ClickHouse
    let (queue, arrivals) = writer::queue::queue(
        config.writer.queue_max_bytes,
        config.writer.throttle_percent,
        &mut registry,
    );
    let ingest = Ingest::new(
        config.ingest.clone(),
        config.agent_settings.clone(),
        tokens,
        queue,
        Arc::clone(&inventory),
        draining.clone(),
        &mut registry,
    );
    let writer = Writer::new(
        config.writer.clone(),
        storage.clone(),
        arrivals,
        readiness.clone(),
        writer::metrics::Metrics::register(&mut registry),
        draining,
        completed.clone(),
    );
    let access = web::AgentAccess {
        endpoint: bound.ingest,
        token_file: config.ingest.token_file.clone(),
    };

    let mut ingest = tokio::spawn(ingest.serve(agents));
    let flush_interval = Duration::from_millis(config.writer.flush_interval_ms);
    let inventory_storage = storage.clone();
    let mut writer = tokio::spawn({
        let (storage, readiness) = (storage.clone(), readiness.clone());
        let migrate = config.clickhouse.migrate;
        async move {
            tokio::select! {
                () = prepare(&storage, &readiness, migrate) => {}
                // Nobody is left to be told that anything is stored.
                () = stopped(completed) => return Ok(()),
            }
            let inventory = inventory.run(inventory_storage, flush_interval);
            tokio::select! {
                written = writer.run() => written,
                () = inventory => Ok(()),
            }
        }
    });
    let (leave, left) = watch::channel(false);
    let web = tokio::spawn(web::serve(
        config.web.clone(),
        pages,
        storage,
        readiness.clone(),
        registry,
        access,
        stopped(left),
    ));

    tokio::select! {
        () = shutdown => tracing::info!("stopping: what was received is settled first"),
        ended = &mut writer => {
            ended.context("the writer")?.context("the writer stopped")?;
        }
        ended = &mut ingest => ended.context("ingest")?.context("ingest stopped")?,
    }

    // Streams end once their batches are settled; the writer ends once nothing more comes.
    readiness.enter(Stage::Draining);
    drain.send_replace(true);
    let deadline = Duration::from_millis(config.shutdown.drain_deadline_ms);
    let drained = tokio::time::timeout(deadline, async {
        if !ingest.is_finished() {
            let _ = (&mut ingest).await;
        }
        complete.send_replace(true);
        if !writer.is_finished() {
            let _ = (&mut writer).await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!(
            deadline_ms = config.shutdown.drain_deadline_ms,
            "left before everything was settled; it was not acknowledged, so agents send it again"
        );
        ingest.abort();
        writer.abort();
    }
    leave.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), web).await;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for ClickHouse and brings the schema up to date, for as long as it takes.
async fn prepare(storage: &Storage, readiness: &Readiness, migrate: bool) {
    if !migrate {
        return;
    }
    let mut backoff = Backoff::new(200, 5000);
    loop {
        match schema::migrate(storage.client()).await {
            Ok(report) => {
                tracing::info!(applied = report.applied.len(), "schema is up to date");
                readiness.storage_works();
                return;
            }
            Err(error) => {
                let pause = backoff.next_pause();
                readiness.storage_fails(&error.to_string());
                tracing::warn!(%error, pause_ms = pause.as_millis(), "the schema is not ready");
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn stopped(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = flag.wait_for(|stop| *stop).await;
}
