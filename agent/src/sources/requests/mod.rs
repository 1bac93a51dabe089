//! Requests, counted on the host from access logs.
//!
//! Owns what a request line means: its format ([`formats`]), its route template, its counters, its
//! client's network ([`clients`]) and whether it is an example of a slow or failed one
//! ([`exemplars`]).
//! Promises that every complete line of a followed log is counted once, in the 10-second bucket of
//! its own time, under `OTHER` or `INVALID` where a bound or garbage forbids more; that a line it
//! does not understand is counted as unparsed and nothing is made of it; and that raw lines,
//! ids and addresses never leave, nor queries, unless the operator asks for them or a rule matches a
//! request ([`matches`]): a security event tells the client's address, as those of logins do. Leaves following files to [`super::tail`].

mod aggregate;
pub mod clients;
mod config;
mod configured;
pub mod exemplars;
mod fields;
pub mod formats;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod header;
mod health;
mod key_hasher;
mod learned;
pub mod line;
mod matches;
mod network;
mod redact;
mod route;
#[cfg(test)]
mod tests;
pub mod try_log;
mod web;

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Lane;
use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::limits::{TIMESTAMP_MAX_FUTURE_MS, TIMESTAMP_MAX_PAST_MS};

use super::line_counts::LineCounts;
use super::security::web::Place;
use super::tail::{Limits, LineSink, Loss, Stretch, Tailers};
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::rules::{RuleSet, Rules};
use crate::runtime::budget::{Economy, Subject};
use aggregate::Aggregator;
pub use config::{Config, Format, From, LogConfig};
use configured::Configured;
pub use fields::{Fields, LatencyUnit};
use formats::{LineParser, Reading};
use health::Health;
use matches::Matches;

/// Read in a run: some ten thousand lines, a few hundredths of a second.
const RUN_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Older lines are dropped: they would be a day short of what a collector takes, so that a batch
/// may wait a day in the spool.
const LINE_MAX_AGE_MS: i64 = TIMESTAMP_MAX_PAST_MS - 24 * 3_600_000;

/// Reads access logs.
#[derive(Debug)]
pub struct RequestsSource {
    interval: Duration,
    /// By pattern.
    logs: Vec<LogConfig>,
    /// By pattern: its own routes, then those of all logs.
    routes: Vec<Configured>,
    tailer: Tailers,
    aggregator: Aggregator,
    /// One for each followed file, which the tailer bounds.
    readers: Vec<Reader>,
    matches: Matches,
}

/// What is known of a followed file.
#[derive(Debug)]
struct Reader {
    /// The tailer's number of the file.
    number: u64,
    /// Position of its pattern.
    pattern: usize,
    service: u32,
    parser: Box<dyn LineParser>,
    health: Health,
}

impl RequestsSource {
    /// A source for a validated config. Files are opened at the first run.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with_random(config, fastrand::Rng::new())
    }

    /// The same with the random numbers that decide which exemplars are kept.
    #[must_use]
    pub fn with_random(config: &Config, random: fastrand::Rng) -> Self {
        let patterns = config.logs.iter().map(|log| log.path.clone()).collect();
        let limits = Limits {
            max_files: config.max_files,
            run_max_bytes: RUN_MAX_BYTES,
            from_start: config.from == From::Start,
        };
        Self {
            interval: config.interval(),
            logs: config.logs.clone(),
            routes: config
                .logs
                .iter()
                .map(|log| {
                    let templates = log.routes.iter().chain(&config.routes);
                    Configured::new(templates.map(String::as_str))
                })
                .collect(),
            tailer: Tailers::new(patterns, limits),
            aggregator: Aggregator::new(config, random),
            readers: Vec::new(),
            matches: Matches::default(),
        }
    }

    /// The same, with rules that requests are asked about.
    #[must_use]
    pub fn with_rules(mut self, rules: &Arc<Rules>) -> Self {
        self.matches = Matches::of(rules);
        self
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

    fn economises(&self) -> &'static [Subject] {
        &[Subject::Exemplars, Subject::Clients, Subject::Routes]
    }

    fn economise(&mut self, economy: Economy) {
        self.aggregator.economise(economy);
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let mut sink = Counting {
            logs: &self.logs,
            routes: &self.routes,
            aggregator: &mut self.aggregator,
            readers: &mut self.readers,
            set: self.matches.set(),
            matches: &mut self.matches,
            path: String::new(),
            plain: Vec::new(),
            now_ms: moment.wall_ms,
            current: 0,
            counts: LineCounts::default(),
        };
        let outcome = self.tailer.poll(moment.monotonic, &mut sink);
        sink.counts.report(rows);
        outcome
    }

    fn drain(&mut self, moment: Moment, rows: &mut Rows<'_>) {
        self.aggregator.drain(moment.wall_ms, rows.contents());
        self.matches
            .drain(moment.wall_ms, &mut rows.contents().security);
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
    logs: &'a [LogConfig],
    routes: &'a [Configured],
    aggregator: &'a mut Aggregator,
    readers: &'a mut Vec<Reader>,
    /// Where there are rules for requests.
    set: Option<Arc<RuleSet>>,
    matches: &'a mut Matches,
    /// The file whose lines come, where there are rules.
    path: String,
    /// Space that is used again for each line.
    plain: Vec<u8>,
    now_ms: i64,
    /// Position in `readers`.
    current: usize,
    counts: LineCounts,
}

impl LineSink for Counting<'_> {
    fn ready(&self) -> bool {
        self.aggregator.ready() && self.matches.ready()
    }

    fn begin(&mut self, stretch: &Stretch<'_>) {
        if self.set.is_some() {
            self.path.clear();
            self.path.push_str(&stretch.path.to_string_lossy());
        }
        let known = |reader: &Reader| reader.number == stretch.number;
        self.current = self.readers.iter().position(known).unwrap_or_else(|| {
            let log = &self.logs[stretch.pattern];
            let service = match &log.service {
                Some(name) => self.aggregator.service(name),
                None => self.aggregator.service(&config::service_of(stretch.path)),
            };
            let mut parser = formats::parser(log);
            if parser.has_header()
                && let Err(error) = header::teach(stretch, parser.as_mut())
            {
                tracing::warn!(source = "requests", path = %stretch.path.display(), %error, "the header of a log cannot be read");
            }
            self.readers.push(Reader {
                number: stretch.number,
                pattern: stretch.pattern,
                service,
                parser,
                health: Health::new(stretch.path),
            });
            self.readers.len() - 1
        });
    }

    fn line(&mut self, offset: u64, line: &[u8]) {
        self.counts.line();
        let Some(reader) = self.readers.get_mut(self.current) else {
            self.counts.unparsed();
            return;
        };
        let parsed = match reader.parser.parse(line) {
            Ok(Reading::Request(parsed)) => parsed,
            Ok(Reading::Other) => {
                reader.health.understood();
                return;
            }
            Err(reason) => {
                self.counts.unparsed();
                reader.health.unread(reason);
                return;
            }
        };
        reader.health.understood();
        let age_ms = self.now_ms.saturating_sub(parsed.time_ms);
        if !(-TIMESTAMP_MAX_FUTURE_MS..=LINE_MAX_AGE_MS).contains(&age_ms) {
            let bytes = line.len() as u64 + 1;
            self.counts
                .drop_line(SourceMetric::LostUntimelyLines, bytes);
            return;
        }
        if let Some(set) = &self.set
            && let Some(sieve) = set.sieve()
            && matches::may_match(sieve, line, &parsed, &mut self.plain)
        {
            let reading = matches::Reading {
                format: self.logs[reader.pattern].format,
                service: self.aggregator.name_of(reader.service),
                place: Place {
                    path: &self.path,
                    offset,
                    line,
                },
            };
            self.matches.look(set, &parsed, &reading);
        }
        self.aggregator.count(
            reader.service,
            &self.routes[reader.pattern],
            &parsed,
            self.now_ms,
        );
    }

    fn end(&mut self, number: u64) {
        self.readers.retain(|reader| reader.number != number);
    }

    fn lost(&mut self, loss: &Loss<'_>) {
        self.counts.lose(loss);
    }

    fn lost_more(&mut self, bytes: u64) {
        self.counts.lose_more(bytes);
    }
}
