//! Settings that the collector gives to agents: files in TOML, by everybody, role and group.
//!
//! Picture: as of rules. [`read`] reads the files of sets, [`offers`](super::offers) says which sets a host
//! has, [`watch`] does so again when files or hosts change and tells every stream, the record notes what each
//! agent is to have, [`show`] compares that with what agents say.
//!
//! Promises: a file with a mistake is refused as a whole, with file, line and reason, and what agents were
//! given before stays; so is one that cannot be read. Nobody raises a number: the version is a hash of what
//! is given. Leaves to [`crmscope_proto::overlay`] what may be set, and to agents whether it works for them.

mod config;
mod read;
pub mod show;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

pub use self::config::{Config, ConfigError, SetConfig};
pub use self::read::{Offer, Set};

/// Settings for each agent.
pub type Offers = super::offers::Offers<Set>;
