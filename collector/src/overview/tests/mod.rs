//! Tables and properties of what is pure in here.

mod host;
mod rest;
mod verdict;

use super::host::{Sight, State};
use super::{Host, Level};

/// 2026-11-29 11:00:00 UTC.
const NOW_MS: i64 = 1_795_950_000_000;

fn sight() -> Sight {
    Sight {
        now_ms: NOW_MS,
        stale_after_seconds: 30.0,
        missing_after_ms: 600_000,
        is_watched: true,
        received_ms: NOW_MS - 4_000,
    }
}

fn named(agent_id: &str, state: State, level: Level, text: &str) -> Host {
    Host {
        agent_id: agent_id.to_owned(),
        state,
        level,
        text: text.to_owned(),
        ..Host::default()
    }
}

#[test]
fn now_is_what_the_tables_say() {
    assert_eq!(super::clock(NOW_MS, NOW_MS), "11:00 UTC");
}
