//! Tailers that hold each other up by nothing: one for the host's own file systems, and one, on a
//! thread of its own, for each other mount.
//!
//! Owns which log is read by whom. Promises what a [`Tailer`] promises, and that a mount that hangs
//! delays only its own logs: a run waits for it a moment at most, and is an error once it has not
//! answered for [`DEADLINE`]. What a thread read is handed over as a whole before its position counts.
//! When mounts come or go, all positions move to new tailers; a thread that hangs is left behind, and
//! nothing that it reads later counts. A log on a mount that hangs is known again by its contents.

mod chunk;
mod mounts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::checkpoint::merge;
use super::{Limits, Tailer};
use super::{LineSink, Losses, SCAN_INTERVAL, Tally, keep_first};
use crate::sources::SourceError;
use chunk::{Chunk, record};
use mounts::Mounts;

/// How long a mount may not answer before it is an error.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long a run waits for a thread, so that what a mount that works has is there at once.
const PATIENCE: Duration = Duration::from_millis(50);

/// Read by a thread at once, bytes.
const CHUNK_MAX_BYTES: usize = 1024 * 1024;

/// Follows the files that patterns lead to, wherever they lie.
#[derive(Debug)]
pub struct Tailers {
    patterns: Vec<String>,
    limits: Limits,
    /// Of each pattern, the mount that its files have a thread for.
    places: Vec<Option<PathBuf>>,
    own: Part,
    apart: Vec<Apart>,
    next_look: Option<Instant>,
    losses: Losses,
}

/// A tailer, and which of all patterns its own are.
#[derive(Debug)]
struct Part {
    tailer: Tailer,
    patterns: Vec<usize>,
}

/// A mount with a thread.
#[derive(Debug)]
struct Apart {
    mount: PathBuf,
    patterns: Vec<usize>,
    /// Asks for a reading.
    ask: Sender<Instant>,
    chunks: Receiver<Chunk>,
    /// Since when no answer came, on the caller's clock.
    asked: Option<Instant>,
    /// Not handed over to its end.
    current: Option<Chunk>,
    /// Where reading stands by what was handed over.
    checkpoint: Vec<u8>,
    is_following: bool,
    missing: Option<String>,
}

impl Tailers {
    /// Patterns are paths or globs. Nothing is opened before the first run.
    #[must_use]
    pub fn new(patterns: Vec<String>, limits: Limits) -> Self {
        let all = (0..patterns.len()).collect();
        Self {
            places: vec![None; patterns.len()],
            own: Part {
                tailer: Tailer::new(patterns.clone(), limits),
                patterns: all,
            },
            patterns,
            limits,
            apart: Vec::new(),
            next_look: None,
            losses: Losses::default(),
        }
    }

    /// Reads what is new, within the bounds.
    ///
    /// # Errors
    /// The first thing that went wrong; all other files were read all the same.
    pub fn poll<S: LineSink>(&mut self, now: Instant, sink: &mut S) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let look = self.next_look.is_none_or(|at| now >= at);
        if look {
            self.next_look = Some(now + SCAN_INTERVAL);
            let moved = Mounts::read().map(|mounts| self.place(&mounts));
            if let Err(error) = moved {
                tracing::warn!(%error, "cannot read /proc/self/mountinfo; logs stay with their threads");
            }
        }
        let map = &self.own.patterns;
        let mut mapped = Mapped { sink, map };
        keep_first(&mut outcome, self.own.tailer.poll(now, &mut mapped));
        let mut tally = Tally {
            sink,
            losses: &mut self.losses,
        };
        for apart in &mut self.apart {
            keep_first(
                &mut outcome,
                apart.poll(now, self.limits.run_max_bytes, &mut tally),
            );
        }
        if look {
            self.losses.report();
        }
        outcome
    }

    /// Where reading stands, once every line so far was taken care of.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let own = self.own.tailer.checkpoint();
        if self.apart.is_empty() {
            return own;
        }
        let apart = self.apart.iter().map(|apart| apart.checkpoint.as_slice());
        merge(std::iter::once(own.as_slice()).chain(apart))
    }

    /// Continues from a checkpoint, at the next run.
    ///
    /// # Errors
    /// When the checkpoint cannot be read; reading then starts as if there were none.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), String> {
        // Before the first run, so that no log has a thread yet.
        self.own.tailer.restore(checkpoint)
    }

    /// Whether any file is read, or was and is looked for.
    pub(crate) fn is_following_any(&self) -> bool {
        self.own.tailer.is_following_any() || self.apart.iter().any(|apart| apart.is_following)
    }

    /// A path named in full that leads to no file, now and at the last look.
    pub(crate) fn missing(&self) -> Option<&str> {
        let mut apart = self.apart.iter();
        self.own
            .tailer
            .missing()
            .or_else(|| apart.find_map(|apart| apart.missing.as_deref()))
    }

    /// Gives each log to the tailer of its mount.
    fn place(&mut self, mounts: &Mounts) {
        let places: Vec<Option<PathBuf>> = self
            .patterns
            .iter()
            .map(|pattern| mounts.apart(pattern))
            .collect();
        // What a thread handed over in part must be taken first.
        if places == self.places || self.apart.iter().any(|apart| apart.current.is_some()) {
            return;
        }
        let checkpoint = self.checkpoint();
        let mut groups: BTreeMap<Option<PathBuf>, Vec<usize>> = BTreeMap::new();
        groups.insert(None, Vec::new());
        for (pattern, place) in places.iter().enumerate() {
            groups.entry(place.clone()).or_default().push(pattern);
        }
        self.apart.clear();
        for (place, patterns) in groups {
            let names = patterns.iter().map(|&at| self.patterns[at].clone());
            let mut tailer = Tailer::new(names.collect(), self.limits);
            if let Err(error) = tailer.restore(&checkpoint) {
                tracing::error!(%error, "a checkpoint of our own cannot be read; this is a bug");
            }
            match place {
                None => self.own = Part { tailer, patterns },
                Some(mount) => self.apart.push(Apart::start(mount, patterns, tailer)),
            }
        }
        self.places = places;
    }
}

impl Apart {
    fn start(mount: PathBuf, patterns: Vec<usize>, mut tailer: Tailer) -> Self {
        let (ask, asked): (Sender<Instant>, Receiver<Instant>) = channel();
        let (give, chunks): (SyncSender<Chunk>, Receiver<Chunk>) = sync_channel(1);
        let checkpoint = tailer.checkpoint();
        tailer.limits.run_max_bytes = tailer.limits.run_max_bytes.min(CHUNK_MAX_BYTES);
        let thread = std::thread::Builder::new()
            .name("logs-apart".to_owned())
            .spawn(move || {
                // Ends with the other end of either channel.
                while let Ok(now) = asked.recv() {
                    if give.send(record(&mut tailer, now)).is_err() {
                        return;
                    }
                }
            });
        if let Err(error) = thread {
            // Every run says so, too: nobody answers.
            tracing::error!(%error, mount = ?mount, "cannot start a thread for the logs of a mount");
        }
        Self {
            mount,
            patterns,
            ask,
            chunks,
            asked: None,
            current: None,
            checkpoint,
            is_following: false,
            missing: None,
        }
    }

    /// Hands over what the thread has, and asks for more.
    fn poll<S: LineSink>(
        &mut self,
        now: Instant,
        run_max_bytes: usize,
        sink: &mut S,
    ) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        let mut read = 0;
        loop {
            if let Some(chunk) = &mut self.current {
                let map = &self.patterns;
                if !chunk.hand_over(&mut Mapped { sink, map }) {
                    return outcome;
                }
            }
            if let Some(mut chunk) = self.current.take() {
                keep_first(&mut outcome, std::mem::replace(&mut chunk.outcome, Ok(())));
                self.checkpoint = chunk.checkpoint;
                self.is_following = chunk.is_following;
                self.missing = chunk.missing;
                read += chunk.read_bytes;
                if chunk.read_bytes == 0 || read >= run_max_bytes {
                    return outcome;
                }
            }
            // One that did not answer in an earlier run is not waited for.
            let patience = match self.asked {
                Some(_) => Duration::ZERO,
                None => PATIENCE,
            };
            let asked = *self.asked.get_or_insert_with(|| {
                // Without a thread, nobody answers.
                let _ = self.ask.send(now);
                now
            });
            match self.chunks.recv_timeout(patience) {
                Ok(chunk) => {
                    self.current = Some(chunk);
                    self.asked = None;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    if now.saturating_duration_since(asked) >= DEADLINE {
                        let hangs = SourceError::Deadline {
                            what: format!("the mount {} with its logs", self.mount.display()),
                            deadline_ms: u64::try_from(DEADLINE.as_millis()).unwrap_or(u64::MAX),
                        };
                        keep_first(&mut outcome, Err(hangs));
                    }
                    return outcome;
                }
            }
        }
    }
}

/// Passes on, with the patterns by their places among all.
struct Mapped<'a, S> {
    sink: &'a mut S,
    map: &'a [usize],
}

impl<S: LineSink> LineSink for Mapped<'_, S> {
    fn ready(&self) -> bool {
        self.sink.ready()
    }
    fn begin(&mut self, stretch: &super::Stretch<'_>) {
        self.sink.begin(&super::Stretch {
            pattern: self.map.get(stretch.pattern).copied().unwrap_or(0),
            before: stretch.before,
            ..*stretch
        });
    }
    fn line(&mut self, offset: u64, line: &[u8]) {
        self.sink.line(offset, line);
    }
    fn lost(&mut self, loss: &super::Loss<'_>) {
        self.sink.lost(loss);
    }
    fn lost_more(&mut self, bytes: u64) {
        self.sink.lost_more(bytes);
    }
    fn end(&mut self, number: u64) {
        self.sink.end(number);
    }
}
