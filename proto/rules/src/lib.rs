//! Sigma's detection rules, as both the agent and the collector read them and hand them over.
//!
//! Owns reading rules from files ([`files`], the only part with I/O), checking them ([`check`]), what is
//! refused and where, and the form in which a collector delivers them to agents ([`pack`], [`pieces`]).
//! Promises that a broken rule is refused with file, line and reason while the rest goes on, that both
//! ends refuse the same, that no rule makes it run long ([`limits`]), and that hostile bytes give an error
//! within the bounds. Leaves asking rules about events to the agent, and rules over several events to
//! the collector.

pub mod check;
mod document;
mod expression;
pub mod files;
pub mod limits;
pub mod pack;
pub mod pieces;
#[cfg(test)]
mod tests;
pub mod version;
mod weigh;

pub use check::{Candidate, Checked, Fault, Layer, Reading};
pub use files::RuleFile;
pub use pack::{DeliveredFile, PackError, Packed};
pub use pieces::Assembly;
