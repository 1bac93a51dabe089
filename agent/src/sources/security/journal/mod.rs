//! The journal, read through a child `journalctl --follow`.
//!
//! Owns the child and the position. Promises that entries come once and in order: a child that
//! ends is started again behind the last entry, with a growing pause; while events wait to be
//! handed over the pipe is left full, and journalctl waits too. Killed at [`Journal::stop`]; should
//! the agent be killed, journalctl sees its output closed and ends (252 does at once). While there
//! is no child where one is needed, or the child sees only part of the journal, every run is an
//! error: what is not there must not be taken for what did not happen.
//!
//! journalctl takes more memory than all the rest of the agent. So a reader that has had nothing to
//! tell for a while is ended, and [`watch::Watch`] looks at the journal's own counts instead; with
//! the next entry of interest a reader starts behind the last one. Where the watch cannot tell, the
//! reader stays, and one is started every [`REREAD`] whatever the watch says.

mod file;
#[cfg(any(feature = "fuzzing", test))]
pub(super) mod fuzzing;
#[cfg(test)]
mod tests;
mod watch;

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use self::watch::Watch;
use super::audit;
use super::entry::FIELDS;
use super::message::identifiers;
use crate::sources::SourceError;

/// Longest entry, bytes. Messages of these programs have a kilobyte at most.
const ENTRY_MAX_BYTES: usize = 64 * 1024;

/// Read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Read in one run: some ten thousand entries.
const RUN_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Kept of what the child complains about.
const COMPLAINT_MAX_BYTES: usize = 512;

const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// How long a child must have run for its end to count as the first one.
const STEADY: Duration = Duration::from_secs(60);

/// Longest time without a reader.
const REREAD: Duration = Duration::from_secs(15 * 60);

/// Time between attempts to watch a journal that could not be watched.
const WATCH_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Where reading goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    /// At the first entry since then, Unix seconds: none was read so far.
    Since(i64),
    /// Behind this entry.
    Cursor(String),
}

/// What entries are given to.
pub(super) trait EntrySink {
    /// Whether another entry can be taken.
    fn ready(&self) -> bool;
    /// A line of the child. Returns the cursor of the entry, if it was one.
    fn entry(&mut self, line: &[u8]) -> Option<String>;
    /// An entry that was too long, and how much of it was seen so far, bytes.
    fn too_long(&mut self, bytes: u64);
}

/// How the journal is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// journalctl.
    pub(super) program: PathBuf,
    /// Where the journal's files are.
    pub(super) directories: Vec<PathBuf>,
    /// Whether the kernel's audit records are asked for.
    pub(super) audit: bool,
    /// How long a reader is kept that has nothing to tell; zero for ever.
    pub(super) idle: Duration,
}

/// The journal and its reader.
#[derive(Debug)]
pub(super) struct Journal {
    reading: Reading,
    pub(super) position: Position,
    child: Option<Running>,
    /// What was in the journal when the reader had told all, and since when nothing came.
    watch: Option<(Watch, Instant)>,
    /// There is no reader, since there is nothing to read. Until then.
    resting_until: Option<Instant>,
    watch_after: Option<Instant>,
    next_start: Option<Instant>,
    backoff: Duration,
    /// Why there is no child.
    ended: String,
}

#[derive(Debug)]
struct Running {
    child: Child,
    started: Instant,
    /// Read, but no whole line yet, or not taken yet.
    buffer: Vec<u8>,
    skipping: bool,
    complaint: Vec<u8>,
    /// Whether an entry came of it.
    has_read: bool,
    /// Whether it wrote anything in this run.
    is_telling: bool,
}

impl Journal {
    pub(super) fn new(reading: Reading, position: Position) -> Self {
        Self {
            reading,
            position,
            child: None,
            watch: None,
            resting_until: None,
            watch_after: None,
            next_start: None,
            backoff: BACKOFF_MIN,
            ended: String::new(),
        }
    }

    /// Reads what is new.
    pub(super) fn poll<S: EntrySink>(
        &mut self,
        now: Instant,
        sink: &mut S,
    ) -> Result<(), SourceError> {
        if self.child.is_none() {
            if self.rests(now) {
                return Ok(());
            }
            if self.next_start.is_some_and(|at| now < at) {
                return Err(SourceError::Other(self.ended.clone()));
            }
            match self.start(now) {
                Ok(running) => self.child = Some(running),
                Err(error) => {
                    self.pause(now);
                    self.ended = format!(
                        "cannot start {}: {error}; install systemd's journalctl or set sources.security.journal = false",
                        self.reading.program.display()
                    );
                    return Err(SourceError::Other(self.ended.clone()));
                }
            }
        }
        let Some(running) = &mut self.child else {
            return Ok(());
        };
        let before = self.position.clone();
        let ended = running.read(sink, &mut self.position);
        running.listen();
        let complaint = String::from_utf8_lossy(&running.complaint);
        let partly = complaint.contains("not seeing messages")
            || complaint.contains("insufficient permissions");
        running.has_read |= self.position != before;
        // journalctl waits for files to appear; once it reads some, it is no longer so.
        let empty = complaint.contains("No journal files were") && !running.has_read;
        match ended {
            Ok(false) if partly => Err(SourceError::Other(format!(
                "{} sees only part of the journal; add the agent's user to the group systemd-journal",
                self.reading.program.display()
            ))),
            Ok(false) if empty => Err(SourceError::Other(format!(
                "{} finds no journal; start systemd-journald or set sources.security.journal = false",
                self.reading.program.display()
            ))),
            Ok(false) => {
                self.rest(now);
                Ok(())
            }
            Ok(true) => Err(self.ended(now, None)),
            Err(error) => Err(self.ended(now, Some(&error))),
        }
    }

    fn start(&self, now: Instant) -> io::Result<Running> {
        let from = match &self.position {
            Position::Since(seconds) => format!("--since=@{seconds}"),
            Position::Cursor(cursor) => format!("--after-cursor={cursor}"),
        };
        let mut child = Command::new(&self.reading.program)
            // Without --no-tail it would begin ten entries before the end.
            .args([
                "--output=json",
                "--follow",
                "--no-tail",
                "--no-pager",
                "--all",
            ])
            .arg(format!("--output-fields={FIELDS}"))
            .arg(from)
            .args(identifiers().map(|name| format!("SYSLOG_IDENTIFIER={name}")))
            .args(
                self.reading
                    .audit
                    .then(audit::journal_matches)
                    .into_iter()
                    .flatten(),
            )
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let nonblocking = match (&child.stdout, &child.stderr) {
            (Some(out), Some(err)) => rustix::fs::fcntl_setfl(out, OFlags::NONBLOCK)
                .and_then(|()| rustix::fs::fcntl_setfl(err, OFlags::NONBLOCK)),
            _ => Err(rustix::io::Errno::BADF),
        };
        if let Err(error) = nonblocking {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error.into());
        }
        Ok(Running {
            child,
            started: now,
            buffer: Vec::new(),
            skipping: false,
            complaint: Vec::new(),
            has_read: false,
            is_telling: false,
        })
    }

    /// Whether there is still nothing to read.
    fn rests(&mut self, now: Instant) -> bool {
        let Some(until) = self.resting_until else {
            return false;
        };
        if let Some((watch, _)) = &mut self.watch
            && now < until
            && watch.has_more().is_ok_and(|more| !more)
        {
            return true;
        }
        self.resting_until = None;
        self.watch = None;
        false
    }

    /// Ends the reader once it has told all, and nothing came for a while.
    fn rest(&mut self, now: Instant) {
        let Some(running) = &self.child else {
            return;
        };
        if self.reading.idle.is_zero() || running.is_telling || !running.buffer.is_empty() {
            self.watch = None;
            return;
        }
        let looked = match &mut self.watch {
            None if self.watch_after.is_some_and(|after| now < after) => return,
            None => Watch::open(&self.reading.directories, &self.asked()).map(|watch| {
                self.watch = Some((watch, now));
            }),
            Some((watch, since)) => watch.has_more().map(|more| {
                if more {
                    *since = now;
                }
            }),
        };
        if let Err(error) = looked {
            tracing::info!(source = "security", %error, "the journal cannot be watched, its reader stays");
            self.watch = None;
            self.watch_after = Some(now + WATCH_PAUSE);
        }
        let since = self.watch.as_ref().map(|(_, since)| *since);
        if since.is_some_and(|since| now.saturating_duration_since(since) >= self.reading.idle) {
            self.resting_until = Some(now + REREAD);
            self.stop();
        }
    }

    /// What the watch counts: all that the reader is asked for.
    fn asked(&self) -> Vec<(&'static str, Vec<String>)> {
        let names = identifiers().map(str::to_owned).collect();
        let mut asked = vec![("SYSLOG_IDENTIFIER=", names)];
        if self.reading.audit {
            asked.push(("_AUDIT_TYPE=", audit::journal_types().collect()));
        }
        asked
    }

    /// Cleans up after a child that ended, and says why it did.
    fn ended(&mut self, now: Instant, error: Option<&io::Error>) -> SourceError {
        let Some(mut running) = self.child.take() else {
            return SourceError::Other("the journal's reader is gone".to_owned());
        };
        running.listen();
        let _ = running.child.kill();
        let status = running.child.wait();
        if now.saturating_duration_since(running.started) >= STEADY {
            self.backoff = BACKOFF_MIN;
        }
        let pause = self.pause(now);
        let complaint = String::from_utf8_lossy(&running.complaint);
        let reason = match (error, status) {
            (Some(error), _) => error.to_string(),
            (None, Err(error)) => error.to_string(),
            (None, Ok(status)) => status.to_string(),
        };
        self.ended = format!(
            "{} ended ({reason}): {}; it is started again in {} s, behind the last entry",
            self.reading.program.display(),
            complaint.trim().escape_debug(),
            pause.as_secs()
        );
        SourceError::Other(self.ended.clone())
    }

    fn pause(&mut self, now: Instant) -> Duration {
        let pause = self.backoff;
        self.next_start = Some(now + pause);
        self.backoff = (pause * 2).min(BACKOFF_MAX);
        pause
    }

    /// Ends the child.
    pub(super) fn stop(&mut self) {
        if let Some(mut running) = self.child.take() {
            // It may have ended by itself; waiting frees its process id either way.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    /// Hands over whole lines. `true` when the child closed its output and all was taken.
    fn read<S: EntrySink>(&mut self, sink: &mut S, position: &mut Position) -> io::Result<bool> {
        let mut budget = RUN_MAX_BYTES;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut closed = false;
        self.is_telling = false;
        loop {
            self.take_lines(sink, position);
            if closed || budget == 0 || !sink.ready() {
                return Ok(closed && sink.ready());
            }
            let Some(out) = &mut self.child.stdout else {
                return Ok(true);
            };
            match out.read(&mut chunk) {
                Ok(0) => closed = true,
                Ok(have) => {
                    self.is_telling = true;
                    self.buffer.extend_from_slice(&chunk[..have]);
                    budget = budget.saturating_sub(have);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take_lines<S: EntrySink>(&mut self, sink: &mut S, position: &mut Position) {
        let mut start = 0;
        while sink.ready() {
            let rest = &self.buffer[start..];
            let Some(length) = memchr::memchr(b'\n', rest) else {
                if self.skipping || rest.len() > ENTRY_MAX_BYTES {
                    if !self.skipping {
                        sink.too_long(rest.len() as u64);
                    }
                    self.skipping = true;
                    start = self.buffer.len();
                }
                break;
            };
            if self.skipping {
                self.skipping = false;
            } else if length > ENTRY_MAX_BYTES {
                sink.too_long(length as u64 + 1);
            } else if let Some(cursor) = sink.entry(&rest[..length]) {
                *position = Position::Cursor(cursor);
            }
            start += length + 1;
        }
        self.buffer.drain(..start);
    }

    /// Takes what the child complains about, so that it never waits for a reader.
    fn listen(&mut self) {
        let mut chunk = [0; 4096];
        let Some(err) = &mut self.child.stderr else {
            return;
        };
        for _ in 0..16 {
            match err.read(&mut chunk) {
                Ok(have) if have > 0 => {
                    let room = COMPLAINT_MAX_BYTES.saturating_sub(self.complaint.len());
                    self.complaint.extend_from_slice(&chunk[..have.min(room)]);
                }
                _ => return,
            }
        }
    }
}

/// Whether there is a journal of the whole system that can be read.
pub(super) fn is_readable(directories: &[PathBuf]) -> bool {
    let mut machines = directories
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flat_map(|entries| entries.take(64).filter_map(Result::ok));
    machines.any(|machine| std::fs::File::open(machine.path().join("system.journal")).is_ok())
}
