//! The spool: what was gathered and is not acknowledged yet, on disk, one queue a lane.
//!
//! A lane's directory holds segments (`<first sequence>.segment`, about 1 MiB of checksummed
//! [`record`]s) and a small `state` file with the acknowledged sequence and the source's position
//! at it. Promises: an append is durable (fdatasync) or reported; what an append holds appears
//! whole or not at all after a crash; space is freed only by an ack, or by the quota, which takes
//! the lane's oldest segment and records the range first; reading moves nothing; damage costs the
//! smallest range, is counted, and never stops the start. Leaves retrying to the outbox.

mod batches;
mod config;
mod error;
mod identity;
mod lane;
mod numbering;
pub mod owner;
mod record;
mod room;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{DropRange, LaneState};
use crmscope_proto::{Id, Lane};

use batches::Envelope;
pub use config::Config;
pub use error::SpoolError;
use lane::LaneSpool;
pub use record::{CHECKPOINT_MAX_BYTES, Record};

/// The queues of all lanes.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    config: Config,
    spool_id: Id,
    lanes: [LaneSpool; 4],
    corrupt_bytes: u64,
    /// Gone, and to be recorded in the presence lane before anything else is appended.
    unrecorded: Vec<DropRange>,
    /// Numbering began anew, so that ranges of another spool id are of no lane's any more.
    renumbered: bool,
    /// Bytes appended since the spool was opened.
    appended_bytes: u64,
    _lock: Lock,
}

/// Keeps other agents out of the directory.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started has the file open until it
        // runs its own program.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
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
    /// Opens the spool below `path`, or creates it.
    ///
    /// # Errors
    /// When the directory cannot be read or written, or another agent has it. Damage is no error.
    pub fn open(path: &Path, config: Config) -> Result<(Self, Vec<DropRange>), SpoolError> {
        let disk = |error| SpoolError::Disk {
            path: path.to_owned(),
            error,
        };
        fs::create_dir_all(path).map_err(disk)?;
        let lock = File::create(path.join("lock")).map_err(disk)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(SpoolError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(disk(error.into())),
        }
        let stored_id = identity::stored(path);
        let (mut lost, mut recorded) = (Vec::new(), Vec::new());
        let (mut corrupt_bytes, mut numbering_lost, mut first_batch) = (0, false, None);
        let mut open_lane = |lane| -> Result<LaneSpool, SpoolError> {
            let (spool, damage) = LaneSpool::open(path, lane, stored_id.is_some()).map_err(disk)?;
            lost.extend(damage.lost);
            recorded.extend(damage.drops);
            corrupt_bytes += damage.corrupt_bytes;
            numbering_lost |= damage.numbering_lost;
            first_batch = first_batch.take().or(damage.first_batch);
            Ok(spool)
        };
        let lanes = [
            open_lane(Lane::Metrics)?,
            open_lane(Lane::Requests)?,
            open_lane(Lane::Security)?,
            open_lane(Lane::Presence)?,
        ];
        if corrupt_bytes > 0 {
            tracing::warn!(path = %path.display(), corrupt_bytes, "spool was damaged; what could not be read is reported as dropped");
        }
        let earlier_id = stored_id.or_else(|| identity::of_batch(&first_batch?));
        let spool_id = earlier_id
            .filter(|_| !numbering_lost)
            .unwrap_or_else(identity::draw);
        if stored_id != Some(spool_id) {
            identity::store(path, spool_id).map_err(disk)?;
        }
        let mut spool = Self {
            path: path.to_owned(),
            config,
            spool_id,
            lanes,
            corrupt_bytes,
            unrecorded: Vec::new(),
            renumbered: false,
            appended_bytes: 0,
            _lock: Lock(lock),
        };
        // What is missing was given out under the id of then.
        let lost_id = earlier_id.unwrap_or(spool_id).to_wire();
        for range in &mut lost {
            range.spool_id.clone_from(&lost_id);
        }
        spool.finish_drops(&recorded, &lost_id)?;
        if numbering_lost {
            spool.begin_numbering()?;
        }
        let lost = lost
            .iter()
            .flat_map(|range| spool.lanes[position(range.lane())].unreported(range))
            .collect();
        Ok((spool, lost))
    }

    /// Identifier of this spool's numbering.
    #[must_use]
    pub const fn spool_id(&self) -> Id {
        self.spool_id
    }

    /// Bytes found damaged when the spool was opened.
    #[must_use]
    pub const fn corrupt_bytes(&self) -> u64 {
        self.corrupt_bytes
    }

    /// Where the lane's source stood when its newest kept batch was made; empty when nowhere.
    #[must_use]
    pub fn checkpoint(&self, lane: Lane) -> &[u8] {
        self.lanes[position(lane)].checkpoint()
    }

    /// Numbers, seals and stores contents, split where they pass a batch's limit, as one durable step.
    ///
    /// # Errors
    /// When the disk refuses: nothing was stored then, and the contents can be given again.
    pub fn append(
        &mut self,
        origin: &Origin,
        lane: Lane,
        contents: &Contents,
        checkpoint: Option<Vec<u8>>,
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        let checkpoint = checkpoint.unwrap_or_default();
        if checkpoint.len() > CHECKPOINT_MAX_BYTES {
            return Err(SpoolError::Checkpoint(checkpoint.len()));
        }
        self.record_unrecorded(origin, created_ms)?;
        let envelope = Envelope {
            origin,
            spool_id: self.spool_id.to_wire(),
            lane,
            created_ms,
        };
        let first_sequence = self.lanes[position(lane)].next_sequence();
        let (mut records, left_out) = envelope.seal(contents.clone(), first_sequence);
        let size = |record: &Record| (record.batch.len() + record::HEADER_BYTES) as u64;
        let bytes = records.iter().map(size).sum::<u64>() + checkpoint.len() as u64;
        self.make_room(origin, lane, bytes, created_ms)?;
        let next_sequence = self.lanes[position(lane)].next_sequence();
        if next_sequence != first_sequence {
            // What had to go was recorded in this very lane, and took the numbers.
            records = envelope.seal(contents.clone(), next_sequence).0;
        }
        if let Some(last) = records.last_mut() {
            last.checkpoint = checkpoint;
        }
        self.store(lane, &records)?;
        self.lanes[position(lane)].leave_out(left_out);
        Ok(())
    }

    /// Keeps a source's position although nothing was found; see [`Spool::checkpoint`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_checkpoint(&mut self, lane: Lane, checkpoint: Vec<u8>) -> Result<(), SpoolError> {
        if checkpoint.len() > CHECKPOINT_MAX_BYTES {
            return Err(SpoolError::Checkpoint(checkpoint.len()));
        }
        self.lanes[position(lane)]
            .keep_checkpoint(checkpoint)
            .map_err(|error| self.disk(error))
    }

    fn store(&mut self, lane: Lane, records: &[Record]) -> Result<(), SpoolError> {
        self.lanes[position(lane)]
            .append(records)
            .map_err(|error| self.disk(error))?;
        let batches = records.iter().map(|record| record.batch.len() as u64);
        self.appended_bytes += batches.sum::<u64>();
        Ok(())
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
        let mut vanished = self.lanes[position(lane)].take_vanished();
        for range in &mut vanished {
            tracing::error!(path = %self.path.display(), lane = lane.name(), first_sequence = range.first_sequence, last_sequence = range.last_sequence, "a segment was removed by somebody; its batches are lost and reported");
            range.spool_id = self.spool_id.to_wire();
        }
        self.unrecorded.extend(vanished);
        records.map_err(|error| self.disk(error))
    }

    /// Frees a lane up to `sequence`, and keeps the source's position there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn acknowledge(&mut self, lane: Lane, sequence: u64) -> Result<(), SpoolError> {
        self.lanes[position(lane)]
            .acknowledge(sequence)
            .map_err(|error| self.disk(error))
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

    fn disk(&self, error: io::Error) -> SpoolError {
        SpoolError::Disk {
            path: self.path.clone(),
            error,
        }
    }
}

fn position(lane: Lane) -> usize {
    lane.position().unwrap_or(0)
}
