//! Security events: logins, changes of user and of accounts, uses of privileges and exports of data,
//! from the journal or from authentication logs, from auditd and from logs of applications. A run that
//! does not see what it is told to see is an error, so that silence is not taken for peace.
//!
//! Owns what lines of sshd, sudo, su, PAM, shadow's programs and auditd mean. Promises that each line gives at most one event,
//! that an event's id depends only on where it was read, that names from outside are data (they
//! decide neither who an event is about nor where it came from), and that neither raw lines nor
//! arguments of commands leave the host. A line that is not understood is counted and nothing is
//! made of it. Nothing is sampled: while events wait to be handed over, reading waits.
//! The journal is preferred because it tells who really wrote an entry: in authentication logs, any
//! account of the host can write a line that looks like sshd's.
//! Leaves correlation and judgement to the collector, and following files to [`super::tail`].

mod accounts;
mod audit;
mod config;
mod entry;
mod event;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod journal;
mod kind;
mod logs;
mod message;
pub mod polled;
mod privileges;
mod reading;
mod rules;
mod sink;
mod sshd;
mod syslog;
#[cfg(test)]
mod tests;
pub(in crate::sources) mod web;

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Lane;
use crmscope_proto::payload::SecurityRow;
use serde::{Deserialize, Serialize};

use super::line_counts::LineCounts;
use super::tail::zone::Zone;
use super::tail::{Limits, Tailers};
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::rules::Rules;
pub use config::{Condition, Config, Fields, JournalMode, KindOf, LogConfig, LogFormat};
use journal::{Journal, Position, Reading};
use logs::FollowedLog;
use logs::sink::LogSink;
use rules::Asking;
use sink::Sink;

/// Version of [`Checkpoint`]; those without one are of the first.
const CHECKPOINT_VERSION: u32 = 2;

/// Read from authentication logs in a run, and from the other logs.
const RUN_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Where logins and privileges come from; decided at the first run.
#[derive(Debug)]
enum Feed {
    Journal(Journal),
    Logs(Tailers),
}

/// Where reading stands in all feeds, so that a change from one to the other loses neither.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Checkpoint {
    version: u32,
    journal: Option<Position>,
    /// Authentication logs.
    logs: Option<String>,
    /// auditd's and applications' logs, from version 2 on.
    followed: Option<String>,
}

/// Reads security events.
#[derive(Debug)]
pub struct SecuritySource {
    config: Config,
    zone: Zone,
    feed: Option<Feed>,
    /// How auditd's and applications' logs are read, in the order of the tailer's patterns. Several
    /// ways for one path are asked in the order of the config.
    logs: Vec<Vec<FollowedLog>>,
    followed: Option<Tailers>,
    followed_first: bool,
    restored: Checkpoint,
    held: Vec<SecurityRow>,
    rules: Arc<Rules>,
}

impl SecuritySource {
    /// A source for a validated config. Nothing is opened before the first run.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            zone: Zone::of(&config.auth_log_zone),
            config: config.clone(),
            feed: None,
            logs: Vec::new(),
            followed: None,
            followed_first: false,
            restored: Checkpoint::default(),
            held: Vec::new(),
            rules: Arc::default(),
        }
    }

    /// The same, with rules that events are asked about.
    #[must_use]
    pub fn with_rules(mut self, rules: &Arc<Rules>) -> Self {
        self.rules = Arc::clone(rules);
        self
    }

    /// Decides where events come from.
    fn open(&mut self, moment: Moment) -> Feed {
        let journal = match self.config.journal {
            JournalMode::On => true,
            JournalMode::Off => false,
            JournalMode::Auto => journal::is_readable(&self.config.journal_directories),
        };
        if journal {
            let now = Position::Since(moment.wall_ms.div_euclid(1000));
            let position = self.restored.journal.take().unwrap_or(now);
            let reading = Reading {
                program: self.config.journal_program.clone(),
                directories: self.config.journal_directories.clone(),
                audit: self.config.audit_logs.is_empty(),
                idle: Duration::from_millis(self.config.journal_idle_ms),
            };
            return Feed::Journal(Journal::new(reading, position));
        }
        if self.config.journal == JournalMode::Auto {
            tracing::warn!(
                source = "security",
                directories = ?self.config.journal_directories,
                logs = ?self.config.auth_logs,
                "no readable journal, reading authentication logs; add the agent's user to the group systemd-journal if there is one"
            );
        }
        let saved = self.restored.logs.take();
        Feed::Logs(self.tailer(self.config.auth_logs.clone(), saved))
    }

    /// Follows auditd's and applications' logs.
    fn follow(&mut self) -> Tailers {
        let audit = self.config.audit_logs.iter();
        let audit = audit.map(|path| (path, FollowedLog::audit()));
        // The config was validated: each can be built.
        let others = self.config.logs.iter();
        let others = others.filter_map(|log| Some((&log.path, FollowedLog::build(log).ok()?)));
        let mut patterns: Vec<String> = Vec::new();
        for (path, log) in audit.chain(others) {
            match patterns.iter().position(|known| known == path) {
                Some(position) => self.logs[position].push(log),
                None => {
                    patterns.push(path.clone());
                    self.logs.push(vec![log]);
                }
            }
        }
        let saved = self.restored.followed.take();
        self.tailer(patterns, saved)
    }

    /// Reads the journal or the authentication logs. Feeds stay in their place meanwhile, so that a
    /// panic loses no position.
    fn read_feed(&mut self, moment: Moment, rows: &Rows<'_>) -> Result<(), SourceError> {
        if self.feed.is_none() {
            self.feed = Some(self.open(moment));
        }
        let mut sink = Sink {
            held: &mut self.held,
            asking: Asking::of(&self.rules),
            zone: &self.zone,
            now_ms: moment.wall_ms,
            path: String::new(),
            counts: LineCounts::default(),
        };
        let outcome = match &mut self.feed {
            Some(Feed::Journal(journal)) => journal.poll(moment.monotonic, &mut sink),
            Some(Feed::Logs(tailer)) => tailer
                .poll(moment.monotonic, &mut sink)
                .and_then(|()| sees_logins(&self.config.auth_logs, tailer)),
            None => Ok(()),
        };
        sink.counts.report(rows);
        outcome
    }

    /// Reads auditd's and applications' logs.
    fn read_followed(&mut self, moment: Moment, rows: &Rows<'_>) -> Result<(), SourceError> {
        if self.followed.is_none() {
            self.followed = Some(self.follow());
        }
        let mut sink = LogSink {
            held: &mut self.held,
            asking: Asking::of(&self.rules),
            logs: &mut self.logs,
            now_ms: moment.wall_ms,
            path: String::new(),
            log: 0,
            counts: LineCounts::default(),
        };
        let outcome = self.followed.as_mut().map_or(Ok(()), |followed| {
            followed.poll(moment.monotonic, &mut sink)?;
            sees_all(followed)
        });
        sink.counts.report(rows);
        outcome
    }

    fn tailer(&self, patterns: Vec<String>, saved: Option<String>) -> Tailers {
        let limits = Limits {
            max_files: self.config.max_files,
            run_max_bytes: RUN_MAX_BYTES,
            from_start: false,
        };
        let mut tailer = Tailers::new(patterns, limits);
        if let Some(saved) = saved
            && let Err(error) = tailer.restore(saved.as_bytes())
        {
            tracing::warn!(source = "security", %error, "reading starts without a checkpoint");
        }
        tailer
    }
}

/// Of the authentication logs one is enough: distributions name them differently.
fn sees_logins(paths: &[String], tailer: &Tailers) -> Result<(), SourceError> {
    if paths.is_empty() || tailer.is_following_any() {
        return Ok(());
    }
    Err(SourceError::Other(format!(
        "no authentication log is there ({}), so no login is seen; let a syslog daemon write one, make the journal readable, or name the log in sources.security.auth_logs",
        paths.join(", ")
    )))
}

/// A log that is named in full has to be there; a pattern may lead to files that come later.
fn sees_all(tailer: &Tailers) -> Result<(), SourceError> {
    match tailer.missing() {
        None => Ok(()),
        Some(path) => Err(SourceError::Other(format!(
            "{path} is not there, so nothing of it is seen; correct its path in sources.security or take it out"
        ))),
    }
}

impl Source for SecuritySource {
    fn name(&self) -> &'static str {
        "security"
    }

    fn worker(&self) -> Worker {
        Worker::Security
    }

    fn lane(&self) -> Lane {
        Lane::Security
    }

    fn interval(&self) -> Duration {
        self.config.interval()
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        // In turns, so that a flood in one feed does not fill what is held before the other's turn.
        self.followed_first = !self.followed_first;
        if self.followed_first {
            let followed = self.read_followed(moment, rows);
            self.read_feed(moment, rows).and(followed)
        } else {
            let feed = self.read_feed(moment, rows);
            self.read_followed(moment, rows).and(feed)
        }
    }

    fn drain(&mut self, _moment: Moment, rows: &mut Rows<'_>) {
        rows.contents().security.append(&mut self.held);
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        let mut checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            journal: self.restored.journal.clone(),
            logs: self.restored.logs.clone(),
            followed: self.restored.followed.clone(),
        };
        if let Some(followed) = &self.followed {
            checkpoint.followed = String::from_utf8(followed.checkpoint()).ok();
        }
        match &self.feed {
            Some(Feed::Journal(journal)) => checkpoint.journal = Some(journal.position.clone()),
            Some(Feed::Logs(tailer)) => {
                checkpoint.logs = String::from_utf8(tailer.checkpoint()).ok();
            }
            None => {}
        }
        serde_json::to_vec(&checkpoint).ok()
    }

    fn restore(&mut self, checkpoint: &[u8]) {
        match serde_json::from_slice::<Checkpoint>(checkpoint) {
            Ok(restored) if restored.version <= CHECKPOINT_VERSION => self.restored = restored,
            Ok(restored) => {
                tracing::warn!(
                    source = "security",
                    version = restored.version,
                    known = CHECKPOINT_VERSION,
                    "the checkpoint is of a newer agent, reading starts without it"
                );
            }
            Err(error) => {
                tracing::warn!(source = "security", %error, "reading starts without a checkpoint");
            }
        }
    }

    fn stop(&mut self) {
        if let Some(Feed::Journal(journal)) = &mut self.feed {
            journal.stop();
        }
    }
}
