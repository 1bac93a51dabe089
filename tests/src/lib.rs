//! Harness: the real binaries as processes on loopback, and real neighbours beside them.
//!
//! Owns starting, killing and asking; scenarios in `tests/` own what is true. Everything polls for
//! what it waits for, with a deadline that prints what was seen instead.

// The whole crate is test code: a broken environment should stop a scenario at the line that meets it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

pub mod cable;
pub mod fleet;
pub mod gate;
pub mod grafana;
pub mod load;
pub mod neighbours;
pub mod process;
pub mod released;
pub mod sshd;
pub mod stack;

use std::time::{Duration, Instant};

pub use process::Process;
pub use stack::{Stack, http, http_get};

/// Longest wait for anything in a scenario. Generous, since machines are shared; polls end early.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Polls until `check` gives a value.
///
/// # Panics
/// When it gave none within [`PATIENCE`], with what it said last.
pub fn wait_for<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match check() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > end => {
                panic!("waited {PATIENCE:?} for {what}; last seen: {seen}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A seed for a scenario with chance in it: from `CRMSCOPE_SEED`, else drawn; printed either way.
#[must_use]
pub fn seed() -> u64 {
    let drawn =
        u64::from(std::process::id()) ^ u64::from(Instant::now().elapsed().subsec_nanos()) << 32;
    let seed = std::env::var("CRMSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(drawn);
    println!("CRMSCOPE_SEED={seed}");
    seed
}

/// Unix time, ms.
///
/// # Panics
/// Before 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
