//! The suspicion, for now: which hosts are heard, which fell silent, and what of that is worth saying.
//!
//! Picture: [`feed`] reads heartbeats as they are stored, [`Fleet`] follows them, host by host, and says
//! whose state changed and which faults began or ended, [`watch`] writes that down and hands it on. One
//! collector at a time does it for all hosts ([`crate::turn`]), since only who sees all of them can tell
//! many hosts that fell silent from a path that did.
//!
//! Promises: [`Fleet`] is pure, and silence is measured by the caller's monotonic clock; wall clocks give
//! times to show, and say only since when a host that never came is expected and from when on one is
//! retired. One fault for one cause: a silence is one fault however long it
//! lasts and whoever finds it, many silences at once are one together, a host that comes and goes is one.
//! A detector that stood still or could not read convicts nobody for what it missed. Bounded by the
//! hosts that are known. Leaves to [`super::timeline`] what a silence was, once the host is back.

mod config;
mod fault;
mod feed;
mod flapping;
mod fleet;
mod heard;
mod host;
mod mass;
pub(crate) mod metrics;
pub mod phi;
mod record;
mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use crmscope_proto::Id;

pub use self::config::{Config, ConfigError, Group};
pub use self::fault::{Fault, fault_id};
pub use self::fleet::{Change, Fleet};
pub(crate) use self::record::Record;
use super::timeline::Goodbye;

/// What is thought of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Never heard, or stopped in good order.
    #[default]
    Unknown,
    /// Heard.
    Up,
    /// Silent for a surprising time.
    Suspect,
    /// The same for longer.
    Down,
    /// It may be silent now.
    Maintenance,
    /// It is gone for good.
    Retired,
}

impl State {
    /// All of them, each at its number in the tables.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Up,
        Self::Suspect,
        Self::Down,
        Self::Maintenance,
        Self::Retired,
    ];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Maintenance => "maintenance",
            Self::Retired => "retired",
        }
    }
}

/// A heartbeat, as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its agent.
    pub agent_id: String,
    /// Start of the agent.
    pub start_id: Id,
    /// From 1 at every start.
    pub number: u64,
    /// By the collector's clock, Unix ms.
    pub received_ms: i64,
    /// It waited before it was received.
    pub is_late: bool,
    /// Whether it is a last one.
    pub goodbye: Goodbye,
}
