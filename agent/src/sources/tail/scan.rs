//! Finding files: what patterns lead to.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::chain::NAMES_MAX;
use super::file::Followed;
use super::names::{is_put_aside, live_of_infix};
use super::{Tailer, keep_first};
use crate::sources::SourceError;

impl Tailer {
    /// Starts following files that are new.
    pub(super) fn scan(&mut self, now: Instant) -> Result<(), SourceError> {
        let mut outcome = Ok(());
        for pattern in 0..self.patterns.len() {
            let text = self.patterns[pattern].clone();
            let first_look = !self.known.contains(&text);
            let (paths, problem) = expand(&text);
            if !is_glob(&text) {
                self.log(pattern, Path::new(&text));
            }
            keep_first(&mut outcome, problem);
            for path in paths {
                let live = |file: &Followed| !file.rotated && file.path == path;
                if self.files.iter().any(live) || self.is_beside_its_log(&path) {
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

    /// Whether a name like `access.1.log` belongs to an `access.log` that is there too, or was.
    fn is_beside_its_log(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(live_of_infix).is_some_and(|live| {
            let live = path.with_file_name(live);
            self.logs.contains_key(&live) || live.exists()
        })
    }
}

pub(super) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The files a pattern leads to. A wildcard does not lead to files that rotation has put aside:
/// they are read by what they are, not by their names.
fn expand(pattern: &str) -> (Vec<PathBuf>, Result<(), SourceError>) {
    if !is_glob(pattern) {
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
