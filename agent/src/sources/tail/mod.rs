//! Following log files line by line, through rotation, truncation and restarts.
//!
//! Owns which files are followed and how far each was read. Promises that every complete line of a
//! followed file is handed over once, or counted as lost with the reason ([`Lost`]): after a
//! restart from [`Tailer::checkpoint`], the lines after it and no others. A renamed file is read to
//! its end, also by a writer that lingers; what `copytruncate` took away is found in the copy; of
//! several rotations, also while the agent was stopped, every generation is read in its order,
//! packed by gzip or zstd or not (see [`chain`]). A line that has no newline yet is left alone.
//! Lines are never cut: one above [`LINE_MAX_BYTES`] is passed over and counted. A run reads a
//! bounded number of bytes, in turn from all logs, and the next run goes on.
//! Leaves the meaning of lines to the [`LineSink`].
//!
//! A file that is not written to any more may end without a newline. Such an end is lost
//! ([`Lost::Unfinished`]), not handed over: nobody can tell whether it was cut, and a cut line may
//! say something else than the whole one.
//!
//! Limits. Lines written between the copy and the truncation of `copytruncate` are lost by whoever
//! rotates; they count where they were seen. What is deleted before it was opened cannot be
//! counted; that may take a moment while places are short or a file of before is looked for. Generations are looked for beside the log, not in another folder (`olddir`): there, a
//! file is read on only while it is open. Those of a log that a glob leads to for the first time
//! are taken for old. Files packed by bzip2, xz or lz4 are read only before they are packed. A copy
//! of less than 64 bytes, with more read than it holds, is taken for a new file after truncation;
//! two files of less than 64 bytes that begin alike may be taken for each other.

mod apart;
pub(crate) mod calendar;
mod chain;
mod checkpoint;
mod file;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod identity;
mod lines;
mod lost;
mod names;
mod packed;
mod scan;
mod specimen;
#[cfg(test)]
mod tests;
pub(crate) mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sources::SourceError;
pub use apart::Tailers;
use chain::{Known, Log};
use checkpoint::SavedFile;
use file::{BUFFER_BYTES, Followed, Inspection, Orphan};
use identity::ANCHOR_BYTES;
use lost::Losses;
pub use lost::{Loss, Lost};
use names::Packing;
use specimen::{Relation, Specimen};

/// Longest line that is handed over, bytes.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// Time between looks for new files.
const SCAN_INTERVAL: Duration = Duration::from_secs(10);

/// How long a rotated file must have been quiet before it is closed: nginx goes on writing to it
/// until it is told to reopen.
const ROTATED_QUIET: Duration = Duration::from_secs(60);

/// Read from one file before the next one has its turn.
const TURN_BYTES: usize = 1024 * 1024;

/// What lines are given to.
pub trait LineSink {
    /// Whether another line can be taken. Reading stops, without loss, while it is not so.
    fn ready(&self) -> bool;
    /// The lines that follow come from this file.
    fn begin(&mut self, stretch: &Stretch<'_>);
    /// A complete line without its newline, and where in the file it starts.
    fn line(&mut self, offset: u64, line: &[u8]);
    /// A line, or more of them, that will not come, and why.
    fn lost(&mut self, loss: &Loss<'_>);
    /// More bytes of a line that was lost before it ended.
    fn lost_more(&mut self, _bytes: u64) {}
    /// Nothing more comes from the file with this number.
    fn end(&mut self, _number: u64) {}
}

/// Part of a file that is about to be read.
#[derive(Debug)]
pub struct Stretch<'a> {
    /// Tells files apart while the tailer lives: a rotated file keeps its number, and what takes
    /// its path, or its place after a truncation, has another.
    pub number: u64,
    /// Position of the pattern that led to the file.
    pub pattern: usize,
    /// Where the file was found; a rotated file keeps the path it had.
    pub path: &'a Path,
    /// Where reading goes on, bytes from the start.
    pub position: u64,
    before: Before<'a>,
}

/// What stands before the position of a stretch.
#[derive(Clone, Copy, Debug)]
enum Before<'a> {
    File(&'a File),
    /// First bytes of a packed file.
    Head(&'a [u8]),
}

impl Stretch<'_> {
    /// Reads what stands before [`Stretch::position`], for formats with a header. Returns how many
    /// bytes came.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_before(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let before = self.position.saturating_sub(offset);
        let want = usize::try_from(before).map_or(buffer.len(), |before| before.min(buffer.len()));
        match self.before {
            Before::File(file) => file.read_at(&mut buffer[..want], offset),
            Before::Head(head) => {
                let start = usize::try_from(offset).ok();
                let bytes = start
                    .and_then(|start| head.get(start..))
                    .unwrap_or_default();
                let have = bytes.len().min(want);
                buffer[..have].copy_from_slice(&bytes[..have]);
                Ok(have)
            }
        }
    }
}

/// Bounds of a tailer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most files open at once, rotated ones included.
    pub max_files: usize,
    /// Most bytes read in a run.
    pub run_max_bytes: usize,
    /// Whether files found when a pattern is watched for the first time are read from their start.
    pub from_start: bool,
}

/// Follows the files that patterns lead to.
#[derive(Debug)]
pub struct Tailer {
    patterns: Vec<String>,
    limits: Limits,
    files: Vec<Followed>,
    /// By path.
    logs: BTreeMap<PathBuf, Log>,
    /// From the checkpoint, not found again yet because of an error that may pass.
    pending: Vec<SavedFile>,
    /// Patterns whose files of the first look were taken care of.
    known: BTreeSet<String>,
    /// There at the first look, but unreadable: once readable, `from` applies to them too.
    unreadable: BTreeSet<PathBuf>,
    next_scan: Option<Instant>,
    first_turn: usize,
    buffer: Vec<u8>,
    losses: Losses,
}

/// Passes on, and keeps in mind what was lost.
struct Tally<'a, S> {
    sink: &'a mut S,
    losses: &'a mut Losses,
}

impl<S: LineSink> LineSink for Tally<'_, S> {
    fn ready(&self) -> bool {
        self.sink.ready()
    }
    fn begin(&mut self, stretch: &Stretch<'_>) {
        self.sink.begin(stretch);
    }
    fn line(&mut self, offset: u64, line: &[u8]) {
        self.sink.line(offset, line);
    }
    fn lost(&mut self, loss: &Loss<'_>) {
        self.losses.add(loss);
        self.sink.lost(loss);
    }
    fn lost_more(&mut self, bytes: u64) {
        self.sink.lost_more(bytes);
    }
    fn end(&mut self, number: u64) {
        self.sink.end(number);
    }
}

impl Tailer {
    /// Patterns are paths or globs.
    #[must_use]
    pub fn new(patterns: Vec<String>, limits: Limits) -> Self {
        Self {
            patterns,
            limits,
            files: Vec::new(),
            logs: BTreeMap::new(),
            pending: Vec::new(),
            known: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            next_scan: None,
            first_turn: 0,
            buffer: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// Whether any file is read, or was and is looked for.
    pub(crate) fn is_following_any(&self) -> bool {
        let mut logs = self.logs.values();
        !self.files.is_empty() || logs.any(|log| !log.orphans.is_empty())
    }

    /// A path named in full that leads to no file, now and at the last look.
    pub(crate) fn missing(&self) -> Option<&str> {
        let is_read = |path: &Path| {
            let log = self.logs.get(path);
            self.files.iter().any(|file| file.path == path)
                || log.is_some_and(|log| !log.orphans.is_empty())
                // Under another name: a link, or a second pattern.
                || std::fs::metadata(path).is_ok_and(|metadata| {
                    let identity = identity::Identity::of(&metadata);
                    self.files.iter().any(|file| file.identity == identity)
                })
        };
        let mut named = self
            .patterns
            .iter()
            .filter(|pattern| !scan::is_glob(pattern));
        named
            .find(|pattern| !is_read(Path::new(pattern)))
            .map(String::as_str)
    }

    /// Reads what is new, within the bounds.
    ///
    /// # Errors
    /// The first thing that went wrong; all other files were read all the same.
    pub fn poll<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut losses = std::mem::take(&mut self.losses);
        let mut tally = Tally {
            sink,
            losses: &mut losses,
        };
        let scan = self.next_scan.is_none_or(|at| now >= at);
        let outcome = self.run(now, &mut tally);
        if scan {
            losses.report();
        }
        self.losses = losses;
        outcome
    }

    fn run<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        keep_first(&mut outcome, self.inspect(now, sink));
        if self.next_scan.is_none_or(|at| now >= at) {
            self.next_scan = Some(now + SCAN_INTERVAL);
            keep_first(&mut outcome, self.resume(now));
            // What was read before is found before anything is taken for new.
            keep_first(&mut outcome, self.look(true, now, sink));
            // Again where something was not found, so that what took its path need not wait.
            keep_first(&mut outcome, self.look(false, now, sink));
            keep_first(&mut outcome, self.scan(now));
            self.forget_gone();
        } else {
            keep_first(&mut outcome, self.open_returned(now));
        }
        keep_first(&mut outcome, self.look(false, now, sink));
        keep_first(&mut outcome, self.read(now, sink));
        self.retire(now, sink);
        outcome
    }

    /// Looks for rotation and truncation.
    fn inspect<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let mut stale = Vec::new();
        for position in 0..self.files.len() {
            let mut inspection = self.files[position].inspect(now);
            let file = &self.files[position];
            let (pattern, path) = (file.pattern, file.path.clone());
            if let Ok(Inspection::Truncated { number, orphan }) = inspection {
                sink.end(number);
                self.leave(&path, orphan);
                // It may have lost its path since.
                inspection = self.files[position].inspect(now);
            }
            match inspection {
                // Truncated twice: the next run sees to it.
                Ok(Inspection::Same | Inspection::Truncated { .. }) => {}
                Ok(Inspection::Replaced) => {
                    if let Some(log) = self.logs.get_mut(&path) {
                        log.due = true;
                    }
                    keep_first(&mut outcome, self.open(pattern, &path, true, now));
                }
                Ok(Inspection::Stale) => stale.push(position),
                Err(error) => keep_first(&mut outcome, Err(error)),
            }
        }
        for position in stale.into_iter().rev() {
            let file = self.files.swap_remove(position);
            sink.end(file.number);
            self.leave(&file.path, file.orphan(Lost::RotatedAway));
            // To be looked for at once, and opened anew if it is another file.
            self.next_scan = None;
        }
        outcome
    }

    /// Follows logs that were gone and are there again, without waiting for the next scan: they may
    /// be rotated before it.
    fn open_returned(&mut self, now: Instant) -> Result<(), SourceError> {
        let files = self.files.iter().filter(|file| !file.rotated);
        let open: BTreeSet<&Path> = files.map(|file| file.path.as_path()).collect();
        let gone: Vec<(usize, PathBuf)> = self
            .logs
            .iter()
            .filter(|(path, _)| !open.contains(path.as_path()) && !self.unreadable.contains(*path))
            .map(|(path, log)| (log.pattern, path.clone()))
            .collect();
        let mut outcome = Ok(());
        for (pattern, path) in gone {
            keep_first(&mut outcome, self.open(pattern, &path, true, now));
        }
        outcome
    }

    /// Reads in turns, so that one long log does not starve the others; within a log, a generation
    /// before the next one.
    fn read<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let mut budget = self.limits.run_max_bytes;
        self.files.sort_by(|one, other| {
            let age = |file: &Followed| (!file.rotated, file.modified_ms, file.number);
            one.path.cmp(&other.path).then(age(one).cmp(&age(other)))
        });
        let mut logs: Vec<&mut [Followed]> = self
            .files
            .chunk_by_mut(|one, other| one.path == other.path)
            .collect();
        self.first_turn = (self.first_turn + 1) % logs.len().max(1);
        logs.rotate_left(self.first_turn);
        loop {
            let mut read = 0;
            for generations in &mut logs {
                let mut left = budget.min(TURN_BYTES);
                for file in generations.iter_mut() {
                    sink.begin(&file.stretch());
                    let mut drained = false;
                    while left > 0 && sink.ready() {
                        match file.read(&mut self.buffer, now, sink) {
                            Ok(0) => {
                                drained = true;
                                break;
                            }
                            Ok(bytes) => {
                                left = left.saturating_sub(bytes);
                                budget = budget.saturating_sub(bytes);
                                read += bytes;
                            }
                            Err(error) => {
                                keep_first(&mut outcome, Err(error));
                                drained = true;
                                break;
                            }
                        }
                    }
                    if !drained {
                        break;
                    }
                }
            }
            if read == 0 || budget == 0 || !sink.ready() {
                break;
            }
        }
        // Grown for a long line.
        self.buffer.truncate(BUFFER_BYTES);
        self.buffer.shrink_to(BUFFER_BYTES);
        outcome
    }

    /// Lets go files that nothing more is expected of, and remembers that they are done.
    fn retire<S: LineSink>(&mut self, now: Instant, sink: &mut S) {
        let logs = &mut self.logs;
        self.files.retain_mut(|file| {
            let finished = file.is_finished(now, ROTATED_QUIET);
            if finished {
                file.finish(sink);
                sink.end(file.number);
                if let Some(log) = logs.get_mut(&file.path) {
                    log.known.push(Known {
                        mark: file.mark,
                        skipping: file.skipping,
                        whole: file.is_whole(),
                        complete: file.is_complete(),
                        modified_ms: file.modified_ms,
                        seen: file.stamp().map(|stamp| (file.identity, stamp)),
                        absent: 0,
                    });
                    // The next generation has its turn.
                    log.due = true;
                }
            }
            !finished
        });
    }

    /// Starts following a file, unless it is followed already.
    fn open(
        &mut self,
        pattern: usize,
        path: &Path,
        from_start: bool,
        now: Instant,
    ) -> Result<(), SourceError> {
        let pending = self.pending.iter().any(|saved| saved.path == path);
        let log = self.logs.get(path);
        if pending || log.is_some_and(|log| log.orphans.iter().any(|orphan| orphan.live)) {
            return Ok(());
        }
        let Some(mut file) = Followed::open(pattern, path, from_start, now)? else {
            return Ok(());
        };
        let mut open = self.files.iter_mut();
        if let Some(other) = open.find(|other| other.identity == file.identity) {
            if other.path == path {
                // Back at its place.
                other.rotated = false;
            }
            return Ok(());
        }
        if from_start && let Some((mark, skipping)) = self.read_before(path)? {
            file.mark = mark;
            file.skipping = skipping;
        }
        self.admit(file)?;
        self.log(pattern, path);
        Ok(())
    }

    /// How far a file that has a new name was read under another one.
    fn read_before(&self, path: &Path) -> Result<Option<(identity::Mark, bool)>, SourceError> {
        let failed = |error| identity::unreadable(path, error);
        let Some(specimen) = Specimen::open(path, Packing::None).map_err(failed)? else {
            return Ok(None);
        };
        let mut found: Option<(identity::Mark, bool)> = None;
        for log in self.logs.values() {
            let Some((at, relation)) = log.best(&specimen).map_err(failed)? else {
                continue;
            };
            let known = &log.known[at];
            // Logs may well begin alike: one that was found under its own name is not this file.
            let identity = specimen.identity();
            let told = !known.whole
                && known.mark.position >= ANCHOR_BYTES as u64
                && known.seen.is_none_or(|(seen, _)| seen == identity)
                && relation != Relation::Shorter;
            if told && found.is_none_or(|(mark, _)| mark.position <= known.mark.position) {
                found = Some((known.mark, known.skipping));
            }
        }
        Ok(found)
    }

    /// The log at a path is known from now on.
    fn log(&mut self, pattern: usize, path: &Path) {
        if !self.logs.contains_key(path) {
            let log = Log {
                pattern,
                due: true,
                ..Log::default()
            };
            self.logs.insert(path.to_owned(), log);
        }
    }

    /// Lets go logs of which nothing is left. Those named in full stay: their generations are to be
    /// known when the log comes back.
    fn forget_gone(&mut self) {
        let (files, patterns, pending) = (&self.files, &self.patterns, &self.pending);
        self.logs.retain(|path, log| {
            let is_named = patterns.get(log.pattern).map(Path::new) == Some(path);
            is_named
                || !log.known.is_empty()
                || !log.orphans.is_empty()
                || files.iter().any(|file| file.path == *path)
                || pending.iter().any(|saved| saved.path == *path)
                || std::fs::metadata(path).map_or_else(
                    |error| error.kind() != std::io::ErrorKind::NotFound,
                    |_| true,
                )
        });
    }

    /// What was read of a file has to be found again.
    fn leave(&mut self, path: &Path, orphan: Orphan) {
        // Nothing was ever seen in it.
        if (orphan.mark.head.length, orphan.mark.position) == (0, 0) {
            return;
        }
        if let Some(log) = self.logs.get_mut(path) {
            log.orphans.push(orphan);
            log.due = true;
        }
    }

    fn admit(&mut self, file: Followed) -> Result<(), SourceError> {
        let kept = self.files.iter().filter(|file| !file.released).count();
        // One that is only watched for late lines gives way: should they come, it is found again.
        if kept >= self.limits.max_files && !self.files.iter_mut().any(Followed::release) {
            return Err(SourceError::Other(format!(
                "{} is not read: {} files are followed already; raise max_files or narrow the pattern",
                file.path.display(),
                kept
            )));
        }
        self.files.push(file);
        Ok(())
    }
}

fn keep_first(outcome: &mut Result<(), SourceError>, next: Result<(), SourceError>) {
    if outcome.is_ok() {
        *outcome = next;
    }
}
