//! Probes: pages, ports and names that the agent asks for, as its host's users do.
//!
//! Owns one row for each target and run: whether the answer was as it should be, why not, and how
//! long each phase took. The runs are done on a thread of their own ([`engine`]); the source only
//! fetches what came of them, so nothing a target does holds up another source. What keeps this
//! agent from asking (no thread, no socket, an unreadable `server_ca_file`) is an error of the
//! source and no row: it says nothing about the target. What a target sends is judged and thrown
//! away; nothing of it but numbers gets into rows or logs, nor does its URL.

mod chain;
mod config;
mod engine;
mod helpers;
mod http;
mod message;
mod network;
mod outcome;
mod place;
mod target;
#[cfg(test)]
mod tests;
pub(in crate::sources) mod tls;

use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use crmscope_proto::Lane;
use crmscope_proto::catalog::{SeriesKind, SourceMetric};

pub use self::config::{Config, Kind, Method, Status, Target};
use self::engine::{Engine, Report};
use super::host::interval::Interval;
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::{Economy, Subject};

/// Time between looks for results.
const FETCH_INTERVAL: Duration = Duration::from_secs(2);

/// Longest that a look should take; it waits for nothing.
const FETCH_DEADLINE: Duration = Duration::from_secs(1);

/// What rows say of a target.
#[derive(Debug)]
struct Labels {
    name: String,
    service: String,
    kind: Kind,
    interval: Interval,
}

/// Probes targets.
#[derive(Debug)]
pub struct ProbesSource {
    config: Config,
    labels: Vec<Labels>,
    stretch: u32,
    engine: Option<Engine>,
}

impl ProbesSource {
    /// A source that has asked nothing yet; nothing is started before its first run.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let labels = config.targets.iter().map(|target| Labels {
            name: target.name.clone(),
            service: target.service.clone(),
            kind: target.kind.unwrap_or(Kind::Http),
            interval: Interval::default(),
        });
        Self {
            labels: labels.collect(),
            stretch: 1,
            engine: None,
            config: config.clone(),
        }
    }

    fn start(&self) -> Result<Engine, SourceError> {
        let checks = self.config.targets.iter().map(Target::check);
        let checks = checks
            .collect::<Result<_, _>>()
            .map_err(SourceError::Other)?;
        let interval = Duration::from_millis(self.config.interval_ms);
        let deadline = Duration::from_millis(self.config.deadline_ms);
        let engine = Engine::start(checks, interval, deadline).map_err(|error| {
            SourceError::Other(format!("targets are not probed: no thread: {error}"))
        })?;
        engine.stretch(self.stretch);
        Ok(engine)
    }

    fn publish(&mut self, report: Report, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let Some(labels) = self.labels.get_mut(report.target) else {
            return Ok(());
        };
        let values = report.values.map_err(|error| {
            rows.count(SourceMetric::Dropped, 1);
            SourceError::Other(format!("target {:?} is not probed: {error}", labels.name))
        })?;
        let since = labels.interval.next(report.moment.monotonic);
        let interval_ms =
            since.unwrap_or_else(|| u32::try_from(self.config.interval_ms).unwrap_or(u32::MAX));
        rows.series(
            SeriesKind::Probe,
            &[&labels.name, &labels.service, labels.kind.word()],
            report.moment,
            interval_ms,
            &values,
        )
    }
}

impl Source for ProbesSource {
    fn name(&self) -> &'static str {
        "probes"
    }

    fn worker(&self) -> Worker {
        Worker::Slow
    }

    fn economises(&self) -> &'static [Subject] {
        &[Subject::Probes]
    }

    fn economise(&mut self, economy: Economy) {
        self.stretch = economy.stretch(Subject::Probes);
        if let Some(engine) = &self.engine {
            engine.stretch(self.stretch);
        }
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        FETCH_INTERVAL
    }

    fn deadline(&self) -> Duration {
        FETCH_DEADLINE
    }

    fn collect(&mut self, _moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let Some(engine) = self.engine.take() else {
            self.engine = Some(self.start()?);
            return Ok(());
        };
        rows.count(SourceMetric::Dropped, engine.take_dropped());
        let mut result = Ok(());
        loop {
            match engine.result() {
                Ok(report) => result = result.and(self.publish(report, rows)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(SourceError::Other(
                        "the thread that probes has ended and is started again; this is a bug in crmscope-agent"
                            .to_owned(),
                    ));
                }
            }
        }
        self.engine = Some(engine);
        result
    }

    fn stop(&mut self) {
        self.engine = None;
    }
}

/// What the fuzzers call: an answer of DNS to a question that they do not know.
///
/// # Panics
/// When what comes of it passes its bounds.
#[cfg(any(feature = "fuzzing", test))]
pub(super) fn read_answer(data: &[u8]) {
    let question = message::question(0x1234, "crm.example", message::Record::A);
    if let Ok(answer) = message::answer(&question, data) {
        assert!(answer.addresses.len() * 4 <= data.len());
    }
}

/// The same: a certificate.
#[cfg(any(feature = "fuzzing", test))]
pub(super) fn read_certificate(data: &[u8]) {
    let _ = chain::validity_ms(&data.into());
}
