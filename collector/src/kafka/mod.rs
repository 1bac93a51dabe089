//! Kafka: the log between ingest and writers where there are several collectors.
//!
//! Owns the topics, the form of their records, and the clients that produce and read them.
//! Promises that every record of the log can be judged again by anybody with the same outcome,
//! and that no setting can be made that would break exactness. Leaves judging to
//! [`crate::judge`] and storing to [`crate::writer`].

pub mod client;
pub mod config;
pub mod passthrough;
pub mod record;

pub use self::config::{Config, ConfigError};
