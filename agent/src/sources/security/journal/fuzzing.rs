//! What the fuzzer of journal files calls: any bytes as a file that is written while it is watched.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::file::JournalFile;
use crate::fuzzing::{folder, write};

/// Looks of one input.
const LOOKS_MAX: usize = 16;

/// Bytes of a place, and of the word that is written there.
const PATCH_BYTES: usize = 10;

/// Watches a file: two bytes say how long it is, then it follows, then what is written between
/// looks, two bytes of place and eight of contents each.
///
/// # Panics
/// When a file that did not change has more than at the look before.
pub fn watch(data: &[u8]) {
    let path = folder("journal_file").join("system.journal");
    let Some((length, data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(data.len());
    let (contents, patches) = data.split_at(length);
    write(&path, contents);
    // An error is one of the answers: the reader stays then.
    let _ = looks(&path, patches);
}

fn looks(path: &Path, patches: &[u8]) -> io::Result<()> {
    let asked = [
        ("SYSLOG_IDENTIFIER=", vec!["sshd".to_owned()]),
        ("_AUDIT_TYPE=", vec!["1112".to_owned()]),
    ];
    let mut watched = JournalFile::open(path, &asked)?;
    assert!(!watched.has_more()?, "nothing was written");
    let writing = File::options().write(true).open(path)?;
    for patch in patches.chunks_exact(PATCH_BYTES).take(LOOKS_MAX) {
        let at = u64::from(u16::from_le_bytes([patch[0], patch[1]]));
        writing.write_all_at(&patch[2..], at)?;
        watched.has_more()?;
        assert!(!watched.has_more()?, "nothing was written");
    }
    Ok(())
}
