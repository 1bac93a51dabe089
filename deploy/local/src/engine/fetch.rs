//! Gets libchdb once into a cache that every checkout and version shares.
//!
//! Promises: the library appears under its name only after the archive's sha512 and (where
//! pinned) its own sha256 were right and it was synced; two fetchers at once are safe, the second
//! waits for the first. Nothing of the package is run, and nothing but the library is unpacked.
//! Leaves loading to `library`.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::EngineError;
use super::download::{curl, exists, finish, npm_pack, registry_integrity};
use super::package::{Package, Pinned, VERSION, registry};
use super::progress::{Counted, Progress, line};
use super::unpack::{LIBRARY, Sums, unpack};

const OVERRIDE: &str = "CRMSCOPE_CHDB_PATH";

/// The path of libchdb, fetched now if it is not yet on this machine.
///
/// # Errors
/// When it can neither be found nor fetched; the message names the URL, the file and what to do.
pub fn ensure() -> Result<PathBuf, EngineError> {
    if let Some(path) = std::env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
        let path = PathBuf::from(path);
        return match path.is_file() {
            true => Ok(path),
            false => Err(EngineError::Fetch(format!(
                "{OVERRIDE} names {}, which is no file: correct it, or unset it to fetch the library",
                path.display()
            ))),
        };
    }
    let package = Package::of_this_machine()?;
    let directory = cache_dir()?.join(format!("chdb-{VERSION}-{}", package.arch));
    let library = directory.join(LIBRARY);
    if is_whole(&library, package.pinned) {
        return Ok(library);
    }
    std::fs::create_dir_all(&directory).map_err(|source| EngineError::File {
        action: "create the cache directory",
        path: directory.clone(),
        source,
    })?;
    let _lock = wait_for_lock(&directory.join("fetch.lock"))?;
    if is_whole(&library, package.pinned) {
        return Ok(library);
    }
    fetch(&package, &directory, &library)?;
    Ok(library)
}

pub(super) fn fetch_error(text: String) -> EngineError {
    EngineError::Fetch(format!(
        "{text}; or set {OVERRIDE} to a libchdb.so already on this machine"
    ))
}

/// The name appears only after verification; the size guards against a disk that lied.
fn is_whole(library: &Path, pinned: Option<Pinned>) -> bool {
    std::fs::metadata(library).is_ok_and(|metadata| {
        metadata.is_file() && pinned.is_none_or(|pinned| metadata.len() == pinned.library_bytes)
    })
}

fn cache_dir() -> Result<PathBuf, EngineError> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("CRMSCOPE_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("crmscope")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/crmscope")))
        .ok_or_else(|| {
            fetch_error(
                "none of CRMSCOPE_CACHE_DIR, XDG_CACHE_HOME, HOME is set: set one".to_owned(),
            )
        })
}

fn wait_for_lock(path: &Path) -> Result<File, EngineError> {
    let file_error = |source| EngineError::File {
        action: "lock",
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(file_error)?;
    use rustix::fs::{FlockOperation, flock};
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        line("waiting for another process that is fetching ClickHouse's engine");
        flock(&file, FlockOperation::LockExclusive).map_err(|errno| file_error(errno.into()))?;
    }
    Ok(file)
}

fn fetch(package: &Package, directory: &Path, library: &Path) -> Result<(), EngineError> {
    let registry = registry();
    let url = package.archive_url(&registry);
    let has_curl = exists("curl");
    if !has_curl && !exists("npm") {
        return Err(fetch_error(format!(
            "neither curl nor npm is installed to download {url}: install curl"
        )));
    }
    let integrity = match package.pinned {
        Some(pinned) => Some(pinned.integrity.to_owned()),
        None if has_curl => Some(registry_integrity(&package.description_url(&registry))?),
        None => None,
    };
    let total = package.pinned.map(|pinned| pinned.archive_bytes);
    let temporary = directory.join(format!("{LIBRARY}.{}.partial", std::process::id()));
    let remove = RemoveOnDrop(&temporary);
    if has_curl {
        let mut child = curl(&url)?;
        let stdout = child.stdout.take();
        let reader = stdout.ok_or_else(|| fetch_error("curl has no output".to_owned()))?;
        let progress = Progress::new("fetching ClickHouse's engine", total);
        let unpacked = unpack(
            Counted {
                inner: reader,
                progress,
            },
            &temporary,
        );
        // curl's own failure explains more than the broken archive it causes.
        finish(child, &url)?;
        check(
            unpacked.map_err(|error| broken(&url, &error))?,
            integrity.as_deref(),
            package,
            &url,
        )?;
    } else {
        let archive = npm_pack(package, directory)?;
        let unpacked = File::open(&archive).and_then(|file| unpack(file, &temporary));
        let _ = std::fs::remove_file(&archive);
        check(
            unpacked.map_err(|error| broken(&url, &error))?,
            integrity.as_deref(),
            package,
            &url,
        )?;
    }
    let file_error = |source| EngineError::File {
        action: "keep",
        path: library.to_owned(),
        source,
    };
    std::fs::rename(&temporary, library).map_err(file_error)?;
    File::open(directory)
        .and_then(|parent| parent.sync_all())
        .map_err(file_error)?;
    std::mem::forget(remove);
    line(&format!("ClickHouse's engine is in {}", library.display()));
    Ok(())
}

fn broken(url: &str, error: &std::io::Error) -> EngineError {
    fetch_error(format!("unpack {url}: {error}: try again"))
}

struct RemoveOnDrop<'path>(&'path Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

fn check(
    sums: Sums,
    integrity: Option<&str>,
    package: &Package,
    url: &str,
) -> Result<(), EngineError> {
    let wrong = |what: &str, is: &str, should: &str| {
        fetch_error(format!(
            "{what} of {url} is {is}, should be {should}: the registry or something on the way changed it; try another registry"
        ))
    };
    match integrity {
        Some(should) if should != sums.archive => {
            return Err(wrong("the checksum", &sums.archive, should));
        }
        _ => {}
    }
    match package.pinned {
        Some(pinned) if pinned.library_sha256 != sums.library => Err(wrong(
            "the library's checksum",
            &sums.library,
            pinned.library_sha256,
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_checksum_names_the_url_and_both_sums() {
        let package = Package::of_this_machine().unwrap();
        let sums = Sums {
            archive: "sha512-is".to_owned(),
            library: String::new(),
        };
        let error = check(sums, Some("sha512-should"), &package, "http://r/x.tgz")
            .unwrap_err()
            .to_string();
        for part in ["http://r/x.tgz", "sha512-is", "sha512-should", OVERRIDE] {
            assert!(error.contains(part), "{error}");
        }
    }
}
