//! Gets libchdb once into a cache that every checkout and version shares.
//!
//! Promises: the library appears under its name only after the archive's sha512 and (where
//! pinned) its own sha256 were right and it was synced; two fetchers at once are safe, the second
//! waits for the first. Nothing of the package is run, and nothing but the library is unpacked.
//! Leaves loading to `library`.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::EngineError;
use super::download::{curl, finish, npm_pack, registry_integrity};
use super::package::{Package, Pinned, VERSION, registry};
use super::unpack::{LIBRARY, Sums, unpack};
use crate::download::{Counted, Progress, cache_dir, exists, line, wait_for_lock};

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
    let cache = cache_dir().map_err(|error| fetch_error(error.to_string()))?;
    let directory = cache.join(format!("chdb-{VERSION}-{}", package.arch));
    let library = directory.join(LIBRARY);
    if is_whole(&library, package.pinned) {
        return Ok(library);
    }
    std::fs::create_dir_all(&directory).map_err(|source| EngineError::File {
        action: "create the cache directory",
        path: directory.clone(),
        source,
    })?;
    let lock = directory.join("fetch.lock");
    let _lock =
        wait_for_lock(&lock, "ClickHouse's engine").map_err(|source| EngineError::File {
            action: "lock",
            path: lock.clone(),
            source,
        })?;
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
