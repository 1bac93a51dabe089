//! Delivery: rules of events, and [`settings`], that the collector gives to agents.
//!
//! Picture: [`read`] reads the directories of sets, [`offers`] says which sets a host has by its role and
//! group and packs them (pure), [`watch`] does so again when files or hosts change, and tells every stream
//! of [`crate::ingest`], which sends a set where the agent has another version. [`record`] notes what each
//! agent is to have, [`show`] compares that with what agents say. Settings share who has what, and the note.
//!
//! Promises: what agents are given was read whole; a directory that cannot be read, and sets beyond the
//! bounds, leave what was given before; until it is known which hosts have which role, nobody is given
//! anything that depends on it. Leaves putting rules into force, and refusing broken ones, to the agents,
//! which say what became of them; the same checks are made here, so that what they will refuse is told at
//! once.

mod config;
pub mod offers;
mod read;
mod record;
pub mod settings;
pub mod show;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

pub use self::config::{Config, ConfigError, SetConfig};
pub use self::read::{Offer, Set};

/// Rules for each agent.
pub type Offers = offers::Offers<Set>;
