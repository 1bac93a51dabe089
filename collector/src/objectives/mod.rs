//! Objectives: what is promised of services, and how fast that promise is used up.
//!
//! Picture: [`windows`] asks ClickHouse for the requests of each objective's windows, or for the time that
//! its service was up, [`burn`] says what is wrong (pure), [`watch`] makes an incident of it as of a silent
//! host. Whoever watches over the hosts does it, beside. Maintenance of a service is in no window, and in it
//! nothing begins. Leaves counting to the agents and roll-ups, what is known of a service to
//! [`crate::presence::services`], and telling people to [`crate::alerts`].

mod burn;
mod config;
pub(crate) mod watch;
mod windows;

pub use self::config::{ConfigError, Measure, Objective, validate};
