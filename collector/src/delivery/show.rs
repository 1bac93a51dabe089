//! What the command line shows of every kind of set. What strangers wrote is escaped.

use std::fmt::Write as _;

use clickhouse::query::Query;

use super::offers::Deliverable;
use super::sets::SetConfig as _;
use crate::presence::availability::time;

/// Agents that were not heard for longer are silent, seconds.
const HEARD_SECONDS: u32 = 900;

/// Asks for one agent, or for all where `agent` is empty.
pub(super) fn of_agent(query: Query, agent: &str) -> Query {
    query.param("agent", agent).param("seconds", HEARD_SECONDS)
}

pub(super) fn or_dash(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        text => text.escape_debug().to_string(),
    }
}

/// For how long an agent has not what it is to have.
pub(super) fn behind(behind_ms: u64) -> String {
    match behind_ms {
        0 => "-".to_owned(),
        behind_ms => format!("{} s", behind_ms / 1000),
    }
}

/// When an agent was heard, Unix ms; 0: never.
pub(super) fn heard(heard_ms: i64) -> String {
    match heard_ms {
        0 => "-".to_owned(),
        heard_ms => time(heard_ms),
    }
}

/// What is wrong with the sets, and whether that is nothing. `tell` writes of a set that could be read, and
/// says whether it is good.
pub(super) fn check<S: Deliverable>(
    own: Option<S>,
    configs: &[S::Config],
    mut tell: impl FnMut(&mut String, &S) -> bool,
) -> (String, bool) {
    let mut text = String::new();
    let mut is_good = true;
    let mut sets: Vec<S> = own.into_iter().collect();
    for config in configs {
        match S::read(config, None) {
            Ok(Some(set)) => {
                is_good &= tell(&mut text, &set);
                sets.push(set);
            }
            Ok(None) => {}
            Err(reason) => {
                is_good = false;
                for reason in reason.lines() {
                    let _ = writeln!(text, "set {}: {}", config.name(), reason.escape_debug());
                }
            }
        }
    }
    // Which sets a host has is for the hosts to say; all of them together is the most.
    if let Err(reason) = S::together(&sets.iter().collect::<Vec<_>>()) {
        let _ = writeln!(text, "{reason}, if there is a host that has them all");
    }
    (text, is_good)
}
