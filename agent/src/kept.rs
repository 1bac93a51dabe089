//! Small files in the state directory, each replaced as a whole.
//!
//! Promises that a file has what was written last or what was before, through any crash; that reading is
//! bounded. Leaves telling damage to whoever owns the contents.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// What was written last; `None` where there is no file.
///
/// # Errors
/// When it cannot be read, or is larger than `max_bytes`.
pub(crate) fn read(state_dir: &Path, name: &str, max_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(state_dir.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() <= max_bytes {
        true => Ok(Some(bytes)),
        false => Err(damaged()),
    }
}

/// Puts it in the place of what was there.
///
/// # Errors
/// When the disk refuses; what was there before stays.
pub(crate) fn replace(state_dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = state_dir.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, state_dir.join(name))?;
    File::open(state_dir)?.sync_all()
}

/// Takes it away, where it is there.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn remove(state_dir: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(state_dir.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Its contents are not as they were written.
pub(crate) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged")
}
