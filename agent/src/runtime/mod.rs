//! The running agent: sources on their threads, the supervisor and the uplink on the main one.

pub mod budget;
#[cfg(test)]
mod events_tests;
pub mod gatherer;
mod positions;
pub mod settings;
pub mod supervisor;
#[cfg(test)]
mod tests;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::systemd::Notifier;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::identity::Identity;
use crate::outbox::Outbox;
use crate::rules::Rules;
use crate::sources::units::Manager;
use crate::sources::{Source, Worker};
use crate::uplink::{self, Uplink};
use budget::Budget;
use gatherer::Gatherer;
use settings::Settings;
use supervisor::{ClockOffset, Supervisor};
use worker::{SourceWatch, Stop, Surroundings};

/// How long an orderly stop waits for the collector to acknowledge the last batches. What is not
/// acknowledged by then stays in the spool.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long it waits for a worker; one that hangs is left behind.
const WORKER_DEADLINE: Duration = Duration::from_secs(3);

/// Part of the memory ceiling that rows of metrics may take while the disk refuses them.
const HELD_PART: u64 = 4;

/// Everything [`run`] needs, made by [`crate::Config::build`].
pub struct Agent {
    /// Where batches go.
    pub outbox: Arc<Outbox>,
    /// What events are asked about; the sources have it as well.
    pub rules: Arc<Rules>,
    /// What is measured.
    pub sources: Vec<Box<dyn Source>>,
    /// How often things happen.
    pub intervals: settings::Config,
    /// Where the collector is.
    pub uplink: uplink::Config,
    /// Who the agent is, where the collector speaks TLS.
    pub identity: Option<Arc<Identity>>,
    /// What the agent may cost.
    pub budget: budget::Config,
    /// Who knows why the agent is stopped.
    pub manager: Manager,
    /// Who is told how the agent does.
    pub notifier: Arc<Notifier>,
}

/// Runs until `shutdown` turns true; then drains, says goodbye and returns.
///
/// # Errors
/// When a thread cannot be started, or SIGHUP cannot be listened to.
pub async fn run(agent: Agent, mut shutdown: watch::Receiver<bool>) -> std::io::Result<()> {
    // From here on it asks for a look at the rules, where it would have ended the agent.
    let hangup = signal(SignalKind::hangup())?;
    // Before events are read, so that the first of them are asked about too.
    agent.rules.begin().await;
    let surroundings = Surroundings {
        outbox: Arc::clone(&agent.outbox),
        gatherer: Arc::new(Gatherer::new(agent.budget.memory_max_bytes / HELD_PART)),
        settings: Arc::new(Settings::new(agent.intervals)),
        economy: Arc::default(),
        stop: Arc::new(Stop::default()),
    };
    let clock_offset = Arc::new(ClockOffset::default());
    let subjects: Vec<_> = agent
        .sources
        .iter()
        .flat_map(|source| {
            source
                .subject()
                .into_iter()
                .chain(source.economises().iter().copied())
        })
        .collect();
    let max_bytes_per_s = agent.budget.network_max_bytes_per_s;
    let budget = Budget::new(agent.budget, &subjects);
    let mut watches = Vec::new();
    let mut workers = Vec::new();
    let mut sources: Vec<_> = agent
        .sources
        .into_iter()
        .map(|source| {
            let watch = Arc::new(SourceWatch::new(source.as_ref()));
            watches.push(Arc::clone(&watch));
            (source, watch)
        })
        .collect();
    for worker in [
        Worker::Kernel,
        Worker::Filesystems,
        Worker::Slow,
        Worker::Requests,
        Worker::Security,
    ] {
        let own: Vec<_> = sources
            .extract_if(.., |(source, _)| source.worker() == worker)
            .collect();
        if !own.is_empty() {
            workers.push(worker::spawn(worker, own, surroundings.clone())?);
        }
    }
    let mut supervisor = Supervisor::new(
        surroundings.clone(),
        watches,
        Arc::clone(&clock_offset),
        budget,
        Arc::clone(&agent.rules),
        Arc::clone(&agent.notifier),
    );
    let mut uplink = Uplink::new(
        agent.uplink,
        Arc::clone(&agent.outbox),
        Arc::clone(&surroundings.settings),
        clock_offset,
        max_bytes_per_s,
    )
    .identified(agent.identity.clone())
    .taking_rules(Arc::clone(&agent.rules));

    let mut aside = agent
        .outbox
        .aside()
        .map(|outbox| uplink.beside(Arc::clone(outbox)));

    agent.notifier.ready(match agent.outbox.spool_id() {
        Some(_) => "watching this host",
        // Waiting for a disk would be silence; until it takes the spool, that is held in memory.
        None => "watching this host; the disk does not take the spool, see the log",
    });
    tokio::select! {
        () = supervisor.run() => {}
        () = uplink.run() => {}
        () = run_aside(aside.as_mut()) => {}
        () = agent.rules.watch(hangup, &agent.notifier) => {}
        () = renew(agent.identity.as_deref()) => {}
        _ = shutdown.wait_for(|stop| *stop) => {}
    }

    agent.notifier.stopping();
    tracing::info!("stopping: reading what is left and handing it on");
    surroundings.stop.stop();
    let stops_host = tokio::task::spawn_blocking(move || agent.manager.stops_host());
    join(workers).await;
    supervisor.finish(stops_host.await.unwrap_or(false));
    let drain_aside = async {
        if let Some(aside) = &mut aside {
            aside.drain().await;
        }
    };
    let drained = async { tokio::join!(uplink.drain(), drain_aside) };
    if tokio::time::timeout(STOP_DEADLINE, drained).await.is_err() {
        tracing::warn!(
            queued_batches = agent.outbox.queued_batches(),
            "collector did not acknowledge in time; the rest is sent at the next start"
        );
        let lost = agent
            .outbox
            .aside()
            .map_or(0, |aside| aside.queued_batches());
        if lost > 0 {
            tracing::warn!(
                queued_batches = lost,
                "heartbeats that the disk did not take are lost"
            );
        }
    }
    Ok(())
}

async fn renew(identity: Option<&Identity>) {
    match identity {
        Some(identity) => identity.run().await,
        None => std::future::pending().await,
    }
}

async fn run_aside(uplink: Option<&mut Uplink>) {
    match uplink {
        Some(uplink) => uplink.run_seldom().await,
        None => std::future::pending().await,
    }
}

async fn join(workers: Vec<std::thread::JoinHandle<()>>) {
    let ended = async {
        while workers.iter().any(|worker| !worker.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(WORKER_DEADLINE, ended).await.is_err() {
        for worker in workers.iter().filter(|worker| !worker.is_finished()) {
            let name = worker.thread().name().unwrap_or("worker").to_owned();
            tracing::warn!(worker = name, "worker hangs and is left behind");
        }
    }
}
