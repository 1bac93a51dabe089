//! Maintenance: windows in which hosts may be silent and services away, which is neither an incident nor
//! an outage.
//!
//! Owns `crmscope-collector maintenance`. Picture: [`store`] keeps a row for each change of a
//! [`Window`], [`Calendar`] lays the windows that are in force on a time (pure), [`command`] adds, shows
//! and cancels them. Promises: what is measured stays as it is, a window only says how it counts; who
//! changed what, and when, stays, and what was said of a time afterwards is marked as retroactive. A
//! window whose zone cannot be read hides no incident. A window of a group is for the hosts that are in
//! it now, in every time. A window of a service is not one of its hosts, nor the other way round; one of
//! all hosts is of all services as well. Leaves what maintenance means to [`super::live`],
//! [`super::availability`], [`super::services`] and [`crate::objectives`].

pub mod command;
mod in_force;
pub mod repeat;
mod request;
pub mod show;
pub mod store;
pub mod window;
pub mod zone;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

pub(crate) use self::in_force::InForce;
pub use self::request::RequestError;
use self::window::merged;
pub use self::window::{Standing, Whom, Window};
pub use self::zone::{ZoneError, Zones};
use crate::storage::Storage;

/// The times of all windows in a time.
///
/// # Errors
/// When ClickHouse does not answer, or a zone cannot be used: then the figures would be wrong.
pub async fn calendar(storage: &Storage, range: &Range<i64>) -> Result<Calendar, RequestError> {
    let windows = store::windows(storage, range.start).await?;
    let windows: Vec<Window> = windows.into_iter().map(|of| of.window).collect();
    let mut zones = Zones::default();
    if let Some(error) = zones.load(&windows).into_iter().next() {
        return Err(error.into());
    }
    Ok(Calendar::new(&windows, &zones, range))
}

/// The times of windows in a time, by whom they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    all: Vec<Range<i64>>,
    groups: BTreeMap<String, Vec<Range<i64>>>,
    agents: BTreeMap<String, Vec<Range<i64>>>,
    services: BTreeMap<String, Vec<Range<i64>>>,
}

impl Calendar {
    /// Of these windows; one whose zone is not loaded has no times.
    #[must_use]
    pub fn new(windows: &[Window], zones: &Zones, range: &Range<i64>) -> Self {
        let mut calendar = Self::default();
        for window in windows {
            let Some(zone) = zones.get(&window.zone) else {
                continue;
            };
            let times = window.occurrences(zone, range);
            if times.is_empty() {
                continue;
            }
            let (map, name) = match window.whom() {
                Whom::All => {
                    calendar.all.extend(times);
                    continue;
                }
                Whom::Group(group) => (&mut calendar.groups, group),
                Whom::Host(agent) => (&mut calendar.agents, agent),
                Whom::Service(service) => (&mut calendar.services, service),
            };
            let of = map.entry(name.to_owned()).or_default();
            of.extend(times);
        }
        calendar
    }

    /// The times of a host, sorted and apart, Unix ms.
    #[must_use]
    pub fn of(&self, agent_id: &str, host_group: &str) -> Vec<Range<i64>> {
        let named = [self.agents.get(agent_id), self.groups.get(host_group)];
        let named = named.into_iter().flatten().flatten();
        merged(self.all.iter().chain(named).cloned().collect())
    }

    /// The times of a service, sorted and apart, Unix ms.
    #[must_use]
    pub fn of_service(&self, service: &str) -> Vec<Range<i64>> {
        let named = self.services.get(service).into_iter().flatten();
        merged(self.all.iter().chain(named).cloned().collect())
    }

    /// Whether a host has any time.
    #[must_use]
    pub fn has(&self, agent_id: &str, host_group: &str) -> bool {
        !self.all.is_empty()
            || self.agents.contains_key(agent_id)
            || self.groups.contains_key(host_group)
    }
}
