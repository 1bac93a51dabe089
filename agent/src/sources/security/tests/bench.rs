use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::payload::Contents;
use tempfile::TempDir;

use super::super::*;
use crate::sources::SourceStatistics;

/// 23 Nov 2026, 03:00 UTC.
pub(super) const NOW_MS: i64 = 1_795_402_800_000;

/// A source on files of its own, with a clock that is moved by hand.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) config: Config,
    pub(super) source: SecuritySource,
    statistics: SourceStatistics,
    now: Instant,
    /// By how much a collect moves the clock.
    pub(super) step: Duration,
}

impl Bench {
    pub(super) fn new(configure: impl FnOnce(&Path, &mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = Config {
            auth_logs: vec![folder.path().join("auth.log").to_str().unwrap().to_owned()],
            audit_logs: vec![folder.path().join("audit.log").to_str().unwrap().to_owned()],
            auth_log_zone: "+00:00".to_owned(),
            journal_directories: vec![folder.path().join("journal")],
            ..Config::default()
        };
        for name in ["auth.log", "audit.log"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        configure(folder.path(), &mut config);
        config.validate().unwrap();
        Self {
            source: SecuritySource::new(&config),
            folder,
            config,
            statistics: SourceStatistics::default(),
            now: Instant::now(),
            step: Duration::from_secs(10),
        }
    }

    pub(super) fn append(&self, text: &str) {
        self.append_to("auth.log", text);
    }

    pub(super) fn append_to(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn collect(&mut self) -> Result<(), SourceError> {
        self.now += self.step;
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.collect(moment, &mut rows)
    }

    pub(super) fn drain(&mut self) -> Vec<SecurityRow> {
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.drain(moment, &mut rows);
        contents.security
    }

    /// Collects until so many events are there; the child needs its time.
    pub(super) fn wait_for(&mut self, events: usize) -> Vec<SecurityRow> {
        let mut rows = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        while rows.len() < events && Instant::now() < deadline {
            let _ = self.collect();
            rows.append(&mut self.drain());
            std::thread::sleep(Duration::from_millis(5));
        }
        rows
    }

    pub(super) fn restart(&mut self, checkpoint: &[u8]) {
        self.source = SecuritySource::new(&self.config);
        self.source.restore(checkpoint);
    }

    pub(super) fn counted(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }
}
