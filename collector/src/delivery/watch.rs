//! Reads sets and hosts again when they change, for as long as the collector runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::offers::{Deliverable, Hosts, Labels, Offers};
use super::record::Record;
use super::sets::SetConfig as _;
use crate::error::Error;
use crate::presence::hosts;
use crate::storage::Storage;

/// Sets of one kind, and where they come from.
pub(crate) struct Source<S: Deliverable> {
    /// Time between looks, ms.
    pub(super) check_interval_ms: u64,
    /// A set that stands in the configuration itself, before the others.
    pub(super) own: Option<S>,
    /// Sets that are read.
    pub(super) configs: Vec<S::Config>,
}

impl<S: Deliverable> Source<S> {
    /// What is offered before anything is read: the own set, where that is all there is.
    pub(crate) fn first(&self) -> Arc<Offers<S>> {
        let sets = match self.configs.is_empty() {
            true => self.own.iter().cloned().collect(),
            false => Vec::new(),
        };
        Arc::new(Offers::of(Arc::new(sets), None, &Offers::default()))
    }
}

/// What is counted of sets of one kind.
pub(crate) trait Gauges<S> {
    /// These were read, and so many are not given as they are: they cannot be read, or are too large
    /// together.
    fn set(&self, sets: &mut dyn Iterator<Item = &S>, not_given: usize);
}

/// A number as gauges take it.
pub(super) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Looks until it is aborted.
pub(crate) async fn run<S: Deliverable>(
    source: Source<S>,
    storage: Storage,
    offers: watch::Sender<Arc<Offers<S>>>,
    gauges: impl Gauges<S>,
    prepared: watch::Receiver<bool>,
) {
    if source.configs.is_empty() && source.own.is_none() {
        return;
    }
    let interval = Duration::from_millis(source.check_interval_ms);
    let mut watching = Watching {
        complaints: vec![String::new(); source.configs.len()],
        read: vec![None; source.configs.len()],
        source,
        sets: None,
        hosts: None,
        record: Record::new(S::TABLE, storage.clone()),
        storage,
        offers,
        gauges,
        fails: false,
    };
    // Until the schema is there, hosts cannot be asked for.
    let mut unprepared = Some(prepared);
    loop {
        let sets_alone = unprepared
            .as_ref()
            .is_some_and(|prepared| !*prepared.borrow());
        watching.look(sets_alone).await;
        let prepared = async {
            match &mut unprepared {
                Some(prepared) => drop(prepared.wait_for(|done| *done).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = prepared => unprepared = None,
        }
    }
}

struct Watching<S: Deliverable, G> {
    source: Source<S>,
    storage: Storage,
    /// Of each set what was read last and could be taken.
    read: Vec<Option<S>>,
    /// Of each set why it cannot be taken, as it was said last.
    complaints: Vec<String>,
    /// All of them, once each was read.
    sets: Option<Arc<Vec<S>>>,
    hosts: Option<Arc<Hosts>>,
    record: Record,
    offers: watch::Sender<Arc<Offers<S>>>,
    gauges: G,
    fails: bool,
}

impl<S: Deliverable, G: Gauges<S>> Watching<S, G> {
    async fn look(&mut self, sets_alone: bool) {
        // Files first: agents get what is new also while ClickHouse is away.
        if self.read_sets().await {
            self.publish();
        }
        if sets_alone {
            return;
        }
        match self.ask_and_note().await {
            Ok(()) => self.fails = false,
            Err(error) => {
                if !self.fails {
                    tracing::warn!(
                        %error,
                        "which hosts have which {} cannot be asked or noted; it is tried again",
                        S::WHAT
                    );
                }
                self.fails = true;
            }
        }
    }

    async fn ask_and_note(&mut self) -> Result<(), Error> {
        let known = known_hosts(&self.storage).await?;
        if self.hosts.as_deref() != Some(&known) {
            self.hosts = Some(Arc::new(known));
            self.publish();
        }
        let offers = Arc::clone(&self.offers.borrow());
        let targets = offers.targets();
        let wanted = targets.map(|(agent_id, offer)| S::wanted(agent_id, offer));
        self.record.note(wanted.collect()).await
    }

    /// Whether something changed.
    async fn read_sets(&mut self) -> bool {
        let (configs, before) = (self.source.configs.clone(), self.read.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let all = configs.iter().zip(&before);
            all.map(|(config, before)| S::read(config, before.as_ref()))
                .collect::<Vec<_>>()
        });
        let Ok(outcomes) = reading.await else {
            tracing::error!(
                "reading {} for agents panicked; this is a bug; what was read stays",
                S::WHAT
            );
            return false;
        };
        let mut changed = self.sets.is_none();
        for (position, outcome) in outcomes.into_iter().enumerate() {
            let complaint = match outcome {
                Ok(None) => String::new(),
                Ok(Some(set)) => {
                    set.tell();
                    self.read[position] = Some(set);
                    changed = true;
                    String::new()
                }
                Err(reason) => reason,
            };
            if self.complaints[position] != complaint {
                for reason in complaint.lines() {
                    tracing::warn!(
                        set = self.source.configs[position].name(),
                        reason,
                        "{} for agents are not taken; what agents were given stays",
                        S::WHAT
                    );
                }
            }
            self.complaints[position] = complaint;
        }
        self.count();
        if !changed {
            return false;
        }
        // A set that was never read is not known to be empty.
        let all: Option<Vec<S>> = self.read.iter().cloned().collect();
        let Some(of_files) = all else {
            return false;
        };
        let own = self.source.own.clone();
        self.sets = Some(Arc::new(own.into_iter().chain(of_files).collect()));
        true
    }

    fn publish(&self) {
        let Some(sets) = &self.sets else {
            return;
        };
        let before = Arc::clone(&self.offers.borrow());
        let offers = Offers::of(Arc::clone(sets), self.hosts.clone(), &before);
        for reason in &offers.unfit {
            if !before.unfit.contains(reason) {
                tracing::warn!(
                    reason,
                    "{} for agents are not given; what agents have stays",
                    S::WHAT
                );
            }
        }
        self.offers.send_replace(Arc::new(offers));
        self.count();
    }

    fn count(&self) {
        let refused = self.complaints.iter().filter(|told| !told.is_empty());
        let unfit = self.offers.borrow().unfit.len();
        let not_given = refused.count() + unfit;
        self.gauges.set(&mut self.read.iter().flatten(), not_given);
    }
}

/// Hosts with what sets are chosen by.
async fn known_hosts(storage: &Storage) -> Result<Hosts, Error> {
    let known = hosts::expected(storage, "").await?;
    let labels = |host: hosts::Expected| {
        let labels = Labels {
            role: host.role,
            group: host.host_group,
        };
        (host.agent_id, labels)
    };
    Ok(known.into_iter().map(labels).collect())
}
