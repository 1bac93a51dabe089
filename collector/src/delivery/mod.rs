//! Delivery: [`rules`] of events and [`settings`] that the collector gives to agents.
//!
//! Picture: each kind reads its sets, as [`offers::Deliverable`] asks; [`offers`] says which sets a host has
//! by its role and group and makes one of them (pure); [`watch`] does so again when files or hosts change,
//! and tells every stream of [`crate::ingest`], which sends an offer where the agent has another version.
//! [`record`] notes what each agent is to have, each kind's `show` compares that with what agents say.
//!
//! Promises: what agents are given was read whole; a set that cannot be read, and sets beyond the bounds,
//! leave what was given before; until it is known which hosts have which role, nobody is given anything
//! that depends on it. Leaves putting things into force, and refusing broken ones, to the agents, which say
//! what became of them; the same checks are made here, so that what they will refuse is told at once.

pub mod offers;
mod record;
pub mod rules;
mod sets;
pub mod settings;
mod show;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

pub use self::sets::SetsError;
