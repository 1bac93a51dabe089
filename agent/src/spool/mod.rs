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

mod batches;
mod config;
mod damage;
mod disk;
mod error;
mod health;
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

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{DropRange, LaneState};
use crmscope_proto::{Id, Lane};

use batches::Envelope;
pub use config::Config;
use damage::Damaged;
use disk::{Disk, FirstDisk, Lock, RealDisk};
pub use error::SpoolError;
use health::Health;
pub use health::SpoolState;
use lane::LaneSpool;
pub use record::{CHECKPOINT_MAX_BYTES, Record};
use segment::Segment;

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
    /// When a spool that is held in memory is moved to the disk, or tried to be.
    settle_due: Option<Instant>,
    _lock: Lock,
}

/// Time between attempts to move a spool from memory to a disk that did not take it.
const SETTLE_INTERVAL: Duration = Duration::from_secs(10);

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
        Self::open_or_hold(&(Arc::new(RealDisk) as Arc<dyn Disk>), path, config)
    }

    /// Holds a new spool in memory, where the disk does not take one yet.
    pub(crate) fn open_or_hold(
        disk: &Arc<dyn Disk>,
        path: &Path,
        config: Config,
    ) -> Result<(Self, Vec<DropRange>), SpoolError> {
        let health = match Self::open_on(Arc::clone(disk), path, config.clone()) {
            Err(SpoolError::Disk { error, .. })
                if error.kind() != io::ErrorKind::PermissionDenied
                    && Self::is_new(disk.as_ref(), path) =>
            {
                let mut health = Health::new(path);
                health.bad(&error);
                health
            }
            Ok((spool, _)) if !spool.identified && Self::is_new(disk.as_ref(), path) => {
                spool.health.clone()
            }
            outcome => return outcome,
        };
        let first = Arc::new(FirstDisk::new(Arc::clone(disk)));
        let (mut spool, lost) = Self::open_on(first, path, config)?;
        spool.health = health;
        Ok((spool, lost))
    }

    /// Whether nothing of a spool is there.
    fn is_new(disk: &dyn Disk, path: &Path) -> bool {
        let has_segments = |lane: Lane| {
            let listed = Segment::list(disk, &path.join(lane.name()));
            listed.is_ok_and(|segments| !segments.is_empty())
        };
        identity::stored(disk, path).is_none() && !Lane::BY_URGENCY.into_iter().any(has_segments)
    }

    /// Moves a spool that is held in memory to the disk, once that takes it.
    fn settle(&mut self, now: Instant) {
        if !self.disk.is_in_memory() || self.settle_due.is_some_and(|due| now < due) {
            return;
        }
        self.settle_due = Some(now + SETTLE_INTERVAL);
        self.lanes.iter_mut().for_each(LaneSpool::close);
        match self.disk.settle(&self.path.join("lock")) {
            Ok(lock) => {
                self._lock = lock;
                self.health.good();
            }
            Err(error) => self.health.bad(&error),
        }
    }

    /// The same on a disk of any kind.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        config: Config,
    ) -> Result<(Self, Vec<DropRange>), SpoolError> {
        let refused = |error| SpoolError::Disk {
            path: path.to_owned(),
            error,
        };
        disk.create_directory(path).map_err(refused)?;
        let lock = disk.lock(&path.join("lock")).map_err(refused)?;
        let Some(lock) = lock else {
            return Err(SpoolError::InUse {
                path: path.to_owned(),
            });
        };
        let mut damaged = Damaged::new(Arc::clone(&disk), path);
        let stored_id = identity::stored(disk.as_ref(), path);
        let (mut lost, mut recorded) = (Vec::new(), Vec::new());
        let (mut numbering_lost, mut first_batch) = (false, None);
        let mut open_lane = |lane| -> Result<LaneSpool, SpoolError> {
            let (spool, damage) =
                LaneSpool::open(&disk, path, lane, stored_id.is_some()).map_err(refused)?;
            damaged.keep(lane, damage.pieces);
            lost.extend(damage.lost);
            recorded.extend(damage.drops);
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
        let earlier_id = stored_id.or_else(|| identity::of_batch(&first_batch?));
        let spool_id = earlier_id
            .filter(|_| !numbering_lost)
            .unwrap_or_else(identity::draw);
        let mut spool = Self {
            disk,
            path: path.to_owned(),
            config,
            spool_id,
            identified: stored_id == Some(spool_id),
            lanes,
            damaged,
            health: Health::new(path),
            unrecorded: Vec::new(),
            renumbered: false,
            appended_bytes: 0,
            settle_due: None,
            _lock: lock,
        };
        if numbering_lost {
            // Numbers that were used must not come again under the id they were used with.
            spool.identify()?;
        } else if let Err(SpoolError::Disk { error, .. }) = spool.identify() {
            // Tried again before anything is appended.
            spool.health.bad(&error);
        }
        // What is missing was given out under the id of then.
        let lost_id = earlier_id.unwrap_or(spool_id).to_wire();
        for range in &mut lost {
            range.spool_id.clone_from(&lost_id);
        }
        let finished = spool.finish_drops(&recorded, &lost_id);
        if numbering_lost {
            spool.begin_numbering()?;
        }
        if let Err(SpoolError::Disk { error, .. }) = finished {
            spool.health.bad(&error);
        }
        spool.look();
        let lost = lost
            .iter()
            .flat_map(|range| spool.lanes[position(range.lane())].unreported(range))
            .collect();
        Ok((spool, lost))
    }

    /// Stores the id. Durable before the first batch that carries it.
    fn identify(&mut self) -> Result<(), SpoolError> {
        if !self.identified {
            identity::store(self.disk.as_ref(), &self.path, self.spool_id)
                .map_err(|error| self.refused(error))?;
            self.identified = true;
        }
        Ok(())
    }

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

    /// Where the lane's source stood when its newest kept batch was made; empty when nowhere.
    #[must_use]
    pub fn checkpoint(&self, lane: Lane) -> &[u8] {
        self.lanes[position(lane)].checkpoint()
    }

    /// Numbers, seals and stores contents, split where they pass a batch's limit, as one step.
    ///
    /// Batches of the presence lane are held in memory when the disk refuses them, as long as they
    /// are few; they are sent all the same.
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
        self.identify()?;
        match self.record_unrecorded(origin, created_ms) {
            // A heartbeat says something without a disk too.
            Err(_) if lane == Lane::Presence => {}
            outcome => outcome?,
        }
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
        match self.make_room(origin, lane, bytes, created_ms) {
            Err(_) if lane == Lane::Presence => {}
            outcome => outcome?,
        }
        let next_sequence = self.lanes[position(lane)].next_sequence();
        if next_sequence != first_sequence {
            // What had to go was recorded in this very lane, and took the numbers.
            records = envelope.seal(contents.clone(), next_sequence).0;
        }
        if let Some(last) = records.last_mut() {
            last.checkpoint = checkpoint;
        }
        match self.store(lane, &records, self.config.syncs_at_once(lane)) {
            Err(SpoolError::Disk { error, .. })
                if lane == Lane::Security && SpoolState::of(&error) == SpoolState::Full =>
            {
                self.store_instead(origin, lane, &records, created_ms)?;
            }
            Err(_) if lane == Lane::Presence => {
                let held = self.lanes[position(lane)].hold(&records);
                held.map_err(|error| self.refused(error))?;
            }
            outcome => outcome?,
        }
        self.lanes[position(lane)].leave_out(left_out);
        Ok(())
    }

    /// Stores records on a full disk, in the room of others.
    fn store_instead(
        &mut self,
        origin: &Origin,
        lane: Lane,
        records: &[Record],
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        while self.displace(origin, created_ms)? {
            match self.store(lane, records, true) {
                Err(SpoolError::Disk { error, .. })
                    if SpoolState::of(&error) == SpoolState::Full => {}
                outcome => return outcome,
            }
        }
        self.store(lane, records, true)
    }

    /// Makes durable what waits for it longer than the sync interval. Returns whether there was any.
    pub fn sync_due(&mut self, now: Instant) -> bool {
        self.settle(now);
        let interval = Duration::from_millis(self.config.sync_interval_ms);
        let due = |since: Instant| now.saturating_duration_since(since) >= interval;
        let mut synced = false;
        for position in 0..self.lanes.len() {
            if self.lanes[position].unsynced_since().is_some_and(due) {
                let outcome = self.lanes[position].commit();
                synced |= outcome.is_ok();
                self.note(&outcome);
            }
        }
        synced
    }

    fn note(&mut self, outcome: &io::Result<()>) {
        match outcome {
            // Memory takes it, the disk does not yet.
            Ok(()) if self.disk.is_in_memory() => {}
            Ok(()) => self.health.good(),
            Err(error) => self.health.bad(error),
        }
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
            .map_err(|error| self.refused(error))
    }

    fn store(&mut self, lane: Lane, records: &[Record], sync: bool) -> Result<(), SpoolError> {
        let outcome = self.lanes[position(lane)].append(records, sync);
        self.note(&outcome);
        self.look();
        outcome.map_err(|error| self.refused(error))?;
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
