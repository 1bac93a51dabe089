//! The rules in force, and when they are read anew.
//!
//! Whoever asks gets the set of that moment and may keep it. Files are looked at every
//! `check_interval_ms` and on SIGHUP, on a thread that may block.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crmscope_proto::v1::RulesState;
use tokio::signal::unix::{SignalKind, signal};

use super::config::Config;
use super::files;
use super::load::{self, Loaded};
use super::set::{Matched, RuleSet, Surroundings};

/// How long a start waits for rules; behind a mount that hangs, they come later.
const FIRST_DEADLINE: Duration = Duration::from_secs(5);

/// Most refusals in the log at a time; `rules check` has all.
const LOGGED_MAX: usize = 10;

/// See the module.
#[derive(Debug, Default)]
pub struct Rules {
    config: Config,
    surroundings: Surroundings,
    held: Mutex<Held>,
    matches: AtomicU64,
    unnamed: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    set: Option<Arc<RuleSet>>,
    /// Of the files that were read last.
    fingerprint: Option<u64>,
    /// Why directories could not be read, as it was said last.
    complaint: String,
    state: RulesState,
}

impl Rules {
    /// Rules of directories; nothing is read before [`Rules::look`].
    #[must_use]
    pub fn new(config: &Config, surroundings: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            surroundings,
            ..Self::default()
        })
    }

    /// A set that stays as it is.
    #[must_use]
    pub fn fixed(loaded: Loaded) -> Arc<Self> {
        let rules = Self::default();
        rules.lock().set = loaded.set.map(Arc::new);
        Arc::new(rules)
    }

    /// The set in force; `None` when no rule can match here.
    #[must_use]
    pub fn current(&self) -> Option<Arc<RuleSet>> {
        self.lock().set.clone()
    }

    /// Counts what an event matched.
    pub fn count(&self, matched: &Matched) {
        self.matches.fetch_add(1, Ordering::Relaxed);
        self.unnamed.fetch_add(matched.unnamed, Ordering::Relaxed);
    }

    /// What heartbeats tell; `None` where rules are not looked for.
    #[must_use]
    pub fn state(&self) -> Option<RulesState> {
        self.config.enabled.then(|| RulesState {
            matched_events: self.matches.load(Ordering::Relaxed),
            unnamed_rules: self.unnamed.load(Ordering::Relaxed),
            ..self.lock().state
        })
    }

    /// Reads the files if they changed, or anyway.
    pub fn look(&self, anyway: bool) {
        if !self.config.enabled {
            return;
        }
        let files = match files::list(&self.config.directories) {
            Ok(files) => files,
            Err(error) => {
                let mut held = self.lock();
                if held.complaint != error {
                    tracing::warn!(%error, "rules cannot be read; those in force stay");
                    held.complaint = error;
                }
                // What it would have been is not known.
                held.fingerprint = None;
                held.state.attempted_version = 0;
                return;
            }
        };
        let fingerprint = files::fingerprint(&files);
        if self.lock().fingerprint == Some(fingerprint) && !anyway {
            return;
        }
        let loaded = load::load(&files, &self.surroundings);
        self.adopt(loaded, fingerprint);
    }

    fn adopt(&self, loaded: Loaded, fingerprint: u64) {
        for fault in loaded.faults.iter().take(LOGGED_MAX) {
            tracing::warn!(rule = %fault, "rule refused");
        }
        if loaded.refused > LOGGED_MAX {
            tracing::warn!(
                refused = loaded.refused,
                "more rules were refused; `crmscope-agent rules check` tells all"
            );
        }
        let mut held = self.lock();
        held.fingerprint = Some(fingerprint);
        held.complaint.clear();
        held.state.attempted_version = loaded.version;
        held.state.refused = u32::try_from(loaded.refused).unwrap_or(u32::MAX);
        if loaded.rules == 0 && loaded.refused > 0 {
            tracing::warn!("no rule could be taken; those in force stay");
            return;
        }
        let changed = held.state.version != loaded.version;
        held.state.version = loaded.version;
        held.state.rules = u32::try_from(loaded.rules).unwrap_or(u32::MAX);
        let usable = loaded.set.as_ref().map_or(0, RuleSet::len);
        held.state.usable_rules = u32::try_from(usable).unwrap_or(u32::MAX);
        held.set = loaded.set.map(Arc::new);
        if changed {
            tracing::info!(
                rules = loaded.rules,
                usable,
                refused = loaded.refused,
                version = format_args!("{:016x}", loaded.version),
                "rules in force"
            );
        }
    }

    /// Reads the files for the first time, within a deadline.
    pub async fn begin(self: &Arc<Self>) {
        if !self.config.enabled || self.config.directories.is_empty() {
            return;
        }
        if tokio::time::timeout(FIRST_DEADLINE, self.look_aside(false))
            .await
            .is_err()
        {
            tracing::warn!("directories of rules do not answer; events go without until they do");
        }
    }

    /// Looks for changes for ever; to be dropped at the end.
    pub async fn watch(self: &Arc<Self>) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.check_interval()) => {
                    if !self.config.directories.is_empty() {
                        self.look_aside(false).await;
                    }
                }
                _ = hangup.recv() => self.look_aside(true).await,
            }
        }
    }

    async fn look_aside(self: &Arc<Self>, anyway: bool) {
        let rules = Arc::clone(self);
        if tokio::task::spawn_blocking(move || rules.look(anyway))
            .await
            .is_err()
        {
            tracing::error!("reading rules panicked; this is a bug; those in force stay");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
