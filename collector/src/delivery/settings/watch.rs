//! Reads files and hosts again when they change, for as long as the collector runs.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::config::Config;
use super::read::{self, Set};
use super::{Offer, Offers};
use crate::delivery::offers::Hosts;
use crate::delivery::record::{Record, Table, Wanted};
use crate::delivery::watch::known_hosts;
use crate::storage::Storage;

/// Gauges of what is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    keys: Gauge,
    refused: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "delivery_settings_keys",
            "Keys in the sets of settings for agents",
            metrics.keys.clone(),
        );
        registry.register(
            "delivery_settings_refused",
            "Sets of settings for agents, or such together, that have a mistake, cannot be read or are too large, so that agents keep what they were given before",
            metrics.refused.clone(),
        );
        metrics
    }
}

/// What is offered before any file is read: intervals of the section itself, where that is all there is.
pub(crate) fn first(config: &Config) -> Arc<Offers> {
    let sets: Vec<Set> = match config.sets.is_empty() {
        true => Set::of_section(config).into_iter().collect(),
        false => Vec::new(),
    };
    Arc::new(Offers::of(Arc::new(sets), None, &Offers::default()))
}

/// Looks until it is aborted.
pub(crate) async fn run(
    config: Config,
    storage: Storage,
    offers: watch::Sender<Arc<Offers>>,
    metrics: Metrics,
    prepared: watch::Receiver<bool>,
) {
    if !config.is_on() {
        return;
    }
    let interval = Duration::from_millis(config.check_interval_ms);
    let mut watching = Watching {
        complaints: vec![String::new(); config.sets.len()],
        read: vec![None; config.sets.len()],
        sets: None,
        hosts: None,
        record: Record::new(Table::Settings, storage.clone()),
        config,
        storage,
        offers,
        metrics,
        fails: false,
    };
    // Until the schema is there, hosts cannot be asked for.
    let mut unprepared = Some(prepared);
    loop {
        let files_alone = unprepared
            .as_ref()
            .is_some_and(|prepared| !*prepared.borrow());
        watching.look(files_alone).await;
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
    /// Of each set what was read last and had no mistake.
    read: Vec<Option<Set>>,
    /// Of each set what is wrong with its file, as it was said last.
    complaints: Vec<String>,
    /// All of them, once each was read.
    sets: Option<Arc<Vec<Set>>>,
    hosts: Option<Arc<Hosts>>,
    record: Record,
    offers: watch::Sender<Arc<Offers>>,
    metrics: Metrics,
    fails: bool,
}

impl Watching {
    async fn look(&mut self, files_alone: bool) {
        // Files first: agents get what is new also while ClickHouse is away.
        if self.read_sets().await {
            self.publish();
        }
        if files_alone {
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
                    tracing::warn!(%error, "which hosts have which settings cannot be asked or noted; it is tried again");
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
                "reading settings for agents panicked; this is a bug; what was read stays"
            );
            return false;
        };
        let mut changed = self.sets.is_none();
        for (position, outcome) in outcomes.into_iter().enumerate() {
            let name = &self.config.sets[position].name;
            let complaint = match outcome {
                Ok(None) => String::new(),
                Ok(Some(set)) => {
                    tracing::info!(
                        set = name,
                        keys = set.overlay.values().count(),
                        "settings for agents read"
                    );
                    self.read[position] = Some(set);
                    changed = true;
                    String::new()
                }
                Err(reason) => reason,
            };
            if self.complaints[position] != complaint {
                for reason in complaint.lines() {
                    tracing::warn!(
                        set = name,
                        reason,
                        "settings for agents are refused; what agents were given stays"
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
        let all: Option<Vec<Set>> = self.read.iter().cloned().collect();
        let Some(of_files) = all else {
            return false;
        };
        let own = Set::of_section(&self.config);
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
                    "settings for agents are not given; what agents have stays"
                );
            }
        }
        self.offers.send_replace(Arc::new(offers));
        self.count();
    }

    fn count(&self) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let sets = self.read.iter().flatten();
        let keys = sets.map(|set| set.overlay.values().count()).sum();
        self.metrics.keys.set(number(keys));
        let wrong = self.complaints.iter().filter(|told| !told.is_empty());
        let unfit = self.offers.borrow().unfit.len();
        self.metrics.refused.set(number(wrong.count() + unfit));
    }
}

fn wanted<'a>((agent_id, offer): (&'a str, &'a Arc<Offer>)) -> Wanted<'a> {
    Wanted {
        agent_id,
        version: offer.message.version,
        sets: &offer.sets,
        rules: [0; 2],
    }
}
