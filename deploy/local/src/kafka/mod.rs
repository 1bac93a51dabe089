//! Real Apache Kafka, as child processes of a test or a drill.
//!
//! Owns: the jars, pinned and fetched once ([`ensure`]); Java; brokers in KRaft mode on loopback,
//! which can be stopped, killed, frozen and started again on the same data ([`Broker`]); clusters
//! of one or three ([`Cluster`]); and whether a test that needs them may be skipped ([`gate`]).
//! Promises that no broker outlives the process that started it, however that ends. Leaves topics
//! and clients to others. What a broker acknowledged survives a killed process, not a power cut:
//! nothing here asks Kafka to sync.

mod broker;
mod cluster;
mod fetch;
mod gate;
mod java;
mod lock;
mod properties;
mod tls;

use std::path::PathBuf;

pub use broker::Broker;
pub use cluster::{Cluster, Settings};
pub use fetch::{Kafka, ensure};
pub use gate::{gate, is_here};

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// No Java that Kafka runs on.
    #[error("{0}")]
    Java(String),
    /// The jars could not be fetched or verified.
    #[error("{0}")]
    Fetch(String),
    /// A file or directory could not be used.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Settings that no broker can run with.
    #[error("{0}")]
    Settings(String),
    /// A broker, or a tool of Kafka or Java, did not do what it should.
    #[error("{what}: {reason}; its log is {}", log.display())]
    Broker {
        /// What was tried, with the broker's number.
        what: String,
        /// What is known of the cause.
        reason: String,
        /// Where the process wrote what it said.
        log: PathBuf,
    },
    /// Another program took a port between its choice and the broker's start.
    #[error("a port of broker {0} is taken: try again")]
    PortTaken(u16),
}

/// The error of a failed action on a path.
fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> KafkaError {
    let path = path.into();
    move |source| KafkaError::File {
        action,
        path,
        source,
    }
}
