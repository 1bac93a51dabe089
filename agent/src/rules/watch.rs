//! The rules in force, and when they are read anew.
//!
//! Whoever asks gets the set of that moment and may keep it. Files are looked at every
//! `check_interval_ms` and on SIGHUP, and what a collector delivers when it comes, on a thread that may
//! block. The host's own rules and those delivered are one set; each side as a whole is taken or not.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crmscope_proto::limits::REFUSED_RULES_MAX;
use crmscope_proto::payload::truncate;
use crmscope_proto::systemd::Notifier;
use crmscope_proto::v1::{RefusedRule, RulesState, RulesStatus};
use crmscope_rules::{Fault, Packed, RuleFile, files, version};
use tokio::signal::unix::Signal;
use tokio::sync::{Notify, watch};

use super::config::Config;
use super::delivered::{self, Delivered};
use super::kept;
use super::load::{self, Loaded};
use super::set::{Matched, RuleSet, Surroundings};

/// How long a start waits for rules; behind a mount that hangs, they come later.
const FIRST_DEADLINE: Duration = Duration::from_secs(5);

/// Most refusals in the log at a time; `rules check` has all.
const LOGGED_MAX: usize = 10;

/// Refusals are told anew so often, as the heartbeat that told them may be lost.
const TELL_EVERY: Duration = Duration::from_secs(3600);

/// Longest name of a file and longest reason that are told, bytes.
const TOLD_MAX_BYTES: usize = 400;

/// See the module.
#[derive(Debug, Default)]
pub struct Rules {
    config: Config,
    state_dir: Option<PathBuf>,
    surroundings: Surroundings,
    held: Mutex<Held>,
    matches: AtomicU64,
    unnamed: AtomicU64,
    /// A set came.
    arrived: Notify,
    /// Sets that were settled.
    outcomes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    set: Option<Arc<RuleSet>>,
    /// Of the files that were read last.
    fingerprint: Option<u64>,
    /// Why directories could not be read, as it was said last.
    complaint: String,
    state: RulesState,
    /// Of the host's own files in force.
    own_version: u64,
    delivered: Delivered,
    /// What the state directory has was read.
    recalled: bool,
    /// The delivered set in force is not in the state directory yet.
    unkept: bool,
    faults: Vec<Fault>,
    told: Option<Instant>,
}

/// What a reading came to.
struct Read {
    loaded: Loaded,
    /// The host's own rules cannot be taken, or not be read.
    own_fails: bool,
    fingerprint: Option<u64>,
    /// Version of the delivered set that is part of it, where it is another one than before.
    adopts: Option<u64>,
    refused: usize,
    faults: Vec<Fault>,
}

impl Rules {
    /// Rules of directories, and those of a collector, which stay in the state directory; nothing is read
    /// before [`Rules::look`].
    #[must_use]
    pub fn new(config: &Config, state_dir: Option<&Path>, surroundings: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            state_dir: state_dir.map(Path::to_owned),
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
        self.state_of(&self.lock())
    }

    fn state_of(&self, held: &Held) -> Option<RulesState> {
        self.config.enabled.then(|| RulesState {
            matched_events: self.matches.load(Ordering::Relaxed),
            unnamed_rules: self.unnamed.load(Ordering::Relaxed),
            takes_delivered: self.takes_delivered(),
            ..held.state
        })
    }

    /// The same, and what was refused of that version when it is time to tell it: once, and every hour.
    #[must_use]
    pub fn report(&self, now: Instant) -> (Option<RulesState>, Vec<RefusedRule>) {
        let held = self.lock();
        let is_told = |told: Instant| now.saturating_duration_since(told) < TELL_EVERY;
        let faults = match held.told.is_some_and(is_told) {
            true => &[],
            false => held.faults.as_slice(),
        };
        let refused = faults.iter().take(REFUSED_RULES_MAX).map(refused_rule);
        (self.state_of(&held), refused.collect())
    }

    /// A heartbeat with the refusals is kept.
    pub fn refusals_told(&self, now: Instant) {
        self.lock().told = Some(now);
    }

    /// Version of what a collector delivered last; `None` where it is to deliver nothing.
    #[must_use]
    pub fn delivered_version(&self) -> Option<u64> {
        self.takes_delivered()
            .then(|| self.lock().delivered.attempted_version())
    }

    /// Takes a set from a collector, to be put into force soon.
    pub fn deliver(&self, packed: Packed) {
        self.lock().delivered.arrive(packed);
        self.arrived.notify_one();
    }

    /// Notes that a set could not be put together.
    pub fn refuse_delivered(&self, version: u64, reason: &dyn std::fmt::Display) {
        self.lock().delivered.refuse(version, reason);
        self.arrived.notify_one();
    }

    /// Changes whenever a delivered set was settled; then [`Rules::status`] says how.
    #[must_use]
    pub fn outcomes(&self) -> watch::Receiver<u64> {
        self.outcomes.subscribe()
    }

    /// What became of the set that came last.
    #[must_use]
    pub fn status(&self) -> RulesStatus {
        let held = self.lock();
        let state = &held.state;
        let is_in_force = state.delivered_attempted_version == state.delivered_version;
        // Where no delivered rule is at fault, the host's own keep it waiting.
        let fault = || {
            let delivered = held.faults.iter().find(|fault| fault.delivered);
            delivered.or_else(|| held.faults.first())
        };
        let error = match is_in_force {
            true => String::new(),
            false => fault().map_or_else(String::new, ToString::to_string),
        };
        RulesStatus {
            attempted_version: state.delivered_attempted_version,
            effective_version: state.delivered_version,
            rules: state.rules,
            refused: state.refused,
            error,
        }
    }

    /// Reads the files if they changed or a set came, or anyway.
    pub fn look(&self, anyway: bool) {
        if !self.config.enabled {
            return;
        }
        self.recall();
        let listed = files::list(&self.config.directories);
        let fingerprint = listed.as_deref().ok().map(files::fingerprint);
        let is_new = {
            let mut held = self.lock();
            let is_new = held.delivered.is_new();
            let complaint = listed.as_ref().err().cloned().unwrap_or_default();
            let is_same = held.fingerprint == fingerprint && held.complaint == complaint;
            let is_read = fingerprint.is_some() || !complaint.is_empty();
            if is_same && is_read && !is_new && !anyway {
                drop(held);
                self.keep();
                return;
            }
            if held.complaint != complaint && !complaint.is_empty() {
                tracing::warn!(
                    error = complaint,
                    "rules cannot be read; those in force stay"
                );
            }
            held.complaint = complaint;
            is_new
        };
        let read = self.read(listed, fingerprint);
        self.adopt(read);
        self.keep();
        if is_new {
            self.outcomes.send_modify(|outcomes| *outcomes += 1);
        }
    }

    fn read(&self, listed: Result<Vec<RuleFile>, String>, fingerprint: Option<u64>) -> Read {
        let (in_force, waiting, unfit) = self.lock().delivered.sets();
        let (own, own_fault) = match listed {
            Ok(files) => (files, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut faults: Vec<Fault> = own_fault
            .iter()
            .map(|reason| Fault {
                delivered: false,
                path: "directories".into(),
                line: 0,
                reason: reason.clone(),
            })
            .collect();
        faults.extend(unfit);
        // What is refused of a whole set.
        let mut refused = faults.len();
        let mut adopts = None;
        let mut loaded = None;
        match waiting.map(|waiting| (waiting.version, waiting.files())) {
            None => {}
            Some((_, Err(error))) => {
                refused += 1;
                faults.push(delivered::fault(&error));
            }
            Some((version, Ok(files))) => {
                let attempt = load::load(&own, &files, &self.surroundings);
                if attempt.delivered.is_broken() {
                    refused += attempt.delivered.refused;
                    let of_set = attempt.faults.into_iter().filter(|fault| fault.delivered);
                    faults.extend(of_set);
                } else {
                    adopts = Some(version);
                    loaded = Some(attempt);
                }
            }
        }
        let is_refused = faults.iter().any(|fault| fault.delivered);
        let mut loaded = loaded.unwrap_or_else(|| {
            let files = in_force.files().unwrap_or_else(|error| {
                tracing::error!(%error, "delivered rules that were in force cannot be unfolded; this is a bug");
                Vec::new()
            });
            load::load(&own, &files, &self.surroundings)
        });
        // Of two delivered sets, refusals are those of the one that came last.
        let counts = |fault: &Fault| !(is_refused && fault.delivered);
        refused += match is_refused {
            true => loaded.own.refused,
            false => loaded.refused,
        };
        faults.extend(loaded.faults.drain(..).filter(counts));
        Read {
            own_fails: own_fault.is_some() || loaded.own.is_broken(),
            loaded,
            fingerprint,
            adopts,
            refused,
            faults,
        }
    }

    fn adopt(&self, read: Read) {
        for fault in read.faults.iter().take(LOGGED_MAX) {
            tracing::warn!(rule = %fault, "rule refused");
        }
        if read.faults.len() > LOGGED_MAX {
            tracing::warn!(
                refused = read.refused,
                "more rules were refused; `crmscope-agent rules check` tells all of the host's own"
            );
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let loaded = read.loaded;
        let mut held = self.lock();
        held.fingerprint = read.fingerprint;
        if held.faults != read.faults {
            held.faults = read.faults;
            held.told = None;
        }
        held.state.refused = number(read.refused);
        // What the host's own would have been is not known where they cannot be read.
        let delivered_attempted = held.delivered.attempted_version();
        held.state.delivered_attempted_version = delivered_attempted;
        held.state.attempted_version = match read.fingerprint {
            None => 0,
            Some(_) => version::both(loaded.version, delivered_attempted),
        };
        if read.own_fails && held.own_version != 0 {
            tracing::warn!("none of the host's own rules could be taken; those in force stay");
            return;
        }
        if read.own_fails {
            tracing::warn!("none of the host's own rules could be taken");
        } else {
            held.own_version = loaded.version;
        }
        if let Some(version) = read.adopts
            && held.delivered.adopt(version)
        {
            held.unkept = true;
        } else if held.delivered.attempted_version() != held.delivered.in_force().version {
            tracing::warn!("the collector's set of rules was not taken; the one in force stays");
        }
        let in_force = version::both(held.own_version, held.delivered.in_force().version);
        let changed = held.state.version != in_force;
        held.state.version = in_force;
        held.state.delivered_version = held.delivered.in_force().version;
        held.state.rules = number(loaded.rules);
        held.state.delivered_rules = number(loaded.delivered_rules);
        let usable = loaded.set.as_ref().map_or(0, RuleSet::len);
        held.state.usable_rules = number(usable);
        held.set = loaded.set.map(Arc::new);
        if changed {
            tracing::info!(
                rules = loaded.rules,
                delivered = loaded.delivered_rules,
                usable,
                refused = read.refused,
                version = format_args!("{in_force:016x}"),
                "rules in force"
            );
        }
    }

    /// What the state directory has, once.
    fn recall(&self) {
        let Some(state_dir) = &self.state_dir else {
            return;
        };
        if !self.takes_delivered() || std::mem::replace(&mut self.lock().recalled, true) {
            return;
        }
        match kept::read(state_dir) {
            Ok(None) => {}
            Ok(Some(packed)) => self.lock().delivered.recall(packed),
            Err(error) => {
                tracing::warn!(%error, state_dir = %state_dir.display(), "delivered rules that were kept cannot be read; the collector delivers them again");
            }
        }
    }

    /// Puts the delivered set into the state directory, where it is not there yet.
    fn keep(&self) {
        let Some(state_dir) = &self.state_dir else {
            return;
        };
        let packed = {
            let held = self.lock();
            match held.unkept {
                true => held.delivered.in_force().clone(),
                false => return,
            }
        };
        match kept::write(state_dir, &packed) {
            Ok(()) => self.lock().unkept = false,
            Err(error) => {
                tracing::warn!(%error, state_dir = %state_dir.display(), "delivered rules are in force and cannot be kept; it is tried again");
            }
        }
    }

    const fn takes_delivered(&self) -> bool {
        self.config.enabled && self.config.from_collector
    }

    /// Whether there is anywhere to look.
    fn has_places(&self) -> bool {
        !self.config.directories.is_empty() || self.takes_delivered()
    }

    /// Reads the files for the first time, within a deadline.
    pub async fn begin(self: &Arc<Self>) {
        if !self.config.enabled || !self.has_places() {
            return;
        }
        if tokio::time::timeout(FIRST_DEADLINE, self.look_aside(false))
            .await
            .is_err()
        {
            tracing::warn!("directories of rules do not answer; events go without until they do");
        }
    }

    /// Looks for changes for ever, and when SIGHUP asks for it; to be dropped at the end.
    pub async fn watch(self: &Arc<Self>, mut hangup: Signal, notifier: &Notifier) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.check_interval()) => {
                    if self.has_places() {
                        self.look_aside(false).await;
                    }
                }
                () = self.arrived.notified() => self.look_aside(false).await,
                _ = hangup.recv() => {
                    notifier.reloading();
                    self.look_aside(true).await;
                    notifier.reloaded();
                }
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

fn refused_rule(fault: &Fault) -> RefusedRule {
    let file = fault.path.to_string_lossy();
    // The end of a long path tells more than its beginning.
    let mut start = file.len().saturating_sub(TOLD_MAX_BYTES);
    while !file.is_char_boundary(start) {
        start += 1;
    }
    RefusedRule {
        delivered: fault.delivered,
        file: file[start..].replace(char::is_control, "?"),
        line: u32::try_from(fault.line).unwrap_or(u32::MAX),
        reason: truncate(&fault.reason, TOLD_MAX_BYTES).to_owned(),
    }
}
