//! Where fetched files are kept, and who may fetch.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::{DownloadError, line};

/// The cache directory of crmscope on this machine.
pub(crate) fn cache_dir() -> Result<PathBuf, DownloadError> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("CRMSCOPE_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("crmscope")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/crmscope")))
        .ok_or_else(|| {
            DownloadError(
                "none of CRMSCOPE_CACHE_DIR, XDG_CACHE_HOME, HOME is set: set one".to_owned(),
            )
        })
}

/// The lock on `path`, once no other process holds it; free again when the file is dropped.
pub(crate) fn wait_for_lock(path: &Path, what: &str) -> std::io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        line(&format!(
            "waiting for another process that is fetching {what}"
        ));
        flock(&file, FlockOperation::LockExclusive)?;
    }
    Ok(file)
}
