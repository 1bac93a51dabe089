//! How the spool's disk does, under a name that people and tables can keep apart.
//!
//! Follows the last attempt to write. Promises one line in the log for each change. Leaves trying
//! again to whoever appends: nothing needs a restart.

use std::io;
use std::path::{Path, PathBuf};

use crmscope_proto::v1;

/// How the disk does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpoolState {
    /// The last write succeeded.
    #[default]
    Good,
    /// It takes writes, but a lane has reached its quota and drops its oldest.
    Quota,
    /// No room, also none that could be made.
    Full,
    /// Mounted read-only.
    ReadOnly,
    /// The directory is gone.
    Missing,
    /// Writes end in errors.
    Failing,
    /// It gives no answer in time.
    Stalled,
    /// A spool is there and cannot be opened.
    Unreadable,
}

impl SpoolState {
    /// Name in telemetry and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Quota => "quota",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Missing => "missing",
            Self::Failing => "failing",
            Self::Stalled => "stalled",
            Self::Unreadable => "unreadable",
        }
    }

    /// As heartbeats carry it.
    #[must_use]
    pub const fn to_wire(self) -> v1::SpoolState {
        match self {
            Self::Good => v1::SpoolState::Good,
            Self::Quota => v1::SpoolState::Quota,
            Self::Full => v1::SpoolState::Full,
            Self::ReadOnly => v1::SpoolState::ReadOnly,
            Self::Missing => v1::SpoolState::Missing,
            Self::Failing => v1::SpoolState::Failing,
            Self::Stalled => v1::SpoolState::Stalled,
            Self::Unreadable => v1::SpoolState::Unreadable,
        }
    }

    /// What an error says of the disk.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::TimedOut => Self::Stalled,
            _ => Self::Failing,
        }
    }

    /// What to do about it.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Good => "nothing",
            Self::Quota => "see why the collector takes nothing, or raise spool.*_max_bytes",
            Self::Full => "make room on it, or move state_dir to another disk",
            Self::ReadOnly => "see why it is read-only, and mount it for writing",
            Self::Missing => "put the directory back, or restart the agent to begin a new spool",
            Self::Failing => "see what the system's log says of the disk",
            Self::Stalled => {
                "see why the disk, or the server that it is mounted from, does not answer"
            }
            Self::Unreadable => {
                "do what the error says, or let the agent's user read and write all that is in it"
            }
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Health {
    path: PathBuf,
    disk: SpoolState,
    /// Lanes that dropped for want of quota and did not get much emptier since.
    at_quota: [bool; 4],
    told: SpoolState,
}

impl Health {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            disk: SpoolState::Good,
            at_quota: [false; 4],
            told: SpoolState::Good,
        }
    }

    pub(super) fn state(&self) -> SpoolState {
        if self.disk == SpoolState::Good && self.at_quota.contains(&true) {
            return SpoolState::Quota;
        }
        self.disk
    }

    /// A write succeeded.
    pub(super) fn good(&mut self) {
        self.disk = SpoolState::Good;
        self.tell("");
    }

    /// A write failed.
    pub(super) fn bad(&mut self, error: &io::Error) {
        self.disk = SpoolState::of(error);
        self.tell(&error.to_string());
    }

    /// The spool cannot be opened.
    pub(super) fn closed(&mut self, error: &str) {
        self.disk = SpoolState::Unreadable;
        self.tell(error);
    }

    /// A lane had to drop, or holds so many bytes now.
    pub(super) fn quota(&mut self, position: usize, dropped: bool, bytes: u64, max_bytes: u64) {
        if dropped {
            self.at_quota[position] = true;
        } else if bytes < max_bytes / 10 * 9 {
            self.at_quota[position] = false;
        }
        self.tell("");
    }

    fn tell(&mut self, error: &str) {
        let state = self.state();
        if state == self.told {
            return;
        }
        let (path, was) = (self.path.display(), self.told.name());
        self.told = state;
        match state {
            SpoolState::Good => tracing::info!(%path, was, "the spool's disk takes writes again"),
            SpoolState::Quota => tracing::warn!(
                %path,
                state = state.name(),
                remedy = state.remedy(),
                "the spool holds what it may; the oldest batches are dropped and reported"
            ),
            SpoolState::Unreadable => tracing::error!(
                %path,
                state = state.name(),
                error,
                remedy = state.remedy(),
                "a spool is there and cannot be opened; it is tried again, heartbeats go on, metrics are held in memory as far as that goes, and logs wait"
            ),
            _ => tracing::error!(
                %path,
                state = state.name(),
                was,
                error,
                remedy = state.remedy(),
                "the spool's disk takes no writes; what is gathered is held in memory as far as that goes"
            ),
        }
    }
}
