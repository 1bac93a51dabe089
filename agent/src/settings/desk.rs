//! The desk: takes settings of the collector, has them tried, and says what became of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crmscope_proto::v1::{ConfigStatus, Settings, SettingsState};
use tokio::sync::{Notify, watch};

use super::health::Before;
use super::kept::{self, Entry, Kept};
use super::merged;
use super::trial::{Judgement, Offered, Trials};
use crate::runtime::crew::Crew;

/// How long a start waits for what was kept; behind a mount that hangs, nothing of a collector is in force.
const FIRST_DEADLINE: Duration = Duration::from_secs(5);

/// Time between looks at settings on probation, and between attempts to keep what the disk refused.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Desk {
    state_dir: PathBuf,
    /// The agent's own; `None` where a collector may set nothing.
    own: Option<Box<crate::Config>>,
    held: Mutex<Held>,
    is_connected: AtomicBool,
    /// Settings came.
    arrived: Notify,
    /// Changes of what became of them.
    outcomes: watch::Sender<u64>,
    /// One writes at a time.
    writing: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Held {
    trials: Trials,
    arrived: Option<Settings>,
    /// The state directory has not what is to be known yet.
    unkept: bool,
    /// What was kept did not come in time: nobody knows what is bad.
    is_closed: bool,
    before: Before,
}

impl Desk {
    /// Of an agent with this configuration of its own. Nothing is read before [`Desk::start`].
    #[must_use]
    pub fn new(own: &crate::Config) -> Self {
        let held = Held {
            trials: Trials::new(own.settings.probation()),
            ..Held::default()
        };
        Self {
            state_dir: own.state_dir.clone(),
            own: own.settings.from_collector.then(|| Box::new(own.clone())),
            held: Mutex::new(held),
            is_connected: AtomicBool::new(false),
            arrived: Notify::new(),
            outcomes: watch::Sender::default(),
            writing: Arc::default(),
        }
    }

    /// Reads what was kept, and says which configuration to begin with, where it is not the agent's own.
    pub fn start(&self) -> Option<crate::Config> {
        let own = self.own.as_deref()?;
        let kept = match recall_in_time(&self.state_dir) {
            None => {
                tracing::warn!(state_dir = %self.state_dir.display(), "settings that were kept do not come; until the next start the collector may set nothing");
                self.lock().is_closed = true;
                return None;
            }
            Some(Ok(kept)) => kept,
            Some(Err(error)) => {
                tracing::warn!(%error, state_dir = %self.state_dir.display(), "settings that were kept cannot be read; the collector delivers them again");
                return None;
            }
        };
        let mut held = self.lock();
        let rolls_back = held.trials.recall(kept, Instant::now());
        if rolls_back {
            held.unkept = true;
            let state = held.trials.state();
            tracing::warn!(version = %shown(state.attempted_version), reason = state.error, "settings of the collector are rolled back");
        }
        // What passed may not fit what the host's own file says now.
        while let Some(entry) = held.trials.in_force() {
            let version = entry.version;
            match lay(own, entry) {
                Ok(config) => {
                    tracing::info!(version = %shown(version), "settings of the collector are in force");
                    return Some(config);
                }
                Err(reason) => {
                    tracing::warn!(version = %shown(version), reason, "settings of the collector are refused");
                    held.trials.unfit(&reason);
                }
            }
        }
        None
    }

    /// Whether a collector may set anything.
    #[must_use]
    pub fn takes(&self) -> bool {
        self.own.is_some() && !self.lock().is_closed
    }

    /// Version of what came last, whatever became of it; `None` where a collector may set nothing.
    #[must_use]
    pub fn attempted_version(&self) -> Option<u64> {
        self.takes().then(|| self.lock().trials.attempted())
    }

    /// Version in force; 0 is the agent's own.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.lock().trials.version()
    }

    /// Takes settings from a collector, to be tried soon. Of several, the last counts.
    pub fn deliver(&self, settings: Settings) {
        if self.takes() {
            self.lock().arrived = Some(settings);
            self.arrived.notify_one();
        }
    }

    /// Whether the collector is there.
    pub fn connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
    }

    /// Changes whenever something became of settings; then [`Desk::status`] says what.
    #[must_use]
    pub fn outcomes(&self) -> watch::Receiver<u64> {
        self.outcomes.subscribe()
    }

    /// What heartbeats tell.
    #[must_use]
    pub fn state(&self) -> SettingsState {
        match self.takes() {
            true => self.lock().trials.state(),
            false => SettingsState::default(),
        }
    }

    /// What became of the settings that came last.
    #[must_use]
    pub fn status(&self) -> ConfigStatus {
        let state = self.state();
        ConfigStatus {
            attempted_version: state.attempted_version,
            effective_version: state.version,
            error: state.error,
        }
    }

    /// Tries what comes, for ever; to be dropped at the end.
    ///
    /// # Errors
    /// When a thread cannot be started. The next start takes back what was on probation.
    pub async fn run(&self, crew: &mut Crew) -> std::io::Result<()> {
        if !self.takes() {
            return std::future::pending().await;
        }
        loop {
            tokio::select! {
                () = self.arrived.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL), if self.has_to_look() => {}
            }
            let came = self.take(crew).await?;
            self.look(crew).await?;
            self.keep().await;
            if came {
                // A collector may send without end; of what comes meanwhile, the last counts.
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }

    /// Notes that the agent is stopped in good order: that is no fault of settings on probation.
    pub async fn stopped(&self) {
        let kept = {
            let held = self.lock();
            if !held.trials.is_on_probation() && !held.unkept {
                return;
            }
            held.trials.kept(true)
        };
        let written = tokio::time::timeout(FIRST_DEADLINE, self.write(kept)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(
                "it cannot be noted that the agent is stopped; the next start rolls settings on probation back"
            );
        }
    }

    fn has_to_look(&self) -> bool {
        let held = self.lock();
        held.trials.is_on_probation() || held.unkept
    }

    /// Whether there was something.
    async fn take(&self, crew: &mut Crew) -> std::io::Result<bool> {
        let arrived = self.lock().arrived.take();
        let (Some(settings), Some(own)) = (arrived, self.own.as_deref()) else {
            return Ok(false);
        };
        let version = settings.version;
        let offered = self.lock().trials.offered(version);
        match offered {
            Offered::InForce => self.lock().trials.confirm(),
            Offered::Bad => {
                tracing::warn!(version = %shown(version), "settings of the collector were rolled back before; those in force stay");
                self.lock().trials.refuse_bad(version);
            }
            Offered::Proven | Offered::New => match entry(&settings) {
                Ok(entry) => match lay(own, &entry) {
                    Ok(config) => self.try_out(entry, &config, offered, crew).await?,
                    Err(reason) => self.refuse(version, &reason),
                },
                Err(reason) => self.refuse(version, &reason),
            },
        }
        self.tell();
        Ok(true)
    }

    async fn try_out(
        &self,
        entry: Entry,
        config: &crate::Config,
        offered: Offered,
        crew: &mut Crew,
    ) -> std::io::Result<()> {
        let version = entry.version;
        let before = self.effective();
        if offered == Offered::New {
            // What is not written down cannot be taken back for certain.
            let kept = {
                let mut held = self.lock();
                // Where the agent is stopped meanwhile, they were not tried.
                held.unkept = true;
                held.trials.kept_before(&entry)
            };
            if let Err(error) = self.write(kept).await {
                let reason = format!(
                    "the state directory does not take a note of them, without which they could not be rolled back for certain: {error}"
                );
                self.refuse(version, &reason);
                return Ok(());
            }
            let mut held = self.lock();
            // What failed under others that are on probation still is not what worked before.
            if !held.trials.is_on_probation() {
                held.before = Before::new(crew.outcomes());
            }
            held.trials.begin(entry, Instant::now());
            held.unkept = false;
            tracing::info!(version = %shown(version), "settings of the collector are in force, on probation");
        } else {
            let mut held = self.lock();
            held.trials.give_back(version);
            held.unkept = true;
            tracing::info!(version = %shown(version), "settings of the collector are in force");
        }
        crew.adopt(before.as_ref(), config, version).await
    }

    async fn look(&self, crew: &mut Crew) -> std::io::Result<()> {
        let judgement = {
            let now = Instant::now();
            let mut held = self.lock();
            if !held.trials.is_on_probation() {
                return Ok(());
            }
            let is_over = held.trials.is_over(now);
            let failing = held.before.failing(&crew.outcomes(), is_over);
            let is_connected = self.is_connected.load(Ordering::Relaxed);
            let judgement = held.trials.judge(now, is_connected, failing);
            held.unkept |= judgement != Judgement::Open;
            judgement
        };
        match judgement {
            Judgement::Open => return Ok(()),
            Judgement::Passed => {
                tracing::info!(version = %shown(self.version()), "settings of the collector passed their probation");
            }
            Judgement::RolledBack(entry) => {
                let state = self.state();
                tracing::warn!(version = %shown(entry.version), reason = state.error, "settings of the collector are rolled back");
                let own = self.own.as_deref();
                let before = own.and_then(|own| lay(own, &entry).ok());
                if let Some(after) = self.effective() {
                    crew.adopt(before.as_ref(), &after, state.version).await?;
                }
            }
        }
        self.tell();
        Ok(())
    }

    /// The configuration in force.
    fn effective(&self) -> Option<crate::Config> {
        let own = self.own.as_deref()?;
        match self.lock().trials.in_force() {
            Some(entry) => lay(own, entry).ok(),
            None => Some(own.clone()),
        }
    }

    fn refuse(&self, version: u64, reason: &str) {
        tracing::warn!(version = %shown(version), reason, "settings of the collector are refused; those in force stay");
        self.lock().trials.refuse(version, reason);
    }

    fn tell(&self) {
        self.outcomes.send_modify(|outcomes| *outcomes += 1);
    }

    /// Puts what is to be known into the state directory, where it is not there yet.
    async fn keep(&self) {
        let kept = {
            let held = self.lock();
            match held.unkept {
                true => held.trials.kept(false),
                false => return,
            }
        };
        match self.write(kept).await {
            Ok(()) => self.lock().unkept = false,
            Err(error) => {
                tracing::debug!(%error, "what became of settings cannot be kept; it is tried again");
            }
        }
    }

    async fn write(&self, kept: Kept) -> std::io::Result<()> {
        let (state_dir, turn) = (self.state_dir.clone(), Arc::clone(&self.writing));
        let writing = tokio::task::spawn_blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            kept::write(&state_dir, &kept)
        });
        writing.await.map_err(std::io::Error::other)?
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settings as they came, unless they cannot even be text.
fn entry(settings: &Settings) -> Result<Entry, String> {
    let overlay = std::str::from_utf8(&settings.overlay)
        .map_err(|_| "the settings cannot be read: they are no text".to_owned())?;
    Ok(Entry {
        version: settings.version,
        overlay: overlay.to_owned(),
    })
}

fn lay(own: &crate::Config, entry: &Entry) -> Result<crate::Config, String> {
    merged(own, &entry.decode()?)
}

/// A version as people see it.
fn shown(version: u64) -> String {
    format!("{version:016x}")
}

/// What was kept, unless the disk does not answer in time.
fn recall_in_time(state_dir: &Path) -> Option<std::io::Result<Kept>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let state_dir = state_dir.to_owned();
    let reading = thread::Builder::new()
        .name("settings".to_owned())
        .spawn(move || drop(sender.send(kept::recall(&state_dir))));
    match reading {
        Ok(_) => receiver.recv_timeout(FIRST_DEADLINE).ok(),
        Err(error) => Some(Err(error)),
    }
}
