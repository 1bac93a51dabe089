//! What anyone sees first: whether all is well, what is wrong, and whether that can be trusted.
//!
//! Picture: [`feed`] asks ClickHouse, [`host`] says what is known of each host, [`pipeline`] of the way
//! there, [`verdict`] makes one line of it, and [`next_step`] says what to do; all but [`feed`] are pure.
//! Promises: silence is never good; the verdict is never better than the worst host; text of others is one
//! bounded line without control characters, everywhere in here. Leaves judging hosts to
//! [`crate::presence::live`], whose word goes first, and showing to pages and [`crate::top`].

pub mod feed;
pub mod host;
mod level;
pub mod next_step;
pub mod pipeline;
mod settings;
pub mod strip;
pub mod verdict;
mod words;

#[cfg(test)]
mod tests;

use serde::Serialize;

pub use self::feed::{ask, read};
pub use self::level::Level;
pub use self::pipeline::Pipeline;
pub use self::settings::Settings;
pub use self::verdict::Verdict;
pub use self::words::{age, clock};

/// Hosts in the list; the worst are in it.
pub const HOSTS_MAX: usize = 1_000;
/// Incidents and findings in their lists, each.
pub const LINES_MAX: usize = 50;

/// What anyone sees first. Fields are added, never changed or removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overview {
    /// When it was so, by ClickHouse's clock where it answered, Unix ms.
    pub asked_ms: i64,
    /// Whether ClickHouse answered; where it did not, nothing here is known.
    pub is_answered: bool,
    /// All of it in one line.
    pub verdict: Verdict,
    /// Every host that is expected.
    pub hosts: Hosts,
    /// Incidents that last, the newest first, then those of the last day that are over.
    pub incidents: Vec<Incident>,
    /// How many there are.
    pub incidents_total: usize,
    /// Findings of security rules that last or were seen within a day, the newest first.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub findings_total: usize,
    /// The way from agents to ClickHouse.
    pub pipeline: Pipeline,
    /// What starts an agent for this collector.
    pub add_agent_command: String,
}

/// The hosts that are expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hosts {
    /// All of them; the next five add up to it.
    pub total: usize,
    /// Heard, with data.
    pub live: usize,
    /// Their data is old, they are suspected, or nobody judges them.
    pub stale: usize,
    /// Down, silent or stopped.
    pub offline: usize,
    /// Expected and never heard.
    pub never: usize,
    /// They may be silent now.
    pub maintenance: usize,
    /// Age of the oldest data of a host that is live.
    pub data_age_seconds_max: Option<f64>,
    /// The worst first, [`HOSTS_MAX`] of them.
    pub list: Vec<Host>,
}

/// A host. `None` is "not known", which is never good.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// Its agent.
    pub agent_id: String,
    /// What it does.
    pub role: String,
    /// What it falls with.
    pub host_group: String,
    /// What is known of it.
    pub state: host::State,
    /// How serious that is.
    pub level: Level,
    /// Since when, Unix ms.
    pub since_ms: Option<i64>,
    /// The same in words.
    pub text: String,
    /// Since its newest heartbeat.
    pub heartbeat_age_seconds: Option<f64>,
    /// Since its newest figures.
    pub data_age_seconds: Option<f64>,
    /// 0 to 1.
    pub cpu_busy_ratio: Option<f64>,
    /// 0 to 1.
    pub memory_used_ratio: Option<f64>,
    /// Of all its services.
    pub requests_per_second: Option<f64>,
    /// 0 to 1.
    pub error_ratio: Option<f64>,
    /// 95 of 100 requests took no longer, µs.
    pub latency_p95_us: Option<f64>,
    /// Within `web.window_seconds`, as all of these.
    pub failed_logins: Option<u64>,
    /// Rows, lines and events.
    pub dropped_items: Option<u64>,
    /// Its last 60 minutes, the newest last: share of 10 s in which it was heard; `None`: not known.
    pub strip: Vec<Option<f64>>,
}

/// Something that is wrong, or was.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Incident {
    /// Its kind's name.
    pub kind: String,
    /// How serious that is.
    pub level: Level,
    /// Which host; empty for many, or an objective.
    pub agent_id: String,
    /// Which objective; empty for hosts.
    pub objective: String,
    /// Unix ms.
    pub began_ms: i64,
    /// Unix ms; none while it lasts.
    pub ended_ms: Option<i64>,
    /// What is known and how.
    pub text: String,
    /// What to do.
    pub next_step: String,
}

/// What a security rule found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule_id: String,
    /// Its title.
    pub title: String,
    /// The rule's level.
    pub level: String,
    /// The last event at which it fired, Unix ms.
    pub last_ms: i64,
    /// Unix ms; none while it lasts.
    pub ended_ms: Option<i64>,
    /// What was found.
    pub text: String,
    /// What to do.
    pub next_step: String,
}

impl Overview {
    /// What there is to say when ClickHouse does not answer: that nothing is known.
    #[must_use]
    pub fn unanswered(asked_ms: i64, error: &str, add_agent_command: String) -> Self {
        Self {
            asked_ms,
            verdict: verdict::unanswered(error),
            pipeline: Pipeline {
                text: "ClickHouse does not answer; what agents send waits in their spools"
                    .to_owned(),
                ..Pipeline::default()
            },
            add_agent_command,
            ..Self::default()
        }
    }
}
