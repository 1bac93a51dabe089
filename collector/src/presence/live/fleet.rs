//! All hosts together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::Config;
use super::fault::Fault;
use super::host::{Host, Look};
use super::mass::{Count, Limits, Mass, Quiet, Together};
use super::{Arrival, State};
use crate::alerts::Kind;
use crate::presence::hosts::Expected;

/// Hosts that are followed, about 3 KB each.
const HOSTS_MAX: usize = 100_000;
/// A detector that did not look for so long stood still.
const STALL: Duration = Duration::from_secs(5);
/// It convicts nobody for so long after that.
const GUARD_AFTER_STALL: Duration = Duration::from_secs(5);
/// And for so long after it could not read: writers may pause for 15 s between their tries.
const GUARD_AFTER_BLINDNESS: Duration = Duration::from_secs(20);

/// Something that is different from the look before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is thought of a host.
    State {
        /// Its agent.
        agent_id: String,
        /// Now.
        state: State,
        /// When, Unix ms.
        at_ms: i64,
    },
    /// A fault that began or ended.
    Fault(Fault),
}

/// See the module above.
#[derive(Clone, Debug)]
pub struct Fleet {
    config: Config,
    hosts: BTreeMap<String, Host>,
    /// By group; all hosts are the group without a name.
    masses: BTreeMap<String, Mass>,
    looked: Duration,
    guarded_until: Duration,
}

impl Fleet {
    /// Knows no hosts, and convicts nobody for a while: who begins to watch has missed what was before.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        Self {
            config,
            hosts: BTreeMap::new(),
            masses: BTreeMap::new(),
            looked: now,
            guarded_until: now + GUARD_AFTER_BLINDNESS,
        }
    }

    /// What is expected of hosts, all of them. One that is not named any more and was never heard is forgotten.
    pub fn expect(&mut self, expected: Vec<Expected>, now: Duration) {
        let mut before = std::mem::take(&mut self.hosts);
        for expected in expected {
            let rules = self.config.rules(&expected.host_group);
            let agent_id = expected.agent_id.clone();
            let host = match before.remove(&agent_id) {
                Some(host) => host.expect(expected, rules),
                None => Host::new(expected, rules, now),
            };
            self.hosts.insert(agent_id, host);
        }
        // Those that are heard and not noted yet.
        self.hosts
            .extend(before.into_iter().filter(|(_, host)| host.last().is_some()));
    }

    /// What was thought of a host by whoever watched before.
    pub fn recall_state(&mut self, agent_id: &str, state: State) {
        if let Some(host) = self.hosts.get_mut(agent_id) {
            host.state = state;
        }
    }

    /// A host was last heard before this collector watched, so long ago that its pace is not known.
    pub fn recall(&mut self, arrival: &Arrival, heard: Duration) {
        if let Some(host) = self.hosts.get_mut(&arrival.agent_id) {
            host.recall(arrival, heard);
        }
    }

    /// A heartbeat that was stored at `at`, before this collector watched, and not held up.
    pub fn relive(&mut self, arrival: &Arrival, at: Duration) {
        if let Some(host) = self.hosts.get_mut(&arrival.agent_id) {
            host.hear(arrival, at, true);
        }
    }

    /// Takes over a fault that was found before this collector watched, and is not over; to be called
    /// before anything is heard. Returns one that nobody would end: of a host that is gone, or one of two.
    pub fn restore(&mut self, fault: Fault, now: Duration) -> Option<Fault> {
        if fault.kind == Kind::ManySilent {
            let group = fault.host_group.clone();
            let before = self.masses.insert(group, Mass::restore(fault, now));
            return before.and_then(Mass::into_fault);
        }
        match self.hosts.get_mut(&fault.agent_id) {
            Some(host) => host.restore(fault, now),
            None => Some(fault),
        }
    }

    /// Whether nobody is convicted now.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.looked < self.guarded_until
    }

    /// A heartbeat that was stored at `now`. A host that is not known is expected from now on, unless
    /// there are too many: then it is not heard.
    pub fn hear(&mut self, arrival: &Arrival, now: Duration) {
        // What was held up here says nothing of its pace.
        let teaches = now >= self.guarded_until;
        if let Some(host) = self.hosts.get_mut(&arrival.agent_id) {
            host.hear(arrival, now, teaches);
        } else if self.hosts.len() < HOSTS_MAX {
            let expected = Expected {
                agent_id: arrival.agent_id.clone(),
                since_ms: arrival.received_ms,
                ..Expected::default()
            };
            let mut host = Host::new(expected, self.config.rules(""), now);
            host.hear(arrival, now, false);
            self.hosts.insert(arrival.agent_id.clone(), host);
        }
    }

    /// Nothing could be read: what was not heard meanwhile says nothing.
    pub fn blind(&mut self, now: Duration) {
        self.guarded_until = self.guarded_until.max(now + GUARD_AFTER_BLINDNESS);
    }

    /// Looks at all hosts, about every second. `now_ms` is the wall clock's, for times to show.
    pub fn look(&mut self, now: Duration, now_ms: i64) -> Vec<Change> {
        if now.saturating_sub(self.looked) > STALL {
            self.guarded_until = self.guarded_until.max(now + GUARD_AFTER_STALL);
        }
        self.looked = now;
        let guarded = now < self.guarded_until;
        let mut faults = Vec::new();
        let masses = match guarded {
            true => Vec::new(),
            false => self.masses((now, now_ms), &mut faults),
        };
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let mut look = Look {
            now,
            now_ms,
            guarded,
            in_mass: false,
            may_be_in_mass: false,
            missing_after_ms: ms(self.config.missing_after_ms),
            stopped_after: Duration::from_millis(self.config.stopped_after_ms),
        };
        let mut changes = Vec::new();
        for host in self.hosts.values_mut() {
            let is_silent = host.witness(now_ms, now) == Some(Quiet::Silent);
            let of_host = |(group, _): &&(String, Together)| {
                group.is_empty() || *group == host.expected.host_group
            };
            let together = masses.iter().filter(of_host).map(|(_, together)| *together);
            let together = together.max().filter(|_| is_silent).unwrap_or_default();
            look.in_mass = together == Together::Yes;
            look.may_be_in_mass = together == Together::Maybe;
            let state = host.judge(&look, &mut faults);
            if state != host.state {
                host.state = state;
                let agent_id = host.expected.agent_id.clone();
                changes.push(Change::State {
                    agent_id,
                    state,
                    at_ms: now_ms,
                });
            }
        }
        changes.extend(faults.into_iter().map(Change::Fault));
        changes
    }

    /// The groups whose silent hosts are not convicted one by one; of all hosts, where it is all.
    fn masses(&mut self, now: (Duration, i64), faults: &mut Vec<Fault>) -> Vec<(String, Together)> {
        let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
        for host in self.hosts.values() {
            let Some(quiet) = host.witness(now.1, now.0) else {
                continue;
            };
            let heard_ms = host.last().map_or(now.1, |last| last.received_ms);
            let group = host.expected.host_group.as_str();
            counts.entry("").or_default().add(quiet, heard_ms);
            if !group.is_empty() {
                counts.entry(group).or_default().add(quiet, heard_ms);
            }
        }
        let mut limits = Limits {
            percent: self.config.mass_percent,
            hosts_min: self.config.mass_hosts_min,
            confirm: Duration::ZERO,
            begins: true,
        };
        let mut masses = Vec::new();
        // The group without a name comes first.
        let groups: Vec<String> = counts
            .keys()
            .map(|&group| group.to_owned())
            .chain(self.masses.keys().cloned())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        for group in groups {
            let count = counts.get(group.as_str()).copied().unwrap_or_default();
            limits.confirm = self.config.rules(&group).confirm;
            let mass = self.masses.entry(group.clone()).or_default();
            let together = mass.look(&group, count, &limits, now, faults);
            // Said of all hosts, it is not said anew of each group.
            limits.begins &= !group.is_empty() || !mass.lasts();
            if together != Together::No {
                masses.push((group, together));
            }
        }
        masses
    }

    /// What is thought of every host: its agent, and the state.
    pub fn states(&self) -> impl Iterator<Item = (&str, State)> {
        self.hosts
            .iter()
            .map(|(agent_id, host)| (agent_id.as_str(), host.state))
    }
}
