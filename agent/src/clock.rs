//! The three clocks of a host, read here only.
//!
//! For drills only: with `CRMSCOPE_CLOCK_OFFSET_FILE` set, the wall clock is off by the milliseconds
//! that the file holds, read each time; a file that is missing or holds no number means none. The
//! kernel has no wall clock for one process alone, so a stepped clock cannot be had otherwise.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crmscope_proto::v1::ClockReading;
use rustix::time::{ClockId, clock_gettime};

/// Unix time, ms. Before 1970 it is negative.
#[must_use]
pub fn wall_ms() -> i64 {
    host_wall_ms().saturating_add(offset_ms())
}

/// See the module.
fn offset_ms() -> i64 {
    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("CRMSCOPE_CLOCK_OFFSET_FILE").map(PathBuf::from));
    FILE.as_ref()
        .and_then(|path| std::fs::read_to_string(path).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

fn host_wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// All three clocks at one moment. BOOTTIME runs while the host is suspended, MONOTONIC does not.
#[must_use]
pub fn read() -> ClockReading {
    ClockReading {
        wall_ms: wall_ms(),
        boottime_ms: clock_ms(ClockId::Boottime),
        monotonic_ms: clock_ms(ClockId::Monotonic),
    }
}

fn clock_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let milliseconds = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    seconds * 1000 + milliseconds
}
