//! ClickHouse's engine as a library (libchdb).
//!
//! Owns: the downloaded file ([`ensure`]), the loaded library, the data directory, connections.
//! Promises: one process per data directory; a connection never carries state from one request
//! to the next, because each request opens its own (0.1 ms) and closes it.
//! Leaves to others: protocols, and which SQL may run.

mod deduplication;
mod download;
mod fetch;
mod library;
mod package;
mod session;
mod start;
mod unpack;

pub use fetch::ensure;
pub use session::{Counters, Insert, Rows, Session};
pub use start::{Engine, EngineConfig};

use std::path::PathBuf;

/// Why the engine could not be got, started or asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No package of libchdb exists for this platform.
    #[error(
        "no libchdb package for {0}: build libchdb for it and set CRMSCOPE_CHDB_PATH to the file"
    )]
    Platform(String),
    /// The library could not be downloaded or unpacked.
    #[error("{0}")]
    Fetch(String),
    /// A file or directory the engine needs could not be used.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The library could not be loaded, or lacks a function.
    #[error(
        "load {}: {reason}; delete the file to fetch it again, or set CRMSCOPE_CHDB_PATH",
        path.display()
    )]
    Load {
        /// The library.
        path: PathBuf,
        /// What the loader answered.
        reason: String,
    },
    /// Another process has the data directory.
    #[error(
        "{} is in use by process {owner}: stop it, or choose another directory with --data-dir",
        path.display()
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The process id found in the lock file, or `unknown`.
        owner: String,
    },
    /// The engine refused to start or to open a connection.
    #[error("the engine did not open {}: {reason}", path.display())]
    Start {
        /// The data directory.
        path: PathBuf,
        /// What is known of the cause.
        reason: String,
    },
    /// The engine refused a statement; the text is ClickHouse's own.
    #[error("{0}")]
    Statement(String),
}
