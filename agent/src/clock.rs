//! The three clocks of a host, read here only.

use std::time::{SystemTime, UNIX_EPOCH};

use crmscope_proto::v1::ClockReading;
use rustix::time::{ClockId, clock_gettime};

/// Unix time, ms. Before 1970 it is negative.
#[must_use]
pub fn wall_ms() -> i64 {
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
