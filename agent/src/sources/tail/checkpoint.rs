//! Where reading stands, as stored with a batch: which files, and how far each was handed over.
//!
//! Layout: JSON `{"version":1,"patterns":[…],"files":[{path, identity, fingerprint, position, …}]}`.
//! Unknown versions are refused, and reading starts as if there were none.

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::file::Followed;
use super::identity::{Fingerprint, Identity, open_regular, unreadable};
use super::{Tailer, keep_first, scan};
use crate::sources::SourceError;

const VERSION: u32 = 1;

/// A file of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedFile {
    pub(super) path: PathBuf,
    pattern: String,
    identity: Identity,
    fingerprint: Fingerprint,
    position: u64,
    skipping: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    /// Patterns watched by then: what they lead to later appeared later.
    patterns: Vec<String>,
    files: Vec<SavedFile>,
}

impl Tailer {
    /// Where reading stands, once every line so far was taken care of.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let followed = self.files.iter().map(|file| SavedFile {
            path: file.path.clone(),
            pattern: self.patterns[file.pattern].clone(),
            identity: file.identity,
            fingerprint: file.fingerprint,
            position: file.position,
            skipping: file.skipping,
        });
        let saved = Saved {
            version: VERSION,
            patterns: self.known.iter().cloned().collect(),
            files: followed.chain(self.pending.iter().cloned()).collect(),
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
        if saved.version != VERSION {
            return Err(format!(
                "checkpoint has version {}, known is {VERSION}",
                saved.version
            ));
        }
        self.known = saved.patterns.into_iter().collect();
        self.pending = saved.files;
        Ok(())
    }

    /// Finds the files of the checkpoint again: at their path, or among its siblings when they were
    /// rotated meanwhile.
    pub(super) fn resume(&mut self, now: Instant) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        for saved in std::mem::take(&mut self.pending) {
            // A pattern that left the config takes its files along.
            let Some(pattern) = self.patterns.iter().position(|one| *one == saved.pattern) else {
                continue;
            };
            match open_regular(&saved.path) {
                Ok(Some((file, metadata))) if Identity::of(&metadata) == saved.identity => {
                    let mut followed = Followed::at(
                        pattern,
                        saved.path,
                        file,
                        &metadata,
                        saved.fingerprint,
                        saved.position,
                        now,
                    );
                    // If it was rewritten meanwhile, the first inspection finds out.
                    followed.skipping = saved.skipping;
                    keep_first(&mut outcome, self.admit(followed));
                }
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    keep_first(&mut outcome, Err(unreadable(&saved.path, error)));
                    self.pending.push(saved);
                }
                _ => keep_first(&mut outcome, self.find_rotated(pattern, &saved, now)),
            }
        }
        outcome
    }

    fn find_rotated(
        &mut self,
        pattern: usize,
        saved: &SavedFile,
        now: Instant,
    ) -> Result<(), SourceError> {
        let wanted = scan::Wanted {
            path: &saved.path,
            identity: Some(saved.identity),
            fingerprint: saved.fingerprint,
            position: saved.position,
        };
        let Some((file, metadata)) = scan::find_sibling(&wanted, &self.files) else {
            if saved.fingerprint.length == 0 {
                return Ok(());
            }
            return Err(SourceError::Other(format!(
                "{} was rotated away while the agent was stopped; what it may have held after byte {} is not read",
                saved.path.display(),
                saved.position
            )));
        };
        let mut followed = Followed::at(
            pattern,
            saved.path.clone(),
            file,
            &metadata,
            saved.fingerprint,
            saved.position,
            now,
        );
        followed.skipping = saved.skipping;
        followed.rotated = true;
        self.admit(followed)
    }

    /// After a truncation: the rest that was not read is in the copy that logrotate made.
    pub(super) fn finish_copy(
        &mut self,
        before: Followed,
        now: Instant,
    ) -> Result<(), SourceError> {
        let wanted = scan::Wanted {
            path: &before.path,
            identity: None,
            fingerprint: before.fingerprint,
            position: before.position,
        };
        let Some((file, metadata)) = scan::find_sibling(&wanted, &self.files) else {
            return Ok(());
        };
        if metadata.len() <= before.position {
            return Ok(());
        }
        let mut copy = Followed::at(
            before.pattern,
            before.path,
            file,
            &metadata,
            before.fingerprint,
            before.position,
            now,
        );
        copy.skipping = before.skipping;
        copy.rotated = true;
        self.admit(copy)
    }
}
