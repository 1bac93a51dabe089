//! What lines mean, what the source counts, and a real nginx beside it.

mod bounds;
mod header;
mod live;
mod live_formats;
mod live_proxies;
mod neighbours;
mod parsing;
mod proxies;
mod source;
mod structured;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use crmscope_proto::payload::Contents;
use crmscope_proto::requests::RequestRow;
use tempfile::TempDir;

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
            source: RequestsSource::new(&config),
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
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: self.now,
        };
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        self.source.drain(moment, &mut rows);
        contents.requests
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
