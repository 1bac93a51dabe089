//! Sources that hang or panic, a disk that refuses, and a budget that is passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crmscope_proto::Id;
use crmscope_proto::Lane;
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::v1::SecurityEvent;

use super::budget::watch::BudgetWatch;
use super::budget::{Budget, Economy, Subject};
use super::gatherer::Gatherer;
use super::settings::{Config, Settings};
use super::worker::{self, SourceWatch, Stop, Surroundings};
use crate::outbox::Outbox;
use crate::sources::{Moment, Rows, Source, SourceError, Worker};
use crate::spool::{self, Origin};

pub(super) fn surroundings(path: &std::path::Path) -> Surroundings {
    let origin = Origin {
        agent_id: "crm-web-01".to_owned(),
        boot_id: Id([1; 16]),
        start_id: Id([2; 16]),
    };
    Surroundings {
        outbox: Arc::new(Outbox::open(path, spool::Config::default(), origin).unwrap()),
        gatherer: Arc::new(Gatherer::new(1024 * 1024)),
        settings: Arc::new(Settings::new(Config::default())),
        economy: Arc::default(),
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
        "security"
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
        surroundings.outbox.checkpoint(Lane::Security).unwrap(),
        rows.to_le_bytes(),
        "rows and position match"
    );
}

/// Reads from its position on, and counts how often it was looked at.
struct Positioned {
    position: Option<Vec<u8>>,
    looks: Arc<AtomicU64>,
}

impl Source for Positioned {
    fn name(&self) -> &'static str {
        "requests"
    }

    fn worker(&self) -> Worker {
        Worker::Requests
    }

    fn lane(&self) -> Lane {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Lane::Requests
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn restore(&mut self, checkpoint: &[u8]) {
        self.position = Some(checkpoint.to_vec());
    }

    fn collect(&mut self, _moment: Moment, _rows: &mut Rows<'_>) -> Result<(), SourceError> {
        Ok(())
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        let mut position = self.position.clone().unwrap_or_else(|| b"nowhere".to_vec());
        position.push(b'!');
        Some(position)
    }
}

#[test]
fn a_source_with_a_position_waits_for_a_spool_that_is_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let [kept, root] = ["kept", "spool"].map(|name| directory.path().join(name));
    let before = surroundings(&kept);
    let position = Some(b"here".to_vec());
    let outbox = &before.outbox;
    outbox
        .append(Lane::Requests, &Contents::default(), position)
        .unwrap();
    drop(before);
    // In the place of a directory: nobody can read a spool there.
    std::fs::write(&root, "").unwrap();
    let config = spool::Config::default();
    let mut opening = spool::Opening::new(directory.path(), config, "crm-web-01", true).unwrap();
    assert!(opening.open().unwrap().is_none());
    let surroundings = {
        let other = surroundings(&directory.path().join("other"));
        let origin = other.outbox.origin().clone();
        Surroundings {
            outbox: Arc::new(Outbox::closed(opening, origin)),
            ..other
        }
    };
    let looks = Arc::new(AtomicU64::new(0));
    let source: Box<dyn Source> = Box::new(Positioned {
        position: None,
        looks: Arc::clone(&looks),
    });
    let watch = Arc::new(SourceWatch::new(source.as_ref()));
    let own = vec![(source, watch)];
    let worker = worker::spawn(Worker::Requests, own, surroundings.clone()).unwrap();
    let begun = looks.load(Ordering::Relaxed);
    while looks.load(Ordering::Relaxed) < begun + 3 && !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::remove_file(&root).unwrap();
    std::fs::rename(&kept, &root).unwrap();
    surroundings
        .outbox
        .sync_due(Instant::now() + Duration::from_secs(3600));
    surroundings.stop.stop();
    worker.join().unwrap();
    assert_eq!(
        surroundings.outbox.checkpoint(Lane::Requests).unwrap(),
        b"here!"
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

/// Counts its runs, and remembers what it was told to shed.
#[derive(Clone)]
struct Counting {
    subject: Option<Subject>,
    interval: Duration,
    runs: Arc<AtomicU64>,
    economy: Arc<AtomicU8>,
}

impl Counting {
    fn new(subject: Option<Subject>, interval: Duration) -> Self {
        Self {
            subject,
            interval,
            runs: Arc::default(),
            economy: Arc::default(),
        }
    }

    fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    fn wait_for(&self, runs: u64) {
        while self.runs() < runs {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Source for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn worker(&self) -> Worker {
        Worker::Kernel
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn subject(&self) -> Option<Subject> {
        self.subject
    }

    fn economise(&mut self, economy: Economy) {
        self.economy.store(economy.bits(), Ordering::SeqCst);
    }

    fn collect(&mut self, _moment: Moment, _rows: &mut Rows<'_>) -> Result<(), SourceError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_stopped_source_is_not_run_and_the_others_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let surroundings = surroundings(directory.path());
    let tick = Duration::from_millis(1);
    let free = Counting::new(None, tick);
    let stopped = Counting::new(Some(Subject::Routes), tick);
    let tasks = [&stopped, &free].map(|source| -> (Box<dyn Source>, _) {
        let watch = Arc::new(SourceWatch::new(source));
        (Box::new(source.clone()), watch)
    });
    let worker = worker::spawn(Worker::Kernel, tasks.into(), surroundings.clone()).unwrap();
    stopped.wait_for(3);

    let economy = Economy::of(&[Subject::Devices, Subject::Routes]);
    surroundings.economy.set(economy);
    // Two rounds of the thread later it knows.
    free.wait_for(free.runs() + 2);
    let runs = stopped.runs();
    free.wait_for(free.runs() + 20);
    assert_eq!(stopped.runs(), runs);
    assert_eq!(free.economy.load(Ordering::SeqCst), economy.bits());

    surroundings.economy.set(Economy::default());
    stopped.wait_for(runs + 3);
    surroundings.stop.stop();
    worker.join().unwrap();
}

#[test]
fn a_subject_made_rarer_lengthens_the_intervals_of_its_sources() {
    let settings = Settings::new(Config::default());
    let all = Economy::of(Subject::ORDER);
    for (subject, interval_ms, economy, expected_ms) in [
        (None, 1_000, all, 1_000),
        (Some(Subject::Devices), 1_000, Economy::default(), 1_000),
        (Some(Subject::Devices), 1_000, all, 4_000),
        (Some(Subject::Host), 1_000, all, 10_000),
        (
            Some(Subject::Host),
            1_000,
            Economy::of(&[Subject::Devices]),
            1_000,
        ),
        (Some(Subject::Host), 10_000, all, 60_000),
        (Some(Subject::Host), 3_600_000, all, 3_600_000),
    ] {
        let source = Counting::new(subject, Duration::from_millis(interval_ms));
        let interval = worker::interval_of(&source, &settings, economy);
        let expected = Duration::from_millis(expected_ms);
        assert_eq!(interval, expected, "{subject:?} {interval_ms} {economy:?}");
    }
    let wanted = crmscope_proto::v1::Config {
        collect_interval_ms: 2_000,
        ..crmscope_proto::v1::Config::default()
    };
    settings.apply(&wanted).unwrap();
    let source = Counting::new(Some(Subject::Host), Duration::from_secs(1));
    let interval = worker::interval_of(&source, &settings, all);
    assert_eq!(
        interval,
        Duration::from_secs(20),
        "the collector's wish is stretched too"
    );
}

#[test]
fn memory_above_its_ceiling_sheds_and_what_was_shed_becomes_rows() {
    const CEILING_BYTES: usize = 256 * 1024 * 1024;
    let directory = tempfile::tempdir().unwrap();
    let surroundings = surroundings(directory.path());
    let config = super::budget::Config {
        memory_max_bytes: CEILING_BYTES as u64,
        hold_ms: 1_000,
        calm_ms: 1_000,
        ..super::budget::Config::default()
    };
    let budget = Budget::new(config, &[Subject::Devices, Subject::Host]);
    let mut watch = BudgetWatch::new(budget, Arc::clone(&surroundings.economy));
    let begin = Instant::now();
    let statistics = crate::sources::SourceStatistics::default();
    let mut contents = Contents::default();
    // A thousand seconds between readings: what this process works meanwhile is nothing to that.
    let mut at = |second: u32, contents: &mut Contents| {
        let moment = Moment {
            wall_ms: i64::from(second) * 1_000_000,
            monotonic: begin + Duration::from_secs(1_000) * second,
        };
        watch.look(moment.monotonic, &surroundings.outbox);
        let mut rows = Rows::new(contents, &statistics);
        watch.report(moment, 1_000_000, &mut rows).unwrap();
        surroundings.economy.get()
    };
    assert_eq!(at(0, &mut contents), Economy::default());
    // Touched, so that it is resident.
    let held = vec![1u8; CEILING_BYTES];
    assert_eq!(at(1, &mut contents), Economy::of(&[Subject::Devices]));
    assert_eq!(
        at(2, &mut contents),
        Economy::of(&[Subject::Devices, Subject::Host])
    );
    drop(std::hint::black_box(held));
    assert_eq!(at(3, &mut contents), Economy::of(&[Subject::Devices]));
    assert_eq!(at(4, &mut contents), Economy::default());
    assert_eq!(at(5, &mut contents), Economy::default());

    let rows: Vec<_> = contents
        .series
        .iter()
        .map(|table| {
            (
                table.labels().join(" "),
                table.timestamps_ms().to_vec(),
                table.columns().to_vec(),
            )
        })
        .collect();
    let told = |label: &str, begin: i64, shed_ms: Vec<u64>, levels: Vec<u64>| {
        let timestamps = (0..)
            .map(|row| (begin + row) * 1_000_000)
            .take(shed_ms.len());
        (
            label.to_owned(),
            timestamps.collect(),
            vec![Some(shed_ms), Some(levels)],
        )
    };
    let second = 1_000_000;
    assert_eq!(
        rows,
        [
            // Begun at 1, over at 4, which the row at 4 says.
            told(
                "devices memory",
                1,
                vec![0, second, second, second],
                vec![1, 2, 1, 0]
            ),
            told("host memory", 2, vec![0, second], vec![2, 1]),
        ]
    );
}
