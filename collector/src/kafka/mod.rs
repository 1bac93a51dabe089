//! Kafka: the log between ingest and writers where there are several collectors.
//!
//! Owns the topics, the form of their records, and the clients that produce and read them.
//! Promises that every record of the log can be judged again by anybody with the same outcome,
//! and that no setting can be made that would break exactness. Leaves judging to
//! [`crate::judge`] and storing to [`crate::writer`].

mod block;
pub mod claim;
pub mod client;
pub mod config;
mod deliveries;
pub mod group;
pub mod heads;
mod intake;
pub mod lease;
pub mod metrics;
pub mod partition;
pub mod passthrough;
pub mod plan;
mod positions;
pub mod producer;
pub mod reader;
pub mod record;
pub mod report;
pub mod topics;
mod worker;
mod writers;

pub use self::config::{Config, ConfigError};
pub use self::writers::Writers;
