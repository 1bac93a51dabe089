//! Learned baselines: what is usual of a user, and the findings where it is not.
//!
//! Picture: roll-ups keep what users did, hour by hour (`user_activity_1h`, `user_logins_1h`). [`feed`] asks
//! which users have new events and for their past, [`judge`] says what of an hour is unusual, with
//! [`volume`], [`exports`], [`origins`] and [`hours`] for what is looked at (all pure), and [`watch`] is the
//! loop. Findings are those of [`crate::correlation`]: the same episodes, table and alerts. Whoever watches
//! over the hosts does it, beside.
//!
//! Promises: nothing is learned in memory, so nothing is lost with it, and of a user at most
//! 20,000 rows are held at a time. An hour is judged by what was stored of the time up to
//! [`Config::settle_hours`] before it; so events that come no later than that make the same findings in
//! whatever order they are stored. What comes later is judged too, and is the past of what comes after it,
//! but what was judged before stays. A finding is never taken back. What happened while something was told
//! of a user is no past for [`Config::quarantine_days`]: who attacks teaches nothing meanwhile, and who
//! attacks for longer than that does.

pub mod config;
pub mod exports;
mod feed;
pub mod history;
pub mod hours;
pub mod judge;
pub(crate) mod metrics;
pub mod origins;
pub mod record;
mod sentence;
pub mod show;
#[cfg(test)]
mod tests;
pub mod volume;
pub(crate) mod watch;

pub use self::config::{Config, ConfigError};
pub(crate) use self::record::PREFIX;
