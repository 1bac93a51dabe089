//! The files that rules are in.
//!
//! Reads directories and files; promises that what is missing counts as empty, and that nothing but
//! regular files of a bounded size is opened.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::limits::{FILE_MAX_BYTES, FILES_MAX, FILES_MAX_BYTES, FOLDERS_MAX};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// Position of the directory it is below.
    pub directory: usize,
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the directory.
    pub name: PathBuf,
    bytes: u64,
    changed: (i64, i64, u64),
}

/// Files below directories, in the order of directories and of names.
///
/// # Errors
/// When a directory is there and cannot be read, or there is more than the bounds allow.
pub fn list(directories: &[PathBuf]) -> Result<Vec<RuleFile>, String> {
    let mut files = Vec::new();
    for (number, directory) in directories.iter().enumerate() {
        let from = files.len();
        walk(number, directory, directory, FOLDERS_MAX, &mut files)?;
        files[from..].sort_by(|a: &RuleFile, b| a.path.cmp(&b.path));
    }
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    if bytes > FILES_MAX_BYTES {
        return Err(format!(
            "rules take {bytes} bytes together, of {FILES_MAX_BYTES} at most; take files away"
        ));
    }
    Ok(files)
}

fn walk(
    number: usize,
    root: &Path,
    folder: &Path,
    folders_left: usize,
    files: &mut Vec<RuleFile>,
) -> Result<(), String> {
    let place = |error: io::Error| format!("cannot read {}: {error}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(place(error)),
    };
    for entry in entries {
        let path = entry.map_err(place)?.path();
        let hidden = |path: &Path| {
            let name = path
                .file_name()
                .map(|name| name.as_encoded_bytes().first() == Some(&b'.'));
            name.unwrap_or(true)
        };
        // A link without a target, or what went meanwhile.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        // Beside rules stand lines to test them with.
        if hidden(&path) || path.ends_with("tests") {
            continue;
        }
        if metadata.is_dir() {
            let Some(folders_left) = folders_left.checked_sub(1) else {
                return Err(format!(
                    "{} is deeper than {FOLDERS_MAX} folders",
                    path.display()
                ));
            };
            walk(number, root, &path, folders_left, files)?;
        } else if metadata.is_file() && is_rule(&path) {
            if files.len() >= FILES_MAX {
                return Err(format!("more than {FILES_MAX} files of rules"));
            }
            files.push(RuleFile {
                directory: number,
                name: path.strip_prefix(root).unwrap_or(&path).to_owned(),
                path,
                bytes: metadata.len(),
                changed: (metadata.mtime(), metadata.mtime_nsec(), metadata.ino()),
            });
        }
    }
    Ok(())
}

fn is_rule(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yml" | "yaml"))
}

/// Changes when a file comes, goes, or is written.
pub fn fingerprint(files: &[RuleFile]) -> u64 {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.path.as_os_str().as_encoded_bytes());
        let (seconds, nanoseconds, number) = file.changed;
        hash.update(b"\0");
        hash.update(file.bytes.to_le_bytes());
        hash.update(seconds.to_le_bytes());
        hash.update(nanoseconds.to_le_bytes());
        hash.update(number.to_le_bytes());
    }
    crate::version::number(hash)
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(format!("larger than {FILE_MAX_BYTES} bytes"));
    }
    Ok(bytes)
}
