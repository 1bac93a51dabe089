//! The deduplication log of one table, as MergeTree writes it.
//!
//! Files `deduplication_log_<number>.txt`, read in order of their numbers. A line is
//! `operation <tab> part <tab> block`, operation 1 adds a note and 2 drops it; names hold no tab.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The notes that hold, and where to append.
#[derive(Debug)]
pub(super) struct Log {
    /// Part by block.
    pub(super) notes: BTreeMap<Vec<u8>, Vec<u8>>,
    newest: Option<PathBuf>,
}

impl Log {
    /// Reads all files of the folder; cuts off a line that does not end, as no insert waited for it.
    /// Without the cut, the engine would glue its next line to it and understand neither.
    pub(super) fn read(folder: &Path) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(number) = file_number(&path) {
                files.insert(number, path);
            }
        }
        let mut log = Self {
            notes: BTreeMap::new(),
            newest: None,
        };
        for path in files.into_values() {
            let text = std::fs::read(&path)?;
            let whole = text
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            if whole < text.len() {
                tracing::warn!(path = %path.display(), bytes = text.len() - whole, "a piece of a deduplication note is cut off");
                let file = File::options().write(true).open(&path)?;
                file.set_len(whole as u64)?;
                file.sync_all()?;
            }
            for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
                if !log.apply(&line[..line.len() - 1]) {
                    // The engine stops at such a line too.
                    tracing::warn!(path = %path.display(), "a deduplication note is not readable; those behind it in this file count for nothing");
                    break;
                }
            }
            log.newest = Some(path);
        }
        Ok(log)
    }

    /// False for what is no line of such a log.
    fn apply(&mut self, line: &[u8]) -> bool {
        let mut pieces = line.splitn(3, |byte| *byte == b'\t');
        let (Some(operation), Some(part), Some(block)) =
            (pieces.next(), pieces.next(), pieces.next())
        else {
            return false;
        };
        match operation {
            // A block that is noted already keeps its part.
            b"1" => {
                self.notes
                    .entry(block.to_vec())
                    .or_insert_with(|| part.to_vec());
            }
            b"2" => {
                self.notes.remove(block);
            }
            _ => return false,
        }
        true
    }

    /// Appends a drop record for each (block, part), synced.
    pub(super) fn take_back(&self, orphans: &[(&Vec<u8>, &Vec<u8>)]) -> std::io::Result<()> {
        let Some(newest) = &self.newest else {
            return Ok(());
        };
        let mut lines = Vec::new();
        for (block, part) in orphans {
            for piece in [b"2\t".as_slice(), part, b"\t", block, b"\n"] {
                lines.extend_from_slice(piece);
            }
        }
        let mut file = File::options().append(true).open(newest)?;
        file.write_all(&lines)?;
        file.sync_all()
    }
}

fn file_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name
        .strip_prefix("deduplication_log_")?
        .strip_suffix(".txt")?;
    number.parse().ok()
}
