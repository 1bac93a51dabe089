//! Probes against real servers: nginx with real certificates, dnsmasq, and servers that behave as
//! badly as they can. No agent runs here: the source is asked itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

mod certificates;
mod hostile;
mod names;
mod pages;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crmscope_agent::sources::probes::{Config, Kind, ProbesSource, Target};
use crmscope_agent::sources::{Moment, Rows, Source as _, SourceStatistics};
use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use crmscope_proto::payload::Contents;

/// A target's first row.
struct Row(Vec<Option<u64>>);

impl Row {
    fn get(&self, metric: ProbeMetric) -> Option<u64> {
        self.0[metric as usize]
    }

    fn reason(&self) -> ProbeReason {
        let number = self.get(ProbeMetric::Reason).unwrap();
        let reason = ProbeReason::ALL[usize::try_from(number).unwrap()];
        let up = reason == ProbeReason::None;
        assert_eq!(self.get(ProbeMetric::Up), Some(u64::from(up)));
        assert_eq!(self.get(ProbeMetric::GoodDuration).is_some(), up);
        reason
    }

    fn duration(&self) -> Duration {
        Duration::from_micros(self.get(ProbeMetric::Duration).unwrap())
    }
}

fn target(name: &str, kind: Kind) -> Target {
    Target {
        name: name.to_owned(),
        service: "crm".to_owned(),
        kind: Some(kind),
        ..Target::default()
    }
}

fn http(name: &str, url: String) -> Target {
    Target {
        url: Some(url),
        ..target(name, Kind::Http)
    }
}

/// Probes every target until each has a row, of at most 16.
fn probe(targets: Vec<Target>, deadline_ms: u64) -> BTreeMap<String, Row> {
    let count = targets.len();
    let config = Config {
        interval_ms: deadline_ms.max(1_000),
        deadline_ms,
        targets,
        ..Config::default()
    };
    assert_eq!(config.validate(), Ok(()));
    let mut source = ProbesSource::new(&config);
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let until = Instant::now() + Duration::from_secs(60);
    let mut rows = BTreeMap::new();
    while rows.len() < count {
        let mut made = Rows::new(&mut contents, &statistics);
        source.collect(Moment::now(), &mut made).unwrap();
        for table in contents.series.drain(..) {
            let first = table.columns().iter();
            let first = first.map(|column| column.as_ref().map(|column| column[0]));
            let row = Row(first.collect());
            rows.entry(table.labels()[0].clone()).or_insert(row);
        }
        assert!(Instant::now() < until, "only {:?} have rows", rows.keys());
        std::thread::sleep(Duration::from_millis(20));
    }
    source.stop();
    for (name, row) in &rows {
        println!("{name}: {:?} {:?}", row.reason(), row.0);
        // Far more slack than a busy machine needs; a run without a deadline takes for ever.
        let longest = Duration::from_millis(deadline_ms) + Duration::from_secs(20);
        assert!(row.duration() < longest, "{name}");
    }
    rows
}
