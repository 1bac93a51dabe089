//! Which hosts are judged, since when and until when.
//!
//! Remembers what it asked, so that a round asks only of hosts that are new, that were heard of an earlier
//! time, or of which something else is expected.

use std::collections::BTreeMap;

use super::keeper::CLOCKS_MS;
use crate::error::Error;
use crate::presence::evidence::{self, Host};
use crate::presence::hosts::Expected;
use crate::storage::Storage;

/// Since when and until when a host is expected, Unix ms.
type Expectation = (Option<i64>, Option<i64>);

/// See the module.
pub(super) struct Inventory {
    /// `None` where a host was never heard.
    hosts: BTreeMap<String, Option<Host>>,
    /// What was expected of each host when it was last looked at.
    expectations: BTreeMap<String, Expectation>,
    /// When the last hour of each host was judged by whoever kept them before, Unix ms.
    versions: BTreeMap<String, i64>,
}

impl Inventory {
    /// Knows nothing yet but when each host was judged last, Unix ms.
    pub(super) const fn new(versions: BTreeMap<String, i64>) -> Self {
        Self {
            hosts: BTreeMap::new(),
            expectations: BTreeMap::new(),
            versions,
        }
    }

    /// A host of which something can be judged.
    pub(super) fn host(&self, agent_id: &str) -> Option<&Host> {
        self.hosts.get(agent_id)?.as_ref()
    }

    /// Takes what is expected of a host; hours from the time that is returned on are stale, Unix ms.
    pub(super) fn expect(&mut self, expected: &Expected) -> Option<i64> {
        let agent_id = &expected.agent_id;
        let now = (expected.expected_since_ms, expected.retired_at_ms);
        let before = self.expectations.insert(agent_id.clone(), now);
        let stale_ms = match before {
            Some(before) if before == now => return None,
            Some(before) => changed_from(before, now),
            // Whoever kept them before saw it, unless it is newer than what it judged.
            None => match self.versions.remove(agent_id) {
                Some(version) if expected.changed_ms > version - CLOCKS_MS => 0,
                _ => return None,
            },
        };
        self.hosts.remove(agent_id);
        Some(stale_ms)
    }

    /// New heartbeats of a host are there, the earliest of `first_ms`.
    pub(super) fn heard(&mut self, agent_id: &str, first_ms: i64) {
        let is_news = |host: &Option<Host>| match host {
            Some(host) => first_ms < host.first_ms,
            None => true,
        };
        if self.hosts.get(agent_id).is_some_and(is_news) {
            self.hosts.remove(agent_id);
        }
    }

    /// Asks for hosts of which it is not known; returns those of which something can be judged, and since when.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub(super) async fn ask(
        &mut self,
        storage: &Storage,
        expected: &[Expected],
    ) -> Result<Vec<(String, i64)>, Error> {
        let each = expected.iter().map(|host| host.agent_id.as_str());
        let unknown: Vec<&str> = each.filter(|id| !self.hosts.contains_key(*id)).collect();
        // One by one each reads what is kept of one host; all together, of everyone.
        let found = match unknown.as_slice() {
            [] => return Ok(Vec::new()),
            [one] => evidence::hosts(storage, one).await?,
            _ => evidence::hosts(storage, "").await?,
        };
        for agent_id in unknown {
            self.hosts.insert(agent_id.to_owned(), None);
        }
        let since = found
            .iter()
            .map(|host| (host.agent_id.clone(), host.first_ms));
        let since = since.collect();
        for host in found {
            self.hosts.insert(host.agent_id.clone(), Some(host));
        }
        Ok(since)
    }
}

/// From when on a host is expected otherwise than before, Unix ms; of its first heartbeat, 0.
fn changed_from(before: Expectation, now: Expectation) -> i64 {
    let since = (before.0 != now.0).then(|| before.0.unwrap_or(0).min(now.0.unwrap_or(0)));
    let end = |of: Expectation| of.1.unwrap_or(i64::MAX);
    let until = (before.1 != now.1).then(|| end(before).min(end(now)));
    since.into_iter().chain(until).min().unwrap_or(i64::MAX)
}
