//! The source as a whole on a made-up /proc.

use std::fs;
use std::time::{Duration, Instant};

use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::payload::Contents;
use crmscope_proto::series::SeriesTable;

use super::*;
use crate::sources::SourceStatistics;

const NET_HEADING: &str = "Inter-|   Receive  |  Transmit\n face |bytes |bytes\n";

struct Fixture {
    root: tempfile::TempDir,
    source: HostSource,
    contents: Contents,
    statistics: SourceStatistics,
    begin: Instant,
}

impl Fixture {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap().to_owned();
        let mut config = Config {
            proc_path: path.clone(),
            sys_path: path,
            ..Config::default()
        };
        change(&mut config);
        assert_eq!(config.validate(), Ok(()));
        let fixture = Self {
            root,
            source: HostSource::new(&config),
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            begin: Instant::now(),
        };
        fixture.write("stat", "cpu  100 0 50 800 5 0 0 0 0 0\ncpu0 100 0 50 800 5 0 0 0 0 0\nintr 10\nctxt 20\nprocesses 30\nprocs_running 1\nprocs_blocked 0\n");
        fixture.write("meminfo", "MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 60 kB\nBuffers: 1 kB\nCached: 2 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 3 kB\nShmem: 4 kB\nSlab: 5 kB\nCommitted_AS: 6 kB\n");
        fixture.write("vmstat", "pswpin 1\npswpout 2\npgfault 3\npgmajfault 4\n");
        fixture.write("loadavg", "0.10 0.20 0.30 1/50 1234\n");
        fixture.write("uptime", "1000.50 900.00\n");
        fixture.write("sys/fs/file-nr", "100\t0\t1000\n");
        fixture.write(
            "diskstats",
            " 8 0 sda 1 0 8 1 1 0 8 1 0 1 2\n 8 1 sda1 1 0 8 1 1 0 8 1 0 1 2\n",
        );
        fixture.write(
            "net/dev",
            &format!("{NET_HEADING}  lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"),
        );
        fixture
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tick(&mut self, at_ms: u64) -> Result<(), SourceError> {
        let moment = Moment {
            wall_ms: i64::try_from(at_ms).unwrap(),
            monotonic: self.begin + Duration::from_millis(at_ms),
        };
        let mut rows = Rows::new(&mut self.contents, &self.statistics);
        self.source.collect(moment, &mut rows)
    }

    fn tables(&self, kind: SeriesKind) -> Vec<&SeriesTable> {
        let tables = self.contents.series.iter();
        tables.filter(|table| table.kind() == kind).collect()
    }

    fn column(&self, metric: HostMetric) -> Vec<u64> {
        let tables = self.tables(SeriesKind::Host);
        let columns = tables
            .iter()
            .filter_map(|table| table.columns()[metric as usize].clone());
        columns.flatten().collect()
    }

    fn counted(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }
}

#[test]
fn the_first_reading_primes_and_the_next_give_increments() {
    let mut fixture = Fixture::new(|_| {});
    fixture.tick(0).unwrap();
    assert_eq!(fixture.contents.items(), 0);
    fixture.write("stat", "cpu  110 0 50 890 5 0 0 0 0 0\ncpu0 1 0 0 0 0 0 0 0\nintr 11\nctxt 25\nprocesses 30\nprocs_running 3\nprocs_blocked 0\n");
    fixture.write(
        "diskstats",
        " 8 0 sda 3 0 16 1 1 0 8 1 2 1 2\n 8 1 sda1 3 0 16 1 1 0 8 1 2 1 2\n",
    );
    fixture.tick(1003).unwrap();
    fixture.tick(1003).unwrap();
    assert_eq!(
        fixture.contents.items(),
        3,
        "host, sda, lo; no time, no row"
    );
    assert_eq!(fixture.column(HostMetric::CpuUser), [100_000]);
    assert_eq!(fixture.column(HostMetric::CpuIdle), [900_000]);
    assert_eq!(fixture.column(HostMetric::ContextSwitches), [5]);
    assert_eq!(fixture.column(HostMetric::TasksRunning), [3]);
    assert_eq!(fixture.column(HostMetric::MemTotal), [102_400]);
    assert_eq!(fixture.column(HostMetric::Uptime), [1_000_500]);
    assert!(fixture.column(HostMetric::PressureCpuSome).is_empty());
    assert!(fixture.column(HostMetric::Processes).is_empty());
    let disk = fixture.tables(SeriesKind::Disk)[0];
    assert_eq!(disk.labels(), ["sda"]);
    assert_eq!(disk.intervals_ms(), [1003]);
    assert_eq!(disk.timestamps_ms(), [1003]);
    assert_eq!(
        disk.columns()[DiskMetric::ReadBytes as usize],
        Some(vec![8 * 512])
    );
    assert_eq!(fixture.tables(SeriesKind::Interface)[0].labels(), ["lo"]);
}

#[test]
fn an_unreadable_file_is_named_and_stops_nothing_else() {
    for name in [
        "stat",
        "meminfo",
        "vmstat",
        "loadavg",
        "uptime",
        "sys/fs/file-nr",
    ] {
        let mut fixture = Fixture::new(|_| {});
        let path = fixture.root.path().join(name);
        fs::remove_file(&path).unwrap();
        fs::remove_file(fixture.root.path().join("diskstats")).unwrap();
        for at_ms in [0, 1000] {
            let error = fixture.tick(at_ms).unwrap_err().to_string();
            assert!(error.contains(name), "the first of the two: {error}");
        }
        assert_eq!(fixture.tables(SeriesKind::Host).len(), 0);
        assert_eq!(fixture.tables(SeriesKind::Disk).len(), 0);
        assert_eq!(fixture.tables(SeriesKind::Interface).len(), 1);
    }
}

#[test]
fn a_reading_that_failed_loses_no_increment() {
    let mut fixture = Fixture::new(|_| {});
    fixture.tick(0).unwrap();
    fixture.write("vmstat", "pswpin 1\npswpout 2\npgfault 1");
    assert!(fixture.tick(1000).is_err());
    fixture.write("vmstat", "pswpin 1\npswpout 2\npgfault 33\npgmajfault 4\n");
    fixture.tick(2000).unwrap();
    assert_eq!(fixture.column(HostMetric::PageFaults), [30]);
    assert_eq!(fixture.tables(SeriesKind::Host)[0].intervals_ms(), [2000]);
}

#[test]
fn a_malformed_file_is_named() {
    for (name, text) in [
        ("loadavg", "0.10 0.2"),
        ("meminfo", "MemTotal: 5 kB\n"),
        ("stat", ""),
    ] {
        let mut fixture = Fixture::new(|_| {});
        fixture.write(name, text);
        let error = fixture.tick(0).unwrap_err();
        assert!(matches!(error, SourceError::Format { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn optional_figures_come_and_go() {
    let mut fixture = Fixture::new(|_| {});
    fixture.write(
        "pressure/cpu",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=10\n",
    );
    fs::create_dir(fixture.root.path().join("1")).unwrap();
    fixture.tick(0).unwrap();
    fixture.write(
        "pressure/cpu",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=25\n",
    );
    fixture.tick(1000).unwrap();
    assert_eq!(fixture.column(HostMetric::PressureCpuSome), [15]);
    assert_eq!(fixture.column(HostMetric::Processes), [1]);
    // A second process is seen at the slower cadence only.
    fs::create_dir(fixture.root.path().join("2")).unwrap();
    fixture.tick(2000).unwrap();
    assert_eq!(fixture.column(HostMetric::Processes), [1, 1]);
    fixture.tick(9999).unwrap();
    assert_eq!(fixture.column(HostMetric::Processes), [1, 1, 2]);
}

#[test]
fn devices_are_excluded_and_bounded() {
    let mut fixture = Fixture::new(|config| {
        config.disks_max = 2;
        config.interfaces_max = 0;
        config.disks_excluded.push("sdb".to_owned());
    });
    let disks: String = ["loop0", "sda", "sda1", "sdb", "sdb1", "sdc", "sdd", "sde"]
        .iter()
        .map(|name| format!(" 8 0 {name} 1 0 8 1 1 0 8 1 0 1 2\n"))
        .collect();
    fixture.write("diskstats", &format!("{disks} 8 0 cut 1 2\n"));
    fixture.tick(0).unwrap();
    fixture.tick(1000).unwrap();
    let labels: Vec<_> = fixture
        .tables(SeriesKind::Disk)
        .iter()
        .map(|t| t.labels()[0].clone())
        .collect();
    assert_eq!(labels, ["sda", "sdc"]);
    assert_eq!(
        fixture.counted(SourceMetric::Dropped),
        4,
        "sdd and sde, twice"
    );
    assert_eq!(fixture.counted(SourceMetric::Unparsed), 2);
    assert!(fixture.tables(SeriesKind::Interface).is_empty());
}

#[test]
fn many_devices_fit() {
    let mut fixture = Fixture::new(|_| {});
    let lines: String = (0..200)
        .map(|n| format!("  eth{n}: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"))
        .collect();
    fixture.write("net/dev", &format!("{NET_HEADING}{lines}"));
    fixture.tick(0).unwrap();
    fixture.tick(1000).unwrap();
    assert_eq!(fixture.tables(SeriesKind::Interface).len(), 64);
    assert_eq!(fixture.counted(SourceMetric::Dropped), 2 * 136);
}

#[test]
fn devices_that_are_shed_come_at_every_fourth_run_and_their_increments_cover_it() {
    let mut fixture = Fixture::new(|_| {});
    let disk = |reads: u64| format!(" 8 0 sda {reads} 0 8 1 1 0 8 1 0 1 2\n");
    fixture.source.economise(Economy::of(&[Subject::Devices]));
    for tick in 0..=12u64 {
        fixture.write("diskstats", &disk(tick * 10));
        fixture.tick(tick * 1_000).unwrap();
    }
    // The first of them, at 3, only primes.
    let [table] = fixture.tables(SeriesKind::Disk)[..] else {
        panic!("one disk")
    };
    assert_eq!(table.timestamps_ms(), [7_000, 11_000]);
    assert_eq!(table.intervals_ms(), [4_000, 4_000]);
    let reads = table.columns()[DiskMetric::Reads as usize].as_ref();
    assert_eq!(reads, Some(&vec![40, 40]));
    assert_eq!(fixture.column(HostMetric::Forks).len(), 12);

    // Once the host is shed too, runs are rare, and each reads all.
    fixture
        .source
        .economise(Economy::of(&[Subject::Devices, Subject::Host]));
    fixture.tick(20_000).unwrap();
    fixture.tick(30_000).unwrap();
    let disks = fixture.tables(SeriesKind::Disk);
    assert_eq!(disks[0].timestamps_ms()[2..], [20_000, 30_000]);
}

/// What happens to counters on real hosts, one after another, through the whole source: no row may
/// hold more than what was really added.
#[test]
fn resets_and_turns_make_no_peak() {
    let stat = |iowait: u64, ctxt: u64| {
        format!(
            "cpu  100 0 50 800 {iowait} 0 0 0 0 0\ncpu0 1 0 0 0 0 0 0 0\nintr 10\nctxt {ctxt}\nprocesses 30\nprocs_running 1\nprocs_blocked 0\n"
        )
    };
    let net = |bytes: u64, packets: u64| {
        format!("{NET_HEADING}  eth0: {bytes} {packets} 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n")
    };
    let disk = |reads: u64, sectors: u64, read_ms: u64| {
        format!(" 8 0 sda {reads} 0 {sectors} {read_ms} 1 0 8 1 0 1 2\n")
    };
    let mut fixture = Fixture::new(|_| {});
    let turn = 1u64 << 32;
    let steps = [
        (
            stat(500_000, 900_000_000),
            net(turn - 100, 1000),
            disk(5_000, 1_000_000, turn - 5),
        ),
        // iowait steps back by 2 s; the driver's 32 bits of bytes turn; so do the disk's ms.
        (
            stat(499_800, 900_000_010),
            net(50, 1010),
            disk(5_001, 1_000_008, 2),
        ),
        // A core was taken away: iowait falls far; the guest was moved: ctxt falls.
        (
            stat(400_000, 800_000_000),
            net(60, 1011),
            disk(5_002, 1_000_016, 3),
        ),
        // The bond lost a member; another disk bears the name.
        (
            stat(400_001, 800_000_005),
            net(40, 900),
            disk(4_000, 9_000_000, 900_000),
        ),
        (
            stat(400_002, 800_000_006),
            net(41, 901),
            disk(4_001, 9_000_008, 900_001),
        ),
    ];
    for (number, (stat, net, disk)) in steps.iter().enumerate() {
        fixture.write("stat", stat);
        fixture.write("net/dev", net);
        fixture.write("diskstats", disk);
        fixture.tick(number as u64 * 1000).unwrap();
    }
    assert_eq!(
        fixture.column(HostMetric::CpuIowait),
        [0, 0, 10_000, 10_000]
    );
    assert_eq!(fixture.column(HostMetric::ContextSwitches), [10, 0, 5, 1]);
    let column = |kind, position: usize| {
        let tables = fixture.tables(kind);
        assert_eq!(tables.len(), 1);
        let intervals: u32 = tables[0].intervals_ms().iter().sum();
        (tables[0].columns()[position].clone().unwrap(), intervals)
    };
    // The row of the reset is left out, and so is its time: the rate is right.
    assert_eq!(
        column(
            SeriesKind::Interface,
            InterfaceMetric::ReceiveBytes as usize
        ),
        (vec![150, 10, 1], 3000)
    );
    assert_eq!(
        column(SeriesKind::Disk, DiskMetric::ReadBytes as usize),
        (vec![8 * 512; 3], 3000)
    );
    assert_eq!(
        column(SeriesKind::Disk, DiskMetric::ReadTime as usize).0,
        [7_000, 1_000, 1_000]
    );
    assert_eq!(
        fixture.counted(SourceMetric::CounterResets),
        4,
        "iowait, ctxt, eth0, sda"
    );
}
