//! One followed file: what it is, how far it was read, and what became of it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::chain::is_damage;
use super::identity::{
    self, ANCHOR_BYTES, FINGERPRINT_BYTES, Identity, Mark, Stamp, open_regular, unreadable,
};
use super::lines::hand_over;
use super::packed::{Filled, Packed};
use super::{Before, LINE_MAX_BYTES, LineSink, Loss, Lost, Stretch};
use crate::sources::SourceError;

/// Read at once from a log that gains little, so that a tailer holds little.
const FIRST_BUFFER_BYTES: usize = 8 * 1024;

/// Read at once while lines are short.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// Read at once when lines are long: always more than a line.
const BUFFER_MAX_BYTES: usize = LINE_MAX_BYTES + BUFFER_BYTES;

/// How far back the start of the last line is looked for.
const LAST_LINE_BYTES: usize = 64 * 1024;

/// What a look at a file found.
#[derive(Debug)]
pub(super) enum Inspection {
    /// Nothing happened to it.
    Same,
    /// It starts anew; this is how it stood before.
    Truncated { number: u64, orphan: Orphan },
    /// Another file has taken its path, or it was deleted.
    Replaced,
    /// The server of its network file system no longer knows it.
    Stale,
}

/// Whether a file at the path of another goes on where that ended.
enum Continued {
    Yes,
    No,
    /// The one before does not answer any more.
    Unknown,
}

/// What was read of a file that has to be found again.
#[derive(Clone, Debug)]
pub(super) struct Orphan {
    /// `None` when only a copy of it is to be found.
    pub(super) identity: Option<Identity>,
    pub(super) mark: Mark,
    pub(super) skipping: bool,
    /// Whether it may still be at its path, under another identity.
    pub(super) live: bool,
    /// How long it was when last seen.
    pub(super) size: Option<u64>,
    pub(super) reason: Lost,
    /// Looks that did not find it.
    pub(super) tries: u8,
}

#[derive(Debug)]
enum Source {
    Plain(File),
    Packed(Packed),
}

/// A file being read.
#[derive(Debug)]
pub(super) struct Followed {
    /// See [`Stretch::number`].
    pub(super) number: u64,
    pub(super) pattern: usize,
    /// Where it was found; a rotated file keeps the path it had.
    pub(super) path: PathBuf,
    source: Source,
    pub(super) identity: Identity,
    pub(super) mark: Mark,
    /// Inside of a line that is too long.
    pub(super) skipping: bool,
    /// Its path belongs to another file, or to none.
    pub(super) rotated: bool,
    /// Order of the generations of a log.
    pub(super) modified_ms: i64,
    changed: Instant,
    seen: Option<Stamp>,
    /// There may be something to read.
    fresh: bool,
    /// Whether the last look at it was answered: what has no answer has no end.
    answered: bool,
    /// Cannot be unpacked any further.
    broken: bool,
    /// Gives way to another file.
    pub(super) released: bool,
    /// All that a shorter copy holds was read from the file it was made of.
    short: bool,
}

impl Followed {
    /// The file at a path, from its start or from the start of its last line. `None` when there is
    /// nothing to follow.
    pub(super) fn open(
        pattern: usize,
        path: &Path,
        from_start: bool,
        now: Instant,
    ) -> Result<Option<Self>, SourceError> {
        let failed = |error| unreadable(path, error);
        let (file, metadata) = match open_regular(path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut mark = Mark::at_start(&identity::head(&file).map_err(failed)?);
        let mut skipping = false;
        if !from_start {
            (mark.position, skipping) = last_line_start(&file, metadata.len()).map_err(failed)?;
            let before = identity::before(&file, mark.position).map_err(failed)?;
            mark.anchor = Some(identity::anchor(&before));
        }
        let path = path.to_owned();
        let mut followed = Self::plain(pattern, path, file, &metadata, mark, now);
        followed.skipping = skipping;
        Ok(Some(followed))
    }

    /// A file found again, or found elsewhere.
    pub(super) fn plain(
        pattern: usize,
        path: PathBuf,
        file: File,
        metadata: &Metadata,
        mark: Mark,
        now: Instant,
    ) -> Self {
        Self::new(pattern, path, Source::Plain(file), metadata, mark, now)
    }

    /// A packed file that rotation put aside.
    pub(super) fn packed(
        pattern: usize,
        path: PathBuf,
        packed: Packed,
        metadata: &Metadata,
        mark: Mark,
        now: Instant,
    ) -> Self {
        Self::new(pattern, path, Source::Packed(packed), metadata, mark, now)
    }

    fn new(
        pattern: usize,
        path: PathBuf,
        source: Source,
        metadata: &Metadata,
        mark: Mark,
        now: Instant,
    ) -> Self {
        Self {
            number: next_number(),
            pattern,
            path,
            source,
            identity: Identity::of(metadata),
            mark,
            skipping: false,
            rotated: false,
            modified_ms: Stamp::of(metadata).modified_ms(),
            changed: now,
            seen: None,
            fresh: true,
            answered: true,
            broken: false,
            released: false,
            short: false,
        }
    }

    fn file(&self) -> &File {
        match &self.source {
            Source::Plain(file) => file,
            Source::Packed(packed) => packed.file(),
        }
    }

    /// The open file, unless it is packed.
    pub(super) fn plain_file(&self) -> Option<&File> {
        match &self.source {
            Source::Plain(file) => Some(file),
            Source::Packed(_) => None,
        }
    }

    /// Whether both are read from one file as it lies there.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let plain = self.plain_file().and(other.plain_file());
        plain.is_some() && self.identity == other.identity
    }

    /// When it was last seen, and how it was then.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.file()
            .metadata()
            .ok()
            .map(|metadata| Stamp::of(&metadata))
    }

    /// What remains to be known of it when it can no longer be read here.
    pub(super) fn orphan(&self, reason: Lost) -> Orphan {
        Orphan {
            identity: Some(self.identity),
            mark: self.mark,
            skipping: self.skipping,
            live: !self.rotated,
            size: self.seen.map(|stamp| stamp.size),
            reason,
            tries: 0,
        }
    }

    /// Looks whether the file shrank, was rewritten, or lost its path to another one.
    pub(super) fn inspect(&mut self, now: Instant) -> Result<Inspection, SourceError> {
        let inspection = self.examine(now);
        self.answered = inspection.is_ok();
        inspection
    }

    fn examine(&mut self, now: Instant) -> Result<Inspection, SourceError> {
        let metadata = match self.file().metadata() {
            Ok(metadata) => metadata,
            Err(error) => return self.unanswered(error),
        };
        let stamp = Stamp::of(&metadata);
        if self.seen != Some(stamp) {
            let same = match self.check(stamp) {
                Ok(same) => same,
                Err(error) => return self.unanswered(error),
            };
            if !same {
                let orphan = Orphan {
                    identity: None,
                    live: false,
                    ..self.orphan(Lost::Truncated)
                };
                let failed = |error| unreadable(&self.path, error);
                let head = identity::head(self.file()).map_err(failed)?;
                let number = std::mem::replace(&mut self.number, next_number());
                self.mark = Mark::at_start(&head);
                self.skipping = false;
                self.changed = now;
                self.seen = Some(stamp);
                self.fresh = true;
                return Ok(Inspection::Truncated { number, orphan });
            }
            self.seen = Some(stamp);
            self.modified_ms = stamp.modified_ms();
            self.fresh = true;
        }
        if self.rotated {
            return Ok(Inspection::Same);
        }
        let gone = metadata.nlink() == 0;
        match std::fs::metadata(&self.path) {
            Ok(there) if Identity::of(&there) == self.identity => return Ok(Inspection::Same),
            Ok(there) if gone || there.dev() != self.identity.device => {
                match self.is_continued(stamp.size) {
                    Ok(Continued::Yes) => return Ok(Inspection::Same),
                    Ok(Continued::No) => {}
                    // To be told by what is remembered of it.
                    Ok(Continued::Unknown) => return Ok(Inspection::Stale),
                    Err(error) => return Err(unreadable(&self.path, error)),
                }
            }
            Ok(_) => {}
            // Renamed, and its writer not told yet: it may go on writing for hours. Deleted: the
            // space is free only once it is closed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !gone {
                    return Ok(Inspection::Same);
                }
            }
            Err(error) => return Err(unreadable(&self.path, error)),
        }
        self.rotated = true;
        self.changed = now;
        Ok(Inspection::Replaced)
    }

    /// What an error of the open file means. While its path answers, the handle is at fault: its
    /// server no longer knows it, or the file system was mounted anew.
    fn unanswered(&self, error: io::Error) -> Result<Inspection, SourceError> {
        if identity::is_stale(&error) || std::fs::metadata(&self.path).is_ok() {
            return Ok(Inspection::Stale);
        }
        Err(unreadable(&self.path, error))
    }

    /// Whether the file still says what it said. Takes over first bytes that are new.
    fn check(&mut self, stamp: Stamp) -> io::Result<bool> {
        match &mut self.source {
            Source::Packed(packed) => {
                // Written to after it was opened: packing was not over.
                if self.seen.is_some_and(|seen| seen.size != stamp.size) {
                    packed.rewind();
                    self.broken = false;
                }
            }
            Source::Plain(file) => {
                if stamp.size < self.mark.position || !self.mark.holds(file)? {
                    return Ok(false);
                }
                if self.mark.head.length < FINGERPRINT_BYTES {
                    let head = identity::head(file)?;
                    // What came between the two reads of the start must not be another file's.
                    if !self.mark.head.begins(&head) {
                        return Ok(false);
                    }
                    self.mark.cover(&head);
                }
            }
        }
        Ok(true)
    }

    /// Whether the other file at the path goes on where this one, which is deleted or on a file
    /// system that was mounted anew, ended. If so, it is read from now on.
    ///
    /// # Errors
    /// When the other file cannot be read: it may well be so.
    fn is_continued(&mut self, size: u64) -> io::Result<Continued> {
        let Source::Plain(old) = &self.source else {
            return Ok(Continued::No);
        };
        if self.mark.position < ANCHOR_BYTES as u64 {
            return Ok(Continued::No);
        }
        let (new, metadata) = match open_regular(&self.path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Continued::No),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Continued::No),
            Err(error) => return Err(error),
        };
        if metadata.len() < size || !self.mark.holds(&new)? {
            return Ok(Continued::No);
        }
        let Ok(end) = identity::before(old, size) else {
            return Ok(Continued::Unknown);
        };
        if end != identity::before(&new, size)? {
            return Ok(Continued::No);
        }
        self.source = Source::Plain(new);
        self.identity = Identity::of(&metadata);
        self.seen = None;
        self.fresh = true;
        Ok(Continued::Yes)
    }

    /// Hands over complete lines of the next stretch. Returns how many bytes were read for it; 0
    /// when there is no complete line, or the sink takes no more.
    pub(super) fn read<S: LineSink>(
        &mut self,
        buffer: &mut Vec<u8>,
        now: Instant,
        sink: &mut S,
    ) -> Result<usize, SourceError> {
        if !self.fresh || self.broken {
            return Ok(0);
        }
        let outcome = match &self.source {
            Source::Plain(_) => self.read_plain(buffer, sink),
            Source::Packed(_) => self.read_packed(sink),
        };
        match outcome {
            Ok(0) => Ok(0),
            Ok(read) => {
                self.changed = now;
                Ok(read)
            }
            // Asked again at the next inspection.
            Err(error) if identity::is_stale(&error) => {
                self.seen = None;
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => {
                if let Source::Packed(packed) = &mut self.source {
                    if is_damage(&error) {
                        self.broken = true;
                    } else {
                        // Its server did not answer: unpacked again up to the position.
                        packed.rewind();
                    }
                }
                Err(unreadable(&self.path, error))
            }
        }
    }

    fn read_plain<S: LineSink>(&mut self, buffer: &mut Vec<u8>, sink: &mut S) -> io::Result<usize> {
        let Source::Plain(file) = &self.source else {
            return Ok(0);
        };
        if buffer.is_empty() {
            buffer.resize(FIRST_BUFFER_BYTES, 0);
        }
        loop {
            let anchor = self.mark.anchor_bytes();
            let have = file.read_at(buffer, self.mark.position - anchor as u64)?;
            // Truncated or rewritten since it was inspected: the next inspection sees to it.
            if have < anchor || !self.mark.is_anchor(&buffer[..anchor]) {
                self.seen = None;
                return Ok(0);
            }
            let bytes = &buffer[..have];
            let done = hand_over(&mut self.mark, &mut self.skipping, bytes, &self.path, sink);
            if done > 0 || !sink.ready() {
                // There is more: the next reads are larger.
                if have == buffer.len() && have < BUFFER_BYTES {
                    buffer.resize(BUFFER_BYTES, 0);
                }
                return Ok(done);
            }
            if have < buffer.len() || buffer.len() >= BUFFER_MAX_BYTES {
                self.fresh = false;
                return Ok(0);
            }
            buffer.resize((2 * buffer.len()).min(BUFFER_MAX_BYTES), 0);
        }
    }

    fn read_packed<S: LineSink>(&mut self, sink: &mut S) -> io::Result<usize> {
        let Source::Packed(packed) = &mut self.source else {
            return Ok(0);
        };
        let read = match packed.fill(&self.mark)? {
            Filled::More(read) => read,
            Filled::End => 0,
            Filled::Short => {
                self.short = true;
                self.fresh = false;
                return Ok(0);
            }
            // Not the file it was taken for: all of it is new.
            Filled::Foreign => {
                sink.lost(&Loss {
                    reason: Lost::RotatedAway,
                    path: &self.path,
                    bytes: None,
                });
                packed.rewind();
                self.mark = Mark::at_start(&packed.head);
                self.skipping = false;
                return Ok(1);
            }
        };
        let Some(bytes) = packed.with_anchor(&self.mark) else {
            return Ok(read);
        };
        let done = hand_over(&mut self.mark, &mut self.skipping, bytes, &self.path, sink);
        if packed.is_drained(&self.mark) {
            self.fresh = false;
        }
        Ok(read.max(done))
    }

    /// What is about to be read.
    pub(super) fn stretch(&self) -> Stretch<'_> {
        Stretch {
            number: self.number,
            pattern: self.pattern,
            path: &self.path,
            position: self.mark.position,
            before: match &self.source {
                Source::Plain(file) => Before::File(file),
                Source::Packed(packed) => Before::Head(&packed.head),
            },
        }
    }

    /// Whether nothing more is to be expected of the file.
    pub(super) fn is_finished(&self, now: Instant, quiet: Duration) -> bool {
        if !self.rotated || !self.answered {
            return false;
        }
        let is_quiet = self.released || now.saturating_duration_since(self.changed) >= quiet;
        match &self.source {
            Source::Packed(packed) if !self.broken => {
                self.short || (!self.fresh && packed.is_drained(&self.mark))
            }
            Source::Packed(_) => is_quiet,
            Source::Plain(_) => is_quiet && !self.fresh,
        }
    }

    /// Whether all was read that was there at the last look.
    pub(super) fn is_read(&self) -> bool {
        self.seen
            .is_some_and(|stamp| stamp.size == self.mark.position)
    }

    /// Closes the file at the end of this run, if it is rotated and all of it was read. Returns
    /// whether that was new.
    pub(super) fn release(&mut self) -> bool {
        let can = self.rotated && !self.fresh && self.is_read() && !self.released;
        self.released |= can;
        can
    }

    /// Ends with the file: what is left in it will not become a line.
    pub(super) fn finish<S: LineSink>(&mut self, sink: &mut S) {
        let left = match &self.source {
            Source::Packed(packed) => {
                let left = packed.after(&self.mark);
                let context = packed.with_anchor(&self.mark).unwrap_or_default();
                let anchor =
                    identity::anchor(&context[context.len().saturating_sub(ANCHOR_BYTES)..]);
                (left.len() as u64, Ok(anchor))
            }
            Source::Plain(file) => {
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                let anchor = identity::before(file, size).map(|bytes| identity::anchor(&bytes));
                (size.saturating_sub(self.mark.position), anchor)
            }
        };
        let reason = if self.broken {
            Lost::Unreadable
        } else {
            Lost::Unfinished
        };
        if self.broken || (left.0 > 0 && !self.short && !self.skipping) {
            sink.begin(&self.stretch());
            sink.lost(&Loss {
                reason,
                path: &self.path,
                bytes: (!self.broken).then_some(left.0),
            });
        }
        // Should the line end after all, the rest of it is passed over.
        if let (bytes @ 1.., Ok(anchor)) = left {
            self.skipping = true;
            self.mark.position += bytes;
            self.mark.anchor = Some(anchor);
        }
    }

    /// Whether it is to be known by its first bytes only: its position is no place in it.
    pub(super) fn is_whole(&self) -> bool {
        self.broken || self.short
    }

    /// Whether it was unpacked to its end.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.source, Source::Packed(_)) && !self.is_whole()
    }
}

/// Numbers are never used twice in a process.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Where the line begins that is being written just now, so that it is read whole later. One that
/// began long before is passed over: second is whether the place is inside of it.
fn last_line_start(file: &File, size: u64) -> io::Result<(u64, bool)> {
    let reach = size.min(LAST_LINE_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(reach).unwrap_or(LAST_LINE_BYTES)];
    file.read_exact_at(&mut bytes, size - reach)?;
    Ok(match memchr::memrchr(b'\n', &bytes) {
        Some(newline) => (size - reach + newline as u64 + 1, false),
        None if reach == size => (0, false),
        None => (size, true),
    })
}
