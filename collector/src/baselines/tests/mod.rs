//! What is unusual, without ClickHouse.

mod cores;
mod order;
mod simulated;
mod simulation;

use tz::TimeZone;

use super::config::Config;
use super::history::{Activity, DAY_MS, HOUR_MS, History, Login};
use super::judge::{Detector, Verdict, judge};

/// Monday, 5 October 2026, 00:00 UTC.
const MONDAY_MS: i64 = 1_791_158_400_000;

fn at(day: i64, hour: i64) -> i64 {
    MONDAY_MS + day * DAY_MS + hour * HOUR_MS
}

fn activity(hour_ms: i64, kind: &str, failed: bool, events: u64, records: u64) -> Activity {
    Activity {
        hour_ms,
        kind: kind.to_owned(),
        failed,
        events,
        records,
        first_ms: hour_ms + 60_000,
        last_ms: hour_ms + 120_000,
    }
}

fn login(hour_ms: i64, network: &str, client: &str) -> Login {
    Login {
        hour_ms,
        network: network.to_owned(),
        client: client.to_owned(),
        first_ms: hour_ms + 60_000,
        last_ms: hour_ms + 120_000,
    }
}

/// Six weeks of working days, a login at 9 and at 13 each.
fn worker() -> History {
    let days = (0..42).filter(|day| day % 7 < 5);
    History {
        logins: days
            .flat_map(|day| {
                [9, 13].map(|hour| login(at(day, hour), "192.0.2.0/24", "crm password"))
            })
            .collect(),
        ..History::default()
    }
}

fn berlin() -> TimeZone {
    TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn detectors(verdicts: &[Verdict]) -> Vec<Detector> {
    verdicts.iter().map(|verdict| verdict.detector).collect()
}

fn judged(history: &History, hour_ms: i64) -> Vec<Detector> {
    detectors(&judge(
        &Config::default(),
        &TimeZone::utc(),
        history,
        hour_ms,
    ))
}
