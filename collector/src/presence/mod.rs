//! Presence: which hosts are there, and what is proven of the times when they were not.
//!
//! Two halves. The proof, for any time that is over: heartbeats and the times in which collectors
//! watched ([`watching`]) are in ClickHouse → [`evidence`] reads them → [`timeline`] says what they
//! prove, host by host → [`hours`] keeps it → [`availability`] adds it up,
//! without [`maintenance`]. The suspicion, for now: [`live`] follows the
//! heartbeats as they come, and says which host fell silent. [`hosts`] is what both expect. What [`live`]
//! thinks is never taken for proven. Of services, which are asked by probes and have no heartbeats,
//! [`services`] says the same.

pub mod availability;
pub mod evidence;
pub mod hosts;
pub mod hours;
pub mod live;
pub mod maintenance;
pub mod services;
pub mod show;
pub mod timeline;
pub(crate) mod watching;
