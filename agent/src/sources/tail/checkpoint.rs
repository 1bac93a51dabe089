//! Where reading stands, as stored with a batch: which files, how far each was handed over, and
//! which generations of a log are done.
//!
//! Layout: JSON `{"version":2,"patterns":[…],"files":[{path, identity, fingerprint, position, …}],
//! "logs":[{path, known:[[…],…], …}]}`. Version 1 had no `logs` and no anchors. Other versions are
//! refused, and reading starts as if there were none.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::chain::{Known, Log};
use super::file::{Followed, Orphan};
use super::identity::{self, Fingerprint, Identity, Mark, open_regular, unreadable};
use super::{Lost, Tailer, keep_first};
use crate::sources::SourceError;

const VERSION: u32 = 2;

/// A file of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedFile {
    pub(super) path: PathBuf,
    pattern: String,
    identity: Option<Identity>,
    fingerprint: Fingerprint,
    position: u64,
    skipping: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<u32>,
    /// Found among generations only.
    #[serde(default)]
    rotated: bool,
}

impl SavedFile {
    fn mark(&self) -> Mark {
        Mark {
            head: self.fingerprint,
            start: self.start,
            position: self.position,
            anchor: self.anchor,
        }
    }

    fn orphan(&self) -> Orphan {
        Orphan {
            identity: self.identity,
            mark: self.mark(),
            skipping: self.skipping,
            live: !self.rotated,
            size: None,
            reason: Lost::RotatedAway,
            tries: 0,
        }
    }
}

/// Length and checksum of the first bytes, their start, position (none when only the first bytes
/// are known), anchor, flags, when written in ms.
type SavedKnown = (usize, u32, Option<u32>, Option<u64>, Option<u32>, u8, i64);

/// Inside of a line that is passed over.
const SKIPPING: u8 = 1;
/// Unpacked to its end.
const COMPLETE: u8 = 2;

#[derive(Serialize, Deserialize)]
struct SavedLog {
    path: PathBuf,
    pattern: String,
    newest_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten_ms: Option<i64>,
    known: Vec<SavedKnown>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    /// Patterns watched by then: what they lead to later appeared later.
    patterns: Vec<String>,
    files: Vec<SavedFile>,
    #[serde(default)]
    logs: Vec<SavedLog>,
}

fn save_known(known: &Known) -> SavedKnown {
    let mark = &known.mark;
    (
        mark.head.length,
        mark.head.crc32,
        mark.start,
        (!known.whole).then_some(mark.position),
        mark.anchor,
        if known.skipping { SKIPPING } else { 0 } | if known.complete { COMPLETE } else { 0 },
        known.modified_ms,
    )
}

fn load_known(saved: SavedKnown) -> Known {
    let (length, crc32, start, position, anchor, flags, modified_ms) = saved;
    Known {
        mark: Mark {
            head: Fingerprint { length, crc32 },
            start,
            position: position.unwrap_or(0),
            anchor,
        },
        skipping: flags & SKIPPING != 0,
        whole: position.is_none(),
        complete: flags & COMPLETE != 0,
        modified_ms,
        seen: None,
        absent: 0,
    }
}

/// One checkpoint of those of several tailers, whose patterns differ.
pub(super) fn merge<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut whole = Saved {
        version: VERSION,
        patterns: Vec::new(),
        files: Vec::new(),
        logs: Vec::new(),
    };
    // They are of our own making, so that each can be read.
    for mut part in parts.filter_map(|part| serde_json::from_slice::<Saved>(part).ok()) {
        whole.patterns.append(&mut part.patterns);
        whole.files.append(&mut part.files);
        whole.logs.append(&mut part.logs);
    }
    whole.patterns.sort_unstable();
    whole.patterns.dedup();
    serde_json::to_vec(&whole).unwrap_or_default()
}

impl Tailer {
    /// Where reading stands, once every line so far was taken care of.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let pattern = |at: usize| self.patterns.get(at).cloned().unwrap_or_default();
        let save = |path: &Path, at: usize, orphan: &Orphan| SavedFile {
            path: path.to_owned(),
            pattern: pattern(at),
            identity: orphan.identity,
            fingerprint: orphan.mark.head,
            position: orphan.mark.position,
            skipping: orphan.skipping,
            start: orphan.mark.start,
            anchor: orphan.mark.anchor,
            rotated: !orphan.live,
        };
        let mut files: Vec<SavedFile> = self
            .files
            .iter()
            .map(|file| save(&file.path, file.pattern, &file.orphan(Lost::RotatedAway)))
            .collect();
        for (path, log) in &self.logs {
            let orphans = log.orphans.iter();
            files.extend(orphans.map(|orphan| save(path, log.pattern, orphan)));
        }
        files.extend(self.pending.iter().cloned());
        let logs = self.logs.iter().filter(|(_, log)| log.registered);
        let saved = Saved {
            version: VERSION,
            patterns: self.known.iter().cloned().collect(),
            files,
            logs: logs
                .map(|(path, log)| SavedLog {
                    path: path.clone(),
                    pattern: pattern(log.pattern),
                    newest_ms: log.newest_ms,
                    forgotten_ms: log.forgotten_ms,
                    known: log.known.iter().map(save_known).collect(),
                })
                .collect(),
        };
        // Paths are checked to be UTF-8 when files are found, so that this cannot fail.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// Continues from a checkpoint, at the next run.
    ///
    /// # Errors
    /// When the checkpoint cannot be read; reading then starts as if there were none.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), String> {
        let saved: Saved = serde_json::from_slice(checkpoint)
            .map_err(|error| format!("checkpoint of {} bytes: {error}", checkpoint.len()))?;
        if !(1..=VERSION).contains(&saved.version) {
            return Err(format!(
                "checkpoint has version {}, known is {VERSION}",
                saved.version
            ));
        }
        self.known = saved.patterns.into_iter().collect();
        // A pattern that left the config takes its files along, and others have tailers of their own.
        let own = |file: &SavedFile| self.patterns.contains(&file.pattern);
        self.pending = saved.files.into_iter().filter(own).collect();
        for log in saved.logs {
            // A pattern that left the config takes its files along.
            if let Some(pattern) = self.patterns.iter().position(|one| *one == log.pattern) {
                let known = log.known.into_iter().map(load_known).collect();
                let log = (
                    log.path,
                    Log {
                        pattern,
                        known,
                        newest_ms: log.newest_ms,
                        forgotten_ms: log.forgotten_ms,
                        registered: true,
                        due: true,
                        orphans: Vec::new(),
                    },
                );
                self.logs.insert(log.0, log.1);
            }
        }
        Ok(())
    }

    /// Finds the files of the checkpoint again at their path. Those that are not there are left to
    /// the look at the generations of their log.
    pub(super) fn resume(&mut self, now: Instant) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        for saved in std::mem::take(&mut self.pending) {
            let Some(pattern) = self.patterns.iter().position(|one| *one == saved.pattern) else {
                continue;
            };
            let opened = open_regular(&saved.path);
            let in_place = match &opened {
                Ok(Some((_, metadata))) => saved.identity == Some(Identity::of(metadata)),
                _ => false,
            };
            let holds = match &opened {
                // Also one that rotation had put aside: it may be renamed back.
                Ok(Some((file, metadata))) if in_place && metadata.len() >= saved.position => {
                    saved.mark().holds(file)
                }
                _ => Ok(false),
            };
            // What cannot be read just now says nothing: it is no other file for that.
            let (opened, holds) = match holds {
                Ok(holds) => (opened, holds),
                Err(error) => (Err(error), false),
            };
            match opened {
                Ok(Some((file, metadata))) if holds => {
                    let path = saved.path.clone();
                    let mut mark = saved.mark();
                    if let Ok(head) = identity::head(&file) {
                        mark.cover(&head);
                    }
                    let mut followed = Followed::plain(pattern, path, file, &metadata, mark, now);
                    followed.skipping = saved.skipping;
                    if let Some(twin) = self.files.iter_mut().find(|file| file.is_same(&followed)) {
                        // It stands there twice: it was read as far as where it got further.
                        if twin.mark.position < followed.mark.position {
                            *twin = followed;
                        }
                        continue;
                    }
                    match self.admit(followed) {
                        Ok(()) => self.log(pattern, &saved.path),
                        Err(error) => {
                            self.pending.push(saved);
                            keep_first(&mut outcome, Err(error));
                        }
                    }
                }
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    keep_first(&mut outcome, Err(unreadable(&saved.path, error)));
                    self.pending.push(saved);
                }
                _ => {
                    self.log(pattern, &saved.path);
                    let mut orphan = saved.orphan();
                    if in_place {
                        // Truncated: what it held can only be in a copy.
                        orphan.identity = None;
                        orphan.live = false;
                    }
                    self.leave(&saved.path, orphan);
                }
            }
        }
        outcome
    }
}
