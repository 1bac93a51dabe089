//! `crmscope-collector verify`: whether security events are stored as their agents sealed them.
//!
//! Owns the walk along the agents' hash chains. Promises: every row, batch, link or end of a chain that was
//! edited, deleted, inserted, reordered or replaced is named with its place, as far as something that the
//! hand that did it could not reach still tells: another row, the agent's heartbeats, Kafka, or a head that
//! somebody kept elsewhere; and what went for its age, was dropped by the agent and told, or never was
//! chained is kept apart from that. [`walk`] is pure. Leaves the form of digests to
//! [`crmscope_proto::chain`], and their computing over stored rows to the query `chain_rows`.
//!
//! A chain has no secret: whoever may write all of ClickHouse can compute another one. That is found by
//! the heads that stand elsewhere. Whoever owns the agent can seal what he likes from then on; what was
//! sealed and sent before stays proven.

mod feed;
mod finding;
mod lines;
mod merge;
mod ranges;
mod text;
mod verify;
pub mod walk;

#[cfg(test)]
mod tests;

pub use self::finding::{Finding, Kind, Report, Summary};
pub use self::text::text;
pub use self::verify::{AskedHead, ExternalHead, Question, verify};
