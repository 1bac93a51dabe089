//! The generations of a log: what rotation put aside, which of it was read, and which was not.
//!
//! For each log the generations that lie beside it are remembered by their contents once nothing in
//! them is left to read. One that is not remembered came into being since, and is read: from where
//! reading stopped when it is what became of a file that was being read, else from its start. The
//! first look at a log remembers all there are, unread.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::file::{Followed, Orphan};
use super::identity::{ANCHOR_BYTES, Identity, Mark, Stamp, unreadable};
use super::names::{self, Generation, Packing};
use super::specimen::{Relation, Specimen};
use super::{LineSink, Loss, Lost, Tailer, keep_first};
use crate::sources::SourceError;

/// Most names looked at for one pattern or in one folder.
pub(super) const NAMES_MAX: usize = 4096;

/// Most generations of a log remembered one by one. Older ones are told by their time.
pub(super) const KNOWN_MAX: usize = 32;

/// The same for all logs together: they travel with each checkpoint.
pub(super) const KNOWN_TOTAL_MAX: usize = 4096;

/// Most generations of a log opened at once, in their order.
const OPEN_MAX: usize = 4;

/// What was written so much earlier than the newest was lies there from elsewhere: an unpacked
/// archive. Less would lose lines when the host's clock is set back.
const OLD_MS: i64 = 24 * 3_600_000;

/// Looks in which a remembered generation may be missing: a folder is not listed in one moment.
const ABSENT_MAX: u8 = 6;

/// Looks that may fail to find a file before it counts as gone.
const TRIES_MAX: u8 = 2;

/// A generation that nothing is left to read of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) mark: Mark,
    pub(super) skipping: bool,
    /// Only its first bytes are known: it was not read.
    pub(super) whole: bool,
    /// A packed file was read to its end: nothing will follow.
    pub(super) complete: bool,
    pub(super) modified_ms: i64,
    /// Where it was found to be so last.
    pub(super) seen: Option<(Identity, Stamp)>,
    pub(super) absent: u8,
}

/// What is known of a log apart from the files being read.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) pattern: usize,
    pub(super) known: Vec<Known>,
    /// When the newest of its files was written, by the last look that left nothing unread.
    pub(super) newest_ms: i64,
    /// Generations this old are no longer remembered one by one.
    pub(super) forgotten_ms: Option<i64>,
    /// Whether the generations there at first are remembered.
    pub(super) registered: bool,
    /// To be looked at without waiting for the next scan.
    pub(super) due: bool,
    pub(super) orphans: Vec<Orphan>,
}

/// A generation as the folder lists it.
struct Sibling {
    path: PathBuf,
    generation: Generation,
    identity: Identity,
    stamp: Stamp,
}

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

impl Log {
    /// The remembered generation that a file tells most about, and what the file is to it.
    pub(super) fn best(&self, specimen: &Specimen) -> io::Result<Option<(usize, Relation)>> {
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
    fn is_old(&self, modified_ms: i64) -> bool {
        modified_ms < self.newest_ms.saturating_sub(OLD_MS)
            || self.forgotten_ms.is_some_and(|limit| modified_ms <= limit)
    }

    /// Keeps at most so many generations in mind.
    fn forget(&mut self, most: usize) {
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
    fn examine_damaged<S: LineSink>(
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
    fn report_unreadable<S: LineSink>(&self, path: &Path, modified_ms: i64, sink: &mut S) {
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
fn give_up<S: LineSink>(path: &Path, log: &mut Log, sink: &mut S) {
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
fn report_truncated<S: LineSink>(path: &Path, orphan: &Orphan, kept: u64, sink: &mut S) {
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

/// Whether a file is at fault, not its medium or its server.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof, Unsupported};
    matches!(
        error.kind(),
        InvalidData | InvalidInput | Other | UnexpectedEof | Unsupported
    )
}

/// What rotation put aside of a log, oldest first.
fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    let (Some(folder), Some(live)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let entries: Vec<_> = entries.take(NAMES_MAX).collect::<io::Result<_>>()?;
    let mut found: Vec<(String, Generation)> = entries
        .iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| {
            let generation = names::generation(live, &name)?;
            Some((name, generation))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let mut siblings = Vec::new();
    for (name, generation) in &found {
        // While a file and its packed form are both there, the latter is being made.
        let (base, packing) = names::unpacked(name);
        let original = |(other, _): &(String, Generation)| other.as_str().cmp(base);
        if packing != Packing::None && (base == live || found.binary_search_by(original).is_ok()) {
            continue;
        }
        let path = folder.join(name);
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere, or to where nobody may look, is no generation.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    || error.kind() == io::ErrorKind::PermissionDenied
                    || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        siblings.push(Sibling {
            path,
            generation: *generation,
            identity: Identity::of(&metadata),
            stamp: Stamp::of(&metadata),
        });
    }
    siblings.sort_by_key(|sibling| (sibling.stamp.modified_ms(), sibling.generation.rank));
    Ok(siblings)
}
