//! The collector whose turn it is watches over all hosts: reads, looks, writes down, and hands on.
//!
//! Promises: what is told was written down before. What cannot be written waits, bounded, and nobody is
//! convicted meanwhile. Who takes over goes on with the faults, states and paces that are in ClickHouse.
//! A turn that was lost is noticed within [`CHECK_EVERY`] and a look.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::feed::Feed;
use super::metrics::Metrics;
use super::record::Record;
use super::{Change, Config, Fault, Fleet, State};
use crate::alerts::{self, Desk, Incident};
use crate::baselines;
use crate::clock::now_ms;
use crate::correlation;
use crate::error::Error;
use crate::objectives::{self, Objective};
use crate::parts::Background;
use crate::presence::maintenance::InForce;
use crate::presence::{hosts, hours};
use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::turn::{PRESENCE, Turn, TurnError};

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From one look at whose turn it is to the next; a turn is not taken over in less.
const CHECK_EVERY: Duration = Duration::from_secs(3);
/// From one look at what is expected to the next.
const EXPECT_EVERY: Duration = Duration::from_secs(10);
/// Incidents on their way to those who tell people.
const TOLD_MAX: usize = 1_000;
/// How long a turn's end may take; after that it is taken over.
const END_WITHIN: Duration = Duration::from_secs(2);
/// Where the watch's clock begins, so that what was before has a time on it.
const CLOCK_START: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What is watched.
pub(crate) struct Watched {
    /// When silence is suspicious.
    pub(crate) presence: Config,
    /// What is promised of services.
    pub(crate) objectives: Vec<Objective>,
    /// What many security events show together.
    pub(crate) correlation: correlation::Config,
    /// What is usual of users.
    pub(crate) baselines: baselines::Config,
}

/// Why a watch ended.
enum Ended {
    /// The collector stops.
    Stopped,
    /// It was taken over.
    Lost,
}

/// Watches whenever it is this collector's turn, until `stop` turns true.
pub(crate) async fn run(
    storage: Storage,
    watched: Watched,
    desk: Option<Desk>,
    (metrics, of_events, of_users): (
        Metrics,
        correlation::metrics::Metrics,
        baselines::metrics::Metrics,
    ),
    mut stop: watch::Receiver<bool>,
) {
    let mut backoff = Backoff::new(500, 10_000);
    loop {
        let taken = tokio::select! {
            taken = Turn::take(storage.client(), PRESENCE) => taken,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let turn = match taken {
            Ok(turn) => turn,
            Err(error) => {
                tracing::debug!(%error, "nobody watches over the hosts from here");
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_pause()) => continue,
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        };
        backoff = Backoff::new(500, 10_000);
        tracing::info!("this collector watches over the hosts");
        metrics.leads.set(1);
        // Who watches tells, too, and ends with it.
        let mut told = None;
        let telling = desk.clone().map(|desk| {
            let (sender, incidents) = mpsc::channel(TOLD_MAX);
            told = Some(sender);
            Background::new(alerts::run(desk, storage.clone(), incidents))
        });
        let keeping = Background::new(hours::keeper::run(storage.clone()));
        let looking = Background::new(correlation::watch::run(
            storage.clone(),
            watched.correlation.clone(),
            told.clone(),
            of_events.clone(),
        ));
        let learning = Background::new(baselines::watch::run_watch(
            storage.clone(),
            watched.baselines.clone(),
            told.clone(),
            of_users.clone(),
        ));
        let mut watching = Watching {
            clock: Instant::now(),
            fleet: Fleet::new(watched.presence.clone(), CLOCK_START),
            feed: Feed::new(storage.clone()),
            record: Record::new(storage.clone(), told.clone()),
            storage: storage.clone(),
            metrics: metrics.clone(),
            read: CLOCK_START,
            objectives: watched.objectives.clone(),
            told,
            open: Vec::new(),
            maintenance: InForce::default(),
        };
        let ended = tokio::select! {
            ended = watching.lead(&turn) => ended,
            _ = stop.wait_for(|stop| *stop) => Ended::Stopped,
        };
        drop((looking, learning, telling, keeping));
        metrics.clear();
        match tokio::time::timeout(END_WITHIN, turn.end()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the turn is left to be taken over"),
            Err(_) => tracing::debug!("the turn is left to be taken over"),
        }
        if matches!(ended, Ended::Stopped) {
            return;
        }
    }
}

struct Watching {
    clock: Instant,
    fleet: Fleet,
    feed: Feed,
    record: Record,
    storage: Storage,
    metrics: Metrics,
    /// When it was last read what was stored.
    read: Duration,
    objectives: Vec<Objective>,
    told: Option<mpsc::Sender<Incident>>,
    /// Faults of objectives that were found before.
    open: Vec<Fault>,
    maintenance: InForce,
}

impl Watching {
    fn now(&self) -> Duration {
        CLOCK_START + self.clock.elapsed()
    }

    async fn lead(&mut self, turn: &Turn) -> Ended {
        let mut backoff = Backoff::new(500, 10_000);
        while let Err(error) = self.recall().await {
            let pause = backoff.next_pause();
            tracing::warn!(%error, "what was known of the hosts cannot be read; trying again");
            tokio::time::sleep(pause).await;
            if let Err(TurnError::Taken) = turn.check().await {
                return Ended::Lost;
            }
        }
        let _objectives = self.watch_objectives();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut checked, mut expected) = (Instant::now(), Instant::now());
        let mut fails = false;
        loop {
            ticks.tick().await;
            if checked.elapsed() >= CHECK_EVERY {
                match turn.check().await {
                    Ok(()) => checked = Instant::now(),
                    Err(error @ TurnError::Taken) => {
                        tracing::warn!(%error, "no longer watching over the hosts");
                        return Ended::Lost;
                    }
                    Err(TurnError::Storage(_) | TurnError::Slow) => {}
                }
            }
            let refresh = expected.elapsed() >= EXPECT_EVERY;
            match self.look(refresh).await {
                Ok(()) if refresh => expected = Instant::now(),
                Ok(()) => {}
                Err(error) => {
                    self.metrics.failures.inc();
                    let now = self.now();
                    self.fleet.blind(now);
                    if !fails {
                        tracing::warn!(%error, "hosts cannot be watched; nobody is convicted until they can");
                    }
                    fails = true;
                    continue;
                }
            }
            if fails {
                tracing::info!("hosts are watched again");
                fails = false;
            }
        }
    }

    /// Beside, and as long as this one watches.
    fn watch_objectives(&mut self) -> Background {
        let open = std::mem::take(&mut self.open);
        if self.objectives.is_empty() && open.is_empty() {
            return Background::none();
        }
        Background::new(objectives::watch::run(
            self.storage.clone(),
            self.objectives.clone(),
            open,
            self.told.clone(),
        ))
    }

    /// Goes on where whoever watched before ended.
    async fn recall(&mut self) -> Result<(), Error> {
        let expected = self.maintenance.hosts(&self.storage, EXPECT_EVERY).await?;
        let states = hosts::list(&self.storage, "").await?;
        let (faults, version) = self.feed.faults().await?;
        // First what was heard lately, so that whoever falls silent meanwhile is in the second.
        let lately = self.feed.begin().await?;
        let last = self.feed.last().await?;
        let now = self.now();
        self.open.clear();
        self.record.follow(version);
        self.fleet.expect(expected, now);
        for host in states {
            let state = State::ALL
                .into_iter()
                .find(|state| state.name() == host.state);
            self.fleet
                .recall_state(&host.agent_id, state.unwrap_or_default());
        }
        for fault in faults {
            self.record.tell(fault.clone()).await;
            if fault.ended_ms.is_some() {
                continue;
            }
            if !fault.objective.is_empty() {
                self.open.push(fault);
            } else if let Some(lost) = self.fleet.restore(fault, now) {
                self.record.push(Change::Fault(lost.ended(now_ms())));
            }
        }
        for (arrival, ago) in last {
            self.fleet.recall(&arrival, now.saturating_sub(ago));
        }
        for (arrival, ago) in lately {
            self.fleet.relive(&arrival, now.saturating_sub(ago));
        }
        // What was stored while this took is read next.
        self.read = now;
        self.fleet.blind(now);
        Ok(())
    }

    async fn look(&mut self, refresh: bool) -> Result<(), Error> {
        self.record.write().await?;
        if refresh {
            let expected = self.maintenance.hosts(&self.storage, EXPECT_EVERY).await?;
            let now = self.now();
            self.fleet.expect(expected, now);
        }
        let arrivals = self.feed.next().await?;
        let now = self.now();
        let since = now.saturating_sub(self.read);
        self.read = now;
        for (arrival, ago) in &arrivals {
            // Another machine's clock may be set: it was stored after the last reading in any case.
            self.fleet
                .hear(arrival, now.saturating_sub((*ago).min(since)));
        }
        for change in self.fleet.look(now, now_ms()) {
            if let Change::Fault(fault) = &change {
                self.metrics.faults.inc();
                say(fault);
            }
            self.record.push(change);
        }
        let states = self.fleet.states().map(|(_, state)| state);
        self.metrics.set_states(states, self.fleet.is_guarded());
        self.record.write().await
    }
}

fn say(fault: &Fault) {
    let (kind, agent_id) = (fault.kind.name(), fault.agent_id.as_str());
    match fault.ended_ms {
        None => tracing::warn!(kind, agent_id, summary = fault.summary, "incident"),
        Some(ended_ms) => {
            let lasted_ms = ended_ms - fault.began_ms;
            tracing::info!(kind, agent_id, lasted_ms, "incident is over");
        }
    }
}
