//! The writer: turns what agents sent into exact rows.
//!
//! Owns blocks, their inserts, and how duplicates are told. [`direct`] writes what one collector
//! without Kafka receives; [`crate::kafka::worker`] writes what stands in the log. Both promise: a
//! settled batch is in its tables once, through crashes of anything; an insert whose outcome is
//! unknown is repeated unchanged for as long as it takes; nothing is dropped. Leaves judging to
//! [`crate::judge`] and bounds to [`queue`].

pub mod agents;
pub mod block;
mod config;
mod direct;
pub mod journal;
pub mod marks;
pub mod metrics;
pub mod native;
mod origin;
pub mod patient;
pub mod queue;
pub mod settle;
pub mod tables;

pub use self::config::{Config, ConfigError};
pub use self::direct::Writer;
