//! Reads sets and hosts again when they change, for as long as the collector runs.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::config::Config;
use super::offers::{Hosts, Labels};
use super::read::{self, Set};
use super::record::{Record, Table, Wanted};
use super::{Offer, Offers};
use crate::error::Error;
use crate::presence::hosts;
use crate::storage::Storage;

/// Most refusals in the log at a time; `rules check` has all.
const LOGGED_MAX: usize = 10;

/// Gauges of what is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    rules: Gauge,
    refused: Gauge,
    unreadable: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge(
            "delivery_rules",
            "Rules and filters in the sets for agents that are good",
            &metrics.rules,
        );
        gauge(
            "delivery_rules_refused",
            "Rules, filters and files in the sets for agents that they will refuse",
            &metrics.refused,
        );
        gauge(
            "delivery_sets_unreadable",
            "Sets for agents, or such together, that cannot be read or are too large, so that agents keep what they were given before",
            &metrics.unreadable,
        );
        metrics
    }
}

/// Looks until it is aborted.
pub(crate) async fn run(
    config: Config,
    storage: Storage,
    offers: watch::Sender<Arc<Offers>>,
    metrics: Metrics,
    prepared: watch::Receiver<bool>,
) {
    if config.sets.is_empty() {
        return;
    }
    let interval = Duration::from_millis(config.check_interval_ms);
    let mut watching = Watching {
        complaints: vec![String::new(); config.sets.len()],
        read: vec![None; config.sets.len()],
        config,
        sets: Arc::default(),
        hosts: None,
        record: Record::new(Table::Rules, storage.clone()),
        storage,
        offers,
        metrics,
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

struct Watching {
    config: Config,
    storage: Storage,
    /// Of each set what was read last.
    read: Vec<Option<Set>>,
    /// Of each set why it cannot be read, as it was said last.
    complaints: Vec<String>,
    /// All of them, once each was read.
    sets: Arc<Vec<Set>>,
    hosts: Option<Arc<Hosts>>,
    record: Record,
    offers: watch::Sender<Arc<Offers>>,
    metrics: Metrics,
    fails: bool,
}

impl Watching {
    async fn look(&mut self, sets_alone: bool) {
        // Files first: agents get what is new also while ClickHouse is away.
        if self.read_sets().await {
            self.publish();
        }
        if sets_alone {
            return;
        }
        let asked = async {
            let known = known_hosts(&self.storage).await?;
            if self.hosts.as_deref() != Some(&known) {
                self.hosts = Some(Arc::new(known));
                self.publish();
            }
            let offers = Arc::clone(&self.offers.borrow());
            self.record
                .note(offers.targets().map(wanted).collect())
                .await
        };
        match asked.await {
            Ok(()) => self.fails = false,
            Err(error) => {
                if !self.fails {
                    tracing::warn!(%error, "which hosts have which rules cannot be asked or noted; it is tried again");
                }
                self.fails = true;
            }
        }
    }

    /// Whether something changed.
    async fn read_sets(&mut self) -> bool {
        let (configs, before) = (self.config.sets.clone(), self.read.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let all = configs.iter().zip(&before);
            all.map(|(config, before)| read::read(config, before.as_ref()))
                .collect::<Vec<_>>()
        });
        let Ok(outcomes) = reading.await else {
            tracing::error!(
                "reading rules for agents panicked; this is a bug; what was read stays"
            );
            return false;
        };
        let mut changed = false;
        for (position, outcome) in outcomes.into_iter().enumerate() {
            let complaint = match outcome {
                Ok(None) => String::new(),
                Ok(Some(set)) => {
                    told(&set);
                    self.read[position] = Some(set);
                    changed = true;
                    String::new()
                }
                Err(reason) => reason,
            };
            let set = &self.config.sets[position].name;
            if !complaint.is_empty() && self.complaints[position] != complaint {
                tracing::warn!(
                    set,
                    reason = complaint,
                    "rules for agents cannot be read; what agents were given stays"
                );
            }
            self.complaints[position] = complaint;
        }
        self.count();
        if !changed {
            return false;
        }
        // A set that was never read is not known to be empty.
        let all: Option<Vec<Set>> = self.read.iter().cloned().collect();
        let Some(all) = all else {
            return false;
        };
        self.sets = Arc::new(all);
        true
    }

    fn publish(&self) {
        let before = Arc::clone(&self.offers.borrow());
        let offers = Offers::of(Arc::clone(&self.sets), self.hosts.clone(), &before);
        for reason in &offers.unfit {
            if !before.unfit.contains(reason) {
                tracing::warn!(
                    reason,
                    "rules for agents are not given; what agents have stays"
                );
            }
        }
        self.offers.send_replace(Arc::new(offers));
        self.count();
    }

    fn count(&self) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let sets = || self.read.iter().flatten();
        self.metrics
            .rules
            .set(number(sets().map(|set| set.taken).sum()));
        self.metrics
            .refused
            .set(number(sets().map(|set| set.refused).sum()));
        let unreadable = self.complaints.iter().filter(|told| !told.is_empty());
        let unfit = self.offers.borrow().unfit.len();
        self.metrics
            .unreadable
            .set(number(unreadable.count() + unfit));
    }
}

fn wanted<'a>((agent_id, offer): (&'a str, &'a Arc<Offer>)) -> Wanted<'a> {
    Wanted {
        agent_id,
        version: offer.packed.version,
        sets: &offer.sets,
        rules: [offer.rules, offer.refused],
    }
}

/// Hosts with what sets are chosen by.
///
/// # Errors
/// When ClickHouse does not answer.
pub(super) async fn known_hosts(storage: &Storage) -> Result<Hosts, Error> {
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

fn told(set: &Set) {
    let name = &set.config.name;
    tracing::info!(
        set = name,
        files = set.files.len(),
        rules = set.taken,
        refused = set.refused,
        "rules for agents read"
    );
    for fault in set.faults.iter().take(LOGGED_MAX) {
        tracing::warn!(rule = %fault, "agents will refuse a rule");
    }
}
