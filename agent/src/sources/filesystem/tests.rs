//! The source as a whole. FUSE is not at hand everywhere, so a mount that hangs is made up: only
//! the call itself is replaced, threads and deadlines are the real ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

/// Mounts that hang until they are let go.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
    waiting: AtomicUsize,
}

impl Gate {
    fn wait(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn let_go(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

struct Fixture {
    _root: tempfile::TempDir,
    source: FilesystemSource,
    statistics: SourceStatistics,
    gate: Arc<Gate>,
    calls: Arc<AtomicUsize>,
}

impl Fixture {
    /// Mounts at these places; those with `hang` in their name hang, those with `bad` fail.
    fn new(mount_points: &[String]) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("self")).unwrap();
        let table: String = mount_points
            .iter()
            .enumerate()
            .map(|(n, point)| format!("{n} 0 8:{n} / {point} rw - ext4 /dev/sd{n} rw\n"))
            .collect();
        std::fs::write(root.path().join("self/mountinfo"), table).unwrap();
        let config = Config {
            mount_deadline_ms: 200,
            proc_path: root.path().to_str().unwrap().to_owned(),
            ..Config::default()
        };
        assert_eq!(config.validate(), Ok(()));
        let (gate, calls) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
        let (their_gate, their_calls) = (Arc::clone(&gate), Arc::clone(&calls));
        let ask = move |path: &Path| {
            their_calls.fetch_add(1, Ordering::SeqCst);
            let path = path.to_str().unwrap();
            if path.contains("hang") {
                their_gate.wait();
            }
            if path.contains("bad") {
                return Err(io::Error::from(io::ErrorKind::PermissionDenied));
            }
            Ok(Usage {
                size_bytes: 100,
                ..Usage::default()
            })
        };
        Self {
            _root: root,
            source: FilesystemSource::with(&config, Arc::new(ask)),
            statistics: SourceStatistics::default(),
            gate,
            calls,
        }
    }

    fn run(&mut self) -> (Vec<String>, Result<(), SourceError>) {
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &self.statistics);
        let result = self.source.collect(Moment::now(), &mut rows);
        let points = contents
            .series
            .iter()
            .map(|table| table.labels()[0].clone());
        (points.collect(), result)
    }
}

fn points(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_mount_that_hangs_holds_no_other_and_is_reported_until_it_answers() {
    let mut fixture = Fixture::new(&points(&["/a", "/hang", "/later"]));
    let begin = Instant::now();
    let (rows, result) = fixture.run();
    assert_eq!(rows, ["/a", "/later"]);
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            SourceError::Deadline {
                deadline_ms: 200,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("/hang"), "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(200));

    // It is known to hang: nobody waits for it or asks again.
    let begin = Instant::now();
    for _ in 0..5 {
        let (rows, result) = fixture.run();
        assert_eq!(rows, ["/a", "/later"]);
        assert!(result.unwrap_err().to_string().contains("/hang"));
    }
    assert!(
        begin.elapsed() < Duration::from_millis(200),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(fixture.gate.waiting.load(Ordering::SeqCst), 1);
    assert_eq!(fixture.calls.load(Ordering::SeqCst), 3 + 5 * 2);

    fixture.gate.let_go();
    let begin = Instant::now();
    loop {
        let (rows, result) = fixture.run();
        if result.is_ok() {
            assert_eq!(rows, ["/a", "/hang", "/later"]);
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "never came back");
    }
}

#[test]
fn many_mounts_that_hang_hold_one_helper_each_within_the_bound() {
    let mounts: Vec<String> = (0..10)
        .map(|n| format!("/hang{n}"))
        .chain(["/zzzzzzzz".to_owned()])
        .collect();
    let mut fixture = Fixture::new(&mounts);
    let begin = Instant::now();
    for _ in 0..3 {
        let (rows, result) = fixture.run();
        assert_eq!(rows, ["/zzzzzzzz"]);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("and 7 more"), "{error}");
    }
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(fixture.gate.waiting.load(Ordering::SeqCst), 10);
    fixture.gate.let_go();
}

#[test]
fn an_error_of_one_mount_is_named_and_the_rest_published() {
    let mut fixture = Fixture::new(&points(&["/a", "/bad", "/c"]));
    let (rows, result) = fixture.run();
    assert_eq!(rows, ["/a", "/c"]);
    let error = result.unwrap_err().to_string();
    assert!(
        error.contains("/bad") && error.contains("mount_points_excluded"),
        "{error}"
    );
    assert_eq!(fixture.calls.load(Ordering::SeqCst), 3);
}

#[test]
fn five_hundred_mounts_are_measured_while_one_hangs_and_those_beyond_the_bound_counted() {
    let mounts: Vec<String> = ["/hang".to_owned()]
        .into_iter()
        .chain((0..519).map(|n| format!("/mount{n:03}")))
        .collect();
    let mut fixture = Fixture::new(&mounts);
    let begin = Instant::now();
    for _ in 0..5 {
        let (rows, result) = fixture.run();
        assert_eq!(rows.len(), 511);
        assert!(result.unwrap_err().to_string().contains("/hang"));
    }
    // One deadline in all five, not one each.
    println!("five readings of 512 mounts: {:?}", begin.elapsed());
    assert_eq!(fixture.gate.waiting.load(Ordering::SeqCst), 1);
    assert_eq!(
        fixture.statistics.read()[SourceMetric::Dropped as usize],
        5 * 8
    );
    fixture.gate.let_go();
}

#[test]
fn an_unreadable_table_is_named() {
    let config = Config {
        proc_path: "/nowhere".to_owned(),
        ..Config::default()
    };
    let mut source = FilesystemSource::new(&config);
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let error = source.collect(Moment::now(), &mut Rows::new(&mut contents, &statistics));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("/nowhere/self/mountinfo")
    );
}

/// `df` reads the same figures by itself. Free space may change in between: the readings before and
/// after bound it.
#[test]
fn real_figures_agree_with_df() {
    let df = || -> BTreeMap<String, [u64; 4]> {
        let output = std::process::Command::new("df")
            .args(["-B1", "--output=target,size,avail,itotal,iavail"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().skip(1).filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let numbers: Vec<u64> = words[1..]
                .iter()
                .filter_map(|word| word.parse().ok())
                .collect();
            Some((words[0].to_owned(), numbers.try_into().ok()?))
        });
        lines.collect()
    };
    let mut source = FilesystemSource::new(&Config::default());
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let before = df();
    source
        .collect(Moment::now(), &mut Rows::new(&mut contents, &statistics))
        .unwrap();
    let after = df();
    let mut compared = 0;
    for table in &contents.series {
        let point = &table.labels()[0];
        let (Some(before), Some(after)) = (before.get(point), after.get(point)) else {
            continue;
        };
        let value =
            |metric: FilesystemMetric| table.columns()[metric as usize].as_ref().unwrap()[0];
        assert_eq!(value(FilesystemMetric::Size), before[0], "{point}");
        assert_eq!(value(FilesystemMetric::Inodes), before[2], "{point}");
        // Others write at the same time; 64 MiB is more than they do in these milliseconds.
        let available = value(FilesystemMetric::Available);
        let (low, high) = (before[1].min(after[1]), before[1].max(after[1]));
        assert!(
            (low.saturating_sub(64 << 20)..=high + (64 << 20)).contains(&available),
            "{point}: {low} {available} {high}"
        );
        compared += 1;
    }
    assert!(compared > 0, "nothing to compare: {before:?}");
}
