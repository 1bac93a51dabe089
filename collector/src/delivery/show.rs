//! Rules of agents as the command line shows them. What strangers wrote is escaped.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::{Offers, read};
use crate::error::Error;
use crate::presence::availability::time;
use crate::schema::queries::{RULES_DELIVERED, RULES_REFUSED};
use crate::storage::Storage;

/// Agents that were not heard for longer are silent, seconds.
const HEARD_SECONDS: u32 = 900;

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
    let bind = |query: clickhouse::query::Query| {
        query.param("agent", agent).param("seconds", HEARD_SECONDS)
    };
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
            "{:<32} {:<10} {:<9} {:<16} {:<16} {:<16} {:>5} {:>7} {:<19} {}",
            agent.agent_id,
            agent.state,
            behind,
            or_dash(&agent.wanted_version),
            or_dash(&agent.version),
            or_dash(&agent.attempted_version),
            agent.rules,
            agent.refused,
            heard,
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
    let mut text = String::new();
    let mut is_good = true;
    let mut sets = Vec::new();
    for of in &config.sets {
        match read::read(of, None) {
            Ok(Some(set)) => {
                for fault in &set.faults {
                    let _ = writeln!(text, "{fault}");
                }
                let _ = writeln!(
                    text,
                    "set {}: {} rules and filters for agents, {} refused",
                    of.name, set.taken, set.refused
                );
                is_good &= set.refused == 0;
                sets.push(set);
            }
            Ok(None) => {}
            Err(reason) => {
                let _ = writeln!(text, "set {}: {reason}", of.name);
                is_good = false;
            }
        }
    }
    // Which sets a host has is for the hosts to say; all of them together is the most.
    let everything: Vec<_> = sets
        .iter_mut()
        .map(|set| {
            set.config.roles.clear();
            set.config.groups.clear();
            std::mem::take(set)
        })
        .collect();
    let all = Offers::of(std::sync::Arc::new(everything), None, &Offers::default());
    for reason in &all.unfit {
        let _ = writeln!(text, "{reason}, if there is a host that has them all");
    }
    (text, is_good)
}
