//! A spool on its way to being opened: at the start, or later where the disk does not let it yet.
//!
//! Promises that a spool that is there and cannot be read ends no agent: it is left as it is, has a
//! named state, and is tried again. Only what a person must decide ends the start: a directory that
//! another agent uses, batches of another agent id, and no leave to make a new spool.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::v1::DropRange;

use super::disk::{DeadlineDisk, Disk, RealDisk};
use super::health::Health;
use super::{Config, Spool, SpoolError, SpoolState, owner};

/// Time between attempts.
const INTERVAL: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Opening {
    disk: Arc<dyn Disk>,
    state_dir: PathBuf,
    config: Config,
    agent_id: String,
    named: bool,
    health: Health,
    due: Option<Instant>,
}

/// A spool that is open.
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// What of it was lost, to be recorded.
    pub lost: Vec<DropRange>,
    /// The agent id to go by.
    pub agent_id: String,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("spool", &self.spool)
            .finish_non_exhaustive()
    }
}

impl Opening {
    /// Of the spool in `state_dir`, for an agent that goes by `agent_id`; see [`owner::settle`].
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn new(
        state_dir: &Path,
        config: Config,
        agent_id: &str,
        named: bool,
    ) -> Result<Self, SpoolError> {
        let disk = DeadlineDisk::new(Arc::new(RealDisk)).map_err(|error| SpoolError::Disk {
            path: state_dir.to_owned(),
            error,
        })?;
        Ok(Self::on(Arc::new(disk), state_dir, config, agent_id, named))
    }

    pub(super) fn on(
        disk: Arc<dyn Disk>,
        state_dir: &Path,
        config: Config,
        agent_id: &str,
        named: bool,
    ) -> Self {
        Self {
            disk,
            state_dir: state_dir.to_owned(),
            config,
            agent_id: agent_id.to_owned(),
            named,
            health: Health::new(&state_dir.join("spool")),
            due: None,
        }
    }

    /// The first attempt; `None` when a spool is there, or may be, and cannot be read yet.
    ///
    /// # Errors
    /// When a person must decide; see the module.
    pub fn open(&mut self) -> Result<Option<Opened>, SpoolError> {
        self.due = Some(Instant::now() + INTERVAL);
        match self.attempt() {
            Ok(opened) => Ok(Some(opened)),
            Err(SpoolError::Disk { path, error })
                if error.kind() == io::ErrorKind::PermissionDenied
                    && Spool::is_new(self.disk.as_ref(), &self.state_dir.join("spool")) =>
            {
                Err(SpoolError::Disk { path, error })
            }
            Err(error @ SpoolError::Disk { .. }) => {
                self.tell(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Another attempt, when it is time.
    pub fn open_again(&mut self, now: Instant) -> Option<Opened> {
        if self.due.is_some_and(|due| now < due) {
            return None;
        }
        self.due = Some(now + INTERVAL);
        let error = match self.attempt() {
            Ok(opened) if opened.agent_id == self.agent_id => {
                self.health.good();
                return Some(opened);
            }
            Ok(opened) => SpoolError::Renamed {
                path: self.state_dir.clone(),
                pinned: opened.agent_id,
                agent_id: self.agent_id.clone(),
            },
            Err(error) => error,
        };
        self.tell(&error);
        None
    }

    fn attempt(&self) -> Result<Opened, SpoolError> {
        let root = self.state_dir.join("spool");
        let (mut spool, lost) = Spool::open_or_hold(&self.disk, &root, self.config.clone())?;
        let agent_id = owner::settle(&self.state_dir, &mut spool, &self.agent_id, self.named)?;
        Ok(Opened {
            spool,
            lost,
            agent_id,
        })
    }

    fn tell(&mut self, error: &SpoolError) {
        match error {
            SpoolError::Disk { error, .. } if error.kind() == io::ErrorKind::TimedOut => {
                self.health.bad(error);
            }
            error => self.health.closed(&error.to_string()),
        }
    }

    /// How the disk does.
    #[must_use]
    pub fn spool_state(&self) -> SpoolState {
        self.health.state()
    }

    /// What everybody is told who wants something of the spool.
    #[must_use]
    pub fn refusal(&self) -> SpoolError {
        SpoolError::Closed {
            path: self.state_dir.join("spool"),
        }
    }
}
