//! What lines mean, what the source counts, and a real nginx beside it.

mod bounds;
mod header;
mod live;
mod live_formats;
mod live_proxies;
mod lost;
mod matched;
mod neighbours;
mod networks;
mod parsing;
mod proxies;
mod queries;
mod samples;
mod source;
mod structured;
mod templates;
mod words;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use crmscope_proto::payload::Contents;
use crmscope_proto::requests::RequestRow;
use tempfile::TempDir;

use super::line::{Line, Request};
use super::*;
use crate::sources::SourceStatistics;

/// 23 Nov 2025, 02:30 UTC: shortly after the fixture was written.
const NOW_MS: i64 = 1_763_865_000_000;

struct Bench {
    folder: TempDir,
    source: RequestsSource,
    statistics: SourceStatistics,
    now: Instant,
    config: Config,
}

impl Bench {
    fn new(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config {
            from: From::Start,
            logs: vec![LogConfig {
                path: folder
                    .path()
                    .join("*access.log")
                    .to_str()
                    .unwrap()
                    .to_owned(),
                ..LogConfig::new("", Format::Nginx)
            }],
            ..config
        };
        config.validate().unwrap();
        Self {
            folder,
            source: RequestsSource::with_random(&config, fastrand::Rng::with_seed(1)),
            statistics: SourceStatistics::default(),
            now: Instant::now(),
            config,
        }
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.folder.path().join(name))
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn collect(&mut self) {
        self.now += Duration::from_secs(10);
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.collect(moment, &mut rows).unwrap();
        assert_eq!(contents, Contents::default(), "rows are held until drained");
    }

    fn drain(&mut self) -> Vec<RequestRow> {
        self.drain_all().requests
    }

    fn drain_all(&mut self) -> Contents {
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.drain(moment, &mut rows);
        contents
    }

    fn counted(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }
}

fn total(rows: &[RequestRow]) -> u64 {
    rows.iter().map(|row| row.requests).sum()
}

fn line(second: i64, request: &str, status: u16, tail: &str) -> String {
    format!(
        "10.0.0.1 - - [23/Nov/2025:02:{:02}:{:02} +0000] \"{request}\" {status} 10 \"-\" \"ua\"{tail}\n",
        second / 60,
        second % 60
    )
}

/// A GET request without latencies from 192.0.2.7.
fn request(target: &[u8], status: u16) -> Line<'_> {
    Line {
        time_ms: NOW_MS,
        request: Request::Parts {
            method: b"GET",
            target,
        },
        status,
        response_bytes: 10,
        latency_us: None,
        upstream_latency_us: None,
        client: b"192.0.2.7",
        site: b"",
    }
}

/// An aggregator and no configured routes.
fn aggregator(config: &Config) -> (Aggregator, Configured) {
    let random = fastrand::Rng::with_seed(1);
    (
        Aggregator::new(config, random),
        Configured::new(config.routes.iter().map(String::as_str)),
    )
}

fn drained(aggregator: &mut Aggregator, now_ms: i64) -> Contents {
    let mut contents = Contents::default();
    aggregator.drain(now_ms, &mut contents);
    contents
}

/// Requests by route.
fn by_route(contents: &Contents) -> std::collections::BTreeMap<String, u64> {
    let mut routes = std::collections::BTreeMap::new();
    for row in &contents.requests {
        *routes.entry(row.route.clone()).or_insert(0) += row.requests;
    }
    routes
}
