//! Opening a lane: from files to its accounting, and what of them was lost.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crmscope_proto::Lane;
use crmscope_proto::chain::Head;
use crmscope_proto::v1::{ChainHead, DropRange, DropReason};

use super::drops::Gaps;
use super::state::{self, Found, State};
use super::tail::Tail;
use super::{Cursor, LaneSpool};
use crate::spool::batches::head_of_encoded;
use crate::spool::damage::Piece;
use crate::spool::disk::Disk;
use crate::spool::record::SEQUENCE_MAX;
use crate::spool::scan::Scan;
use crate::spool::segment::Segment;

/// How far ahead of all others the name of a file may be that holds no record. Nobody gives out so
/// many numbers: beyond it the name is somebody else's.
const AHEAD_MAX: u64 = 1 << 32;

/// What opening a lane found beside healthy records.
#[derive(Debug, Default)]
pub(in crate::spool) struct Damage {
    /// Sequences that were given out and are gone, and not reported yet.
    pub(in crate::spool) lost: Vec<DropRange>,
    /// What belongs to no record.
    pub(in crate::spool) pieces: Vec<Piece>,
    /// The first batch, from which the spool id can be recovered.
    pub(in crate::spool) first_batch: Option<Vec<u8>>,
    /// The last batch of all.
    pub(in crate::spool) last_batch: Option<Vec<u8>>,
    /// Waiting batches that report drops.
    pub(in crate::spool) drops: Vec<Vec<u8>>,
    /// Nothing tells any more which sequences were given out: numbering needs a new spool id.
    pub(in crate::spool) numbering_lost: bool,
}

impl LaneSpool {
    /// Opens a lane of a spool, or makes it. `numbered` says that the spool has an id, and so that
    /// the lane was made before.
    pub(in crate::spool) fn open(
        disk: &Arc<dyn Disk>,
        root: &Path,
        lane: Lane,
        numbered: bool,
    ) -> io::Result<(Self, Damage)> {
        let directory = root.join(lane.name());
        disk.create_directory(&directory)?;
        let mut damage = Damage::default();
        let (known, stored) = match state::read(disk.as_ref(), &directory)? {
            Found::State(stored) => (true, stored),
            Found::Nothing => (false, State::default()),
            Found::Damaged(bytes) => {
                damage.pieces.push(Piece {
                    path: directory.join(state::FILE),
                    offset: 0,
                    bytes,
                });
                (false, State::default())
            }
        };
        let mut spool = Self {
            lane,
            disk: Arc::clone(disk),
            directory,
            tail: Tail::default(),
            reserved_sequence: 0,
            saved_next_sequence: stored.next_sequence,
            unsaved: false,
            skipped: false,
            unproven: false,
            segments: VecDeque::new(),
            active: None,
            unnamed: false,
            next_sequence: 1,
            head: stored.head,
            acked_sequence: stored.acked_sequence,
            settled_sequence: stored.settled_sequence,
            reported: stored.reported,
            newest_checkpoint: stored.checkpoint.clone(),
            acked_checkpoint: stored.checkpoint,
            sent_checkpoints: VecDeque::new(),
            cursor: Cursor::default(),
            vanished: Vec::new(),
            noticed: Vec::new(),
            pieces: Vec::new(),
            trouble: None,
            dropped_batches: 0,
            dropped_items: 0,
        };
        let behind = spool.load_segments(known, stored.next_sequence, &mut damage)?;
        if !known {
            let nothing_left = spool.segments.iter().all(|segment| segment.batches == 0);
            damage.numbering_lost = nothing_left && (numbered || !damage.pieces.is_empty());
        }
        // Before the damage is cut off, which the next append does; but where numbering is lost,
        // only once the new spool id is stored.
        if (!known || behind) && !damage.numbering_lost {
            spool.skipped = true;
            spool.unsaved = true;
            // A disk that takes no writes is read all the same.
            spool.trouble = spool.write_state().err();
        }
        if !spool.unsaved
            && let Err(error) = spool.free_settled()
        {
            spool.trouble = Some(error);
        }
        state::keep_reserve(disk.as_ref(), &spool.directory);
        spool.unproven = !spool.segments.is_empty();
        Ok((spool, damage))
    }

    /// Returns whether numbers were given out that neither the state nor a record has.
    fn load_segments(
        &mut self,
        state_known: bool,
        next_sequence: u64,
        damage: &mut Damage,
    ) -> io::Result<bool> {
        let disk = Arc::clone(&self.disk);
        let mut gaps = Gaps::from(self.settled_sequence);
        let (mut used_up_to, mut newest) = (None, None);
        // Of files that were renamed: what is appended must not take their place.
        let mut names_up_to = 0;
        let mut torn: Option<Piece> = None;
        for (named, path) in Segment::list(disk.as_ref(), &self.directory)? {
            let (segment, scan) = Scan::run(disk.as_ref(), &path, named)?;
            let records = &scan.records;
            let foreign = named > gaps.last_sequence.saturating_add(AHEAD_MAX);
            if records.is_empty() && foreign {
                tracing::warn!(path = %path.display(), "a file that is no segment of this spool; it is left alone");
                continue;
            }
            damage.pieces.extend(scan.pieces.iter().cloned());
            if records.is_empty() && scan.pieces.is_empty() {
                // The first append to it was cut off; it never was one, unless later ones say so.
                torn = torn.or(scan.torn);
                self.clear_away(&path);
                continue;
            }
            if !state_known && newest.is_none() {
                // Without the state nobody knows what was acknowledged before the oldest record.
                let first = records.first().map_or(named, |&(first, _)| first);
                gaps = Gaps::from(first.saturating_sub(1));
                self.settled_sequence = first.saturating_sub(1);
                self.acked_sequence = self.settled_sequence;
            }
            let last = records.last().map(|&(last, _)| last);
            if last.is_some() && last <= newest {
                tracing::error!(path = %path.display(), "a segment that repeats an earlier one; it is removed");
                self.clear_away(&path);
                continue;
            }
            newest = newest.max(last).or(Some(0));
            let next = records.first().map_or(named, |&(first, _)| first);
            damage.pieces.extend(self.cut_off(torn.take(), &gaps, next));
            torn = scan.torn;
            for &(sequence, created_ms) in records {
                gaps.pass(sequence, created_ms);
            }
            if !foreign {
                names_up_to = named;
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
            // A record that is newer than the state knows more, also where it belongs to no chain: an
            // agent of an earlier version made it.
            if let (Some(last), Some(batch)) = (last, &scan.last_batch)
                && self.lane == Lane::Security
                && self.head.is_none_or(|head| head.sequence < last)
            {
                self.head = head_of_encoded(batch);
            }
            damage.last_batch = scan.last_batch.or(damage.last_batch.take());
            let waiting = |&(sequence, _): &(u64, Vec<u8>)| sequence > self.settled_sequence;
            let drops = scan.drops.into_iter().filter(waiting);
            damage.drops.extend(drops.map(|(_, batch)| batch));
            used_up_to = scan.used_up_to;
            self.segments.push_back(segment);
        }
        let used = used_up_to.map_or(0, |last| last.saturating_add(1));
        self.next_sequence = gaps
            .last_sequence
            .saturating_add(1)
            .max(next_sequence)
            .max(used)
            .max(names_up_to.saturating_add(1))
            .min(SEQUENCE_MAX + 1);
        let cut_off = self.cut_off(torn, &gaps, self.next_sequence);
        damage.pieces.extend(cut_off);
        gaps.end(self.next_sequence - 1, gaps.last_ms());
        self.notice(&gaps);
        damage.lost = self.take_vanished();
        Ok(used > next_sequence)
    }

    /// What a segment ends with is damage, and no append that was cut off, when numbers behind it are
    /// known to have been given out and nobody reported them.
    fn cut_off(&self, torn: Option<Piece>, gaps: &Gaps, next_sequence: u64) -> Option<Piece> {
        let first = gaps.last_sequence.saturating_add(1);
        let last = next_sequence.saturating_sub(1);
        let missing = self.lost(first, last, 0, 0);
        torn.filter(|_| first <= last && !self.unreported(&missing).is_empty())
    }

    /// Takes over that everything up to `sequence` was acknowledged, as something else on the disk
    /// says. Numbers that the lane does not know are gone from it, and are not used again.
    pub(in crate::spool) fn was_acknowledged(&mut self, sequence: u64) {
        let ahead_max = self.next_sequence.saturating_add(AHEAD_MAX);
        if sequence < self.next_sequence || sequence > ahead_max.min(SEQUENCE_MAX) {
            return;
        }
        tracing::error!(lane = self.lane.name(), path = %self.directory.display(), first_sequence = self.next_sequence, last_sequence = sequence, "the end of the lane is gone from the disk; it was acknowledged before, and its numbers are not used again");
        self.next_sequence = sequence.saturating_add(1);
        self.acked_sequence = sequence;
        self.settled_sequence = sequence;
        (self.skipped, self.unsaved) = (true, true);
        if let Err(error) = self.write_state() {
            self.trouble = Some(error);
        }
    }

    /// Takes over the chain's head as something else on the disk says it, where the lane lost its own.
    pub(in crate::spool) fn was_head(&mut self, head: Option<&ChainHead>) {
        let head = head.and_then(|head| Head::from_wire(head).ok());
        let newer = |head: &Head| {
            // A number that is given out again gets another link.
            head.sequence < self.next_sequence
                && self.head.is_none_or(|own| own.sequence < head.sequence)
        };
        if let Some(head) = head.filter(newer) {
            self.head = Some(head);
        }
    }

    /// Removes a file that means nothing. One that stays is passed over at the next start again.
    fn clear_away(&mut self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            self.trouble = Some(error);
        }
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
