//! Alerts: from incidents to people.
//!
//! Owns who is told of an incident, when, how often it is tried, and the record of it. Promises: each phase
//! of an incident is told to a target once, across restarts and take-overs, except that a crash between a
//! receiver's answer and the record repeats it with the same key. Everything an incident says is data.
//! Leaves to others what an incident is, and that one collector at a time runs [`run`].
//!
//! Incidents go to the [`clerk`], which asks ClickHouse what was told before, to [`outbox`], which says what is
//! due, to one file for each kind of receiver, and back to [`record`].

mod alertmanager;
mod clerk;
mod config;
mod desk;
mod failure;
mod http;
mod kind;
mod mail;
mod metrics;
mod notification;
pub mod outbox;
mod receivers;
mod record;
mod text;
mod unread;
mod webhook;

pub use config::{Alertmanager, Config, ConfigError, Mail, Tls, Webhook};
pub use desk::{Desk, run};
pub use kind::{Kind, Severity};
pub use metrics::Metrics;
pub use notification::{Incident, Notification, Phase, Target, key};
pub use record::{Outcome, Record};
pub(crate) use text::one_line;

#[cfg(test)]
mod tests;
