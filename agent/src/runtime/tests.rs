//! Sources that hang or panic, and a disk that refuses.

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Id;
use crmscope_proto::Lane;
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::v1::SecurityEvent;

use super::gatherer::Gatherer;
use super::settings::{Config, Settings};
use super::worker::{self, SourceWatch, Stop, Surroundings};
use crate::outbox::Outbox;
use crate::sources::{Moment, Rows, Source, SourceError, Worker};
use crate::spool::{self, Origin};

fn surroundings(path: &std::path::Path) -> Surroundings {
    let origin = Origin {
        agent_id: "crm-web-01".to_owned(),
        boot_id: Id([1; 16]),
        start_id: Id([2; 16]),
    };
    Surroundings {
        outbox: Arc::new(Outbox::open(path, spool::Config::default(), origin).unwrap()),
        gatherer: Arc::new(Gatherer::default()),
        settings: Arc::new(Settings::new(Config::default())),
        stop: Arc::new(Stop::default()),
    }
}

/// Gives one event a run; the first time it is asked for its position, it panics.
struct Panicking {
    read: u64,
    asked: bool,
}

impl Source for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn worker(&self) -> Worker {
        Worker::Security
    }

    fn lane(&self) -> Lane {
        Lane::Security
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn collect(&mut self, _moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        self.read += 1;
        rows.contents().security.push(SecurityRow {
            event: SecurityEvent {
                event_id: vec![1; 16],
                count: 1,
                ..SecurityEvent::default()
            },
            ..SecurityRow::default()
        });
        Ok(())
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        assert!(std::mem::replace(&mut self.asked, true), "a bug");
        Some(self.read.to_le_bytes().to_vec())
    }
}

#[test]
fn a_source_that_panics_when_a_batch_is_made_goes_on_and_loses_no_row() {
    let directory = tempfile::tempdir().unwrap();
    let surroundings = surroundings(directory.path());
    let source: Box<dyn Source> = Box::new(Panicking {
        read: 0,
        asked: false,
    });
    let watch = Arc::new(SourceWatch::new(source.as_ref()));
    let worker = worker::spawn(
        Worker::Security,
        vec![(source, watch)],
        surroundings.clone(),
    )
    .unwrap();
    while surroundings.outbox.states()[2].next_sequence < 3 && !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    surroundings.stop.stop();
    worker.join().unwrap();
    let records = surroundings
        .outbox
        .read(Lane::Security, 0, usize::MAX, usize::MAX)
        .unwrap();
    let rows: u64 = records.iter().map(|record| u64::from(record.items)).sum();
    assert_eq!(
        surroundings.outbox.checkpoint(Lane::Security),
        rows.to_le_bytes(),
        "rows and position match"
    );
}

#[test]
fn a_source_that_hangs_holds_no_lock_and_its_rows_come_later() {
    let directory = tempfile::tempdir().unwrap();
    let surroundings = surroundings(directory.path());
    let rows = |name: &str| {
        let mut contents = Contents::default();
        let statistics = crate::sources::SourceStatistics::default();
        let values = [Some(1); crmscope_proto::catalog::SourceMetric::COUNT];
        Rows::new(&mut contents, &statistics)
            .series(
                crmscope_proto::catalog::SeriesKind::Source,
                &[name],
                Moment::now(),
                1_000,
                &values,
            )
            .unwrap();
        contents
    };
    let gatherer = &surroundings.gatherer;
    gatherer.merge(rows("before"));
    gatherer.lend(|lent| {
        lent.series.extend(rows("meanwhile").series);
        // The supervisor, while the source hangs.
        gatherer.merge(rows("beside"));
        gatherer.flush(&surroundings.outbox);
    });
    gatherer.merge(rows("after"));
    gatherer.flush(&surroundings.outbox);
    let records = surroundings
        .outbox
        .read(Lane::Metrics, 0, usize::MAX, usize::MAX)
        .unwrap();
    let items: Vec<u32> = records.iter().map(|record| record.items).collect();
    assert_eq!(items, [1, 3]);
}
