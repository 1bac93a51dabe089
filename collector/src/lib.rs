//! The collector: takes what agents send, stores it exactly, and says what became of it.
//!
//! One path, read from top to bottom in [`run`]: ingest → log (a queue, or Kafka) → writer →
//! ClickHouse. Beside it: the inventory of agents, and the web pages. Only the parts whose role is on
//! are built. Owns wiring and the order of starting and stopping; promises that an `Ack` means committed, that a replay changes nothing,
//! and that every bound has a counter. Each module's head says what it leaves to others.

pub mod alerts;
pub mod baselines;
pub mod chain;
pub mod cli;
mod clock;
pub mod config;
pub mod correlation;
pub mod delivery;
pub mod error;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
pub mod identity;
pub mod ingest;
pub mod judge;
pub mod kafka;
pub mod ledger;
pub mod log;
pub mod logging;
pub mod objectives;
pub mod overview;
mod parts;
pub mod presence;
pub mod readiness;
pub mod reconcile;
pub mod roles;
pub mod schema;
mod sockets;
pub mod storage;
mod supervised;
pub mod tls;
pub mod top;
mod turn;
pub mod web;
pub mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::systemd::Notifier;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::config::Config;
use crate::identity::revocations::Watch;
use crate::identity::service::Registrar;
use crate::ingest::auth::Tokens;
use crate::ingest::{Admission, Ingest};
use crate::kafka::producer::Producer;
use crate::log::BoundedLog;
use crate::parts::{Background, Part};
use crate::readiness::{Readiness, Stage};
use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::writer::Writer;
use crate::writer::agents::Inventory;

/// What is not configuration: who is told of what was begun.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// File that gets the bound addresses as JSON.
    pub address_file: Option<PathBuf>,
    /// Who is told how the collector does.
    pub notifier: Arc<Notifier>,
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
    let roles = config.roles.clone();
    // Who hands batches to Kafka needs no ClickHouse to be ready.
    let readiness = Readiness::new(roles.writer || !roles.ingest);
    let (drain, draining) = watch::channel(false);
    let (complete, completed) = watch::channel(false);

    // Listeners first: a taken port is told before anything is begun.
    let mut bound = sockets::Addresses::default();
    let agents = bound.take_ingest(&config).await?;
    let pages = bound.take_web(&config).await?;
    bound.tell(options.address_file.as_deref())?;

    let storage = Storage::new(&config.clickhouse, &mut registry)?;
    let inventory = Arc::new(Inventory::new(&mut registry));
    let prepared = if roles.ingest || roles.writer || roles.presence {
        prepare(&config, &storage, &readiness)
    } else {
        Background::none()
    };
    if !roles.writer {
        readiness.enter(Stage::Serving);
    }

    // ingest → log → writer → ClickHouse
    let has_kafka = config.kafka.is_on();
    let percent = config.writer.throttle_percent;
    let (mut producer, mut log, mut arrivals) = (None, None, None);
    if has_kafka && roles.ingest {
        let made = Producer::new(&config.kafka, percent, &mut registry)?;
        log = Some(BoundedLog::Kafka(made.clone()));
        producer = Some(made);
    } else if !has_kafka {
        let bytes = config.writer.queue_max_bytes;
        let (queue, receiver) = writer::queue::queue(bytes, percent, &mut registry);
        log = Some(BoundedLog::Direct(queue));
        arrivals = Some(receiver);
    }
    let mut kafka = Part::new("Kafka", None);
    if let Some(producer) = producer.clone() {
        let attended = producer.attend(readiness.clone());
        kafka = Part::new("Kafka", Some(tokio::spawn(async { Ok(attended.await?) })));
    }
    let mut ingest = Part::new("ingest", None);
    let (mut hellos, mut watching) = (Background::none(), Background::none());
    let mut delivery = Background::none();
    let tls_metrics = tls::Metrics::register(&mut registry);
    let (mut acceptors, mut authority) = (Vec::new(), None);
    let mut refused = Background::none();
    if let (Some(listener), Some(log)) = (agents, log) {
        let (offered, offers) = watch::channel(Arc::default());
        let settings_source = config.agent_settings.source();
        let (settings_offered, settings) = watch::channel(settings_source.first());
        let door_tls = ingest::tls(&config.ingest, tls_metrics.clone())?;
        let mut registrar = None;
        let admission = match &door_tls {
            None => Arc::new(Admission::by_tokens(tokens)),
            Some((tls, own)) => {
                let watch = Watch::register(&mut registry);
                let admission = Arc::new(Admission::by_certificates(watch.subscribe()));
                refused = Background::new(watch.run(storage.clone()));
                acceptors.push(tls.acceptor.clone());
                authority.clone_from(own);
                registrar = own.clone().map(|own| {
                    let (acceptor, admission) = (tls.acceptor.clone(), Arc::clone(&admission));
                    Registrar::new(storage.clone(), own, acceptor, admission, &mut registry)
                });
                admission
            }
        };
        let tls = door_tls.map(|(tls, _)| tls);
        let door = Ingest::new(
            config.ingest.clone(),
            offers,
            settings,
            admission,
            log,
            Arc::clone(&inventory),
            draining.clone(),
            &mut registry,
        );
        ingest = Part::new(
            "ingest",
            Some(tokio::spawn(async {
                Ok(door.serve(listener, tls, registrar).await?)
            })),
        );
        let flush_interval = Duration::from_millis(config.writer.flush_interval_ms);
        let watched = presence::watching::run(storage.clone());
        let given = delivery::watch::run(
            config.agent_rules.source(),
            storage.clone(),
            offered,
            delivery::rules::Metrics::register(&mut registry),
            prepared.done(),
        );
        let set = delivery::watch::run(
            settings_source,
            storage.clone(),
            settings_offered,
            delivery::settings::Metrics::register(&mut registry),
            prepared.done(),
        );
        let (storage, prepared) = (storage.clone(), prepared.done());
        hellos = Background::new(async move {
            stopped(prepared).await;
            inventory.run(storage, flush_interval).await;
        });
        watching = Background::new(watched);
        delivery = Background::new(async {
            tokio::join!(given, set);
        });
    }
    let mut writer = Part::new("the writer", None);
    if roles.writer && config.kafka.is_on() {
        let writers = kafka::Writers::new(
            config.writer.clone(),
            config.kafka.clone(),
            storage.clone(),
            readiness.clone(),
            &mut registry,
            draining.clone(),
        );
        let (prepared, draining) = (prepared.done(), draining.clone());
        let run = async move {
            tokio::select! {
                () = stopped(prepared) => writers.run().await,
                // Nothing was read yet.
                () = stopped(draining) => Ok(()),
            }
        };
        writer = Part::new("the writer", Some(tokio::spawn(run)));
    } else if let Some(arrivals) = arrivals.filter(|_| roles.writer) {
        let pen = Writer::new(
            config.writer.clone(),
            storage.clone(),
            arrivals,
            readiness.clone(),
            writer::metrics::Metrics::register(&mut registry),
            draining,
            completed.clone(),
        );
        let prepared = prepared.done();
        writer = Part::new(
            "the writer",
            Some(tokio::spawn(async move {
                tokio::select! {
                    () = stopped(prepared) => Ok(pen.run().await?),
                    // Nobody is left to be told that anything is stored.
                    () = stopped(completed) => Ok(()),
                }
            })),
        );
    }
    let endpoint = bound.ingest.unwrap_or(config.ingest.listen);
    let overview = overview::Settings::of(&config, endpoint);
    let mut presence = Part::new("the watch over the hosts", None);
    if roles.presence {
        let metrics = presence::live::metrics::Metrics::register(&mut registry);
        let desk = match config.alerts.is_on() {
            true => Some(alerts::Desk::new(&config.alerts, &mut registry)?),
            false => None,
        };
        let watched = presence::live::watch::run(
            storage.clone(),
            presence::live::watch::Watched {
                presence: config.presence,
                objectives: config.objectives,
                correlation: config.correlation,
                baselines: config.baselines,
            },
            desk,
            (
                metrics,
                correlation::metrics::Metrics::register(&mut registry),
                baselines::metrics::Metrics::register(&mut registry),
            ),
            drain.subscribe(),
        );
        let (prepared, draining) = (prepared.done(), drain.subscribe());
        let run = async move {
            tokio::select! {
                () = stopped(prepared) => watched.await,
                () = stopped(draining) => {}
            }
            Ok(())
        };
        presence = Part::new("the watch over the hosts", Some(tokio::spawn(run)));
    }
    let (leave, left) = watch::channel(false);
    let mut web = Background::none();
    let pages_tls = web::tls(&config.web, tls_metrics)?;
    acceptors.extend(pages_tls.clone().filter(|_| pages.is_some()));
    let renewed = Background::new(tls::watch::run(acceptors, move || {
        if let Some(authority) = &authority
            && let Err(error) = authority.reload()
        {
            tracing::error!(%error, "the old authority stays");
        }
    }));
    if let Some(listener) = pages {
        let serving = web::serve(
            config.web.clone(),
            web::Listener::new(listener, pages_tls)?,
            storage,
            readiness.clone(),
            registry,
            overview,
            stopped(left),
        );
        web = Background::new(async {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the pages stopped");
            }
        });
    }

    tokio::select! {
        () = shutdown => tracing::info!("stopping: what was received is settled first"),
        () = supervised::run(&options.notifier, &readiness) => {}
        ended = writer.ended() => ended?,
        ended = ingest.ended() => ended?,
        ended = kafka.ended() => ended?,
        ended = presence.ended() => ended?,
    }

    // Streams end once their batches are settled; the writer ends once nothing more comes.
    readiness.enter(Stage::Draining);
    options.notifier.stopping();
    drain.send_replace(true);
    let deadline = Duration::from_millis(config.shutdown.drain_deadline_ms);
    let drained = tokio::time::timeout(deadline, async {
        ingest.finish().await;
        if let Some(producer) = &producer {
            producer.drained().await;
        }
        complete.send_replace(true);
        tokio::join!(writer.finish(), presence.finish());
    });
    if drained.await.is_err() {
        tracing::warn!(
            deadline_ms = config.shutdown.drain_deadline_ms,
            "left before everything was settled; it was not acknowledged, so agents send it again"
        );
    }
    drop((
        ingest, kafka, writer, presence, hellos, watching, delivery, prepared, refused, renewed,
    ));
    leave.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), web.finish()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for ClickHouse and brings the schema up to date, for as long as it takes; where that is left to
/// others, looks whether a cluster is one.
fn prepare(config: &Config, storage: &Storage, readiness: &Readiness) -> Background {
    let migrates = config.clickhouse.migrate;
    if !migrates && storage.cluster().is_none() {
        return Background::new(async {});
    }
    let (storage, readiness) = (storage.clone(), readiness.clone());
    let read_cluster = config.clickhouse.read_cluster().ok().flatten();
    Background::new(async move {
        let mut backoff = Backoff::new(200, 5000);
        loop {
            let prepared = match (migrates, storage.cluster()) {
                (false, Some(cluster)) => {
                    let checked = schema::cluster::check(storage.client(), cluster).await;
                    checked.map_err(schema::SchemaError::from)
                }
                _ => bring_up_to_date(&storage, read_cluster.as_ref()).await,
            };
            match prepared {
                Ok(()) => {
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
    })
}

async fn bring_up_to_date(
    storage: &Storage,
    read_cluster: Option<&schema::Cluster>,
) -> Result<(), schema::SchemaError> {
    let (client, cluster) = (storage.client(), storage.cluster());
    let report = schema::migrate_on(client, cluster).await?;
    tracing::info!(applied = report.applied.len(), "schema is up to date");
    if let Some(over) = read_cluster {
        let made = schema::cluster::distributed::make(client, cluster, over).await?;
        tracing::info!(made, "tables that read all databases are up to date");
    }
    Ok(())
}

async fn stopped(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = flag.wait_for(|stop| *stop).await;
}
