//! Presence, on real processes: what is thought of hosts now, what is proven of them afterwards, and what
//! is kept of that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

mod faults;
mod hours;
mod maintenance;
mod many;
mod objectives;
mod path;
mod services;
mod takeover;
mod top;
mod watch;

use std::path::Path;
use std::process::Command;

use crmscope_tests::process::binary;

/// Runs the collector's program with a configuration: exit code, and what it printed, errors last.
fn collector(config: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap_or(-1), said)
}
