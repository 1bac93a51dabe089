//! Finding files: what patterns lead to, and where a rotated file went.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::file::Followed;
use super::identity::{Fingerprint, Identity, open_regular};
use super::{Tailer, keep_first};
use crate::sources::SourceError;

/// Most names looked at for one pattern or in one folder.
const NAMES_MAX: usize = 4096;

/// Shortest fingerprint that tells a copy: two files may well share a first word.
const COPY_FINGERPRINT_MIN: usize = 32;

impl Tailer {
    /// Starts following files that are new.
    pub(super) fn scan(&mut self, now: Instant) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        for pattern in 0..self.patterns.len() {
            let text = self.patterns[pattern].clone();
            let first_look = !self.known.contains(&text);
            let (paths, problem) = expand(&text);
            keep_first(&mut outcome, problem);
            for path in paths {
                let live = |file: &Followed| !file.rotated && file.path == path;
                if self.files.iter().any(live) {
                    continue;
                }
                let late = first_look || self.unreadable.contains(&path);
                let from_start = !late || self.limits.from_start;
                match self.open(pattern, &path, from_start, now) {
                    Ok(()) => {
                        self.unreadable.remove(&path);
                    }
                    Err(error) => {
                        if first_look && self.unreadable.len() < NAMES_MAX {
                            self.unreadable.insert(path);
                        }
                        keep_first(&mut outcome, Err(error));
                    }
                }
            }
            self.known.insert(text);
        }
        outcome
    }
}

/// The files a pattern leads to. A wildcard does not lead to files that rotation has put aside:
/// they are read by what they are, not by their names.
fn expand(pattern: &str) -> (Vec<PathBuf>, Result<(), SourceError>) {
    if !pattern.contains(['*', '?', '[']) {
        return (vec![PathBuf::from(pattern)], Ok(()));
    }
    let entries = match glob::glob(pattern) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = SourceError::Other(format!("bad pattern {pattern}: {error}"));
            return (Vec::new(), Err(problem));
        }
    };
    let mut paths = Vec::new();
    let mut outcome = Ok(());
    for entry in entries.take(NAMES_MAX) {
        match entry {
            Ok(path) if path.to_str().is_none() => keep_first(
                &mut outcome,
                Err(SourceError::Other(format!(
                    "{} is not read: its name is not UTF-8; rename it",
                    path.display()
                ))),
            ),
            Ok(path) if is_put_aside(&path) => {}
            Ok(path) => paths.push(path),
            Err(error) => {
                let path = error.path().to_owned();
                let problem = super::identity::unreadable(&path, error.into());
                keep_first(&mut outcome, Err(problem));
            }
        }
    }
    (paths, outcome)
}

/// Whether a name is one that rotation gives: `.1`, `-20261123`, `.gz`, `.old`.
fn is_put_aside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some((_, ending)) = name.and_then(|name| name.rsplit_once(['.', '-'])) else {
        return false;
    };
    matches!(ending, "gz" | "bz2" | "xz" | "zst" | "lz4" | "old" | "bak")
        || (!ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A file that is no longer where it was.
pub(super) struct Wanted<'a> {
    /// Where it was.
    pub(super) path: &'a Path,
    /// What it was; `None` when only a copy of it is to be found.
    pub(super) identity: Option<Identity>,
    pub(super) fingerprint: Fingerprint,
    pub(super) position: u64,
}

/// Looks in the folder for the file itself, else for the newest copy of it that goes at least as
/// far as it was read. Files being followed are neither.
pub(super) fn find_sibling(wanted: &Wanted<'_>, followed: &[Followed]) -> Option<(File, Metadata)> {
    let folder = std::fs::read_dir(wanted.path.parent()?).ok()?;
    let mut copy: Option<(File, Metadata)> = None;
    for entry in folder.take(NAMES_MAX).filter_map(Result::ok) {
        let Ok(Some((file, metadata))) = matching(&entry.path(), wanted) else {
            continue;
        };
        let identity = Identity::of(&metadata);
        if followed.iter().any(|other| other.identity == identity) {
            continue;
        }
        if wanted.identity == Some(identity) {
            return Some((file, metadata));
        }
        let newer = copy
            .as_ref()
            .is_none_or(|(_, best)| best.modified().ok() < metadata.modified().ok());
        if newer && wanted.fingerprint.length >= COPY_FINGERPRINT_MIN {
            copy = Some((file, metadata));
        }
    }
    copy
}

fn matching(path: &Path, wanted: &Wanted<'_>) -> io::Result<Option<(File, Metadata)>> {
    let Some((file, metadata)) = open_regular(path)? else {
        return Ok(None);
    };
    let fits = metadata.len() >= wanted.position && wanted.fingerprint.matches(&file)?;
    Ok(fits.then_some((file, metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_gives_are_told_from_live_ones() {
        for name in [
            "access.log.1",
            "access.log.2.gz",
            "access.log-20261123",
            "access.log.old",
        ] {
            assert!(is_put_aside(Path::new(name)), "{name}");
        }
        for name in ["access.log", "crm-access.log", "access_log", "access-2.log"] {
            assert!(!is_put_aside(Path::new(name)), "{name}");
        }
    }
}
