//! The local stack: ClickHouse's own engine as a library, and a server that speaks ClickHouse's
//! HTTP protocol over it.
//!
//! * [`cargo`] owns how programs that cargo runs ask it to build others.
//! * [`engine`] owns libchdb: getting it once, loading it, and its connections. Nothing else in
//!   the workspace touches the C API.
//! * [`server`] owns the protocol: what a client of ClickHouse's HTTP interface may expect from
//!   one node on this machine. It knows nothing of crmscope's tables.
//! * [`drill`] owns `cargo up -- drill`: named faults on a small stack, and the proof after each.
//! * [`kafka`] owns real Apache Kafka brokers as child processes, for tests and drills.
//! * [`ports`] owns the ports of servers that must come back where they were.
//! * [`up`] owns `cargo up`: building, starting and stopping the whole system on one machine.

pub mod cargo;
mod download;
pub mod drill;
pub mod engine;
pub mod kafka;
pub mod ports;
pub mod server;
pub mod up;
