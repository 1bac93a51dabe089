//! Rules of agents as the command line shows them. What strangers wrote is escaped.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::read::Set;
use crate::delivery::show::{self, behind, heard, of_agent, or_dash};
use crate::error::Error;
use crate::schema::queries::{RULES_DELIVERED, RULES_REFUSED};
use crate::storage::Storage;

/// What an agent has, in JSON as it is here. Fields are added, never changed or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRules {
    /// Agent.
    pub agent_id: String,
    /// See the query `rules_delivered`.
    pub state: String,
    /// Since when it has not what it is to have.
    pub behind_ms: u64,
    /// What it is to have.
    pub sets: Vec<String>,
    /// The version of that, in hexadecimal.
    pub wanted_version: String,
    /// In force.
    pub version: String,
    /// Tried last.
    pub attempted_version: String,
    /// Good rules of the wanted version.
    pub wanted_rules: u32,
    /// All in force.
    pub rules: u32,
    /// Those of a collector.
    pub delivered_rules: u32,
    /// What the agent refused.
    pub refused: u32,
    /// Newest heartbeat, Unix ms; 0 where there is none.
    pub heard_ms: i64,
    /// The first refusal.
    #[serde(skip_serializing)]
    pub why: String,
    /// The refusals.
    #[serde(default)]
    pub refused_rules: Vec<RefusedRule>,
}

/// What an agent refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRule {
    /// Agent.
    #[serde(skip_serializing)]
    pub agent_id: String,
    /// Whether a collector delivered it.
    pub delivered: u8,
    /// File; that of a delivered one begins with the name of its set.
    pub file: String,
    /// Line, from 1; 0 for all of the file.
    pub line: u32,
    /// Why.
    pub reason: String,
}

impl AgentRules {
    /// Whether nothing was refused, and it was not behind for longer than this.
    #[must_use]
    pub fn is_good(&self, behind_for: Duration) -> bool {
        self.refused == 0 && u128::from(self.behind_ms) <= behind_for.as_millis()
    }
}

/// What agents have; one of them, or all where `agent` is empty.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn agents(storage: &Storage, agent: &str) -> Result<Vec<AgentRules>, Error> {
    let bind = |query| of_agent(query, agent);
    let mut agents: Vec<AgentRules> = storage
        .rows("rules of agents", RULES_DELIVERED, bind)
        .await?;
    let refused: Vec<RefusedRule> = storage.rows("refused rules", RULES_REFUSED, bind).await?;
    for rule in refused {
        let of = |agent: &&mut AgentRules| agent.agent_id == rule.agent_id;
        if let Some(agent) = agents.iter_mut().find(of) {
            agent.refused_rules.push(rule);
        }
    }
    Ok(agents)
}

/// Agents as a table, those first that have not what they are to have, and their refusals below.
#[must_use]
pub fn table(agents: &[AgentRules]) -> String {
    let mut text = format!(
        "{:<32} {:<10} {:<9} {:<16} {:<16} {:<16} {:>5} {:>7} {:<19} sets\n",
        "agent",
        "state",
        "behind",
        "wanted",
        "in force",
        "tried last",
        "rules",
        "refused",
        "last heard (UTC)"
    );
    for agent in agents {
        let _ = writeln!(
            text,
            "{:<32} {:<10} {:<9} {:<16} {:<16} {:<16} {:>5} {:>7} {:<19} {}",
            agent.agent_id,
            agent.state,
            behind(agent.behind_ms),
            or_dash(&agent.wanted_version),
            or_dash(&agent.version),
            or_dash(&agent.attempted_version),
            agent.rules,
            agent.refused,
            heard(agent.heard_ms),
            or_dash(&agent.sets.join(", "))
        );
    }
    for agent in agents {
        for rule in &agent.refused_rules {
            let side = match rule.delivered {
                0 => "",
                _ => "delivered ",
            };
            let _ = writeln!(
                text,
                "{}: {side}{}:{}: {}",
                agent.agent_id,
                rule.file.escape_debug(),
                rule.line,
                rule.reason.escape_debug()
            );
        }
    }
    text
}

/// What agents will refuse of the configured sets, and whether that is nothing.
#[must_use]
pub fn check(config: &Config) -> (String, bool) {
    show::check::<Set>(None, &config.sets, |text, set| {
        for fault in &set.faults {
            let _ = writeln!(text, "{fault}");
        }
        let _ = writeln!(
            text,
            "set {}: {} rules and filters for agents, {} refused",
            set.config.name, set.taken, set.refused
        );
        set.refused == 0
    })
}
