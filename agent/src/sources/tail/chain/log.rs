//! What is remembered of a log: generations that were read, and files that are to be found again.

use std::io;
use std::path::Path;

use super::Sibling;
use crate::sources::tail::file::Orphan;
use crate::sources::tail::identity::{ANCHOR_BYTES, Identity, Mark, Stamp};
use crate::sources::tail::names::Packing;
use crate::sources::tail::specimen::{Relation, Specimen};
use crate::sources::tail::{LineSink, Loss, Lost};

/// What was written so much earlier than the newest was lies there from elsewhere: an unpacked
/// archive. Less would lose lines when the host's clock is set back.
const OLD_MS: i64 = 24 * 3_600_000;

/// Looks in which a remembered generation may be missing: a folder is not listed in one moment.
const ABSENT_MAX: u8 = 6;

/// Looks that may fail to find a file before it counts as gone.
const TRIES_MAX: u8 = 2;

/// A generation that nothing is left to read of.
#[derive(Clone, Copy, Debug)]
pub(in crate::sources::tail) struct Known {
    pub(in crate::sources::tail) mark: Mark,
    pub(in crate::sources::tail) skipping: bool,
    /// Only its first bytes are known: it was not read.
    pub(in crate::sources::tail) whole: bool,
    /// A packed file was read to its end: nothing will follow.
    pub(in crate::sources::tail) complete: bool,
    pub(in crate::sources::tail) modified_ms: i64,
    /// Where it was found to be so last.
    pub(in crate::sources::tail) seen: Option<(Identity, Stamp)>,
    pub(in crate::sources::tail) absent: u8,
}

/// What is known of a log apart from the files being read.
#[derive(Debug, Default)]
pub(in crate::sources::tail) struct Log {
    pub(in crate::sources::tail) pattern: usize,
    pub(in crate::sources::tail) known: Vec<Known>,
    /// When the newest of its files was written, by the last look that left nothing unread.
    pub(in crate::sources::tail) newest_ms: i64,
    /// Generations this old are no longer remembered one by one.
    pub(in crate::sources::tail) forgotten_ms: Option<i64>,
    /// Whether the generations there at first are remembered.
    pub(in crate::sources::tail) registered: bool,
    /// To be looked at without waiting for the next scan.
    pub(in crate::sources::tail) due: bool,
    pub(in crate::sources::tail) orphans: Vec<Orphan>,
}

impl Log {
    /// The remembered generation that a file tells most about, and what the file is to it.
    pub(in crate::sources::tail) fn best(
        &self,
        specimen: &Specimen,
    ) -> io::Result<Option<(usize, Relation)>> {
        let mut best: Option<(usize, Relation)> = None;
        for (at, known) in self.known.iter().enumerate() {
            let relation = match known.whole {
                true if specimen.is(known.mark.head) => Relation::Same,
                true => Relation::Other,
                false => specimen.relation(&known.mark)?,
            };
            let relation = match relation {
                Relation::More if known.complete && specimen.is(known.mark.head) => Relation::Same,
                // Logs may well begin alike, or say the same: the file it was is still there.
                _ if known.absent == 0
                    && known.seen.map(|(identity, _)| identity) != Some(specimen.identity()) =>
                {
                    Relation::Other
                }
                // Few bytes say so: many files begin with an empty line, or with the same byte, and
                // inodes are used again.
                Relation::More | Relation::Same
                    if known.mark.position < ANCHOR_BYTES as u64
                        && known.seen.is_some_and(|(identity, stamp)| {
                            identity == specimen.identity() && specimen.stamp().is_another(&stamp)
                        }) =>
                {
                    Relation::Other
                }
                Relation::More
                    if known.mark.position < ANCHOR_BYTES as u64
                        && known.seen.map(|(identity, _)| identity)
                            != Some(specimen.identity()) =>
                {
                    Relation::Other
                }
                // The same, and nothing suggests that there is a copy.
                Relation::Shorter if !specimen.begins_with(&known.mark) => Relation::Other,
                relation => relation,
            };
            let better = match (relation, best) {
                (Relation::Other, _) => false,
                (_, None) => true,
                (Relation::Same, Some((then, Relation::Same))) => {
                    // The one that is not found anywhere else yet.
                    known.absent > self.known[then].absent
                }
                (Relation::Same, _) => true,
                (Relation::Shorter, Some((_, Relation::More))) => true,
                (Relation::More, Some((then, Relation::More))) => {
                    known.mark.position > self.known[then].mark.position
                }
                _ => false,
            };
            if better {
                best = Some((at, relation));
            }
        }
        Ok(best)
    }

    /// Whether a generation was there before anything that may be unread.
    pub(super) fn is_old(&self, modified_ms: i64) -> bool {
        modified_ms < self.newest_ms.saturating_sub(OLD_MS)
            || self.forgotten_ms.is_some_and(|limit| modified_ms <= limit)
    }

    /// Keeps at most so many generations in mind.
    pub(super) fn forget(&mut self, most: usize) {
        self.known.retain(|known| known.absent <= ABSENT_MAX);
        while self.known.len() > most {
            let oldest = self
                .known
                .iter()
                .enumerate()
                .min_by_key(|(_, known)| (known.absent == 0, known.modified_ms));
            let Some((at, oldest)) = oldest else {
                return;
            };
            if oldest.absent == 0 {
                let limit = self.forgotten_ms.unwrap_or(i64::MIN);
                self.forgotten_ms = Some(limit.max(oldest.modified_ms));
            }
            self.known.swap_remove(at);
        }
    }

    /// A packed file that cannot be unpacked from its start on.
    pub(super) fn examine_damaged<S: LineSink>(
        &mut self,
        path: &Path,
        sibling: &Sibling,
        sink: &mut S,
    ) -> io::Result<()> {
        // Known by the bytes as they are.
        let Some(raw) = Specimen::open(&sibling.path, Packing::Other)? else {
            return Ok(());
        };
        let seen = Some((raw.identity(), raw.stamp()));
        if let Some((at, _)) = self.best(&raw)? {
            let known = &mut self.known[at];
            known.seen = seen;
            known.absent = 0;
            return Ok(());
        }
        let modified_ms = raw.stamp().modified_ms();
        if self.registered && !self.is_old(modified_ms) {
            self.report_unreadable(path, modified_ms, sink);
        }
        self.known.push(Known {
            mark: raw.at_start(),
            skipping: false,
            whole: true,
            complete: false,
            modified_ms,
            seen,
            absent: 0,
        });
        Ok(())
    }

    /// Unless it was read before it was packed: packing keeps the time.
    pub(super) fn report_unreadable<S: LineSink>(
        &self,
        path: &Path,
        modified_ms: i64,
        sink: &mut S,
    ) {
        let mut known = self.known.iter();
        if !known.any(|known| known.modified_ms == modified_ms) {
            sink.lost(&Loss {
                reason: Lost::Unreadable,
                path,
                bytes: None,
            });
        }
    }
}

/// Counts as lost what several looks did not find.
pub(super) fn give_up<S: LineSink>(path: &Path, log: &mut Log, sink: &mut S) {
    log.orphans.retain_mut(|orphan| {
        orphan.tries += 1;
        if orphan.tries < TRIES_MAX {
            return true;
        }
        if orphan.reason == Lost::Truncated {
            report_truncated(path, orphan, orphan.mark.position, sink);
        } else {
            sink.lost(&Loss {
                reason: orphan.reason,
                path,
                bytes: None,
            });
        }
        false
    });
}

/// Bytes that were seen before a truncation and are neither read nor in the copy.
pub(super) fn report_truncated<S: LineSink>(path: &Path, orphan: &Orphan, kept: u64, sink: &mut S) {
    let kept = kept.max(orphan.mark.position);
    let lost = orphan.size.map_or(0, |size| size.saturating_sub(kept));
    if orphan.reason == Lost::Truncated && lost > 0 {
        sink.lost(&Loss {
            reason: Lost::Truncated,
            path,
            bytes: Some(lost),
        });
    }
}
