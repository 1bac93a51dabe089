//! Kafka's jars: fetched once from a Maven repository, without Maven.
//!
//! Promises: a jar appears under its name only after size and SHA-256 were right and it was synced;
//! each use verifies all of them, and what is damaged is fetched again; two fetchers at once are
//! safe, the second waits; a fetch that was cut goes on where it stopped.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::java::Java;
use super::lock::{self, Jar};
use super::{KafkaError, file_error};
use crate::download::{Progress, cache_dir, curl, exists, finish, line, wait_for_lock};

/// Which jars make a broker.
pub(super) const LOCK: &str = include_str!("../../assets/kafka.lock");

/// Kafka's version in that list.
pub(super) const VERSION: &str = "4.4.0";

/// Names another repository.
const MIRROR: &str = "CRMSCOPE_MAVEN_REPOSITORY";
const DEFAULT_REPOSITORY: &str = "https://repo1.maven.org/maven2";

/// What brokers are started with.
#[derive(Clone, Debug)]
pub struct Kafka {
    pub(super) java: Java,
    /// All jars, as `-cp` takes them.
    pub(super) classpath: OsString,
}

/// Java and the jars, fetched now if they are not yet on this machine (40 MB).
///
/// # Errors
/// When there is no Java, or a jar can neither be found nor fetched.
pub fn ensure() -> Result<Kafka, KafkaError> {
    let java = Java::find()?;
    let jars = lock::parse(LOCK)
        .map_err(|reason| KafkaError::Fetch(format!("deploy/local/assets/kafka.lock: {reason}")))?;
    let cache = cache_dir().map_err(|error| KafkaError::Fetch(error.to_string()))?;
    let directory = cache.join(format!("kafka-{VERSION}"));
    ensure_jars(&jars, &directory, &repository())?;
    let paths = jars.iter().map(|jar| directory.join(jar.file_name()));
    let classpath = std::env::join_paths(paths).map_err(|error| {
        KafkaError::Fetch(format!(
            "{}: {error}: set CRMSCOPE_CACHE_DIR to a path without ':'",
            directory.display()
        ))
    })?;
    Ok(Kafka { java, classpath })
}

fn repository() -> String {
    let url = std::env::var(MIRROR)
        .ok()
        .filter(|url| !url.is_empty())
        .unwrap_or_else(|| DEFAULT_REPOSITORY.to_owned());
    url.trim_end_matches('/').to_owned()
}

fn ensure_jars(jars: &[Jar], directory: &Path, repository: &str) -> Result<(), KafkaError> {
    if missing(jars, directory).is_empty() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(file_error("create the cache directory", directory))?;
    let lock = directory.join("fetch.lock");
    let _lock = wait_for_lock(&lock, "Kafka").map_err(file_error("lock", &lock))?;
    // Another process may have fetched them while this one waited.
    let missing = missing(jars, directory);
    if missing.is_empty() {
        return Ok(());
    }
    if !exists("curl") {
        return Err(KafkaError::Fetch(format!(
            "curl is not installed to download {}: install curl",
            missing[0].url(repository)
        )));
    }
    let total = missing.iter().map(|jar| jar.bytes).sum();
    let mut progress = Progress::new(&format!("fetching Kafka {VERSION}"), Some(total));
    for jar in missing {
        fetch(jar, directory, repository, &mut progress)?;
    }
    File::open(directory)
        .and_then(|parent| parent.sync_all())
        .map_err(file_error("keep", directory))?;
    drop(progress);
    line(&format!("Kafka {VERSION} is in {}", directory.display()));
    Ok(())
}

/// The jars that are not there, or are not what they must be.
fn missing<'jars>(jars: &'jars [Jar], directory: &Path) -> Vec<&'jars Jar> {
    jars.iter()
        .filter(|jar| {
            let path = directory.join(jar.file_name());
            // Cheap first: the content is read only where the size is right.
            !fs::metadata(&path).is_ok_and(|file| file.len() == jar.bytes)
                || sum(&path).is_none_or(|sum| sum != jar.sha256)
        })
        .collect()
}

fn fetch(
    jar: &Jar,
    directory: &Path,
    repository: &str,
    progress: &mut Progress,
) -> Result<(), KafkaError> {
    let target = directory.join(jar.file_name());
    let partial = directory.join(format!("{}.partial", jar.file_name()));
    let begun = fs::metadata(&partial).map_or(0, |file| file.len());
    let goes_on = begun > 0 && begun < jar.bytes;
    if goes_on && download(jar, &partial, begun, repository, progress).is_ok() {
        progress.advance(begun);
    } else {
        // Also where a server cannot go on in the middle, or what was begun was something else.
        download(jar, &partial, 0, repository, progress)?;
    }
    fs::rename(&partial, &target).map_err(file_error("keep", target))
}

/// Writes the jar from byte `offset` on to `partial`, which it verifies and syncs.
fn download(
    jar: &Jar,
    partial: &Path,
    offset: u64,
    repository: &str,
    progress: &mut Progress,
) -> Result<(), KafkaError> {
    let url = jar.url(repository);
    let fetch_error = |error: crate::download::DownloadError| KafkaError::Fetch(error.to_string());
    let mut file = File::options()
        .create(true)
        .append(offset > 0)
        .write(true)
        .truncate(offset == 0)
        .open(partial)
        .map_err(file_error("write", partial))?;
    let mut child = curl(&url, offset).map_err(fetch_error)?;
    let copied = match child.stdout.take() {
        // One byte more than it may have shows a longer file without taking all of it.
        Some(reader) => copy(reader.take(jar.bytes - offset + 1), &mut file, progress),
        None => Ok(()),
    };
    // curl's own failure explains more than the short file it causes.
    finish(child, &url, MIRROR).map_err(fetch_error)?;
    copied
        .and_then(|()| file.sync_all())
        .map_err(file_error("write", partial))?;
    let bytes = fs::metadata(partial).map_or(0, |file| file.len());
    let is = sum(partial).unwrap_or_default();
    if bytes != jar.bytes || is != jar.sha256 {
        let _ = fs::remove_file(partial);
        return Err(KafkaError::Fetch(format!(
            "{url} has {bytes} bytes and SHA-256 {is}, should have {} and {}: the repository or something on the \
             way changed it; try another one with {MIRROR}",
            jar.bytes, jar.sha256
        )));
    }
    Ok(())
}

fn copy(mut reader: impl Read, file: &mut File, progress: &mut Progress) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..count])?;
        progress.advance(count as u64);
    }
}

/// SHA-256 in hexadecimal.
fn sum(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).ok()?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    let digest = hash.finalize();
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
