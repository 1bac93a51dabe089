//! Following log files line by line, through rotation, truncation and restarts.
//!
//! Owns which files are followed and how far each was read. Promises that every complete line of a
//! followed file is handed over once: after a restart from [`Tailer::checkpoint`], the lines after
//! it and no others; a renamed file is read to its end; what logrotate's `copytruncate` took away
//! before it was read is found in the copy. A line that has no newline yet is left alone. Lines are
//! never cut: one above [`LINE_MAX_BYTES`] is counted as dropped. A run reads a bounded number of
//! bytes, in turn from all files, and the next run goes on.
//! Leaves the meaning of lines to the [`LineSink`].
//!
//! Limits: lines written between logrotate's copy and its truncation are lost by logrotate itself;
//! of several rotations between two checkpoints that a restart falls in, only files of the first
//! one and those at their paths are read; a copy is only known by its first 32 bytes, so what was
//! shorter at the checkpoint is not found in one; compressed files are not read.

pub(crate) mod calendar;
mod checkpoint;
mod file;
mod identity;
mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod zone;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sources::SourceError;
use checkpoint::SavedFile;
use file::{Followed, Inspection};

/// Longest line that is handed over, bytes.
pub const LINE_MAX_BYTES: usize = 64 * 1024;

/// Time between looks for new files.
const SCAN_INTERVAL: Duration = Duration::from_secs(10);

/// How long a rotated file must have been quiet before it is closed: nginx goes on writing to it
/// until it is told to reopen.
const ROTATED_QUIET: Duration = Duration::from_secs(60);

/// Read at once. Larger than a line, so that reading always gets on.
const BUFFER_BYTES: usize = 4 * LINE_MAX_BYTES;

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
    /// A line that was too long, or never ended.
    fn dropped(&mut self);
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
    file: Option<&'a File>,
}

impl Stretch<'_> {
    /// Reads what stands before [`Stretch::position`], for formats with a header. Returns how many
    /// bytes came.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_before(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(file) = self.file else {
            return Ok(0);
        };
        let before = self.position.saturating_sub(offset);
        let want = usize::try_from(before).map_or(buffer.len(), |before| before.min(buffer.len()));
        file.read_at(&mut buffer[..want], offset)
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
    /// From the checkpoint, not found again yet because of an error that may pass.
    pending: Vec<SavedFile>,
    /// Patterns whose files of the first look were taken care of.
    known: BTreeSet<String>,
    /// There at the first look, but unreadable: once readable, `from` applies to them too.
    unreadable: BTreeSet<PathBuf>,
    next_scan: Option<Instant>,
    first_turn: usize,
    buffer: Vec<u8>,
}

impl Tailer {
    /// Patterns are paths or globs.
    #[must_use]
    pub fn new(patterns: Vec<String>, limits: Limits) -> Self {
        Self {
            patterns,
            limits,
            files: Vec::new(),
            pending: Vec::new(),
            known: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            next_scan: None,
            first_turn: 0,
            buffer: Vec::new(),
        }
    }

    /// Reads what is new, within the bounds.
    ///
    /// # Errors
    /// The first thing that went wrong; all other files were read all the same.
    pub fn poll<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        if self.next_scan.is_none_or(|at| now >= at) {
            self.next_scan = Some(now + SCAN_INTERVAL);
            keep_first(&mut outcome, self.resume(now));
            keep_first(&mut outcome, self.scan(now));
        }
        keep_first(&mut outcome, self.inspect(now, sink));
        keep_first(&mut outcome, self.read(now, sink));
        self.files.retain_mut(|file| {
            let finished = file.finished(now, ROTATED_QUIET);
            if finished {
                if file.has_open_end() {
                    sink.begin(&file.stretch());
                    sink.dropped();
                }
                sink.end(file.number);
            }
            !finished
        });
        outcome
    }

    /// Looks for rotation and truncation.
    fn inspect<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        for position in 0..self.files.len() {
            match self.files[position].inspect(now) {
                Ok(Inspection::Same) => {}
                Ok(Inspection::Truncated { before }) => {
                    sink.end(before.number);
                    keep_first(&mut outcome, self.finish_copy(*before, now));
                }
                Ok(Inspection::Replaced) => {
                    let (pattern, path) = {
                        let file = &self.files[position];
                        (file.pattern, file.path.clone())
                    };
                    keep_first(&mut outcome, self.open(pattern, &path, true, now));
                }
                Err(error) => keep_first(&mut outcome, Err(error)),
            }
        }
        outcome
    }

    /// Reads in turns, so that one long file does not starve the others.
    fn read<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let mut budget = self.limits.run_max_bytes;
        let count = self.files.len();
        self.buffer.resize(BUFFER_BYTES, 0);
        self.first_turn = (self.first_turn + 1) % count.max(1);
        loop {
            let mut read = 0;
            for turn in 0..count {
                let file = &mut self.files[(self.first_turn + turn) % count];
                sink.begin(&file.stretch());
                let mut left = budget.min(TURN_BYTES);
                while left > 0 && sink.ready() {
                    match file.read(&mut self.buffer, left, now, sink) {
                        Ok(0) => break,
                        Ok(bytes) => {
                            left = left.saturating_sub(bytes);
                            budget = budget.saturating_sub(bytes);
                            read += bytes;
                        }
                        Err(error) => {
                            keep_first(&mut outcome, Err(error));
                            break;
                        }
                    }
                }
            }
            if read == 0 || budget == 0 || !sink.ready() {
                return outcome;
            }
        }
    }

    /// Starts following a file, unless it is followed already.
    fn open(
        &mut self,
        pattern: usize,
        path: &Path,
        from_start: bool,
        now: Instant,
    ) -> Result<(), SourceError> {
        if self.pending.iter().any(|saved| saved.path == path) {
            return Ok(());
        }
        let Some(file) = Followed::open(pattern, path, from_start, now)? else {
            return Ok(());
        };
        if self
            .files
            .iter()
            .any(|other| other.identity == file.identity)
        {
            return Ok(());
        }
        self.admit(file)
    }

    fn admit(&mut self, file: Followed) -> Result<(), SourceError> {
        if self.files.len() >= self.limits.max_files {
            return Err(SourceError::Other(format!(
                "{} is not read: {} files are followed already; raise max_files or narrow the pattern",
                file.path.display(),
                self.files.len()
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
