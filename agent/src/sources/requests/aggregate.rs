//! Counting requests per 10 s, service, route, method and status class.
//!
//! Owns the bounded tables of services and routes, and the counters since the last drain.
//! Routes are first come, first served: once a service has its most, new ones count as `OTHER`.
//! Routes seen only with answers that mean "no such thing" may fill a quarter of the table, so
//! that a scanner cannot push out the routes of the application. A full table forgets, when
//! counters are handed over, what was not seen for an hour; within a batch a route never changes
//! its name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crmscope_proto::Sketch;
use crmscope_proto::limits::REQUEST_BUCKET_MS;
use crmscope_proto::payload::truncate;
use crmscope_proto::requests::RequestRow;

use super::line::Line;
use super::route::{self, INVALID, METHODS, OTHER};

/// Longest service name, bytes.
pub(super) const SERVICE_MAX_BYTES: usize = 128;

/// Most counters held: reading pauses at this many until they are drained. A batch holds more.
const HELD_MAX: usize = 20_000;

/// How long a route is remembered in a full table.
const ROUTE_MEMORY_MS: i64 = 3_600_000;

/// Part of the table open to routes that were only ever answered with "no such thing".
const UNPROVEN_PART: usize = 4;

const ROUTE_OTHER: u32 = 0;
const ROUTE_INVALID: u32 = 1;

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
}

#[derive(Debug)]
struct Route {
    seen_ms: i64,
    proven: bool,
}

#[derive(Debug)]
struct Service {
    name: String,
    numbers: HashMap<Box<str>, u32>,
    routes: Vec<Route>,
    unproven: usize,
}

/// Counters since the last drain.
#[derive(Debug)]
pub(super) struct Aggregator {
    services: Vec<Service>,
    max_services: usize,
    max_routes: usize,
    counters: HashMap<Key, Counters, BuildHasherDefault<KeyHasher>>,
    template: String,
    scratch: Vec<u8>,
}

impl Aggregator {
    pub(super) fn new(max_services: usize, max_routes: usize) -> Self {
        Self {
            services: Vec::new(),
            max_services,
            max_routes,
            counters: HashMap::default(),
            template: String::new(),
            scratch: Vec::new(),
        }
    }

    /// Whether another line can be counted.
    pub(super) fn ready(&self) -> bool {
        self.counters.len() < HELD_MAX
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
                    numbers: HashMap::new(),
                    routes: Vec::new(),
                    unproven: 0,
                });
                self.services.len() - 1
            })
        });
        u32::try_from(position).unwrap_or(0)
    }

    /// Counts a request.
    pub(super) fn count(&mut self, service: u32, line: &Line<'_>, now_ms: i64) {
        let request = route::target_of(&line.request);
        let route = match request.target {
            None => ROUTE_INVALID,
            Some(target) => {
                route::template(target, &mut self.scratch, &mut self.template);
                self.services[service as usize].route(
                    &self.template,
                    line.status,
                    now_ms,
                    self.max_routes,
                )
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
    }

    /// Hands over all counters, by bucket, and forgets old routes where that makes room.
    pub(super) fn drain(&mut self, now_ms: i64, rows: &mut Vec<RequestRow>) {
        let mut held: Vec<(Key, Counters)> = self.counters.drain().collect();
        held.sort_unstable_by_key(|(key, _)| *key);
        let names: Vec<Vec<&str>> = self.services.iter().map(Service::names).collect();
        rows.extend(held.into_iter().map(|(key, counters)| RequestRow {
            bucket_start_ms: key.bucket * REQUEST_BUCKET_MS,
            service: self.services[key.service as usize].name.clone(),
            route: names[key.service as usize][key.route as usize].to_owned(),
            method: METHODS[usize::from(key.method)].to_owned(),
            status_class: key.status_class,
            requests: counters.requests,
            response_bytes: counters.response_bytes,
            latency: counters.latency,
        }));
        for service in &mut self.services {
            service.forget(now_ms, self.max_routes);
        }
    }
}

impl Service {
    /// Number of a route, which lives until the next drain.
    fn route(&mut self, template: &str, status: u16, now_ms: i64, most: usize) -> u32 {
        let proven = !matches!(status, 400 | 404 | 405 | 410 | 414 | 421 | 444);
        if let Some(&number) = self.numbers.get(template) {
            let route = &mut self.routes[number as usize - 2];
            route.seen_ms = now_ms;
            if proven && !route.proven {
                route.proven = true;
                self.unproven -= 1;
            }
            return number;
        }
        let scanned = !proven && self.unproven >= most.div_ceil(UNPROVEN_PART);
        if self.routes.len() >= most || scanned {
            return ROUTE_OTHER;
        }
        let number = u32::try_from(self.routes.len() + 2).unwrap_or(ROUTE_OTHER);
        self.numbers.insert(template.into(), number);
        self.routes.push(Route {
            seen_ms: now_ms,
            proven,
        });
        self.unproven += usize::from(!proven);
        number
    }

    /// Route names by number.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![OTHER; self.routes.len() + 2];
        names[ROUTE_INVALID as usize] = INVALID;
        for (template, &number) in &self.numbers {
            names[number as usize] = template;
        }
        names
    }

    /// Makes room in a full table. Numbers change, so nothing may be held.
    fn forget(&mut self, now_ms: i64, most: usize) {
        let full = self.routes.len() >= most || self.unproven >= most.div_ceil(UNPROVEN_PART);
        let old = |route: &Route| now_ms - route.seen_ms > ROUTE_MEMORY_MS;
        if !full || !self.routes.iter().any(old) {
            return;
        }
        let mut kept = Vec::new();
        let routes = &mut self.routes;
        self.numbers.retain(|_, number| {
            let route = &routes[*number as usize - 2];
            if old(route) {
                return false;
            }
            kept.push(Route { ..*route });
            *number = u32::try_from(kept.len() + 1).unwrap_or(ROUTE_OTHER);
            true
        });
        self.unproven = kept.iter().filter(|route| !route.proven).count();
        self.routes = kept;
    }
}

/// Mixes the few small numbers of a key. Clients choose none of them freely.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits, as in Fibonacci hashing.
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
