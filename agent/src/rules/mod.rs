//! Rules: Sigma's detection rules, asked about each security event and about requests.
//!
//! Owns which rules are in force, which are for which events, and how events look to them. A rule
//! says something of one event; what takes several, the collector correlates. Promises that a broken
//! rule is refused with its place and reason while the rest goes on, that a set that cannot be read or
//! taken leaves the one in force as it is, that no rule and no event makes it run long
//! ([`crmscope_rules::limits`]), and that without rules nothing is kept and nothing is asked.
//! Pure but for [`watch`], which decides when files are read, [`kept`], where delivered ones stay, and
//! [`local`], which reads a zone.
//! Leaves reading and refusing to [`crmscope_rules`].

pub mod check;
mod config;
mod delivered;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod kept;
mod load;
mod local;
mod logsource;
pub mod record;
mod set;
mod sieve;
#[cfg(test)]
mod tests;
mod watch;
mod witness;

pub use config::Config;
pub use load::{Fault, Loaded};
pub use local::LocalClock;
pub use logsource::{Class, Origin};
pub use record::Record;
pub use set::{Matched, RuleSet, Surroundings};
pub use sieve::Sieve;
pub use watch::Rules;

use std::path::PathBuf;

use crmscope_rules::files;

/// Reads the rules of directories once.
///
/// # Errors
/// When a directory cannot be read, or holds more than the bounds allow.
pub fn load(directories: &[PathBuf], surroundings: &Surroundings) -> Result<Loaded, String> {
    Ok(load::load(&files::list(directories)?, &[], surroundings))
}
