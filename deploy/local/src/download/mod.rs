//! Getting files from a registry once into a cache that every checkout shares.
//!
//! Owns: running curl, which respects this machine's proxies and certificates; the cache directory;
//! the lock that makes a second fetcher wait; what a person sees meanwhile. Leaves to callers what
//! is fetched, how it is verified, and the remedy that an error ends with.

mod cache;
mod curl;
mod progress;

pub(crate) use cache::{cache_dir, wait_for_lock};
pub(crate) use curl::{curl, exists, finish};
pub(crate) use progress::{Counted, Progress, line};

/// Why something could not be fetched; lower-case, with URL or path.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DownloadError(pub(crate) String);
