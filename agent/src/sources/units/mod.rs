//! Units of systemd: state, restarts, main process, memory and CPU of those that are watched.
//!
//! Owns one row for each unit and reading. Asks `systemctl show`, whose answer is made for
//! programs, in a child with a deadline: it needs no right and no library, and costs some
//! milliseconds. Promises: where systemd does not run, it is said once and the source is off; a
//! unit that is not there has a row that says so. Leaves what units log to the journal.

mod config;
mod manager;
pub(super) mod show;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{SeriesKind, SourceMetric, UnitMetric};

pub use self::config::Config;
pub use self::manager::Manager;
use self::show::{PROPERTIES, Unit};
use super::baseline::Baseline;
use super::child::{Answer, Program};
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::Subject;

/// A unit that was read before.
#[derive(Debug)]
struct Followed {
    read_at: Instant,
    main_start_us: Option<u64>,
    baseline: Baseline<{ UnitMetric::COUNT }>,
    seen: bool,
}

/// Watches units.
#[derive(Debug)]
pub struct UnitsSource {
    config: Config,
    program: Program,
    /// Systemd does not run here.
    off: bool,
    /// By name.
    followed: HashMap<String, Followed>,
}

impl UnitsSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            program: Program::new(&config.program, Duration::from_millis(config.deadline_ms)),
            off: false,
            followed: HashMap::new(),
            config: config.clone(),
        }
    }

    fn publish(
        &mut self,
        unit: Unit,
        moment: Moment,
        monotonic_ms: u64,
        rows: &mut Rows<'_>,
    ) -> Result<(), SourceError> {
        let mut now = unit.values;
        now[UnitMetric::SinceChange as usize] = unit
            .changed_us
            .map(|changed_us| monotonic_ms.saturating_sub(changed_us / 1000));
        let Some(followed) = self.followed.get_mut(&unit.name) else {
            let followed = Followed {
                read_at: moment.monotonic,
                main_start_us: unit.main_start_us,
                baseline: Baseline::new(now),
                seen: true,
            };
            self.followed.insert(unit.name, followed);
            return Ok(());
        };
        followed.seen = true;
        let since = moment
            .monotonic
            .saturating_duration_since(followed.read_at)
            .as_millis();
        followed.read_at = moment.monotonic;
        let mut advance = followed.baseline.advance(UnitMetric::METRICS, &now);
        rows.count(SourceMetric::CounterResets, advance.resets);
        // Not a counter of systemd's: another moment of the start is another start.
        let before = std::mem::replace(&mut followed.main_start_us, unit.main_start_us);
        let started = |(before, now): (u64, u64)| u64::from(now > before);
        advance.row[UnitMetric::Starts as usize] = before.zip(unit.main_start_us).map(started);
        rows.series(
            SeriesKind::Unit,
            &[&unit.name],
            moment,
            u32::try_from(since).unwrap_or(u32::MAX),
            &advance.row,
        )
    }
}

impl Source for UnitsSource {
    fn name(&self) -> &'static str {
        "units"
    }

    fn worker(&self) -> Worker {
        Worker::Slow
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::Details)
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.config.interval_ms)
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.config.deadline_ms)
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        if self.off {
            return Ok(());
        }
        if !self.config.systemd_path.is_dir() {
            self.off = true;
            return Err(SourceError::Other(format!(
                "units are not watched: systemd does not run here ({} is not there); remove sources.units.watch",
                self.config.systemd_path.display()
            )));
        }
        let mut arguments = vec![
            "show".to_owned(),
            "--no-pager".to_owned(),
            format!("--property={PROPERTIES}"),
            "--".to_owned(),
        ];
        arguments.extend(self.config.watch.iter().cloned());
        let text = match self.program.ask(&arguments)? {
            Answer::Text(text) => text,
            Answer::Absent => {
                self.off = true;
                return Err(SourceError::Other(format!(
                    "units are not watched: {} is not installed; set sources.units.program",
                    self.program.path().display()
                )));
            }
            Answer::Refused(why) => return Err(SourceError::Other(why)),
        };
        let monotonic_ms = crate::clock::read().monotonic_ms;
        let (mut units, unparsed) = show::parse(&text);
        rows.count(SourceMetric::Unparsed, unparsed);
        // A unit may fit several patterns.
        units.sort_by(|a, b| a.name.cmp(&b.name));
        units.dedup_by(|a, b| a.name == b.name);
        let dropped = units.len().saturating_sub(self.config.units_max);
        rows.count(SourceMetric::Dropped, dropped as u64);
        units.truncate(self.config.units_max);
        let mut result = Ok(());
        for unit in units {
            result = result.and(self.publish(unit, moment, monotonic_ms, rows));
        }
        self.followed
            .retain(|_, followed| std::mem::take(&mut followed.seen));
        result
    }
}
