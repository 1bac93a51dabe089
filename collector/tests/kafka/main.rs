//! With Kafka: real brokers, and librdkafka's own for errors that real ones cannot be made to show.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod broker;
mod chain;
mod errors;
mod failover;
mod gaps;
mod takeover;
mod writer;
