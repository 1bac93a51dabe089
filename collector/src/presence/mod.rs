//! Presence: which hosts are there, and what is proven of the times when they were not.
//!
//! Picture: heartbeats and the times in which collectors watched ([`watching`]) are in ClickHouse →
//! [`evidence`] reads them → [`timeline`] says what they prove, host by host → [`availability`] adds it
//! up. [`phi`] is for the silence of now: how surprising it is. [`timeline`], [`availability`] and
//! [`phi`] are pure.

pub mod availability;
pub mod evidence;
pub mod phi;
pub mod timeline;
pub(crate) mod watching;
