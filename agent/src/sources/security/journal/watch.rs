//! Whether the journal gained something that its reader would tell, while no reader runs.
//!
//! Owns the files that journald writes to. Promises to say "more" too often rather than too rarely:
//! when a file comes, goes or is renamed, whatever is in it; and to fail where it cannot tell, so
//! that the reader is kept. Costs a few small reads a look.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::file::JournalFile;

/// Most files that are written at once: one for the system and one for each user.
const FILES_MAX: usize = 256;

/// Most directories: one for each machine id.
const DIRECTORIES_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Watch {
    /// When a name last changed in each; `None` where there is none.
    directories: Vec<(PathBuf, Option<SystemTime>)>,
    files: Vec<JournalFile>,
}

impl Watch {
    /// Counts what is asked for in all files, from which later looks are told apart.
    pub(super) fn open(directories: &[PathBuf], asked: &[(&str, Vec<String>)]) -> io::Result<Self> {
        let mut watch = Self {
            directories: Vec::new(),
            files: Vec::new(),
        };
        for directory in directories {
            watch.add(directory, asked, true)?;
        }
        if watch.files.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no journal file"));
        }
        Ok(watch)
    }

    /// Whether there is more than at the last look.
    pub(super) fn has_more(&mut self) -> io::Result<bool> {
        for (directory, changed) in &self.directories {
            if changed_at(directory)? != *changed {
                return Ok(true);
            }
        }
        let mut more = false;
        for file in &mut self.files {
            more |= file.has_more()?;
        }
        Ok(more)
    }

    fn add(
        &mut self,
        directory: &Path,
        asked: &[(&str, Vec<String>)],
        has_machines: bool,
    ) -> io::Result<()> {
        // Before its files are listed, so that one that comes meanwhile counts as a change.
        let changed = changed_at(directory)?;
        self.directories.push((directory.to_owned(), changed));
        if self.directories.len() > DIRECTORIES_MAX {
            return Err(io::Error::other("too many directories"));
        }
        if changed.is_none() {
            return Ok(());
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                if has_machines {
                    self.add(&entry.path(), asked, false)?;
                }
            } else if is_written(&entry.file_name().to_string_lossy()) {
                if self.files.len() == FILES_MAX {
                    return Err(io::Error::other("too many files"));
                }
                self.files.push(JournalFile::open(&entry.path(), asked)?);
            }
        }
        Ok(())
    }
}

/// A file that was put aside has an `@` in its name, or ends in `~`.
fn is_written(name: &str) -> bool {
    name.ends_with(".journal") && !name.contains('@')
}

fn changed_at(directory: &Path) -> io::Result<Option<SystemTime>> {
    match fs::metadata(directory) {
        Ok(data) => data.modified().map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
