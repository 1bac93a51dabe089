//! Counting requests per 10 s, service, route, method and status class.
//!
//! Owns the bounded table of services, and the counters since the last drain; hands each request on
//! to the counts by client network and to the sample of slow and failed ones. Nothing is allocated
//! for a request whose route, counter and network are known. While routes are shed, all requests of
//! a service count as `OTHER`, and nothing is held of its routes.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crmscope_proto::Sketch;
use crmscope_proto::limits::REQUEST_BUCKET_MS;
use crmscope_proto::payload::{Contents, truncate};
use crmscope_proto::requests::RequestRow;

use super::clients::{Clients, Figures};
use super::config::Config;
use super::configured::{Configured, Reached};
use super::exemplars::{Counted, Exemplars};
use super::key_hasher::KeyHasher;
use super::learned::{Bounds, ROUTE_INVALID, ROUTE_OTHER, Routes};
use super::line::Line;
use super::route::{self, METHODS, OTHER};
use crate::runtime::budget::{Economy, Subject};

/// Longest service name, bytes.
pub(super) const SERVICE_MAX_BYTES: usize = 128;

/// Most counters held: reading pauses at this many until they are drained. A batch holds more.
const HELD_MAX: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    bucket: i64,
    service: u32,
    route: u32,
    method: u8,
    status_class: u8,
}

#[derive(Debug, Default)]
struct Counters {
    requests: u64,
    response_bytes: u64,
    latency: Sketch,
    upstream: Sketch,
}

#[derive(Debug)]
struct Service {
    name: String,
    routes: Routes,
}

/// Space that is used again for each line.
#[derive(Debug, Default)]
struct Scratch {
    plain: Vec<u8>,
    template: String,
    reached: Reached,
}

/// Counters since the last drain.
#[derive(Debug)]
pub(super) struct Aggregator {
    services: Vec<Service>,
    max_services: usize,
    bounds: Bounds,
    /// What is not counted at the moment.
    economy: Economy,
    counters: HashMap<Key, Counters, BuildHasherDefault<KeyHasher>>,
    clients: Clients,
    exemplars: Exemplars,
    scratch: Scratch,
}

impl Aggregator {
    /// An empty table. `random` decides which exemplars are kept.
    pub(super) fn new(config: &Config, random: fastrand::Rng) -> Self {
        Self {
            services: Vec::new(),
            max_services: config.max_services,
            bounds: Bounds {
                routes: config.max_routes,
                slug_after: config.slug_after,
            },
            economy: Economy::default(),
            counters: HashMap::default(),
            clients: Clients::new(&config.clients),
            exemplars: Exemplars::new(&config.exemplars, config.clients.prefixes(), random),
            scratch: Scratch::default(),
        }
    }

    /// What is not to be counted from now on.
    pub(super) fn economise(&mut self, economy: Economy) {
        self.economy = economy;
    }

    /// Whether another line can be counted.
    pub(super) fn ready(&self) -> bool {
        self.counters.len() < HELD_MAX && self.clients.ready() && self.exemplars.ready()
    }

    /// Number of a service; further ones than the bound share `OTHER`.
    pub(super) fn service(&mut self, name: &str) -> u32 {
        let name = truncate(name, SERVICE_MAX_BYTES);
        let known = |name: &str, services: &[Service]| {
            services.iter().position(|service| service.name == name)
        };
        let position = known(name, &self.services).unwrap_or_else(|| {
            let name = if self.services.len() < self.max_services {
                name
            } else {
                OTHER
            };
            known(name, &self.services).unwrap_or_else(|| {
                self.services.push(Service {
                    name: name.to_owned(),
                    routes: Routes::new(self.bounds),
                });
                self.services.len() - 1
            })
        });
        u32::try_from(position).unwrap_or(0)
    }

    /// Name of a service.
    pub(super) fn name_of(&self, service: u32) -> &str {
        let found = self.services.get(service as usize);
        found.map_or(OTHER, |service| &service.name)
    }

    /// Counts a request.
    pub(super) fn count(
        &mut self,
        service: u32,
        configured: &Configured,
        line: &Line<'_>,
        now_ms: i64,
    ) {
        let request = route::target_of(&line.request);
        let Scratch {
            plain,
            template,
            reached,
        } = &mut self.scratch;
        let routes = &mut self.services[service as usize].routes;
        let route = match request.target {
            None => ROUTE_INVALID,
            Some(_) if self.economy.stops(Subject::Routes) => ROUTE_OTHER,
            Some(target) => {
                let path = route::path(target, plain);
                if let Some(name) = path.and_then(|path| configured.find(path, reached)) {
                    routes.configured(name, now_ms)
                } else {
                    route::template(path, template);
                    routes.learned(template, line.status, now_ms)
                }
            }
        };
        let key = Key {
            bucket: line.time_ms.div_euclid(REQUEST_BUCKET_MS),
            service,
            route,
            method: request.method,
            status_class: match line.status / 100 {
                class @ 1..=5 => u8::try_from(class).unwrap_or(0),
                _ => 0,
            },
        };
        let counters = self.counters.entry(key).or_default();
        counters.requests += 1;
        counters.response_bytes = counters.response_bytes.saturating_add(line.response_bytes);
        if let Some(latency_us) = line.latency_us {
            counters.latency.record(latency_us);
        }
        if let Some(latency_us) = line.upstream_latency_us {
            counters.upstream.record(latency_us);
        }
        if !self.economy.stops(Subject::Clients) {
            let figures = Figures::of(key.status_class, line.response_bytes);
            self.clients
                .count(line.time_ms, service, line.client, &figures);
        }
        // Examples go before routes do: without a route, nothing is known of what to hide in them.
        if self.economy.stops(Subject::Exemplars) || self.economy.stops(Subject::Routes) {
            return;
        }
        let counted = Counted {
            service,
            route,
            method: key.method,
            status_class: key.status_class,
            unusual: self.exemplars.adaptive()
                && line
                    .latency_us
                    .is_some_and(|latency_us| routes.is_slow(route, latency_us)),
        };
        self.exemplars.offer(line, request.target, counted, || {
            (route == ROUTE_OTHER).then(|| routes.disguise(template))
        });
    }

    /// Hands over all counters, by bucket, and forgets old routes where that makes room.
    pub(super) fn drain(&mut self, now_ms: i64, contents: &mut Contents) {
        let mut held: Vec<(Key, Counters)> = self.counters.drain().collect();
        held.sort_unstable_by_key(|(key, _)| *key);
        let services = &self.services;
        let names: Vec<Vec<&str>> = services.iter().map(|one| one.routes.names()).collect();
        let service_name = |service: u32| services[service as usize].name.as_str();
        let route_name = |service: u32, route: u32| names[service as usize][route as usize];
        let rows = held.into_iter().map(|(key, counters)| RequestRow {
            bucket_start_ms: key.bucket * REQUEST_BUCKET_MS,
            service: service_name(key.service).to_owned(),
            route: route_name(key.service, key.route).to_owned(),
            method: METHODS[usize::from(key.method)].to_owned(),
            status_class: key.status_class,
            requests: counters.requests,
            response_bytes: counters.response_bytes,
            latency: counters.latency,
            upstream: counters.upstream,
        });
        contents.requests.extend(rows);
        self.clients.drain(service_name, &mut contents.clients);
        self.exemplars.drain(service_name, route_name, contents);
        for service in &mut self.services {
            if self.economy.stops(Subject::Routes) {
                service.routes = Routes::new(self.bounds);
            } else {
                service.routes.forget(now_ms);
            }
        }
    }

    /// Names of routes and their beginnings that are held, of all services.
    #[cfg(test)]
    pub(super) fn held_names(&self) -> usize {
        self.services.iter().map(|one| one.routes.held()).sum()
    }
}
