//! What the agent and the collector must agree on: the wire contract, identifiers, the metric
//! catalog, the latency sketch and the limits.
//!
//! Owns the coding of batches ([`payload`]) out of rows ([`series`], [`requests`], [`clients`],
//! [`exemplars`]) and back, with
//! every check that needs no state. Promises: any rows round-trip; a batch split anywhere holds
//! the same rows; hostile bytes give an error within the bounds of [`limits`], never a panic.
//! Leaves transport, identity proofs and time checks to the two ends.

pub mod catalog;
pub mod chain;
pub mod clients;
mod compression;
pub mod enrolment;
pub mod exemplars;
pub mod identity;
pub mod lane;
pub mod limits;
pub mod overlay;
pub mod payload;
pub mod requests;
pub mod series;
pub mod settings;
pub mod sketch;
pub mod systemd;

/// Messages and service as generated from `crmscope/v1/uplink.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::clone_on_ref_ptr,
    clippy::semicolon_if_nothing_returned
)]
pub mod v1 {
    tonic::include_proto!("crmscope.v1");
}

pub use catalog::SeriesKind;
pub use identity::{Id, check_agent_id};
pub use lane::Lane;
pub use payload::{DecodeError, Dictionary, open, seal};
pub use sketch::Sketch;
