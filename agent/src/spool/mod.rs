//! The spool: what was gathered and is not acknowledged yet, on disk, one queue a lane.
//!
//! A lane's directory holds segments (`<first sequence>.segment`, about 1 MiB of checksummed
//! [`record`]s) and a small `state` file with the acknowledged sequence and the source's position
//! at it. Promises: a security batch is durable (fdatasync) when it counts as appended, any other
//! soon after, and none is sent before, so that no number stands for two contents through a power
//! loss; what an append holds appears whole or not at all after a crash; space is freed only by an
//! ack, or for want of room, which takes the lane's oldest segment and records the range first;
//! reading moves nothing; damage costs the smallest range, is counted, reported and kept aside, and
//! never stops the start; a disk that refuses has a named state and needs no restart. Leaves
//! retrying to the outbox.

mod append;
mod batches;
mod config;
mod damage;
mod disk;
mod error;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod health;
mod identity;
mod lane;
mod numbering;
mod open;
mod opening;
pub mod owner;
mod record;
mod room;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crmscope_proto::v1::{DropRange, LaneState};
use crmscope_proto::{Id, Lane};

pub use batches::Sealed;
pub use config::Config;
use damage::Damaged;
use disk::{Disk, Lock};
pub use error::SpoolError;
use health::Health;
pub use health::SpoolState;
use lane::LaneSpool;
pub use opening::{Opened, Opening};
pub use record::{CHECKPOINT_MAX_BYTES, Record};

/// The queues of all lanes.
#[derive(Debug)]
pub struct Spool {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    config: Config,
    spool_id: Id,
    /// The id is on disk.
    identified: bool,
    lanes: [LaneSpool; 4],
    damaged: Damaged,
    health: Health,
    /// Gone, and to be recorded in the presence lane before anything else is appended.
    unrecorded: Vec<DropRange>,
    /// Numbering began anew, so that ranges of another spool id are of no lane's any more.
    renumbered: bool,
    /// Bytes appended since the spool was opened.
    appended_bytes: u64,
    /// A spool that is held in memory is moved to the disk.
    settles: bool,
    /// When a spool that is held in memory is moved to the disk, or tried to be.
    settle_due: Option<Instant>,
    _lock: Lock,
}

/// What the spool holds, and what went through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of batches appended since the spool was opened.
    pub appended_bytes: u64,
    /// Bytes on disk of the lane that is nearest to its quota.
    pub fullest_used_bytes: u64,
    /// That lane's quota.
    pub fullest_max_bytes: u64,
}

/// Who makes the batches: the part of an envelope that stays the same.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Agent id.
    pub agent_id: String,
    /// Boot of the host.
    pub boot_id: Id,
    /// Start of the agent.
    pub start_id: Id,
}

impl Spool {
    /// Takes over what the lanes found by the way.
    fn look(&mut self) {
        for lane in Lane::BY_URGENCY {
            let spool = &mut self.lanes[position(lane)];
            let pieces = spool.take_pieces();
            let trouble = spool.take_trouble();
            let mut vanished = spool.take_vanished();
            self.damaged.keep(lane, pieces);
            if let Some(error) = trouble {
                self.health.bad(&error);
            }
            for range in &mut vanished {
                range.spool_id = self.spool_id.to_wire();
                tracing::error!(path = %self.path.display(), lane = lane.name(), first_sequence = range.first_sequence, last_sequence = range.last_sequence, "batches are gone from the disk; they are reported");
            }
            self.unrecorded.extend(vanished);
        }
    }

    /// Identifier of this spool's numbering.
    #[must_use]
    pub const fn spool_id(&self) -> Id {
        self.spool_id
    }

    /// Bytes found damaged since the spool was opened.
    #[must_use]
    pub const fn corrupt_bytes(&self) -> u64 {
        self.damaged.bytes()
    }

    /// How the disk does.
    #[must_use]
    pub fn spool_state(&self) -> SpoolState {
        self.health.state()
    }

    /// Whether a heartbeat that is appended now can be sent, as far as the last write tells.
    #[must_use]
    pub fn takes_heartbeats(&self) -> bool {
        let state = self.spool_state();
        self.disk.is_in_memory()
            || matches!(
                state,
                // On a full disk numbers can be reserved.
                SpoolState::Good | SpoolState::Quota | SpoolState::Full
            )
    }

    /// Where the lane's source stood when its newest kept batch was made; empty when nowhere.
    #[must_use]
    pub fn checkpoint(&self, lane: Lane) -> &[u8] {
        self.lanes[position(lane)].checkpoint()
    }

    /// Batches of a lane above `after`, oldest first, up to the bounds (at least one when there is any).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(
        &mut self,
        lane: Lane,
        after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, SpoolError> {
        let records = self.lanes[position(lane)].read(after, max_batches, max_bytes);
        self.look();
        records.map_err(|error| self.refused(error))
    }

    /// Frees a lane up to `sequence`, and keeps the source's position there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn acknowledge(&mut self, lane: Lane, sequence: u64) -> Result<(), SpoolError> {
        let position = position(lane);
        let outcome = self.lanes[position].acknowledge(sequence);
        let bytes = self.lanes[position].bytes();
        self.health
            .quota(position, false, bytes, self.config.quota_bytes(lane));
        self.look();
        if let Err(error) = &outcome {
            self.health.bad(error);
        }
        outcome.map_err(|error| self.refused(error))
    }

    /// Forgets what is under way, for a new connection.
    pub fn rewind(&mut self) {
        self.lanes.iter_mut().for_each(LaneSpool::rewind);
    }

    /// What is held, and what was appended.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let lanes = Lane::BY_URGENCY.map(|lane| {
            let used_bytes = self.lanes[position(lane)].bytes();
            (used_bytes, self.config.quota_bytes(lane))
        });
        // Compared as fractions: used / max.
        let fullest = lanes.into_iter().max_by(|a, b| {
            (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)))
        });
        let (fullest_used_bytes, fullest_max_bytes) = fullest.unwrap_or_default();
        Usage {
            appended_bytes: self.appended_bytes,
            fullest_used_bytes,
            fullest_max_bytes,
        }
    }

    /// Accounting of every lane.
    #[must_use]
    pub fn states(&self) -> Vec<LaneState> {
        self.lanes.iter().map(LaneSpool::state).collect()
    }

    fn refused(&self, error: io::Error) -> SpoolError {
        SpoolError::Disk {
            path: self.path.clone(),
            error,
        }
    }
}

fn position(lane: Lane) -> usize {
    lane.position().unwrap_or(0)
}
