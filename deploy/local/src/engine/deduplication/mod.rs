//! Taking back notes of blocks that were never stored.
//!
//! A MergeTree table notes a block in its deduplication log before the block's part has its final
//! name. A process killed in between leaves the note without the part, and ClickHouse would then
//! drop the identical repetition of the block as a duplicate: it would be lost. Before the engine
//! starts, [`take_back_orphans`] appends a drop record for every note whose part is not there.
//!
//! The rule: a note stays when the table has a part of the note's partition whose range of block
//! numbers holds the note's. It is right both ways, because a table gives out a block number, writes
//! the note and renames the part under one lock, and numbers only grow: when the process died, at
//! most the highest number lacked its part, and no merge can have a range that reaches it. This holds
//! as long as every start comes through here, since the next insert may take the same number again.
//!
//! Left open: a note whose rename failed in a running engine (not a kill), once a merge went over its
//! number; and an orphan from a version before this one, once its number was given out again. Neither
//! shows on disk. A part that was dropped while its note was not yet, is taken back too: its rows are
//! gone, so a repetition stores them again. Data of other disks than the data directory is not looked at.

mod log;
mod parts;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::log::Log;
use self::parts::{Part, Ranges};
use super::EngineError;

/// Folder of the notes in a table's folder.
const LOGS: &str = "deduplication_logs";

/// Looks at every table below `data_dir` and takes back notes without part; returns how many.
///
/// May run again after a crash in the middle: a drop record is appended with its block's name, and a
/// piece of one at the end of a file is cut off first.
///
/// # Errors
/// When a folder or a log cannot be read or written; the engine must not start then, since a block
/// might be lost.
pub(super) fn take_back_orphans(data_dir: &Path) -> Result<usize, EngineError> {
    let mut taken_back = 0;
    for table in tables(data_dir)? {
        taken_back += take_back_in(&table).map_err(|source| EngineError::File {
            action: "compare deduplication notes with parts in",
            path: table,
            source,
        })?;
    }
    Ok(taken_back)
}

/// Folders of tables that have notes: `store/<3 digits>/<uuid>`.
fn tables(data_dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let store = data_dir.join("store");
    let mut tables = Vec::new();
    let walked = folders(&store).and_then(|groups| {
        for group in groups {
            tables.extend(
                folders(&group)?
                    .into_iter()
                    .filter(|table| table.join(LOGS).is_dir()),
            );
        }
        Ok(())
    });
    match walked {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(EngineError::File {
            action: "list the tables in",
            path: store,
            source,
        }),
        // No store yet: a new data directory.
        _ => Ok(tables),
    }
}

fn folders(parent: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn take_back_in(table: &Path) -> std::io::Result<usize> {
    let log = Log::read(&table.join(LOGS))?;
    if log.notes.is_empty() {
        return Ok(0);
    }
    let mut ranges = Ranges::default();
    for folder in folders(table)? {
        let name = folder.file_name().map(std::ffi::OsStr::as_encoded_bytes);
        // Folders of other names hold no part that the engine would load.
        if let Some(part) = name.and_then(Part::parse) {
            ranges.add(part);
        }
    }
    ranges.seal();
    let orphans: Vec<_> = log
        .notes
        .iter()
        // A part whose name this version cannot read is left to the engine.
        .filter(|(_, part)| Part::parse(part).is_some_and(|part| !ranges.hold(&part)))
        .collect();
    if orphans.is_empty() {
        return Ok(0);
    }
    for (block, part) in &orphans {
        tracing::warn!(
            table = %table.display(),
            part = %String::from_utf8_lossy(part),
            block = %String::from_utf8_lossy(block),
            "a block was noted but its part is not there: the note is taken back, so that a repetition is stored"
        );
    }
    log.take_back(&orphans)?;
    Ok(orphans.len())
}
