//! Requests by network of the client, for noticing abuse.
//!
//! Owns a bounded table for each service and minute, by the space-saving algorithm (Metwally,
//! Agrawal, El Abbadi: "Efficient computation of frequent and top-k elements in data streams", ICDT
//! 2005): with all places taken, a new network takes the place of the one with the least, and
//! inherits its count as what it may have had before. That count is at least what the network
//! had, and too high by at most what was inherited, which is no more than n / k of n requests and k
//! places. So every network with more than n / k requests is in the table.
//!
//! What is handed over is split so that sums are exact: a network's row has what was counted while
//! it held its place; everything else is the row of `OTHER`; `in_other_max` is what was inherited,
//! and, on the row of `OTHER`, the least count in the table, which no absent network can have
//! passed.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crmscope_proto::clients::{ClientRow, OTHER};
use crmscope_proto::limits::CLIENT_WINDOW_MS;
use serde::{Deserialize, Serialize};

use super::key_hasher::KeyHasher;
use super::network::{Network, Prefixes};

/// Most networks and windows held: reading pauses at this many until they are drained.
const HELD_MAX: usize = 16_384;

/// Settings of `[sources.requests.clients]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether requests are counted by network.
    pub enabled: bool,
    /// Networks kept apart in one service and batch; the rest is `OTHER`.
    pub max_networks: usize,
    /// Leading bits of an IPv4 address that leave the host.
    pub ipv4_prefix: u8,
    /// Leading bits of an IPv6 address that leave the host.
    pub ipv6_prefix: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            max_networks: 100,
            ipv4_prefix: 24,
            ipv6_prefix: 48,
        }
    }
}

impl Config {
    pub(super) const fn prefixes(&self) -> Prefixes {
        Prefixes {
            ipv4: self.ipv4_prefix,
            ipv6: self.ipv6_prefix,
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=1000).contains(&self.max_networks) {
            return Err(format!(
                "clients.max_networks is {}; use 1 to 1000",
                self.max_networks
            ));
        }
        for (key, value, most) in [
            ("ipv4_prefix", self.ipv4_prefix, 32),
            ("ipv6_prefix", self.ipv6_prefix, 128),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("clients.{key} is {value}; use 1 to {most}"));
            }
        }
        Ok(())
    }
}

/// What is counted of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    requests: u64,
    client_errors: u64,
    server_errors: u64,
    response_bytes: u64,
}

impl Figures {
    /// Of one request.
    pub(super) fn of(status_class: u8, response_bytes: u64) -> Self {
        Self {
            requests: 1,
            client_errors: u64::from(status_class == 4),
            server_errors: u64::from(status_class == 5),
            response_bytes,
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
    }
}

/// A place of the table.
#[derive(Debug)]
struct Place {
    network: Network,
    inherited: u64,
    figures: Figures,
}

/// The busiest networks of one service and window.
#[derive(Debug, Default)]
pub(super) struct Busiest {
    places: HashMap<Network, usize, BuildHasherDefault<KeyHasher>>,
    held: Vec<Place>,
    /// By place, what was inherited and counted: by themselves, so that the least is found fast.
    counts: Vec<u64>,
    /// No count is below this, and none of the places before the cursor is at it: counts only rise,
    /// so one pass over the places serves many newcomers.
    least: u64,
    cursor: usize,
    rest: Figures,
}

impl Busiest {
    /// Counts a request. Whether a place was added.
    pub(super) fn add(&mut self, network: Network, figures: &Figures, most: usize) -> bool {
        if let Some(&place) = self.places.get(&network) {
            self.held[place].figures.add(figures);
            self.counts[place] += figures.requests;
            return false;
        }
        if self.held.len() < most {
            self.places.insert(network, self.held.len());
            self.counts.push(figures.requests);
            self.held.push(Place {
                network,
                inherited: 0,
                figures: *figures,
            });
            return true;
        }
        let Some((place, least)) = self.least() else {
            self.rest.add(figures);
            return false;
        };
        let taken = &mut self.held[place];
        self.places.remove(&taken.network);
        self.places.insert(network, place);
        self.rest.add(&taken.figures);
        *taken = Place {
            network,
            inherited: least,
            figures: *figures,
        };
        self.counts[place] = least + figures.requests;
        false
    }

    /// A place with the least count. Asked only once no place is added any more.
    fn least(&mut self) -> Option<(usize, u64)> {
        let at = |counts: &[u64], from: usize, least: u64| {
            let rest = counts.get(from..)?;
            Some(from + rest.iter().position(|&count| count == least)?)
        };
        let place = match at(&self.counts, self.cursor, self.least) {
            Some(place) => place,
            None => {
                self.least = self.counts.iter().copied().min()?;
                at(&self.counts, 0, self.least)?
            }
        };
        self.cursor = place;
        Some((place, self.least))
    }

    /// The rows, by network; figures of everything else are the last row.
    pub(super) fn rows(mut self, window_start_ms: i64, service: &str) -> Vec<ClientRow> {
        let least = self.counts.iter().copied().min().unwrap_or(0);
        self.held.sort_unstable_by_key(|place| place.network);
        let row = |network: String, figures: &Figures, in_other_max| ClientRow {
            window_start_ms,
            service: service.to_owned(),
            network,
            requests: figures.requests,
            client_errors: figures.client_errors,
            server_errors: figures.server_errors,
            response_bytes: figures.response_bytes,
            in_other_max,
        };
        let mut rows: Vec<ClientRow> = self
            .held
            .iter()
            .map(|place| row(place.network.to_string(), &place.figures, place.inherited))
            .collect();
        if self.rest.requests > 0 {
            rows.push(row(OTHER.to_owned(), &self.rest, least));
        }
        rows
    }
}

/// Counts since the last drain.
#[derive(Debug)]
pub(super) struct Clients {
    config: Config,
    /// By window and service.
    tables: HashMap<(i64, u32), Busiest, BuildHasherDefault<KeyHasher>>,
    held: usize,
}

impl Clients {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            tables: HashMap::default(),
            held: 0,
        }
    }

    /// Whether another line can be counted.
    pub(super) fn ready(&self) -> bool {
        self.held + self.tables.len() < HELD_MAX
    }

    /// Counts a request of a service.
    pub(super) fn count(&mut self, time_ms: i64, service: u32, client: &[u8], figures: &Figures) {
        if !self.config.enabled {
            return;
        }
        let network = Network::of(client, self.config.prefixes());
        let window = time_ms.div_euclid(CLIENT_WINDOW_MS);
        let table = self.tables.entry((window, service)).or_default();
        let added = table.add(network, figures, self.config.max_networks);
        self.held += usize::from(added);
    }

    /// Hands over everything, by window and service.
    pub(super) fn drain<'a>(
        &mut self,
        service_name: impl Fn(u32) -> &'a str,
        rows: &mut Vec<ClientRow>,
    ) {
        let mut tables: Vec<_> = self.tables.drain().collect();
        tables.sort_unstable_by_key(|(key, _)| *key);
        for ((window, service), table) in tables {
            rows.extend(table.rows(window * CLIENT_WINDOW_MS, service_name(service)));
        }
        self.held = 0;
    }
}
