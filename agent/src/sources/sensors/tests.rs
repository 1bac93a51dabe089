//! The source on a made-up /sys; machines without sensors are the rule where tests run.

use std::fs;
use std::sync::{Condvar, Mutex};

use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

struct Bench {
    root: tempfile::TempDir,
    contents: Contents,
    statistics: SourceStatistics,
    begin: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            begin: Instant::now(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.path().join("class").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self) -> Config {
        let config = Config {
            sys_path: self.root.path().to_str().unwrap().to_owned(),
            sensor_deadline_ms: 200,
            ..Config::default()
        };
        assert_eq!(config.validate(), Ok(()));
        config
    }

    fn run(&mut self, source: &mut SensorsSource, at_ms: u64) -> Result<(), SourceError> {
        let moment = Moment {
            wall_ms: 1_000,
            monotonic: self.begin + Duration::from_millis(at_ms),
        };
        self.contents = Contents::default();
        source.collect(moment, &mut Rows::new(&mut self.contents, &self.statistics))
    }

    fn rows(&self) -> Vec<(String, Vec<Option<u64>>)> {
        let row = |table: &crmscope_proto::series::SeriesTable| {
            let values = table
                .columns()
                .iter()
                .map(|column| Some(column.as_ref()?[0]));
            (table.labels().join(" "), values.collect())
        };
        self.contents.series.iter().map(row).collect()
    }

    fn counted(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }
}

#[test]
fn sensors_are_read_with_their_limits() {
    let mut bench = Bench::new();
    for (name, text) in [
        ("hwmon/hwmon0/name", "coretemp\n"),
        ("hwmon/hwmon0/temp1_input", "45000\n"),
        ("hwmon/hwmon0/temp1_label", "Package id 0\n"),
        ("hwmon/hwmon0/temp1_max", "80000\n"),
        ("hwmon/hwmon0/temp1_crit", "100000\n"),
        ("hwmon/hwmon0/fan1_input", "900\n"),
        ("hwmon/hwmon0/tempx_input", "1\n"),
        ("hwmon/hwmon1/name", "nvme\n"),
        ("hwmon/hwmon1/temp1_input", "-5000\n"),
        ("hwmon/hwmon1/temp2_input", "nonsense\n"),
        ("thermal/thermal_zone0/type", "x86_pkg_temp\n"),
        ("thermal/thermal_zone0/temp", "50000\n"),
    ] {
        bench.write(name, text);
    }
    fs::create_dir_all(bench.root.path().join("devices/nvme0")).unwrap();
    std::os::unix::fs::symlink(
        bench.root.path().join("devices/nvme0"),
        bench.root.path().join("class/hwmon/hwmon1/device"),
    )
    .unwrap();
    let mut source = SensorsSource::new(&bench.config());
    bench.run(&mut source, 0).unwrap();
    assert_eq!(
        bench.rows(),
        [
            (
                "coretemp hwmon0 Package id 0".to_owned(),
                vec![Some(318_150), Some(353_150), Some(373_150)]
            ),
            (
                "nvme nvme0 temp1".to_owned(),
                vec![Some(268_150), None, None]
            ),
        ]
    );
    assert_eq!(bench.counted(SourceMetric::Unparsed), 1);
    // A device that goes is looked for again.
    fs::remove_dir_all(bench.root.path().join("class/hwmon")).unwrap();
    bench.run(&mut source, 1_000).unwrap();
    assert!(bench.rows().is_empty());
    bench.run(&mut source, 2_000).unwrap();
    assert_eq!(
        bench.rows(),
        [(
            "thermal thermal_zone0 x86_pkg_temp".to_owned(),
            vec![Some(323_150), None, None]
        )]
    );
}

#[test]
fn a_sensor_that_hangs_holds_no_other_and_those_beyond_the_bound_are_counted() {
    let mut bench = Bench::new();
    for number in 1..=5 {
        bench.write(&format!("hwmon/hwmon0/temp{number}_input"), "1000\n");
    }
    let mut config = bench.config();
    config.sensors_max = 4;
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let their_gate = Arc::clone(&gate);
    let ask = move |path: &Path| {
        if path.ends_with("temp2_input") {
            let (open, changed) = &*their_gate;
            drop(
                changed
                    .wait_while(open.lock().unwrap(), |open| !*open)
                    .unwrap(),
            );
        }
        fs::read(path)
    };
    let mut source = SensorsSource::with(&config, Arc::new(ask));
    for run in 0..3 {
        let error = bench.run(&mut source, run * 1_000).unwrap_err();
        assert!(matches!(error, SourceError::Deadline { .. }), "{error}");
        assert_eq!(bench.rows().len(), 3);
    }
    assert_eq!(bench.counted(SourceMetric::Dropped), 3, "one, three times");
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let end = Instant::now() + Duration::from_secs(30);
    while bench.run(&mut source, 9_000).is_err() {
        assert!(Instant::now() < end, "never came back");
    }
    assert_eq!(bench.rows().len(), 4);
}

#[test]
fn this_machine_agrees_with_sys() {
    let mut bench = Bench::new();
    let mut source = SensorsSource::new(&Config::default());
    bench.run(&mut source, 0).unwrap();
    let there = ["/sys/class/hwmon", "/sys/class/thermal"]
        .iter()
        .any(|path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()));
    if !there {
        println!("no sensors here");
        assert!(bench.rows().is_empty());
    }
}
