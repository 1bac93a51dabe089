//! The spool: what was gathered and is not acknowledged yet, on disk, one queue a lane.
//!
//! A lane's directory holds segments (`<first sequence>.segment`, about 1 MiB of checksummed
//! [`record`]s) and a small `state` file with the acknowledged sequence and the source's position
//! at it. Promises: an append is durable (fdatasync) or reported; what an append holds appears
//! whole or not at all after a crash; space is freed only by an ack, or by the quota, which takes
//! the lane's oldest segment and records the range first; reading moves nothing; damage costs the
//! smallest range, is counted, and never stops the start. Leaves retrying to the outbox.

mod lane;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crmscope_proto::payload::{Contents, open};
use crmscope_proto::v1::{Batch, DropRange, LaneState};
use crmscope_proto::{DecodeError, Id, Lane, seal};
use prost::Message as _;
use serde::{Deserialize, Serialize};

use lane::LaneSpool;
pub use record::{CHECKPOINT_MAX_BYTES, Record};

/// Quotas of the spool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes the metrics lane may hold; the oldest goes first beyond that.
    pub metrics_max_bytes: u64,
    /// The same for the requests lane.
    pub requests_max_bytes: u64,
    /// The same for the security lane.
    pub security_max_bytes: u64,
    /// The same for the presence lane.
    pub presence_max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            metrics_max_bytes: 256 * MIB,
            requests_max_bytes: 256 * MIB,
            security_max_bytes: 256 * MIB,
            presence_max_bytes: 64 * MIB,
        }
    }
}

impl Config {
    /// Smallest quota that still holds a segment and a large batch beside it.
    const QUOTA_MIN_BYTES: u64 = 4 * 1024 * 1024;

    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the key that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        for lane in Lane::BY_URGENCY {
            if self.quota_bytes(lane) < Self::QUOTA_MIN_BYTES {
                let name = lane.name();
                return Err(format!(
                    "spool.{name}_max_bytes must be at least {} (4 MiB)",
                    Self::QUOTA_MIN_BYTES
                ));
            }
        }
        Ok(())
    }

    const fn quota_bytes(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Metrics | Lane::Unspecified => self.metrics_max_bytes,
            Lane::Requests => self.requests_max_bytes,
            Lane::Security => self.security_max_bytes,
            Lane::Presence => self.presence_max_bytes,
        }
    }
}

/// Why the spool could not do something.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error("spool {path}: {error}")]
    Disk {
        /// Directory of the spool.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Another agent has it.
    #[error("spool {path} is in use by another crmscope-agent; give each its own state_dir")]
    InUse {
        /// Directory of the spool.
        path: PathBuf,
    },
    /// One row alone passes the batch limit.
    #[error("a single row does not fit in a batch: {0}")]
    TooLarge(DecodeError),
    /// The position of a source is larger than a record may hold.
    #[error("a checkpoint of {0} bytes is over the limit of {CHECKPOINT_MAX_BYTES}")]
    Checkpoint(usize),
}

/// The queues of all lanes.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    config: Config,
    spool_id: Id,
    lanes: [LaneSpool; 4],
    corrupt_bytes: u64,
    _lock: File,
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
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(SpoolError::InUse {
                path: path.to_owned(),
            });
        }
        let (mut lost, mut corrupt_bytes, mut numbering_lost, mut first_batch) =
            (Vec::new(), 0, false, None);
        let mut open_lane = |lane| -> Result<LaneSpool, SpoolError> {
            let (spool, damage) = LaneSpool::open(path, lane).map_err(disk)?;
            lost.extend(damage.lost);
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
        let spool_id =
            load_id(&path.join("spool_id"), first_batch, numbering_lost).map_err(disk)?;
        for range in &mut lost {
            range.spool_id = spool_id.to_wire();
        }
        Ok((
            Self {
                path: path.to_owned(),
                config,
                spool_id,
                lanes,
                corrupt_bytes,
                _lock: lock,
            },
            lost,
        ))
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
        let envelope = Batch {
            agent_id: origin.agent_id.clone(),
            boot_id: origin.boot_id.to_wire(),
            start_id: origin.start_id.to_wire(),
            spool_id: self.spool_id.to_wire(),
            lane: lane.into(),
            created_ms,
            ..Batch::default()
        };
        let first_sequence = self.lanes[position(lane)].next_sequence();
        let mut records = Vec::new();
        seal_all(contents.clone(), &envelope, first_sequence, &mut records)?;
        if let Some(last) = records.last_mut() {
            last.continues = false;
            last.checkpoint = checkpoint;
        }
        let size: u64 = records.iter().map(|record| record.batch.len() as u64).sum();
        self.make_room(origin, lane, size, created_ms)?;
        self.store(lane, &records)
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
            .map_err(|error| self.disk(error))
    }

    /// Frees the lane's oldest segments until `size` more bytes fit its quota. Each range is
    /// recorded in the presence lane before it goes, so that a crash between leaves it recorded.
    fn make_room(
        &mut self,
        origin: &Origin,
        lane: Lane,
        size: u64,
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        let quota = self.config.quota_bytes(lane);
        while self.lanes[position(lane)].bytes() + size > quota {
            let Some(range) = self.lanes[position(lane)].oldest_range(&self.spool_id.to_wire())
            else {
                break;
            };
            tracing::warn!(
                lane = lane.name(),
                first_sequence = range.first_sequence,
                last_sequence = range.last_sequence,
                quota_bytes = quota,
                "spool is full; the oldest batches are dropped and reported"
            );
            self.lanes[position(lane)]
                .drop_range(&range)
                .map_err(|error| self.disk(error))?;
            self.record_drops(origin, vec![range], created_ms)?;
        }
        Ok(())
    }

    /// Stores drop ranges in the presence lane, without regard to its quota.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn record_drops(
        &mut self,
        origin: &Origin,
        drops: Vec<DropRange>,
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        if drops.is_empty() {
            return Ok(());
        }
        let envelope = Batch {
            agent_id: origin.agent_id.clone(),
            boot_id: origin.boot_id.to_wire(),
            start_id: origin.start_id.to_wire(),
            spool_id: self.spool_id.to_wire(),
            lane: Lane::Presence.into(),
            created_ms,
            ..Batch::default()
        };
        let first_sequence = self.lanes[position(Lane::Presence)].next_sequence();
        let mut records = Vec::new();
        seal_all(
            Contents {
                drops,
                ..Contents::default()
            },
            &envelope,
            first_sequence,
            &mut records,
        )?;
        if let Some(last) = records.last_mut() {
            last.continues = false;
        }
        self.store(Lane::Presence, &records)
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
        self.lanes[position(lane)]
            .read(after, max_batches, max_bytes)
            .map_err(|error| self.disk(error))
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

/// Seals contents into records, in halves where they are too large.
fn seal_all(
    contents: Contents,
    envelope: &Batch,
    first_sequence: u64,
    records: &mut Vec<Record>,
) -> Result<(), SpoolError> {
    let sequence = first_sequence + records.len() as u64;
    match seal(
        &contents,
        Batch {
            sequence,
            ..envelope.clone()
        },
    ) {
        Ok(batch) => {
            records.push(Record {
                sequence,
                created_ms: envelope.created_ms,
                items: batch.items,
                continues: true,
                checkpoint: Vec::new(),
                batch: batch.encode_to_vec(),
            });
            Ok(())
        }
        Err(error) if contents.items() < 2 => Err(SpoolError::TooLarge(error)),
        Err(_) => {
            let (first, second) = contents.split();
            seal_all(first, envelope, first_sequence, records)?;
            seal_all(second, envelope, first_sequence, records)
        }
    }
}

/// The spool's id: from its file, else from a batch that is still there, else drawn anew.
fn load_id(path: &Path, first_batch: Option<Vec<u8>>, numbering_lost: bool) -> io::Result<Id> {
    let stored = fs::read_to_string(path)
        .ok()
        .and_then(|text| Id::parse(&text).ok());
    let from_batch = || {
        let batch = Batch::decode(first_batch?.as_slice()).ok()?;
        open(&batch).ok()?;
        Id::from_wire(&batch.spool_id).ok()
    };
    if let Some(id) = stored.filter(|_| !numbering_lost) {
        return Ok(id);
    }
    let id = from_batch()
        .filter(|_| !numbering_lost)
        .unwrap_or_else(|| Id(fastrand::u128(..).to_le_bytes()));
    let temporary = path.with_extension("new");
    fs::write(&temporary, format!("{id}\n"))?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(id)
}
