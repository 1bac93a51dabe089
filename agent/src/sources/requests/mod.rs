//! Requests, counted on the host from access logs.
//!
//! Owns what a request line means: its format ([`nginx`]), its route template and its counters.
//! Promises that every complete line of a followed log is counted once, in the 10-second bucket of
//! its own time, under `OTHER` or `INVALID` where a bound or garbage forbids more; that a line it
//! does not understand is counted as unparsed and nothing is made of it; and that raw lines,
//! queries and ids never leave. Leaves following files to [`super::tail`].

mod aggregate;
mod config;
pub mod nginx;
mod route;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crmscope_proto::Lane;
use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::limits::{TIMESTAMP_MAX_FUTURE_MS, TIMESTAMP_MAX_PAST_MS};

use super::tail::{Limits, LineSink, Tailer};
use super::{Moment, Rows, Source, SourceError, Worker};
use aggregate::Aggregator;
pub use config::{Config, Format, From, LogConfig};
use nginx::TimeCache;

/// Read in a run: some ten thousand lines, a few hundredths of a second.
const RUN_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Older lines are dropped: they would be a day short of what a collector takes, so that a batch
/// may wait a day in the spool.
const LINE_MAX_AGE_MS: i64 = TIMESTAMP_MAX_PAST_MS - 24 * 3_600_000;

/// Reads access logs.
#[derive(Debug)]
pub struct RequestsSource {
    interval: Duration,
    /// Configured services, by pattern.
    services: Vec<Option<String>>,
    tailer: Tailer,
    aggregator: Aggregator,
    times: TimeCache,
    /// Services of files seen, so that names are not derived at every run.
    named: Vec<(usize, PathBuf, u32)>,
    max_files: usize,
}

impl RequestsSource {
    /// A source for a validated config. Files are opened at the first run.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let patterns = config.logs.iter().map(|log| log.path.clone()).collect();
        let limits = Limits {
            max_files: config.max_files,
            run_max_bytes: RUN_MAX_BYTES,
            from_start: config.from == From::Start,
        };
        Self {
            interval: config.interval(),
            services: config.logs.iter().map(|log| log.service.clone()).collect(),
            tailer: Tailer::new(patterns, limits),
            aggregator: Aggregator::new(config.max_services, config.max_routes),
            times: TimeCache::default(),
            named: Vec::new(),
            max_files: config.max_files,
        }
    }
}

impl Source for RequestsSource {
    fn name(&self) -> &'static str {
        "requests"
    }

    fn worker(&self) -> Worker {
        Worker::Requests
    }

    fn lane(&self) -> Lane {
        Lane::Requests
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        if self.named.len() > 4 * self.max_files {
            self.named.clear();
        }
        let mut sink = Counting {
            services: &self.services,
            aggregator: &mut self.aggregator,
            times: &mut self.times,
            named: &mut self.named,
            now_ms: moment.wall_ms,
            service: 0,
            lines: 0,
            unparsed: 0,
            dropped: 0,
        };
        let outcome = self.tailer.poll(moment.monotonic, &mut sink);
        rows.count(SourceMetric::Items, sink.lines);
        rows.count(SourceMetric::Unparsed, sink.unparsed);
        rows.count(SourceMetric::Dropped, sink.dropped);
        outcome
    }

    fn drain(&mut self, moment: Moment, rows: &mut Rows<'_>) {
        self.aggregator
            .drain(moment.wall_ms, &mut rows.contents().requests);
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        Some(self.tailer.checkpoint())
    }

    fn restore(&mut self, checkpoint: &[u8]) {
        if let Err(error) = self.tailer.restore(checkpoint) {
            tracing::warn!(source = "requests", %error, "reading starts without a checkpoint");
        }
    }
}

/// Counts lines as they come.
struct Counting<'a> {
    services: &'a [Option<String>],
    aggregator: &'a mut Aggregator,
    times: &'a mut TimeCache,
    named: &'a mut Vec<(usize, PathBuf, u32)>,
    now_ms: i64,
    service: u32,
    lines: u64,
    unparsed: u64,
    dropped: u64,
}

impl LineSink for Counting<'_> {
    fn ready(&self) -> bool {
        self.aggregator.ready()
    }

    fn begin(&mut self, pattern: usize, path: &Path) {
        let known = self
            .named
            .iter()
            .find(|(one, other, _)| *one == pattern && other.as_os_str() == path.as_os_str());
        self.service = match known {
            Some(&(_, _, service)) => service,
            None => {
                let service = match &self.services[pattern] {
                    Some(name) => self.aggregator.service(name),
                    None => self.aggregator.service(&config::service_of(path)),
                };
                self.named.push((pattern, path.to_owned(), service));
                service
            }
        };
    }

    fn line(&mut self, _offset: u64, line: &[u8]) {
        self.lines += 1;
        let Some(parsed) = nginx::parse(line, self.times) else {
            self.unparsed += 1;
            return;
        };
        let age_ms = self.now_ms.saturating_sub(parsed.time_ms);
        if !(-TIMESTAMP_MAX_FUTURE_MS..=LINE_MAX_AGE_MS).contains(&age_ms) {
            self.dropped += 1;
            return;
        }
        self.aggregator.count(self.service, &parsed, self.now_ms);
    }

    fn dropped(&mut self) {
        self.lines += 1;
        self.dropped += 1;
    }
}
