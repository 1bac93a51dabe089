//! What the spool gives up, and the record of it in the presence lane.

use crmscope_proto::Lane;
use crmscope_proto::payload::Contents;
use crmscope_proto::v1::DropRange;

use super::batches::{Sealed, drops_of};
use super::{Origin, Spool, SpoolError, position};

impl Spool {
    /// Frees the lane's oldest segments until `size` more bytes fit its quota. Each range is
    /// recorded in the presence lane before it goes, so that a crash between leaves it recorded.
    pub(super) fn make_room(
        &mut self,
        origin: &Origin,
        lane: Lane,
        size: u64,
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        let quota = self.config.quota_bytes(lane);
        while self.lanes[position(lane)].bytes() + size > quota {
            if !self.drop_oldest(origin, lane, created_ms)? {
                break;
            }
            let bytes = self.lanes[position(lane)].bytes();
            self.health.quota(position(lane), true, bytes, quota);
        }
        Ok(())
    }

    /// Makes room on a full disk for what is worth more: the oldest segment of metrics goes, or of
    /// requests. Returns whether one went.
    pub(super) fn displace(
        &mut self,
        origin: &Origin,
        created_ms: i64,
    ) -> Result<bool, SpoolError> {
        for lane in [Lane::Metrics, Lane::Requests] {
            if self.lanes[position(lane)].frees_when_dropped() {
                // The record of it needs room too.
                self.lanes[position(lane)].release_reserve();
                return self.drop_oldest(origin, lane, created_ms);
            }
        }
        Ok(false)
    }

    /// Drops the lane's oldest segment, once its range is recorded. Returns whether there was one.
    fn drop_oldest(
        &mut self,
        origin: &Origin,
        lane: Lane,
        created_ms: i64,
    ) -> Result<bool, SpoolError> {
        let oldest = self.lanes[position(lane)]
            .oldest()
            .map_err(|error| self.refused(error))?;
        let Some(mut oldest) = oldest.filter(|oldest| !oldest.ranges.is_empty()) else {
            return Ok(false);
        };
        for range in &mut oldest.ranges {
            range.spool_id = self.spool_id.to_wire();
            tracing::warn!(
                lane = lane.name(),
                first_sequence = range.first_sequence,
                last_sequence = range.last_sequence,
                quota_bytes = self.config.quota_bytes(lane),
                "no room in the spool; the oldest batches are dropped and reported"
            );
        }
        // What goes may itself have said what went before.
        let said = oldest.drops.iter().flat_map(|batch| drops_of(batch));
        let drops = said.chain(oldest.ranges).collect();
        self.record_drops(origin, drops, created_ms)?;
        Ok(true)
    }

    /// Records ranges in the presence lane, without regard to its quota, and gives them up. When
    /// the disk refuses, they are recorded before the next append.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn record_drops(
        &mut self,
        origin: &Origin,
        drops: Vec<DropRange>,
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        self.unrecorded.extend(drops);
        self.record_unrecorded(origin, created_ms)
    }

    pub(super) fn record_unrecorded(
        &mut self,
        origin: &Origin,
        created_ms: i64,
    ) -> Result<(), SpoolError> {
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        let contents = Contents {
            drops: self.unrecorded.clone(),
            ..Contents::default()
        };
        let sealed = Sealed::new(origin, Lane::Presence, &contents, created_ms);
        let first_sequence = self.lanes[position(Lane::Presence)].next_sequence();
        let records = sealed.number(self.spool_id, first_sequence, None);
        self.identify()?;
        self.store(Lane::Presence, &records, true)?;
        // Every one of them is recorded now, so that none may stay because another cannot go.
        std::mem::take(&mut self.unrecorded)
            .iter()
            .map(|range| self.give_up(range))
            .fold(Ok(()), Result::and)
    }

    /// Gives up what waiting records say was dropped, when the agent was killed before that.
    pub(super) fn finish_drops(
        &mut self,
        recorded: &[Vec<u8>],
        spool_id: &[u8],
    ) -> Result<(), SpoolError> {
        for range in recorded.iter().flat_map(|batch| drops_of(batch)) {
            if range.spool_id == spool_id {
                self.give_up(&range)?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, range: &DropRange) -> Result<(), SpoolError> {
        if self.renumbered && range.spool_id != self.spool_id.to_wire() {
            return Ok(());
        }
        self.lanes[position(range.lane())]
            .give_up(range)
            .map_err(|error| self.refused(error))
    }
}
