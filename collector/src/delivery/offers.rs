//! What each agent is given: all sets that are for its host's role and group.
//!
//! Pure. Hosts with the same sets share what is made of them. The sets keep their order: where two say
//! something of the same, the later one stands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::record::{Table, Wanted};
use super::sets::SetConfig;

/// A set of something for agents, as it was read.
pub trait Deliverable: Clone + Send + Sync + 'static {
    /// What it is a set of, in the words of messages.
    const WHAT: &'static str;
    /// Where it is noted who is to have what.
    const TABLE: Table;

    /// What the configuration says of it.
    type Config: SetConfig;
    /// What an agent is given of several.
    type Offer: Send + Sync;

    /// Reads it, unless it is as it was before.
    ///
    /// # Errors
    /// When it cannot be read, or is more than the bounds allow: a line for each reason, with its place.
    fn read(config: &Self::Config, before: Option<&Self>) -> Result<Option<Self>, String>;

    /// What the configuration said when it was read.
    fn config(&self) -> &Self::Config;

    /// Says in the log what was read.
    fn tell(&self);

    /// What is noted of an offer.
    fn wanted<'a>(agent_id: &'a str, offer: &'a Self::Offer) -> Wanted<'a>;

    /// What an agent is given that has all of these.
    ///
    /// # Errors
    /// When they cannot be given together, with their names and the reason.
    fn together(sets: &[&Self]) -> Result<Self::Offer, String>;
}

/// Role and group of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// What it does.
    pub role: String,
    /// What it falls with.
    pub group: String,
}

/// Which hosts there are, by their agents.
pub type Hosts = HashMap<String, Labels>;

/// See the module.
#[derive(Clone, Debug)]
pub struct Offers<S: Deliverable> {
    sets: Arc<Vec<S>>,
    /// None until they were read once.
    hosts: Option<Arc<Hosts>>,
    by_sets: BTreeMap<Vec<usize>, Arc<S::Offer>>,
    /// What cannot be given together, and why.
    pub unfit: Vec<String>,
}

impl<S: Deliverable> Default for Offers<S> {
    fn default() -> Self {
        Self {
            sets: Arc::default(),
            hosts: None,
            by_sets: BTreeMap::new(),
            unfit: Vec::new(),
        }
    }
}

impl<S: Deliverable> Offers<S> {
    /// Offers of these sets, to these hosts. Sets that cannot be given together are offered as they were
    /// `before`, or not at all.
    #[must_use]
    pub fn of(sets: Arc<Vec<S>>, hosts: Option<Arc<Hosts>>, before: &Self) -> Self {
        let mut offers = Self {
            hosts,
            ..Self::default()
        };
        let mut wanted = vec![positions(&sets, &Labels::default())];
        let known = offers.hosts.iter().flat_map(|hosts| hosts.values());
        wanted.extend(known.map(|labels| positions(&sets, labels)));
        wanted.sort_unstable();
        wanted.dedup();
        let same = Arc::ptr_eq(&sets, &before.sets);
        for positions in wanted {
            if same && let Some(offer) = before.by_sets.get(&positions) {
                let offer = Arc::clone(offer);
                offers.by_sets.insert(positions, offer);
                continue;
            }
            let of_host: Vec<&S> = positions.iter().map(|&position| &sets[position]).collect();
            match S::together(&of_host) {
                Ok(offer) => {
                    offers.by_sets.insert(positions, Arc::new(offer));
                }
                Err(reason) => {
                    offers.unfit.push(reason);
                    if let Some(offer) = before.by_sets.get(&positions) {
                        let offer = Arc::clone(offer);
                        offers.by_sets.insert(positions, offer);
                    }
                }
            }
        }
        if same {
            offers.unfit.extend(before.unfit.iter().cloned());
            offers.unfit.sort_unstable();
            offers.unfit.dedup();
        }
        offers.sets = sets;
        offers
    }

    /// What an agent is to have; `None` where nothing is to be said to it.
    #[must_use]
    pub fn offer(&self, agent_id: &str) -> Option<&Arc<S::Offer>> {
        if self.sets.is_empty() {
            return None;
        }
        let is_for_some = |set: &S| {
            let config = set.config();
            !config.roles().is_empty() || !config.groups().is_empty()
        };
        let depends = self.sets.iter().any(is_for_some);
        let labels = match &self.hosts {
            Some(hosts) => hosts.get(agent_id).cloned().unwrap_or_default(),
            None if depends => return None,
            None => Labels::default(),
        };
        self.by_sets.get(&positions(&self.sets, &labels))
    }

    /// Every known host and what it is to have.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Arc<S::Offer>)> {
        let hosts = self.hosts.iter().flat_map(|hosts| hosts.keys());
        hosts.filter_map(|agent_id| Some((agent_id.as_str(), self.offer(agent_id)?)))
    }
}

/// Places of the sets that are for a host.
fn positions<S: Deliverable>(sets: &[S], labels: &Labels) -> Vec<usize> {
    let holds =
        |list: &[String], label: &str| list.is_empty() || list.iter().any(|wanted| wanted == label);
    let is_for = |set: &S| {
        let config = set.config();
        holds(config.roles(), &labels.role) && holds(config.groups(), &labels.group)
    };
    let all = sets.iter().enumerate();
    all.filter(|(_, set)| is_for(set))
        .map(|(position, _)| position)
        .collect()
}
