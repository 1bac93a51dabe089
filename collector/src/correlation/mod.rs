//! Correlation: what many events show together, and the findings that come of it.
//!
//! Picture: agents say which of their rules an event matched. [`load`] reads rules over many events, [`feed`]
//! says which keys have new ones, [`firing`] at which events a rule fires and [`episodes`] which findings
//! that makes (both pure), [`record`] writes those and hands them to [`crate::alerts`]; [`watch`] is the loop.
//! Whoever watches over the hosts does it, beside.
//!
//! Promises: findings are a function of the set of events, whatever the order in which they are stored, and
//! how often and by whom they are looked at; a finding is never taken back; a broken rule is refused with
//! file and reason and stops no other. Bounds are constants beside the code, each with a metric. Leaves the
//! rules of single events to the agent.

mod compile;
mod condition;
mod config;
pub mod episodes;
pub(crate) mod feed;
pub mod field;
pub mod finding;
pub mod firing;
mod judge;
pub mod load;
pub(crate) mod metrics;
pub(crate) mod record;
pub(crate) mod rows;
pub mod rule;
pub mod show;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

pub use self::config::{Config, ConfigError};
