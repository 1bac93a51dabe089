//! Into the spool: numbered, sealed, stored, and made durable.

use std::io;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::payload::Contents;

use super::batches::Sealed;
use super::record::{self, CHECKPOINT_MAX_BYTES, Record};
use super::{Origin, Spool, SpoolError, SpoolState, position};

impl Spool {
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
        let sealed = Sealed::new(origin, lane, contents, created_ms);
        self.append_sealed(origin, &sealed, checkpoint)
    }

    /// The same with contents that are sealed already, which needs no spool and may so be done
    /// beside other appends.
    ///
    /// # Errors
    /// When the disk refuses: nothing was stored then, and the contents can be given again.
    pub fn append_sealed(
        &mut self,
        origin: &Origin,
        sealed: &Sealed,
        checkpoint: Option<Vec<u8>>,
    ) -> Result<(), SpoolError> {
        let (lane, created_ms) = (sealed.lane, sealed.created_ms);
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
        let first_sequence = self.lanes[position(lane)].next_sequence();
        // Nothing but an append in this lane moves it.
        let head = self.lanes[position(lane)].head();
        let mut records = sealed.number(self.spool_id, first_sequence, head);
        let size = |record: &Record| (record.batch.len() + record::HEADER_BYTES) as u64;
        let bytes = records.iter().map(size).sum::<u64>() + checkpoint.len() as u64;
        match self.make_room(origin, lane, bytes, created_ms) {
            Err(_) if lane == Lane::Presence => {}
            outcome => outcome?,
        }
        let next_sequence = self.lanes[position(lane)].next_sequence();
        if next_sequence != first_sequence {
            // What had to go was recorded in this very lane, and took the numbers.
            records = sealed.number(self.spool_id, next_sequence, head);
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
        self.lanes[position(lane)].leave_out(sealed.left_out);
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

    pub(super) fn store(
        &mut self,
        lane: Lane,
        records: &[Record],
        sync: bool,
    ) -> Result<(), SpoolError> {
        let outcome = self.lanes[position(lane)].append(records, sync);
        self.note(&outcome);
        self.look();
        outcome.map_err(|error| self.refused(error))?;
        let batches = records.iter().map(|record| record.batch.len() as u64);
        self.appended_bytes += batches.sum::<u64>();
        Ok(())
    }
}
