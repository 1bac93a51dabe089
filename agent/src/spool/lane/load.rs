//! Opening a lane: from files to its accounting, and what of them was lost.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;

use crmscope_proto::Lane;
use crmscope_proto::v1::{DropRange, DropReason};

use super::state::{self, Found, State};
use super::{Cursor, LaneSpool};
use crate::spool::scan::Scan;
use crate::spool::segment::Segment;

/// What opening a lane found beside healthy records.
#[derive(Debug, Default)]
pub(in crate::spool) struct Damage {
    /// Sequences that were given out and are gone, and not reported yet.
    pub(in crate::spool) lost: Vec<DropRange>,
    /// Bytes that belong to no record.
    pub(in crate::spool) corrupt_bytes: u64,
    /// The first batch, from which the spool id can be recovered.
    pub(in crate::spool) first_batch: Option<Vec<u8>>,
    /// Waiting batches that report drops.
    pub(in crate::spool) drops: Vec<Vec<u8>>,
    /// Nothing tells any more which sequences were given out: numbering needs a new spool id.
    pub(in crate::spool) numbering_lost: bool,
}

impl LaneSpool {
    /// Opens a lane of a spool, or makes it. `numbered` says that the spool has an id, and so that
    /// the lane was made before.
    pub(in crate::spool) fn open(
        root: &Path,
        lane: Lane,
        numbered: bool,
    ) -> io::Result<(Self, Damage)> {
        let directory = root.join(lane.name());
        fs::create_dir_all(&directory)?;
        let mut damage = Damage::default();
        let (known, stored) = match state::read(&directory)? {
            Found::State(stored) => (true, stored),
            Found::Nothing => (false, State::default()),
            Found::Damaged(bytes) => {
                damage.corrupt_bytes += bytes;
                (false, State::default())
            }
        };
        let mut spool = Self {
            lane,
            directory,
            unsaved: false,
            segments: VecDeque::new(),
            active: None,
            next_sequence: 1,
            acked_sequence: stored.acked_sequence,
            settled_sequence: stored.settled_sequence,
            reported: stored.reported,
            newest_checkpoint: stored.checkpoint.clone(),
            acked_checkpoint: stored.checkpoint,
            sent_checkpoints: VecDeque::new(),
            cursor: Cursor::default(),
            vanished: Vec::new(),
            dropped_batches: 0,
            dropped_items: 0,
        };
        let behind = spool.load_segments(known, stored.next_sequence, &mut damage)?;
        if !known {
            let nothing_left = spool.segments.iter().all(|segment| segment.batches == 0);
            damage.numbering_lost = nothing_left && (numbered || damage.corrupt_bytes > 0);
        }
        // Before the damage is cut off, which the next append does; but where numbering is lost,
        // only once the new spool id is stored.
        if (!known || behind) && !damage.numbering_lost {
            spool.write_state()?;
        }
        spool.free_settled()?;
        state::keep_reserve(&spool.directory);
        Ok((spool, damage))
    }

    /// Returns whether numbers were given out that neither the state nor a record has.
    fn load_segments(
        &mut self,
        state_known: bool,
        next_sequence: u64,
        damage: &mut Damage,
    ) -> io::Result<bool> {
        let mut expected = self.settled_sequence + 1;
        let (mut last_ms, mut used_up_to, mut oldest) = (0, None, true);
        let mut lost = Vec::new();
        for (named, path) in Segment::list(&self.directory)? {
            let (segment, scan) = Scan::run(&path, named)?;
            damage.corrupt_bytes += scan.corrupt_bytes;
            if scan.records.is_empty() && scan.corrupt_bytes == 0 {
                // The first append to it was cut off; it never was one.
                fs::remove_file(&path)?;
                continue;
            }
            if !state_known && oldest {
                // Without the state nobody knows what was acknowledged before the oldest record.
                let first = scan.records.first().map_or(named, |&(first, _)| first);
                expected = first;
                self.settled_sequence = first.saturating_sub(1);
                self.acked_sequence = self.settled_sequence;
            }
            oldest = false;
            for &(sequence, created_ms) in &scan.records {
                if sequence > expected {
                    lost.push(self.lost(expected, sequence - 1, last_ms, created_ms));
                }
                expected = expected.max(sequence + 1);
                last_ms = created_ms;
            }
            // The state's own is newer than that of anything acknowledged.
            if let Some((_, checkpoint)) = scan
                .checkpoint
                .filter(|(sequence, _)| *sequence > self.acked_sequence)
            {
                self.newest_checkpoint = checkpoint;
            }
            if damage.first_batch.is_none() {
                damage.first_batch = scan.first_batch;
            }
            let waiting = |&(sequence, _): &(u64, Vec<u8>)| sequence > self.settled_sequence;
            let drops = scan.drops.into_iter().filter(waiting);
            damage.drops.extend(drops.map(|(_, batch)| batch));
            used_up_to = scan.used_up_to;
            self.segments.push_back(segment);
        }
        let used = used_up_to.map_or(0, |last| last + 1);
        self.next_sequence = expected.max(next_sequence).max(used);
        if self.next_sequence > expected {
            lost.push(self.lost(expected, self.next_sequence - 1, last_ms, last_ms));
        }
        damage.lost = lost
            .into_iter()
            .flat_map(|range| self.unreported(&range))
            .collect();
        Ok(used > next_sequence)
    }

    pub(super) fn lost(
        &self,
        first_sequence: u64,
        last_sequence: u64,
        first_ms: i64,
        last_ms: i64,
    ) -> DropRange {
        DropRange {
            spool_id: Vec::new(),
            lane: self.lane.into(),
            first_sequence,
            last_sequence,
            items: 0,
            first_ms,
            last_ms,
            reason: DropReason::SpoolCorrupt.into(),
        }
    }
}
