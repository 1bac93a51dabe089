//! What is known of one host, and which is worse than which.
//!
//! The word of the watch goes first: it measures silence by its own clock. Ages are by the agent's clock
//! against ClickHouse's, so they speak where the watch does not. Silence is never good, and where nobody
//! receives it says nothing.

use std::cmp::Ordering;

use serde::Serialize;

use super::words::{age, clock};
use super::{Host, Level};
use crate::presence::live;

/// What is known of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The watch called it down.
    Down,
    /// It is silent, and nobody watches who could call it down.
    Silent,
    /// Silent for a surprising time.
    Suspect,
    /// It left in good order, or the watch has no word for its silence yet.
    Stopped,
    /// Expected, and never heard.
    Never,
    /// Its heartbeats come, and its figures do not.
    Stale,
    /// Nobody was there to hear it.
    #[default]
    Unknown,
    /// It may be silent now.
    Maintenance,
    /// It is heard, and its figures come.
    Up,
}

impl State {
    /// All of them, the worst first.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Silent,
        Self::Suspect,
        Self::Stopped,
        Self::Never,
        Self::Stale,
        Self::Unknown,
        Self::Maintenance,
        Self::Up,
    ];

    /// As documents have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Silent => "silent",
            Self::Suspect => "suspect",
            Self::Stopped => "stopped",
            Self::Never => "never",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Maintenance => "maintenance",
            Self::Up => "up",
        }
    }
}

/// What was asked of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The watch's word, where it ever had one.
    pub word: Option<live::State>,
    /// Since when, Unix ms.
    pub word_ms: i64,
    /// Since when it is expected, Unix ms; 0 where that is not known.
    pub expected_ms: i64,
    /// Last heartbeat by the agent's clock, Unix ms; 0 for none.
    pub heard_ms: i64,
    /// Since then.
    pub heartbeat_age_seconds: Option<f64>,
    /// Since its newest figures.
    pub data_age_seconds: Option<f64>,
    /// Since when it is told as stopped in good order, Unix ms.
    pub stopped_ms: Option<i64>,
    /// A window says so.
    pub in_maintenance: bool,
}

/// Who looks, and by what.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sight {
    /// Unix ms.
    pub now_ms: i64,
    /// Silence after which a host is stale, s.
    pub stale_after_seconds: f64,
    /// After how long a host that never came is missing, ms.
    pub missing_after_ms: i64,
    /// A collector watches over the hosts.
    pub is_watched: bool,
    /// Until when one was there to receive, Unix ms; 0 where none was for a day.
    pub received_ms: i64,
}

/// How long a collector may not say that it is there before nobody is, ms. It says so every 5 s.
const RECEIVER_GONE_MS: i64 = 30_000;

impl Sight {
    /// Whether somebody is there to hear a host.
    #[must_use]
    pub const fn is_received(&self) -> bool {
        self.now_ms - self.received_ms <= RECEIVER_GONE_MS
    }
}

/// What is to be said of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What is known.
    pub state: State,
    /// How serious that is.
    pub level: Level,
    /// Since when, Unix ms.
    pub since_ms: Option<i64>,
    /// The same in words.
    pub text: String,
}

/// Judges a host.
#[must_use]
pub fn judge(facts: &Facts, sight: &Sight) -> Standing {
    let at = |unix_ms: i64| clock(unix_ms, sight.now_ms);
    let standing = |state, level, since_ms: i64, text| Standing {
        state,
        level,
        since_ms: Some(since_ms).filter(|&since_ms| since_ms > 0),
        text,
    };
    let word = facts.word.filter(|_| sight.is_watched && facts.word_ms > 0);
    let is_silent = facts
        .heartbeat_age_seconds
        .is_none_or(|seconds| seconds > sight.stale_after_seconds);
    if facts.in_maintenance || word == Some(live::State::Maintenance) {
        return maintenance(facts, sight, is_silent);
    }
    // Nobody could hear it, whatever was thought of it before.
    if !sight.is_received() && (is_silent || word.is_none()) {
        let text = match facts.heard_ms {
            0 => "not known, never heard".to_owned(),
            heard_ms => format!("not known, last heard {}", at(heard_ms)),
        };
        return standing(State::Unknown, Level::Unknown, facts.heard_ms, text);
    }
    match word {
        Some(live::State::Down) => standing(
            State::Down,
            Level::Bad,
            facts.word_ms,
            format!("down since {}", at(facts.word_ms)),
        ),
        Some(live::State::Suspect) => standing(
            State::Suspect,
            Level::Warn,
            facts.word_ms,
            format!("silent, suspected since {}", at(facts.word_ms)),
        ),
        Some(live::State::Up) => up(facts, sight),
        _ if facts.heard_ms == 0 => never(facts, sight),
        // What has no word, or was never heard when it got one.
        _ if !is_silent => up(facts, sight),
        Some(_) => {
            let since_ms = facts.stopped_ms.unwrap_or(facts.heard_ms);
            let text = match facts.stopped_ms {
                Some(_) => format!("stopped in good order at {}", at(since_ms)),
                None => format!("stopped or not judged yet, last heard {}", at(since_ms)),
            };
            standing(State::Stopped, Level::Warn, since_ms, text)
        }
        None => standing(
            State::Silent,
            Level::Bad,
            facts.heard_ms,
            format!("silent since {}", at(facts.heard_ms)),
        ),
    }
}

fn maintenance(facts: &Facts, sight: &Sight, is_silent: bool) -> Standing {
    let (level, text) = match is_silent || !sight.is_received() {
        true => (Level::Unknown, "in maintenance, silent"),
        false => (Level::Good, "in maintenance, heard"),
    };
    Standing {
        state: State::Maintenance,
        level,
        since_ms: Some(facts.word_ms)
            .filter(|&since_ms| since_ms > 0 && facts.word == Some(live::State::Maintenance)),
        text: text.to_owned(),
    }
}

fn never(facts: &Facts, sight: &Sight) -> Standing {
    let expected_ms = Some(facts.expected_ms).filter(|&expected_ms| expected_ms > 0);
    let is_missing = expected_ms.is_none_or(|since| sight.now_ms - since > sight.missing_after_ms);
    Standing {
        state: State::Never,
        level: if is_missing {
            Level::Warn
        } else {
            Level::Unknown
        },
        since_ms: expected_ms,
        text: match expected_ms {
            Some(since) => format!("never seen, expected since {}", clock(since, sight.now_ms)),
            None => "never seen".to_owned(),
        },
    }
}

/// Heartbeats come; whether figures do is by the agent's own clock, as that may be off.
fn up(facts: &Facts, sight: &Sight) -> Standing {
    let beat = facts.heartbeat_age_seconds.unwrap_or(0.0);
    let (state, level, text) = match facts.data_age_seconds {
        None => (
            State::Stale,
            Level::Warn,
            "heard, but sent no figures yet".to_owned(),
        ),
        Some(data) if data - beat > sight.stale_after_seconds => (
            State::Stale,
            Level::Warn,
            format!("heard, but its figures are {} old", age(data)),
        ),
        Some(_) => (State::Up, Level::Good, "up".to_owned()),
    };
    Standing {
        state,
        level,
        since_ms: Some(facts.word_ms)
            .filter(|&since_ms| since_ms > 0 && facts.word == Some(live::State::Up)),
        text,
    }
}

/// The worst first, and of those that are alike the newest trouble.
#[must_use]
pub fn order(one: &Host, other: &Host) -> Ordering {
    let newest = |host: &Host| match host.level {
        Level::Good => 0,
        _ => host.since_ms.unwrap_or(0),
    };
    other
        .level
        .cmp(&one.level)
        .then(one.state.cmp(&other.state))
        .then(newest(other).cmp(&newest(one)))
        .then_with(|| one.agent_id.cmp(&other.agent_id))
}
