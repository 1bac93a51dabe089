//! The host's clock: whether it follows a source of time, and how far it is off.
//!
//! Owns one row a reading, by the program that keeps the clock. chronyd tells the offset and the
//! bound of its error; systemd-timesyncd leaves only the time at which it last heard its server. The
//! kernel's own judgement (adjtimex) would need code that this project does not allow, and the
//! offset to the collector, which travels with every heartbeat, needs neither of the two. Where
//! neither runs, it is said once and looked for again.

mod config;
pub(super) mod tracking;

use std::time::{Duration, UNIX_EPOCH};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{ClockMetric, SeriesKind, SourceMetric};

pub use self::config::Config;
use self::tracking::Values;
use super::child::{Answer, Program};
use super::host::interval::Interval;
use super::{Moment, Rows, Source, SourceError, Worker};

/// A server is asked every 34 minutes at the latest; three times that is too long.
const TIMESYNC_FRESH_MS: u64 = 3 * 2048 * 1000;

/// Reads the clock's state.
#[derive(Debug)]
pub struct ClockSource {
    config: Config,
    chronyc: Program,
    said: bool,
    interval: Interval,
}

impl ClockSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            chronyc: Program::new(&config.chronyc, Duration::from_millis(config.deadline_ms)),
            said: false,
            interval: Interval::default(),
            config: config.clone(),
        }
    }

    /// What systemd-timesyncd left; `None` where it does not run.
    fn timesync(&self, wall_ms: i64) -> Option<Values> {
        if !self.config.timesync_path.is_dir() {
            return None;
        }
        let mark = std::fs::metadata(self.config.timesync_path.join("synchronized"));
        let since_update_ms = mark
            .and_then(|mark| mark.modified())
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|time| i64::try_from(time.as_millis()).ok())
            .map(|heard_ms| u64::try_from(wall_ms.saturating_sub(heard_ms)).unwrap_or(0));
        let fresh = since_update_ms.is_some_and(|since_ms| since_ms <= TIMESYNC_FRESH_MS);
        let mut values = [None; ClockMetric::COUNT];
        values[ClockMetric::Synchronized as usize] = Some(u64::from(fresh));
        values[ClockMetric::SinceUpdate as usize] = since_update_ms;
        Some(values)
    }
}

impl Source for ClockSource {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn worker(&self) -> Worker {
        Worker::Slow
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
        let interval_ms = self.interval.next(moment.monotonic);
        let interval_ms = interval_ms
            .unwrap_or_else(|| u32::try_from(self.config.interval_ms).unwrap_or(u32::MAX));
        let arguments = ["-c", "-n", "tracking"].map(str::to_owned);
        let refused = match self.chronyc.ask(&arguments)? {
            Answer::Text(text) => {
                let text = String::from_utf8_lossy(&text);
                let Some(values) = tracking::parse(&text, moment.wall_ms) else {
                    rows.count(SourceMetric::Unparsed, 1);
                    return Err(SourceError::Format {
                        path: self.chronyc.path().display().to_string(),
                        what: "its answer is not that of chronyc -c tracking".to_owned(),
                    });
                };
                return rows.series(
                    SeriesKind::Clock,
                    &["chronyd"],
                    moment,
                    interval_ms,
                    &values,
                );
            }
            Answer::Absent => "it is not installed".to_owned(),
            Answer::Refused(why) => why,
        };
        if let Some(values) = self.timesync(moment.wall_ms) {
            let labels = ["systemd-timesyncd"];
            return rows.series(SeriesKind::Clock, &labels, moment, interval_ms, &values);
        }
        if !std::mem::replace(&mut self.said, true) {
            tracing::info!(
                source = "clock",
                chronyc = %self.chronyc.path().display(),
                reason = refused,
                timesync_path = %self.config.timesync_path.display(),
                "neither chronyd nor systemd-timesyncd tells how the clock is; heartbeats have its offset to the collector"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Instant;

    use crmscope_proto::payload::Contents;

    use super::*;
    use crate::sources::SourceStatistics;

    fn run(root: &Path, script: Option<&str>) -> (Contents, Result<(), SourceError>) {
        let chronyc = root.join("chronyc");
        if let Some(script) = script {
            fs::write(&chronyc, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&chronyc, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let config = Config {
            chronyc,
            timesync_path: root.join("timesync"),
            deadline_ms: 20_000,
            ..Config::default()
        };
        assert_eq!(config.validate(), Ok(()));
        let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
        let moment = Moment {
            wall_ms: crate::clock::wall_ms(),
            monotonic: Instant::now(),
        };
        let result =
            ClockSource::new(&config).collect(moment, &mut Rows::new(&mut contents, &statistics));
        (contents, result)
    }

    fn value(contents: &Contents, metric: ClockMetric) -> Option<u64> {
        let column = contents.series[0].columns()[metric as usize].as_ref();
        column.map(|column| column[0])
    }

    #[test]
    fn chronyd_is_asked_first_then_timesyncd_is_looked_for() {
        let root = tempfile::tempdir().unwrap();
        let (contents, result) = run(root.path(), None);
        result.unwrap();
        assert!(contents.series.is_empty(), "neither runs");

        fs::create_dir(root.path().join("timesync")).unwrap();
        let (contents, result) = run(
            root.path(),
            Some("echo '506 Cannot talk to daemon'; exit 1"),
        );
        result.unwrap();
        assert_eq!(contents.series[0].labels(), ["systemd-timesyncd"]);
        assert_eq!(value(&contents, ClockMetric::Synchronized), Some(0));
        let mark = root.path().join("timesync/synchronized");
        fs::write(&mark, "").unwrap();
        let (contents, _) = run(root.path(), None);
        assert_eq!(value(&contents, ClockMetric::Synchronized), Some(1));
        assert!(value(&contents, ClockMetric::SinceUpdate).unwrap() < 60_000);
        let old = std::time::SystemTime::now() - Duration::from_secs(86_400);
        fs::File::options()
            .write(true)
            .open(&mark)
            .unwrap()
            .set_modified(old)
            .unwrap();
        let (contents, _) = run(root.path(), None);
        assert_eq!(value(&contents, ClockMetric::Synchronized), Some(0));
        assert_eq!(
            value(&contents, ClockMetric::Ahead),
            None,
            "it is not known"
        );

        let line = "7F000001,x,2,1795602500.3,-0.5,0,0,0,0,0,0.2,0.1,1.0,Normal";
        let (contents, result) = run(
            root.path(),
            Some(&format!("[ \"$*\" = '-c -n tracking' ] && echo '{line}'")),
        );
        result.unwrap();
        assert_eq!(contents.series[0].labels(), ["chronyd"]);
        assert_eq!(value(&contents, ClockMetric::Ahead), Some(500_000));
        assert_eq!(value(&contents, ClockMetric::Error), Some(200_000));
        let (_, result) = run(root.path(), Some("echo nonsense"));
        assert!(result.unwrap_err().to_string().contains("tracking"));
    }
}
