//! Objectives: what is promised of services, and how fast that promise is used up.
//!
//! Picture: [`watch`] asks ClickHouse for the requests of each objective's windows, [`burn`] says what is
//! wrong (pure), and it becomes an incident as a silent host does. Whoever watches over the hosts does
//! it, beside. Leaves counting to the agents and roll-ups, and telling people to [`crate::alerts`].

mod burn;
mod config;
pub(crate) mod watch;

pub use self::config::{ConfigError, Objective, validate};
