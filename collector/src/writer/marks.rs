//! High-water marks: which batches are stored already.
//!
//! Owns a cache of what the ledger says. Promises: a batch is fresh exactly when its sequence is
//! above the highest settled one of its (agent, boot, spool, lane). The writer asks only when no
//! block is under way, so the ledger is never behind the cache, and any agent may be forgotten
//! between blocks. Leaves reading the ledger to storage.

use std::collections::HashMap;

use crmscope_proto::{Id, Lane};

use crate::judge::Identity;
use crate::storage::HighWater;

type Key = (Id, Id, Lane);

#[derive(Debug, Default)]
struct Agent {
    marks: HashMap<Key, u64>,
    used: u64,
}

/// Marks of the agents that were seen lately.
#[derive(Debug, Default)]
pub struct Marks {
    agents: HashMap<String, Agent>,
    round: u64,
}

impl Marks {
    /// Whether the agent's marks are here.
    #[must_use]
    pub fn knows(&self, agent_id: &str) -> bool {
        self.agents.contains_key(agent_id)
    }

    /// Takes what the ledger says of the agents asked about.
    pub fn load(&mut self, asked: &[&str], answer: Vec<HighWater>) {
        for agent_id in asked {
            self.agents.entry((*agent_id).to_owned()).or_default();
        }
        for mark in answer {
            if let Some(agent) = self.agents.get_mut(&mark.agent_id) {
                let key = (mark.boot_id, mark.spool_id, mark.lane);
                agent.marks.insert(key, mark.sequence);
            }
        }
    }

    /// Whether the batch is fresh; if so, it and everything before it is not any more.
    pub fn advance(&mut self, identity: &Identity) -> bool {
        let round = self.round;
        let Some(agent) = self.agents.get_mut(&identity.agent_id) else {
            return false;
        };
        agent.used = round;
        let key = (identity.boot_id, identity.spool_id, identity.lane);
        let mark = agent.marks.entry(key).or_insert(0);
        let fresh = identity.sequence > *mark;
        *mark = identity.sequence.max(*mark);
        fresh
    }

    /// Ends a block: forgets agents, longest unused first, until at most `limit` marks are left.
    pub fn trim(&mut self, limit: usize) {
        self.round += 1;
        let cost = |agent: &Agent| agent.marks.len() + 1;
        let mut total: usize = self.agents.values().map(cost).sum();
        if total <= limit {
            return;
        }
        let mut by_age: Vec<(u64, String)> = self
            .agents
            .iter()
            .map(|(agent_id, agent)| (agent.used, agent_id.clone()))
            .collect();
        by_age.sort();
        for (_, agent_id) in by_age {
            if total <= limit / 2 {
                break;
            }
            if let Some(agent) = self.agents.remove(&agent_id) {
                total -= cost(&agent);
            }
        }
    }

    /// Agents that are here.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.agents.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(agent_id: &str, boot: u8, sequence: u64) -> Identity {
        Identity {
            agent_id: agent_id.to_owned(),
            boot_id: Id([boot; 16]),
            start_id: Id([9; 16]),
            spool_id: Id([1; 16]),
            lane: Lane::Metrics,
            sequence,
        }
    }

    #[test]
    fn only_what_is_above_the_mark_is_fresh() {
        let mut marks = Marks::default();
        assert!(!marks.knows("a"));
        let high = HighWater {
            agent_id: "a".to_owned(),
            boot_id: Id([1; 16]),
            spool_id: Id([1; 16]),
            lane: Lane::Metrics,
            sequence: 5,
        };
        marks.load(&["a", "b"], vec![high]);
        assert!(marks.knows("a") && marks.knows("b"));
        for (batch, fresh) in [
            (batch("a", 1, 5), false),
            (batch("a", 1, 6), true),
            (batch("a", 1, 6), false),
            (batch("a", 1, 9), true),
            (batch("a", 2, 1), true),
            (batch("b", 1, 1), true),
        ] {
            assert_eq!(marks.advance(&batch), fresh, "{batch:?}");
        }
    }

    #[test]
    fn the_longest_unused_agents_are_forgotten_first() {
        let mut marks = Marks::default();
        for agent_id in ["a", "b", "c", "d"] {
            marks.load(&[agent_id], Vec::new());
            marks.advance(&batch(agent_id, 1, 1));
            marks.trim(usize::MAX);
        }
        marks.advance(&batch("a", 1, 2));
        marks.trim(7);
        assert_eq!(marks.agents(), 1);
        assert!(marks.knows("a"));
    }
}
