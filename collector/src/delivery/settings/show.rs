//! Settings of agents as the command line shows them. What strangers wrote is escaped.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::overlay::allowed::ALLOWED;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::read::{self, Set};
use super::{Offers, SetConfig};
use crate::error::Error;
use crate::presence::availability::time;
use crate::schema::queries::SETTINGS_DELIVERED;
use crate::storage::Storage;

/// Agents that were not heard for longer are silent, seconds.
const HEARD_SECONDS: u32 = 900;

/// What an agent has, in JSON as it is here. Fields are added, never changed or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// Agent.
    pub agent_id: String,
    /// See the query `settings_delivered`.
    pub state: String,
    /// Since when it has not what it is to have.
    pub behind_ms: u64,
    /// What it is to have.
    pub sets: Vec<String>,
    /// The version of that, in hexadecimal.
    pub wanted_version: String,
    /// In force.
    pub effective_version: String,
    /// Came last.
    pub attempted_version: String,
    /// Newest heartbeat, Unix ms; 0 where there is none.
    pub heard_ms: i64,
    /// Why what came last is not in force.
    pub why: String,
}

impl AgentSettings {
    /// Whether nothing was refused or taken back, and it was not behind for longer than this.
    #[must_use]
    pub fn is_good(&self, behind_for: Duration) -> bool {
        !matches!(self.state.as_str(), "refused" | "rolled_back")
            && u128::from(self.behind_ms) <= behind_for.as_millis()
    }
}

/// What agents have; one of them, or all where `agent` is empty.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn agents(storage: &Storage, agent: &str) -> Result<Vec<AgentSettings>, Error> {
    let bind = |query: clickhouse::query::Query| {
        query.param("agent", agent).param("seconds", HEARD_SECONDS)
    };
    storage
        .rows("settings of agents", SETTINGS_DELIVERED, bind)
        .await
}

/// Agents as a table, those first that have not what they are to have, and their reasons below.
#[must_use]
pub fn table(agents: &[AgentSettings]) -> String {
    let mut text = format!(
        "{:<32} {:<11} {:<9} {:<16} {:<16} {:<16} {:<19} sets\n",
        "agent", "state", "behind", "wanted", "in force", "tried last", "last heard (UTC)"
    );
    let or_dash = |text: &str| match text {
        "" => "-".to_owned(),
        text => text.escape_debug().to_string(),
    };
    for agent in agents {
        let behind = match agent.behind_ms {
            0 => "-".to_owned(),
            behind_ms => format!("{} s", behind_ms / 1000),
        };
        let heard = match agent.heard_ms {
            0 => "-".to_owned(),
            heard_ms => time(heard_ms),
        };
        let _ = writeln!(
            text,
            "{:<32} {:<11} {:<9} {:<16} {:<16} {:<16} {:<19} {}",
            agent.agent_id,
            agent.state,
            behind,
            or_dash(&agent.wanted_version),
            or_dash(&agent.effective_version),
            or_dash(&agent.attempted_version),
            heard,
            or_dash(&agent.sets.join(", "))
        );
    }
    for agent in agents.iter().filter(|agent| !agent.why.is_empty()) {
        let _ = writeln!(
            text,
            "{}: {} {}: {}",
            agent.agent_id,
            agent.state,
            agent.attempted_version,
            agent.why.escape_debug()
        );
    }
    text
}

/// What is wrong with the configured sets, and whether that is nothing.
#[must_use]
pub fn check(config: &Config) -> (String, bool) {
    let mut text = String::new();
    let mut is_good = true;
    let mut sets: Vec<Set> = Set::of_section(config).into_iter().collect();
    for of in &config.sets {
        match read::read(of, None) {
            Ok(None) => {}
            Ok(Some(set)) => {
                let keys = set.overlay.values().count();
                let _ = writeln!(text, "set {}: {keys} keys", of.name);
                sets.push(set);
            }
            Err(reason) => {
                is_good = false;
                for reason in reason.lines() {
                    let _ = writeln!(text, "set {}: {}", of.name, reason.escape_debug());
                }
            }
        }
    }
    // Which sets a host has is for the hosts to say; all of them together is the most.
    for set in &mut sets {
        set.config = SetConfig {
            name: std::mem::take(&mut set.config.name),
            ..SetConfig::default()
        };
    }
    let all = Offers::of(Arc::new(sets), None, &Offers::default());
    for reason in &all.unfit {
        let _ = writeln!(text, "{reason}, if there is a host that has them all");
    }
    (text, is_good)
}

/// What may be set, and what becomes of it beside an agent's own.
#[must_use]
pub fn keys() -> String {
    let mut text = String::new();
    for allowed in ALLOWED {
        let _ = writeln!(
            text,
            "{:<45} {:<36} {}",
            allowed.key,
            allowed.kind.text(),
            allowed.merge.text()
        );
    }
    text
}
