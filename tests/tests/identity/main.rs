//! Who may send, over TLS: real collectors and agents, real certificates, real other clients.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod enrolment;
mod outside;
mod refusals;
mod renewal;
mod surroundings;
