//! What each agent is given: all sets that are for its host's role and group.
//!
//! Pure. Hosts with the same sets share one packing. The sets keep their order: of one id, the rule of the
//! later one is in force.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crmscope_rules::{Packed, pack};

use super::read::{self, Set};

/// What an agent is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Names of the sets.
    pub sets: Vec<String>,
    /// Their files.
    pub packed: Packed,
    /// Rules and filters that are good.
    pub rules: usize,
    /// Those that agents will refuse.
    pub refused: usize,
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
#[derive(Clone, Debug, Default)]
pub struct Offers {
    sets: Arc<Vec<Set>>,
    /// None until they were read once.
    hosts: Option<Arc<Hosts>>,
    by_sets: BTreeMap<Vec<usize>, Arc<Offer>>,
    /// What could not be packed, and why.
    pub unfit: Vec<String>,
}

impl Offers {
    /// Offers of these sets, to these hosts. Sets that are too large together are offered as they were
    /// `before`, or not at all.
    #[must_use]
    pub fn of(sets: Arc<Vec<Set>>, hosts: Option<Arc<Hosts>>, before: &Self) -> Self {
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
            match offer(&sets, &positions) {
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
    pub fn offer(&self, agent_id: &str) -> Option<&Arc<Offer>> {
        if self.sets.is_empty() {
            return None;
        }
        let depends = self.sets.iter().any(|set| set.config.is_for_some());
        let labels = match &self.hosts {
            Some(hosts) => hosts.get(agent_id).cloned().unwrap_or_default(),
            None if depends => return None,
            None => Labels::default(),
        };
        self.by_sets.get(&positions(&self.sets, &labels))
    }

    /// Every known host and what it is to have.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Arc<Offer>)> {
        let hosts = self.hosts.iter().flat_map(|hosts| hosts.keys());
        hosts.filter_map(|agent_id| Some((agent_id.as_str(), self.offer(agent_id)?)))
    }

    /// The sets as they were read.
    #[must_use]
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }
}

/// Places of the sets that are for a host.
fn positions(sets: &[Set], labels: &Labels) -> Vec<usize> {
    let is_for = |set: &Set| set.config.is_for(&labels.role, &labels.group);
    let all = sets.iter().enumerate();
    all.filter(|(_, set)| is_for(set))
        .map(|(position, _)| position)
        .collect()
}

fn offer(sets: &[Set], positions: &[usize]) -> Result<Offer, String> {
    let of_host: Vec<&Set> = positions.iter().map(|&position| &sets[position]).collect();
    let names: Vec<String> = of_host.iter().map(|set| set.config.name.clone()).collect();
    let files: Vec<_> = of_host
        .iter()
        .enumerate()
        .flat_map(|(place, set)| read::delivered(place, &set.files))
        .collect();
    let packed = Packed::of(&files)
        .map_err(|error| format!("the sets {} together: {error}", names.join(", ")))?;
    let checked = pack::checked(&files);
    Ok(Offer {
        sets: names,
        packed,
        rules: checked.candidates.len() + checked.filters.len(),
        refused: checked.delivered.refused,
    })
}
