//! The wall clock, read at the edges only: pure code is given the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time, ms.
#[must_use]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
