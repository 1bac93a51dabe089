//! The running agent: sources on their threads, the supervisor and the uplink on the main one.

pub mod budget;
pub mod crew;
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
use crate::settings::Desk;
use crate::sources::Source;
use crate::sources::units::Manager;
use crate::uplink::{self, Uplink};
use budget::Budget;
use crew::Crew;
use gatherer::Gatherer;
use settings::Settings;
use supervisor::{ClockOffset, Supervisor};
use worker::{Stop, Surroundings};

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
    /// Settings of the collector, some of which the fields here are of.
    pub desk: Arc<Desk>,
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
    let own_settings = Settings::new(agent.intervals.clone()).taking_wishes(agent.desk.takes());
    own_settings.set(&agent.intervals, agent.desk.version());
    let surroundings = Surroundings {
        outbox: Arc::clone(&agent.outbox),
        gatherer: Arc::new(Gatherer::new(agent.budget.memory_max_bytes / HELD_PART)),
        settings: Arc::new(own_settings),
        economy: Arc::default(),
        stop: Arc::new(Stop::default()),
    };
    let clock_offset = Arc::new(ClockOffset::default());
    let mut uplink = Uplink::new(
        agent.uplink,
        Arc::clone(&agent.outbox),
        Arc::clone(&surroundings.settings),
        Arc::clone(&clock_offset),
        agent.budget.network_max_bytes_per_s,
    )
    .identified(agent.identity.clone())
    .taking_rules(Arc::clone(&agent.rules))
    .taking_settings(Arc::clone(&agent.desk));
    let mut crew = Crew::new(
        surroundings.clone(),
        Arc::clone(&agent.rules),
        uplink.pace(),
    );
    crew.start(agent.sources)?;
    let budget = Budget::new(agent.budget, &crew.subjects());
    let mut supervisor = Supervisor::new(
        surroundings,
        &crew,
        clock_offset,
        budget,
        Arc::clone(&agent.rules),
        Arc::clone(&agent.desk),
        Arc::clone(&agent.notifier),
    );

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
        ended = agent.desk.run(&mut crew) => ended?,
        _ = shutdown.wait_for(|stop| *stop) => {}
    }

    agent.notifier.stopping();
    tracing::info!("stopping: reading what is left and handing it on");
    agent.desk.stopped().await;
    let stops_host = tokio::task::spawn_blocking(move || agent.manager.stops_host());
    crew.stop().await;
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
