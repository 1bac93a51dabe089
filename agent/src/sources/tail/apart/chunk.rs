//! What a thread read of its logs: kept as a whole, and handed over elsewhere.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use super::super::{Before, LineSink, Loss, Lost, Stretch, Tailer};
use crate::sources::SourceError;

/// Kept of what stands before a stretch, for formats with a header at the start of the file, bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// What a tailer says to its sink.
#[derive(Debug)]
enum Word {
    Begin {
        number: u64,
        pattern: usize,
        path: PathBuf,
        position: u64,
        head: Vec<u8>,
    },
    Line {
        offset: u64,
        bytes: Range<usize>,
    },
    Lost {
        reason: Lost,
        path: PathBuf,
        bytes: Option<u64>,
    },
    LostMore(u64),
    End(u64),
}

/// One reading.
#[derive(Debug)]
pub(super) struct Chunk {
    words: Vec<Word>,
    /// Of all lines, one behind the other.
    bytes: Vec<u8>,
    /// Handed over.
    done: usize,
    /// Where the last stretch of those began, to be said again.
    stretch: Option<usize>,
    pub(super) read_bytes: usize,
    pub(super) outcome: Result<(), SourceError>,
    /// Where reading stands behind it.
    pub(super) checkpoint: Vec<u8>,
    pub(super) is_following: bool,
    pub(super) missing: Option<String>,
}

impl Chunk {
    /// Hands over what is left. Returns whether that is all: the sink may be full. A word that makes
    /// the sink panic is passed over.
    pub(super) fn hand_over<S: LineSink>(&mut self, sink: &mut S) -> bool {
        if let Some(at) = self.stretch.filter(|at| at + 1 < self.done) {
            self.say(at, sink);
        }
        while self.done < self.words.len() {
            if !sink.ready() {
                return false;
            }
            let at = self.done;
            self.done += 1;
            if matches!(self.words[at], Word::Begin { .. }) {
                self.stretch = Some(at);
            }
            self.say(at, sink);
        }
        true
    }

    fn say<S: LineSink>(&self, at: usize, sink: &mut S) {
        match &self.words[at] {
            Word::Begin {
                number,
                pattern,
                path,
                position,
                head,
            } => sink.begin(&Stretch {
                number: *number,
                pattern: *pattern,
                path,
                position: *position,
                before: Before::Head(head),
            }),
            Word::Line { offset, bytes } => sink.line(*offset, &self.bytes[bytes.clone()]),
            Word::Lost {
                reason,
                path,
                bytes,
            } => sink.lost(&Loss {
                reason: *reason,
                path,
                bytes: *bytes,
            }),
            Word::LostMore(bytes) => sink.lost_more(*bytes),
            Word::End(number) => sink.end(*number),
        }
    }
}

/// Takes down what a tailer says.
#[derive(Default)]
struct Recorder {
    words: Vec<Word>,
    bytes: Vec<u8>,
    /// Files that were begun in this reading: their heads are known.
    begun: BTreeSet<u64>,
}

impl LineSink for Recorder {
    fn ready(&self) -> bool {
        true
    }

    fn begin(&mut self, stretch: &Stretch<'_>) {
        let mut head = Vec::new();
        if self.begun.insert(stretch.number) && stretch.position > 0 {
            head.resize(HEAD_BYTES, 0);
            // A header that cannot be read is none; the lines come all the same.
            let have = stretch.read_before(0, &mut head).unwrap_or(0);
            head.truncate(have);
        }
        self.words.push(Word::Begin {
            number: stretch.number,
            pattern: stretch.pattern,
            path: stretch.path.to_owned(),
            position: stretch.position,
            head,
        });
    }

    fn line(&mut self, offset: u64, line: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.words.push(Word::Line {
            offset,
            bytes: start..self.bytes.len(),
        });
    }

    fn lost(&mut self, loss: &Loss<'_>) {
        self.words.push(Word::Lost {
            reason: loss.reason,
            path: loss.path.to_owned(),
            bytes: loss.bytes,
        });
    }

    fn lost_more(&mut self, bytes: u64) {
        self.words.push(Word::LostMore(bytes));
    }

    fn end(&mut self, number: u64) {
        self.words.push(Word::End(number));
    }
}

/// Reads once.
pub(super) fn record(tailer: &mut Tailer, now: Instant) -> Chunk {
    let mut recorder = Recorder::default();
    // Its losses are said where they are handed over.
    let outcome = tailer.run(now, &mut recorder);
    Chunk {
        read_bytes: recorder.bytes.len(),
        words: recorder.words,
        bytes: recorder.bytes,
        done: 0,
        stretch: None,
        outcome,
        checkpoint: tailer.checkpoint(),
        is_following: tailer.is_following_any(),
        missing: tailer.missing().map(str::to_owned),
    }
}
