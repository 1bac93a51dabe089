//! The source with a program that answers as systemctl does, and with systemd where it runs.

mod systemd;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

struct Bench {
    root: tempfile::TempDir,
    source: UnitsSource,
    contents: Contents,
    statistics: SourceStatistics,
    begin: Instant,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("systemctl");
        // Its answer is a file; what it was asked goes into another.
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$@\" > asked\n[ -f hang ] && exec sleep 600\n[ -f fail ] && { echo 'Failed to connect to bus' >&2; exit 1; }\nexec cat answer\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut config = Config {
            watch: vec!["crm.service".to_owned(), "crm-*.service".to_owned()],
            program,
            systemd_path: root.path().to_owned(),
            deadline_ms: 20_000,
            ..Config::default()
        };
        change(&mut config);
        assert_eq!(config.validate(), Ok(()));
        Self {
            source: UnitsSource::new(&config),
            root,
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            begin: Instant::now(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join(name), text).unwrap();
    }

    fn run(&mut self, at_ms: u64) -> Result<(), SourceError> {
        let moment = Moment {
            wall_ms: 1_000,
            monotonic: self.begin + Duration::from_millis(at_ms),
        };
        let mut rows = Rows::new(&mut self.contents, &self.statistics);
        self.source.collect(moment, &mut rows)
    }

    fn value(&self, name: &str, metric: UnitMetric) -> Option<u64> {
        let tables = self.contents.series.iter().rev();
        let table = tables.into_iter().find(|table| table.labels()[0] == name)?;
        table.columns()[metric as usize].as_ref()?.last().copied()
    }
}

fn unit(name: &str, active: &str, restarts: u64, start_us: u64, cpu_ns: u64) -> String {
    format!(
        "Id={name}\nLoadState=loaded\nActiveState={active}\nSubState=running\nNRestarts={restarts}\nMainPID=7\nExecMainStartTimestampMonotonic={start_us}\nStateChangeTimestampMonotonic=1000\nMemoryCurrent=5\nCPUUsageNSec={cpu_ns}\nTasksCurrent=2\n\n"
    )
}

#[test]
fn states_and_restarts_are_read() {
    let mut bench = Bench::new(|_| {});
    bench.write(
        "answer",
        &unit("crm.service", "active", 2, 1_000, 9_000_000),
    );
    bench.run(0).unwrap();
    assert!(bench.contents.series.is_empty(), "the first only primes");
    let asked = fs::read_to_string(bench.root.path().join("asked")).unwrap();
    assert!(
        asked.trim().ends_with("-- crm.service crm-*.service"),
        "{asked}"
    );
    // Systemd started it again twice, once more than is seen by the start's moment.
    let again = unit("crm.service", "activating", 4, 2_000, 11_000_000);
    bench.write("answer", &format!("{again}{again}"));
    bench.run(30_000).unwrap();
    for (metric, want) in [
        (UnitMetric::ActiveState, Some(5)),
        (UnitMetric::SubState, Some(2)),
        (UnitMetric::AutomaticRestarts, Some(2)),
        (UnitMetric::Starts, Some(1)),
        (UnitMetric::Cpu, Some(2_000)),
        (UnitMetric::Memory, Some(5)),
        (UnitMetric::MainPid, Some(7)),
    ] {
        assert_eq!(bench.value("crm.service", metric), want, "{metric:?}");
    }
    assert!(
        bench
            .value("crm.service", UnitMetric::SinceChange)
            .is_some()
    );
    assert_eq!(bench.contents.items(), 1, "once, though it fits twice");
    // Started by hand: systemd's own counts begin again.
    bench.write(
        "answer",
        &unit("crm.service", "active", 0, 3_000, 1_000_000),
    );
    bench.run(60_000).unwrap();
    assert_eq!(
        bench.value("crm.service", UnitMetric::AutomaticRestarts),
        None
    );
    assert_eq!(bench.value("crm.service", UnitMetric::Cpu), None);
    assert_eq!(bench.value("crm.service", UnitMetric::Starts), Some(1));
    let resets = bench.statistics.read()[SourceMetric::CounterResets as usize];
    assert_eq!(resets, 2);
}

#[test]
fn failures_are_named_and_systemd_may_be_absent() {
    let mut bench = Bench::new(|config| config.deadline_ms = 300);
    bench.write("answer", "");
    bench.write("fail", "");
    let error = bench.run(0).unwrap_err().to_string();
    assert!(error.contains("Failed to connect to bus"), "{error}");
    fs::remove_file(bench.root.path().join("fail")).unwrap();
    bench.write("hang", "");
    let error = bench.run(1).unwrap_err();
    assert!(matches!(error, SourceError::Deadline { .. }), "{error}");

    let absent: [fn(&mut Config); 2] = [
        |config| config.systemd_path = PathBuf::from("/nowhere"),
        |config| config.program = PathBuf::from("crmscope-no-such-program"),
    ];
    for change in absent {
        let mut bench = Bench::new(change);
        assert!(
            bench
                .run(0)
                .unwrap_err()
                .to_string()
                .contains("not watched")
        );
        bench.run(1).unwrap();
        bench.run(2).unwrap();
    }
}

#[test]
fn units_beyond_the_bound_are_counted() {
    let mut bench = Bench::new(|config| config.units_max = 3);
    let answer: String = (0..5)
        .map(|number| unit(&format!("crm-{number}.service"), "active", 0, 1, 1))
        .collect();
    bench.write("answer", &format!("{answer}nonsense\n\n"));
    bench.run(0).unwrap();
    bench.run(1).unwrap();
    assert_eq!(bench.contents.series.len(), 3);
    let counted = bench.statistics.read();
    assert_eq!(counted[SourceMetric::Dropped as usize], 4, "2, twice");
    assert_eq!(counted[SourceMetric::Unparsed as usize], 2);
}

#[test]
fn the_real_systemd_agrees_with_is_active() {
    if !Path::new("/run/systemd/system").is_dir() {
        println!("skipped: systemd does not run here");
        return;
    }
    let mut bench = Bench::new(|config| {
        config.program = PathBuf::from("systemctl");
        config.systemd_path = PathBuf::from("/run/systemd/system");
        config.watch = vec!["systemd-journald.service".to_owned()];
    });
    bench.run(0).unwrap();
    bench.run(1).unwrap();
    let is_active = std::process::Command::new("systemctl")
        .args(["is-active", "--quiet", "systemd-journald.service"])
        .status()
        .unwrap();
    let state = bench.value("systemd-journald.service", UnitMetric::ActiveState);
    assert_eq!(state == Some(1), is_active.success());
}
