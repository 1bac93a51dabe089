//! A few slow and failed requests, as examples of what the counters tell.
//!
//! Owns a bounded sample for each service, kind and 10 s: each request that is slow or failed enough
//! has the same chance to be in it (reservoir sampling; Vitter, "Random sampling with a reservoir",
//! 1985, algorithm R). How many had a chance is handed over beside the sample. The random numbers
//! come from the caller, so that a seed repeats a choice. What is kept of a request names no person:
//! the route stands for the path, and the query stays behind unless `keep_query` says otherwise.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::limits::REQUEST_BUCKET_MS;
use crmscope_proto::payload::Contents;
use serde::{Deserialize, Serialize};

use super::key_hasher::KeyHasher;
use super::line::Line;
use super::network::{Network, Prefixes};
use super::redact;
use super::route::METHODS;

/// Most samples, and requests in them, held: reading pauses at this many until they are drained.
const HELD_MAX: usize = 4096;

/// Settings of `[sources.requests.exemplars]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether slow and failed requests are sampled.
    pub enabled: bool,
    /// How many are kept of each kind in 10 s and one service.
    pub per_bucket: usize,
    /// Slow is what takes so long, ms.
    pub slow_ms: u64,
    /// Slow is also what is above the running 99th percentile of its route, and above 20 ms.
    pub slow_adaptive: bool,
    /// Whether answers with 4xx count as failed, and not only those with 5xx.
    pub client_errors: bool,
    /// Whether queries are kept, without what looks like a secret or a person.
    pub keep_query: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            per_bucket: 4,
            slow_ms: 1000,
            slow_adaptive: true,
            client_errors: false,
            keep_query: false,
        }
    }
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=20).contains(&self.per_bucket) {
            return Err(format!(
                "exemplars.per_bucket is {}; use 1 to 20, or enabled = false",
                self.per_bucket
            ));
        }
        if !(1..=3_600_000).contains(&self.slow_ms) {
            return Err(format!(
                "exemplars.slow_ms is {}; use 1 to 3600000",
                self.slow_ms
            ));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Exemplar {
    time_ms: i64,
    route: u32,
    method: u8,
    status: u16,
    response_bytes: u64,
    latency_us: Option<u64>,
    upstream_latency_us: Option<u64>,
    network: Network,
    /// Of a request beyond the bound of routes.
    path: Option<String>,
    query: String,
}

#[derive(Debug, Default)]
struct Reservoir {
    eligible: u64,
    kept: Vec<Exemplar>,
}

/// What a line was counted as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) service: u32,
    pub(super) route: u32,
    pub(super) method: u8,
    pub(super) status_class: u8,
    /// Above what is usual for its route.
    pub(super) unusual: bool,
}

/// Samples since the last drain.
#[derive(Debug)]
pub(super) struct Exemplars {
    config: Config,
    prefixes: Prefixes,
    random: fastrand::Rng,
    /// By bucket, service and the kind's number.
    reservoirs: HashMap<(i64, u32, u8), Reservoir, BuildHasherDefault<KeyHasher>>,
    /// Requests in all of them.
    held: usize,
}

impl Exemplars {
    pub(super) fn new(config: &Config, prefixes: Prefixes, random: fastrand::Rng) -> Self {
        Self {
            config: config.clone(),
            prefixes,
            random,
            reservoirs: HashMap::default(),
            held: 0,
        }
    }

    /// Whether another line can be counted.
    pub(super) fn ready(&self) -> bool {
        self.reservoirs.len() + self.held < HELD_MAX
    }

    /// Whether it matters what is usual for a route.
    pub(super) fn adaptive(&self) -> bool {
        self.config.enabled && self.config.slow_adaptive
    }

    /// Gives a request its chance. `path` is asked for what may be told of the path when the request
    /// is kept and has no route.
    pub(super) fn offer(
        &mut self,
        line: &Line<'_>,
        target: Option<&[u8]>,
        counted: Counted,
        path: impl FnOnce() -> Option<String>,
    ) {
        let Some(kind) = self.kind(line, counted) else {
            return;
        };
        let bucket = line.time_ms.div_euclid(REQUEST_BUCKET_MS);
        let number = u8::from(kind == ExemplarKind::Failed);
        let reservoir = self
            .reservoirs
            .entry((bucket, counted.service, number))
            .or_default();
        reservoir.eligible += 1;
        let place = if reservoir.kept.len() < self.config.per_bucket {
            reservoir.kept.len()
        } else {
            let place = self.random.u64(0..reservoir.eligible);
            match usize::try_from(place) {
                Ok(place) if place < reservoir.kept.len() => place,
                _ => return,
            }
        };
        let mut query = String::new();
        if self.config.keep_query
            && let Some(target) = target
        {
            redact::push_query(target, &mut query);
        }
        let exemplar = Exemplar {
            time_ms: line.time_ms,
            route: counted.route,
            method: counted.method,
            status: line.status,
            response_bytes: line.response_bytes,
            latency_us: line.latency_us,
            upstream_latency_us: line.upstream_latency_us,
            network: Network::of(line.client, self.prefixes),
            path: path(),
            query,
        };
        match reservoir.kept.get_mut(place) {
            Some(kept) => *kept = exemplar,
            None => {
                reservoir.kept.push(exemplar);
                self.held += 1;
            }
        }
    }

    /// Failed comes before slow: a request is an example of one thing.
    fn kind(&self, line: &Line<'_>, counted: Counted) -> Option<ExemplarKind> {
        if !self.config.enabled {
            return None;
        }
        let failed =
            counted.status_class == 5 || (counted.status_class == 4 && self.config.client_errors);
        let slow = counted.unusual
            || line
                .latency_us
                .is_some_and(|latency_us| latency_us / 1000 >= self.config.slow_ms);
        match (failed, slow) {
            (true, _) => Some(ExemplarKind::Failed),
            (false, true) => Some(ExemplarKind::Slow),
            (false, false) => None,
        }
    }

    /// Hands over samples and what they were chosen from, by bucket and service.
    pub(super) fn drain<'a>(
        &mut self,
        service_name: impl Fn(u32) -> &'a str,
        route_name: impl Fn(u32, u32) -> &'a str,
        contents: &mut Contents,
    ) {
        let mut held: Vec<_> = self.reservoirs.drain().collect();
        held.sort_unstable_by_key(|(key, _)| *key);
        self.held = 0;
        for ((bucket, service, number), reservoir) in held {
            let kind = if number == 1 {
                ExemplarKind::Failed
            } else {
                ExemplarKind::Slow
            };
            contents.sampling.push(SamplingRow {
                bucket_start_ms: bucket * REQUEST_BUCKET_MS,
                service: service_name(service).to_owned(),
                kind,
                eligible: reservoir.eligible,
                kept: reservoir.kept.len() as u64,
            });
            let rows = reservoir.kept.into_iter().map(|exemplar| {
                let route = route_name(service, exemplar.route);
                let path = exemplar.path.as_deref().unwrap_or(route);
                ExemplarRow {
                    time_ms: exemplar.time_ms,
                    kind,
                    service: service_name(service).to_owned(),
                    route: route.to_owned(),
                    method: METHODS[usize::from(exemplar.method)].to_owned(),
                    status: exemplar.status.min(999),
                    response_bytes: exemplar.response_bytes,
                    latency_us: exemplar.latency_us,
                    upstream_latency_us: exemplar.upstream_latency_us,
                    network: exemplar.network.to_string(),
                    target: format!("{path}{}", exemplar.query),
                }
            });
            contents.exemplars.extend(rows);
        }
    }
}
