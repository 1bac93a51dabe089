//! Under which id batches are numbered, and when that begins anew.

use crmscope_proto::Lane;
use crmscope_proto::v1::Batch;
use prost::Message as _;

use super::lane::LaneSpool;
use super::{Spool, SpoolError, identity};

impl Spool {
    /// Batches that wait in all lanes.
    #[must_use]
    pub fn queued_batches(&self) -> u64 {
        let queued = self.states().into_iter().map(|lane| lane.queued_batches);
        queued.sum()
    }

    /// Whether any number was given out.
    pub(super) fn is_numbered(&self) -> bool {
        self.lanes.iter().any(|lane| lane.next_sequence() > 1)
    }

    /// Agent id of the oldest waiting batch; `None` when none waits.
    pub(super) fn queued_agent_id(&mut self) -> Result<Option<String>, SpoolError> {
        for lane in Lane::BY_URGENCY {
            let oldest = self.read(lane, 0, 1, 1)?.pop();
            if let Some(batch) = oldest.and_then(|record| Batch::decode(&*record.batch).ok()) {
                self.rewind();
                return Ok(Some(batch.agent_id));
            }
        }
        Ok(None)
    }

    /// After the new id is stored. Where batches wait, numbers go on behind theirs.
    pub(super) fn begin_numbering(&mut self) -> Result<(), SpoolError> {
        if self.queued_batches() == 0 {
            return self.renumber();
        }
        self.lanes
            .iter_mut()
            .try_for_each(LaneSpool::write_state)
            .map_err(|error| self.refused(error))
    }

    /// Begins the numbering anew under a new id, which nothing may wait for. Positions stay.
    pub(super) fn renumber(&mut self) -> Result<(), SpoolError> {
        // The id first: after a crash between, numbers have a gap, but none is used twice.
        self.renumbered = true;
        self.spool_id = identity::draw();
        self.identified = false;
        self.identify()?;
        self.lanes
            .iter_mut()
            .try_for_each(LaneSpool::renumber)
            .map_err(|error| self.refused(error))
    }
}
