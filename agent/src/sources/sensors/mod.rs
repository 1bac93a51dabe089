//! Temperatures, where there are any.
//!
//! Owns one row for each sensor and reading. Reading a sensor asks its device, and some drivers wait
//! for a bus or a disk that sleeps; so each is asked by a helper with a deadline, and one that hangs
//! holds no other ([`super::probe`]). On a machine without sensors, which most virtual ones are, no
//! helper is started and a run is two listings.

mod config;
mod discover;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{SensorMetric, SeriesKind, SourceMetric};

pub use self::config::Config;
use self::discover::Sensor;
use super::probe::{Ask, Probes, Silence};
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::Subject;

/// Sensors come and go with devices; this is how soon it is noticed.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(300);

/// Reads temperatures.
pub struct SensorsSource {
    config: Config,
    sensors: Vec<Sensor>,
    discovered: Option<Instant>,
    probes: Probes<Vec<u8>>,
    last_run: Option<Instant>,
}

impl SensorsSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with(config, Arc::new(|path: &Path| std::fs::read(path)))
    }

    fn with(config: &Config, ask: Ask<Vec<u8>>) -> Self {
        let deadline = Duration::from_millis(config.sensor_deadline_ms);
        Self {
            probes: Probes::new("sensor", ask, deadline, config.sensors_max),
            sensors: Vec::new(),
            discovered: None,
            last_run: None,
            config: config.clone(),
        }
    }
}

impl Source for SensorsSource {
    fn name(&self) -> &'static str {
        "sensors"
    }

    fn worker(&self) -> Worker {
        Worker::Slow
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::Devices)
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.config.interval_ms)
    }

    fn deadline(&self) -> Duration {
        // One that hangs takes its deadline; what the others take comes on top.
        Duration::from_millis(self.config.sensor_deadline_ms) * 2
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let due =
            |at: Instant| moment.monotonic.saturating_duration_since(at) >= DISCOVERY_INTERVAL;
        if self.discovered.is_none_or(due) {
            self.discovered = Some(moment.monotonic);
            self.sensors = discover::sensors(Path::new(&self.config.sys_path));
        }
        let dropped = self.sensors.len().saturating_sub(self.config.sensors_max);
        rows.count(SourceMetric::Dropped, dropped as u64);
        let since = self
            .last_run
            .replace(moment.monotonic)
            .map(|last| moment.monotonic.saturating_duration_since(last));
        let interval_ms = since.unwrap_or(self.interval()).as_millis();
        let interval_ms = u32::try_from(interval_ms).unwrap_or(u32::MAX);

        let sensors = &self.sensors[..self.sensors.len() - dropped];
        let mut late = 0;
        let mut gone = false;
        let mut result = Ok(());
        self.probes.ask_all(
            sensors.iter().map(|sensor| &sensor.path),
            |position, answer| {
                let sensor = &sensors[position];
                match answer.as_deref().map(discover::millikelvin) {
                    Ok(Some(temperature_mk)) => {
                        let values = [Some(temperature_mk), sensor.maximum_mk, sensor.critical_mk];
                        const _: () = assert!(SensorMetric::COUNT == 3);
                        let labels = [&*sensor.chip, &sensor.device, &sensor.sensor];
                        let kind = SeriesKind::Sensor;
                        let row = rows.series(kind, &labels, moment, interval_ms, &values);
                        if result.is_ok() {
                            result = row;
                        }
                    }
                    Ok(None) => rows.count(SourceMetric::Unparsed, 1),
                    Err(Silence::Late) => late += 1,
                    Err(Silence::NoHelper) => rows.count(SourceMetric::Dropped, 1),
                    // The device went, or has no reading now: drivers say so with any error.
                    Err(Silence::Error(error)) => {
                        gone |= error.kind() == io::ErrorKind::NotFound;
                        rows.count(SourceMetric::Dropped, 1);
                    }
                }
            },
        );
        if gone {
            self.discovered = None;
        }
        if late > 0 {
            return Err(SourceError::Deadline {
                what: format!("reading {late} temperature sensors"),
                deadline_ms: self.config.sensor_deadline_ms,
            });
        }
        result
    }
}
