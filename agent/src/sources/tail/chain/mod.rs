//! The generations of a log: what rotation put aside, which of it was read, and which was not.
//!
//! For each log the generations that lie beside it are remembered by their contents once nothing in
//! them is left to read. One that is not remembered came into being since, and is read: from where
//! reading stopped when it is what became of a file that was being read, else from its start. The
//! first look at a log remembers all there are, unread.

mod log;
mod siblings;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::file::{Followed, Orphan};
use super::identity::{ANCHOR_BYTES, Identity, unreadable};
use super::names::Packing;
use super::specimen::{Relation, Specimen};
use super::{LineSink, Tailer, keep_first};
use crate::sources::SourceError;
pub(super) use log::{Known, Log};
use log::{give_up, report_truncated};
use siblings::{Sibling, siblings};

/// Most names looked at for one pattern or in one folder.
pub(super) const NAMES_MAX: usize = 4096;

/// Most generations of a log remembered one by one. Older ones are told by their time.
pub(super) const KNOWN_MAX: usize = 32;

/// The same for all logs together: they travel with each checkpoint.
pub(super) const KNOWN_TOTAL_MAX: usize = 4096;

/// Most generations of a log opened at once, in their order.
const OPEN_MAX: usize = 4;

impl Tailer {
    /// Looks after generations of all logs, or of those where something happened.
    pub(super) fn look<S: LineSink>(
        &mut self,
        all: bool,
        now: Instant,
        sink: &mut S,
    ) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let paths: Vec<PathBuf> = self
            .logs
            .iter()
            .filter(|(path, log)| (all || log.due) && !self.is_pending(path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in paths {
            if let Some(mut log) = self.logs.remove(&path) {
                log.due = false;
                keep_first(&mut outcome, self.look_at(&path, &mut log, now, sink));
                self.logs.insert(path, log);
            }
        }
        outcome
    }

    fn look_at<S: LineSink>(
        &mut self,
        path: &Path,
        log: &mut Log,
        now: Instant,
        sink: &mut S,
    ) -> Result<(), SourceError> {
        let siblings = siblings(path).map_err(|error| unreadable(path, error))?;
        let waiting = log.orphans.iter().any(|orphan| orphan.live);
        let mut outcome = self.find_moved(path, log, &siblings, now);
        for known in &mut log.known {
            known.absent = known.absent.saturating_add(1);
        }
        let (mut unread, mut open) = (0, 0);
        let live = self.files.iter().filter(|file| file.path == path);
        let mut newest_ms = live.fold(log.newest_ms, |newest, file| newest.max(file.modified_ms));
        for sibling in &siblings {
            newest_ms = newest_ms.max(sibling.stamp.modified_ms());
            if let Some(file) = self.opened(sibling.identity) {
                unread += 1;
                // One that is only watched for late lines holds up no other.
                open += usize::from(!file.is_read());
                continue;
            }
            let seen = Some((sibling.identity, sibling.stamp));
            if let Some(known) = log.known.iter_mut().find(|known| known.seen == seen) {
                known.absent = 0;
                continue;
            }
            match self.examine(path, log, sibling, open < OPEN_MAX, now, sink) {
                Ok(true) => {}
                Ok(false) => {
                    unread += 1;
                    // Its turn comes once those before it are read.
                    log.due |= open >= OPEN_MAX;
                    open += 1;
                }
                Err(error) => {
                    unread += 1;
                    keep_first(&mut outcome, Err(error));
                }
            }
        }
        log.registered = true;
        if unread == 0 {
            log.newest_ms = newest_ms;
        }
        if outcome.is_ok() {
            give_up(path, log, sink);
        } else {
            // What could not be looked at was not absent for that.
            for known in &mut log.known {
                known.absent = known.absent.saturating_sub(1);
            }
        }
        log.due |= !log.orphans.is_empty();
        if waiting && log.orphans.is_empty() {
            // What took their path can be followed now.
            self.next_scan = None;
        }
        let most = (KNOWN_TOTAL_MAX / self.logs.len().max(1)).clamp(1, KNOWN_MAX);
        log.forget(most);
        outcome
    }

    /// Whether something of a checkpoint was not looked for yet: until then, what is a log's own
    /// cannot be told from what is new.
    fn is_pending(&self, path: &Path) -> bool {
        self.pending.iter().any(|saved| saved.path == path)
    }

    fn opened(&self, identity: Identity) -> Option<&Followed> {
        self.files.iter().find(|file| file.identity == identity)
    }

    /// Finds files that only have another name, and those at their place under another identity.
    fn find_moved(
        &mut self,
        path: &Path,
        log: &mut Log,
        siblings: &[Sibling],
        now: Instant,
    ) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        for orphan in std::mem::take(&mut log.orphans) {
            let there = siblings
                .iter()
                .find(|sibling| orphan.identity == Some(sibling.identity))
                .map(|sibling| (sibling.path.as_path(), sibling.generation.packing, false));
            let there = there.or_else(|| orphan.live.then_some((path, Packing::None, true)));
            let found = there.map_or(Ok(None), |(there, packing, live)| {
                let specimen = self.is_there(there, packing, live, &orphan);
                Ok(specimen
                    .map_err(|error| unreadable(there, error))?
                    .map(|specimen| (specimen, live)))
            });
            let (specimen, live) = match found {
                Ok(Some(found)) => found,
                Ok(None) => {
                    log.orphans.push(orphan);
                    continue;
                }
                // What cannot be read just now is not gone.
                Err(error) => {
                    log.orphans.push(orphan);
                    keep_first(&mut outcome, Err(error));
                    continue;
                }
            };
            let mut followed = specimen.follow(log.pattern, path.to_owned(), orphan.mark, now);
            followed.skipping = orphan.skipping;
            followed.rotated = !live;
            if let Err(error) = self.admit(followed) {
                log.orphans.push(orphan);
                keep_first(&mut outcome, Err(error));
            }
        }
        outcome
    }

    /// What became of a file, if it is the one at a path. An error that may pass is none of an
    /// answer.
    fn is_there(
        &self,
        there: &Path,
        packing: Packing,
        live: bool,
        orphan: &Orphan,
    ) -> io::Result<Option<Specimen>> {
        let specimen = match Specimen::open(there, packing) {
            Ok(Some(specimen)) => specimen,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_damage(&error) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let identity = specimen.identity();
        // Few bytes alone do not say that another inode is the same file.
        let told = !live
            || orphan.mark.position >= ANCHOR_BYTES as u64
            || orphan.identity == Some(identity);
        if !told || self.opened(identity).is_some() {
            return Ok(None);
        }
        let relation = specimen.relation(&orphan.mark)?;
        Ok(matches!(relation, Relation::Same | Relation::More).then_some(specimen))
    }

    /// Whether a generation is a copy of a file that is open.
    fn is_being_read(&self, path: &Path, specimen: &Specimen) -> io::Result<bool> {
        for file in self.files.iter().filter(|file| file.path == path) {
            if specimen.is_of(file)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sees what a generation is. Returns whether nothing in it is left to read.
    fn examine<S: LineSink>(
        &mut self,
        path: &Path,
        log: &mut Log,
        sibling: &Sibling,
        room: bool,
        now: Instant,
        sink: &mut S,
    ) -> Result<bool, SourceError> {
        let failed = |error| unreadable(&sibling.path, error);
        let specimen = match Specimen::open(&sibling.path, sibling.generation.packing) {
            Ok(Some(specimen)) if !specimen.is_empty() => specimen,
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if is_damage(&error) => {
                log.examine_damaged(path, sibling, sink).map_err(failed)?;
                return Ok(true);
            }
            Err(error) => return Err(failed(error)),
        };
        let remember = |log: &mut Log, mark, whole, skipping| {
            log.known.push(Known {
                mark,
                skipping,
                whole,
                complete: false,
                modified_ms: specimen.stamp().modified_ms(),
                seen: Some((specimen.identity(), specimen.stamp())),
                absent: 0,
            });
        };
        let best = log.best(&specimen).map_err(failed)?;
        let is_remembered = matches!(best, Some((_, Relation::Same)));
        for at in 0..log.orphans.len() {
            // Few bytes of an orphan say less than what is remembered.
            let is_tiny = log.orphans[at].mark.position < ANCHOR_BYTES as u64;
            if is_remembered || (is_tiny && best.is_some()) {
                continue;
            }
            let orphan = log.orphans[at].clone();
            let relation = specimen.relation(&orphan.mark).map_err(failed)?;
            let is_copied = orphan.identity.is_none();
            // Nor do they say that what is being read itself goes on where they end.
            let may_be_copy = is_tiny && relation == Relation::More;
            if relation == Relation::Other
                || (may_be_copy && self.is_being_read(path, &specimen).map_err(failed)?)
            {
                continue;
            }
            let length = specimen.size();
            if relation == Relation::More {
                let mut followed = specimen.follow(log.pattern, path.to_owned(), orphan.mark, now);
                followed.skipping = orphan.skipping;
                self.admit(followed)?;
                log.orphans.remove(at);
                report_truncated(path, &orphan, length.unwrap_or(u64::MAX), sink);
                return Ok(false);
            }
            if relation == Relation::Same {
                remember(log, orphan.mark, false, orphan.skipping);
            } else {
                remember(
                    log,
                    specimen.at_end().map_err(failed)?,
                    length.is_none(),
                    false,
                );
            }
            // A copy that was made before; the file itself, if not truncated since, is elsewhere.
            if relation == Relation::Same || is_copied {
                log.orphans.remove(at);
                report_truncated(path, &orphan, length.unwrap_or(u64::MAX), sink);
            }
            return Ok(true);
        }
        if !is_remembered && self.is_being_read(path, &specimen).map_err(failed)? {
            return Ok(false);
        }
        match best {
            None => {}
            Some((_, Relation::Shorter)) => {
                remember(
                    log,
                    specimen.at_end().map_err(failed)?,
                    specimen.size().is_none(),
                    false,
                );
                return Ok(true);
            }
            Some((at, Relation::More)) => {
                let known = log.known[at];
                let mut followed = specimen.follow(log.pattern, path.to_owned(), known.mark, now);
                followed.skipping = known.skipping;
                self.admit(followed)?;
                log.known.remove(at);
                return Ok(false);
            }
            Some((at, _)) => {
                let known = &mut log.known[at];
                known.seen = Some((specimen.identity(), specimen.stamp()));
                known.absent = 0;
                return Ok(true);
            }
        }
        let is_live_open = self
            .files
            .iter()
            .any(|file| file.path == path && !file.rotated);
        if !is_live_open && specimen.is_copy_of_path(path).map_err(failed)? {
            return Ok(false);
        }
        let modified_ms = sibling.stamp.modified_ms();
        if !log.registered || log.is_old(modified_ms) {
            remember(
                log,
                specimen.at_end().map_err(failed)?,
                specimen.size().is_none(),
                false,
            );
            return Ok(true);
        }
        if specimen.packing() == Packing::Other {
            log.report_unreadable(path, modified_ms, sink);
            remember(log, specimen.at_start(), true, false);
            return Ok(true);
        }
        if room {
            let mark = specimen.at_start();
            self.admit(specimen.follow(log.pattern, path.to_owned(), mark, now))?;
        }
        Ok(false)
    }
}

/// Whether a file is at fault, not its medium or its server.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof, Unsupported};
    matches!(
        error.kind(),
        InvalidData | InvalidInput | Other | UnexpectedEof | Unsupported
    )
}
