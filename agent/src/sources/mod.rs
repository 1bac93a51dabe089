//! Sources: what is measured on the host, one file or folder each, behind one trait and one table.
//!
//! Owns the trait, the table of sources and what each run reports about itself. Promises that a
//! failing source stops no other: sources are grouped in workers (threads) by what can block them,
//! a panic is an error of that source alone, and every run's duration and outcome become rows.
//! Leaves batching and spooling to [`crate::outbox`].

pub mod requests;
pub mod security;
pub mod tail;

pub mod clock;
pub mod config;
pub mod containers;
pub mod filesystem;
pub mod host;
pub mod probes;
pub mod processes;
pub mod sensors;
pub mod transport;
pub mod units;

mod baseline;
mod child;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod line_counts;
mod probe;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{SeriesKind, SourceMetric};
use crmscope_proto::payload::Contents;
use crmscope_proto::series::{RowError, SeriesTable};

use crate::runtime::budget::{Economy, Subject};

/// The moment of a run, read once by the worker: sources read no clock themselves.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Unix time, ms.
    pub wall_ms: i64,
    /// The same moment on the monotonic clock.
    pub monotonic: Instant,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            wall_ms: crate::clock::wall_ms(),
            monotonic: Instant::now(),
        }
    }
}

/// What a source can fail with. The message names the path and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file that should be readable is not.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file whose contents are not as the kernel or the program writes them.
    #[error("{path} is not as expected: {what}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Part of the work passed its deadline; the rest was published.
    #[error("{what} did not answer within {deadline_ms} ms")]
    Deadline {
        /// What was waited for.
        what: String,
        /// The deadline, ms.
        deadline_ms: u64,
    },
    /// A row that does not fit the catalog: a bug.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Anything else; says what and what to do.
    #[error("{0}")]
    Other(String),
}

/// Which thread a source runs on. A worker that hangs delays only its own sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Kernel files that never block.
    Kernel,
    /// File systems, which may hang.
    Filesystems,
    /// What is read seldom and may take long: scans, drivers, other programs.
    Slow,
    /// Access logs.
    Requests,
    /// The journal and security logs.
    Security,
}

impl Worker {
    /// Every worker.
    pub const ALL: [Self; 5] = [
        Self::Kernel,
        Self::Filesystems,
        Self::Slow,
        Self::Requests,
        Self::Security,
    ];
}

/// One thing that is measured.
pub trait Source: Send {
    /// Name in telemetry, config and docs.
    fn name(&self) -> &'static str;

    /// Thread it runs on.
    fn worker(&self) -> Worker;

    /// Lane its rows travel in. Sources with checkpoints that share a lane share a worker too, and
    /// their names stay: checkpoints are kept by them.
    fn lane(&self) -> Lane;

    /// Time between runs.
    fn interval(&self) -> Duration;

    /// Longest a run should take; a longer one is counted as a timeout.
    fn deadline(&self) -> Duration;

    /// The subject that all of the source belongs to, if any: while it is shed, the worker makes
    /// runs rarer or leaves them out, and the source need do nothing.
    fn subject(&self) -> Option<Subject> {
        None
    }

    /// Subjects that the source sheds by itself, by [`Source::economise`].
    fn economises(&self) -> &'static [Subject] {
        &[]
    }

    /// Says, before each run, what is to be shed.
    fn economise(&mut self, _economy: Economy) {}

    /// Reads what is new. What was read before an error is kept and published.
    ///
    /// # Errors
    /// When something could not be read; the next run tries again.
    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError>;

    /// Hands over rows that the source still holds (aggregates), before a batch is made.
    fn drain(&mut self, _moment: Moment, _rows: &mut Rows<'_>) {}

    /// Where reading stands, once everything read was handed over. It is stored with the batch and
    /// given to [`Source::restore`] after a restart. `None` for sources that have no position.
    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Continues from a checkpoint of an earlier process.
    fn restore(&mut self, _checkpoint: &[u8]) {}

    /// Called once at an orderly stop, after the last drain: end children, close files.
    fn stop(&mut self) {}
}

/// What a source's runs did; read by telemetry while the source may be running.
#[derive(Debug, Default)]
pub struct SourceStatistics {
    counters: [AtomicU64; SourceMetric::COUNT],
}

impl SourceStatistics {
    /// Adds to a counter.
    pub fn add(&self, metric: SourceMetric, count: u64) {
        self.counters[metric as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Counters since start, in catalog order.
    #[must_use]
    pub fn read(&self) -> [u64; SourceMetric::COUNT] {
        std::array::from_fn(|position| self.counters[position].load(Ordering::Relaxed))
    }
}

/// Where a source puts its rows.
pub struct Rows<'a> {
    contents: &'a mut Contents,
    statistics: &'a SourceStatistics,
}

impl<'a> Rows<'a> {
    /// Rows go into `contents`, counts into `statistics`.
    pub fn new(contents: &'a mut Contents, statistics: &'a SourceStatistics) -> Self {
        Self {
            contents,
            statistics,
        }
    }

    /// Adds a series row; values in catalog order of the kind, labels in the kind's order.
    ///
    /// # Errors
    /// When the row does not fit the catalog.
    pub fn series(
        &mut self,
        kind: SeriesKind,
        labels: &[&str],
        moment: Moment,
        interval_ms: u32,
        values: &[Option<u64>],
    ) -> Result<(), SourceError> {
        self.statistics.add(SourceMetric::Items, 1);
        let tables = &mut self.contents.series;
        // Newest first: after a change of shape the older table of the same labels is closed.
        let open = tables.iter_mut().rev().find(|table| {
            table.kind() == kind
                && table
                    .labels()
                    .iter()
                    .map(String::as_str)
                    .eq(labels.iter().copied())
        });
        if let Some(table) = open {
            match table.push(moment.wall_ms, interval_ms, values) {
                Err(RowError::Shape) => {}
                result => return Ok(result?),
            }
        }
        let mut table =
            SeriesTable::new(kind, labels.iter().map(|&label| label.to_owned()).collect());
        table.push(moment.wall_ms, interval_ms, values)?;
        tables.push(table);
        Ok(())
    }

    /// The rows so far, for request counters and security events.
    pub fn contents(&mut self) -> &mut Contents {
        self.contents
    }

    /// Counts what was read, not understood, or dropped.
    pub fn count(&self, metric: SourceMetric, count: u64) {
        self.statistics.add(metric, count);
    }
}
