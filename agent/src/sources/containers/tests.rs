//! The source on made-up trees of both versions, and on a real group where one can be made.

use std::fs;
use std::path::PathBuf;

use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Bench {
    source: ContainersSource,
    contents: Contents,
    statistics: SourceStatistics,
    begin: Instant,
}

impl Bench {
    fn new(sys_path: &Path, containers_max: usize) -> Self {
        let config = Config {
            sys_path: sys_path.to_str().unwrap().to_owned(),
            containers_max,
            deadline_ms: 10_000,
            ..Config::default()
        };
        assert_eq!(config.validate(), Ok(()));
        Self {
            source: ContainersSource::new(&config),
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            begin: Instant::now(),
        }
    }

    fn run(&mut self, at_ms: u64) -> Result<(), SourceError> {
        let moment = Moment {
            wall_ms: 1_000,
            monotonic: self.begin + Duration::from_millis(at_ms),
        };
        let mut rows = Rows::new(&mut self.contents, &self.statistics);
        self.source.collect(moment, &mut rows)
    }

    fn value(&self, id: &str, metric: ContainerMetric) -> Option<u64> {
        let tables = self.contents.series.iter().rev();
        let table = tables
            .into_iter()
            .find(|table| table.labels()[0] == id[..12])?;
        table.columns()[metric as usize].as_ref()?.last().copied()
    }

    fn counted(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn version_2(group: &Path, cpu_us: u64) {
    for (name, text) in [
        (
            "cpu.stat",
            format!(
                "usage_usec {cpu_us}\nuser_usec 5\nsystem_usec 6\nnr_periods 7\nnr_throttled 8\nthrottled_usec 9\n"
            ),
        ),
        ("cpu.max", "150000 100000\n".to_owned()),
        ("memory.current", "4096\n".to_owned()),
        ("memory.max", "max\n".to_owned()),
        (
            "memory.events",
            "low 0\noom 3\noom_kill 2\noom_group_kill 0\n".to_owned(),
        ),
        (
            "io.stat",
            "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2 rios=1\n".to_owned(),
        ),
        ("pids.current", "12\n".to_owned()),
        ("pids.max", "100\n".to_owned()),
    ] {
        write(group.join(name), &text);
    }
}

#[test]
fn version_2_is_read_and_a_group_made_anew_begins_anew() {
    let root = tempfile::tempdir().unwrap();
    let mount = root.path().join("fs/cgroup");
    write(mount.join("cgroup.controllers"), "cpu memory\n");
    let group = mount.join(format!("system.slice/docker-{ID}.scope"));
    version_2(&group, 1_000);
    let mut bench = Bench::new(root.path(), 10);
    bench.run(0).unwrap();
    assert!(bench.contents.series.is_empty(), "the first only primes");
    version_2(&group, 4_000);
    bench.run(15_000).unwrap();
    for (metric, want) in [
        (ContainerMetric::Cpu, Some(3_000)),
        (ContainerMetric::CpuMax, Some(1_500_000)),
        (ContainerMetric::Memory, Some(4096)),
        (ContainerMetric::MemoryMax, None),
        (ContainerMetric::OomKills, Some(0)),
        (ContainerMetric::ReadBytes, Some(0)),
        (ContainerMetric::Tasks, Some(12)),
        (ContainerMetric::TasksMax, Some(100)),
    ] {
        assert_eq!(bench.value(ID, metric), want, "{metric:?}");
    }
    assert_eq!(bench.contents.series[0].labels(), [&ID[..12], "", "docker"]);
    assert_eq!(bench.contents.series[0].intervals_ms(), [15_000]);
    // Its counters begin again: nothing is made up, and it is counted.
    version_2(&group, 500);
    bench.run(30_000).unwrap();
    assert_eq!(bench.value(ID, ContainerMetric::Cpu), None);
    assert_eq!(bench.counted(SourceMetric::CounterResets), 1);
    version_2(&group, 700);
    bench.run(45_000).unwrap();
    assert_eq!(bench.value(ID, ContainerMetric::Cpu), Some(200));
    // Made anew, with counters above those before: no row, since it only primes.
    let rows = bench.contents.items();
    fs::rename(&group, mount.join("away")).unwrap();
    version_2(&group, 900_000);
    bench.run(60_000).unwrap();
    assert_eq!(bench.contents.items(), rows);
    version_2(&group, 900_001);
    bench.run(75_000).unwrap();
    assert_eq!(bench.value(ID, ContainerMetric::Cpu), Some(1));
}

#[test]
fn version_1_is_read_from_each_controller() {
    let root = tempfile::tempdir().unwrap();
    let mount = root.path().join("fs/cgroup");
    let group = format!("docker/{ID}");
    for (path, text) in [
        ("memory", "memory.usage_in_bytes 4096\n"),
        ("memory", "memory.limit_in_bytes 9223372036854771712\n"),
        (
            "memory",
            "memory.oom_control oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        ),
        ("cpuacct", "cpuacct.usage 5000000\n"),
        ("cpuacct", "cpuacct.stat user 3\nsystem 4\n"),
        (
            "cpu",
            "cpu.stat nr_periods 1\nnr_throttled 2\nthrottled_time 3000\n",
        ),
        ("cpu", "cpu.cfs_quota_us 50000\n"),
        ("cpu", "cpu.cfs_period_us 100000\n"),
        (
            "blkio",
            "blkio.throttle.io_service_bytes 8:0 Read 7\n8:0 Write 8\n8:0 Total 15\nTotal 15\n",
        ),
        ("pids", "pids.current 3\n"),
        ("pids", "pids.max max\n"),
    ] {
        let (name, text) = text.split_once(' ').unwrap();
        write(mount.join(path).join(&group).join(name), text);
    }
    let mut bench = Bench::new(root.path(), 10);
    bench.run(0).unwrap();
    write(
        mount.join("cpuacct").join(&group).join("cpuacct.usage"),
        "9000000\n",
    );
    bench.run(1_000).unwrap();
    for (metric, want) in [
        (ContainerMetric::Cpu, Some(4_000)),
        (ContainerMetric::CpuUser, Some(0)),
        (ContainerMetric::CpuMax, Some(500_000)),
        (ContainerMetric::Throttled, Some(0)),
        (ContainerMetric::Memory, Some(4096)),
        (ContainerMetric::MemoryMax, None),
        (ContainerMetric::OomKills, Some(0)),
        (ContainerMetric::WriteBytes, Some(0)),
        (ContainerMetric::Tasks, Some(3)),
        (ContainerMetric::TasksMax, None),
    ] {
        assert_eq!(bench.value(ID, metric), want, "{metric:?}");
    }
}

#[test]
fn containers_beyond_the_bound_are_counted_and_come_in_when_others_go() {
    let root = tempfile::tempdir().unwrap();
    let mount = root.path().join("fs/cgroup");
    write(mount.join("cgroup.controllers"), "cpu\n");
    let group = |number: usize| {
        let id = format!("{number:04x}{}", &ID[4..]);
        mount.join(format!("system.slice/docker-{id}.scope"))
    };
    for number in 0..30 {
        version_2(&group(number), 1_000);
    }
    let mut bench = Bench::new(root.path(), 20);
    bench.run(0).unwrap();
    bench.run(1_000).unwrap();
    assert_eq!(bench.contents.series.len(), 20);
    assert_eq!(bench.counted(SourceMetric::Dropped), 20, "10, twice");
    for number in 0..15 {
        fs::remove_dir_all(group(number)).unwrap();
    }
    bench.run(2_000).unwrap();
    bench.run(3_000).unwrap();
    bench.run(4_000).unwrap();
    let labels: std::collections::HashSet<_> = bench
        .contents
        .series
        .iter()
        .map(|table| table.labels()[0].clone())
        .collect();
    assert_eq!(labels.len(), 30, "all were seen in the end");
}

#[test]
fn a_host_without_groups_is_no_error() {
    let root = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(root.path(), 20);
    bench.run(0).unwrap();
    assert!(bench.contents.series.is_empty());
}

/// Groups of the machine, removed with the test.
struct Group(Vec<PathBuf>);

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A real group with a real process in it.
#[test]
fn a_real_group_is_read() {
    let mounts = Path::new("/sys/fs/cgroup");
    let controllers: &[&str] = match Hierarchy::find(mounts) {
        Some(Hierarchy::Version2(_)) => &[""],
        Some(Hierarchy::Version1(_)) => &["memory", "cpuacct", "cpu", "pids"],
        None => &[],
    };
    let id = format!("{:08x}{}", std::process::id(), &ID[8..]);
    let folders: Vec<PathBuf> = controllers
        .iter()
        .map(|controller| mounts.join(controller).join(format!("docker-{id}.scope")))
        .collect();
    let group = Group(folders);
    if group.0.is_empty() || group.0.iter().any(|folder| fs::create_dir(folder).is_err()) {
        println!("skipped: no control group can be made here; it takes root");
        return;
    }
    let mut child = std::process::Command::new("sh")
        .args(["-c", "read go; while :; do :; done"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for folder in &group.0 {
            fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
        let mut bench = Bench::new(Path::new("/sys"), 256);
        bench.run(0).unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let mut cpu_us = 0;
        let mut at_ms = 1_000;
        while cpu_us < 200_000 {
            assert!(Instant::now() < end, "{cpu_us} µs");
            std::thread::sleep(Duration::from_millis(20));
            bench.run(at_ms).unwrap();
            at_ms += 1_000;
            cpu_us += bench.value(&id, ContainerMetric::Cpu).unwrap();
        }
        // No more than the time it had on one core.
        assert!(cpu_us < 60_000_000, "{cpu_us}");
    }));
    child.kill().unwrap();
    child.wait().unwrap();
    // The kernel lets a group go a little after its last process.
    let end = Instant::now() + Duration::from_secs(10);
    while group.0.iter().any(|folder| folder.exists()) && Instant::now() < end {
        for folder in &group.0 {
            let _ = fs::remove_dir(folder);
        }
    }
    outcome.unwrap();
}
