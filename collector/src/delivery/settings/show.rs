//! Settings of agents as the command line shows them. What strangers wrote is escaped.

use std::fmt::Write as _;
use std::time::Duration;

use crmscope_proto::overlay::allowed::ALLOWED;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::read::Set;
use crate::delivery::show::{self, behind, heard, of_agent, or_dash};
use crate::error::Error;
use crate::schema::queries::SETTINGS_DELIVERED;
use crate::storage::Storage;

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
    let bind = |query| of_agent(query, agent);
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
    for agent in agents {
        let _ = writeln!(
            text,
            "{:<32} {:<11} {:<9} {:<16} {:<16} {:<16} {:<19} {}",
            agent.agent_id,
            agent.state,
            behind(agent.behind_ms),
            or_dash(&agent.wanted_version),
            or_dash(&agent.effective_version),
            or_dash(&agent.attempted_version),
            heard(agent.heard_ms),
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
    show::check(Set::of_section(config), &config.sets, |text, set| {
        let keys = set.overlay.values().count();
        let _ = writeln!(text, "set {}: {keys} keys", set.config.name);
        true
    })
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
