//! The source on a made-up /proc of any size, and on this machine's beside `ps`.

use std::fs;
use std::process::{Child, Command, Stdio};

use crmscope_proto::catalog::ProcessMetric;
use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

struct Bench {
    source: ProcessesSource,
    contents: Contents,
    statistics: SourceStatistics,
    begin: Instant,
}

impl Bench {
    fn new(config: Config) -> Self {
        assert_eq!(config.validate(), Ok(()));
        Self {
            source: ProcessesSource::new(&config),
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

    /// The newest figure of a group.
    fn value(&self, name: &str, metric: ProcessMetric) -> Option<u64> {
        let tables = self.contents.series.iter().rev();
        let table = tables.into_iter().find(|table| table.labels()[0] == name)?;
        table.columns()[metric as usize].as_ref()?.last().copied()
    }

    fn opened(&self) -> u64 {
        self.source.looker.folder.opened
    }
}

fn by(name: &str, change: impl FnOnce(&mut Watch)) -> Watch {
    let mut watch = Watch {
        name: name.to_owned(),
        ..Watch::default()
    };
    change(&mut watch);
    watch
}

fn by_comm(name: &str, comm: &str) -> Watch {
    by(name, |watch| watch.comm = Some(comm.to_owned()))
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::write(tree.0.path().join("uptime"), "1000.50 900.00\n").unwrap();
        fs::create_dir(tree.0.path().join("self")).unwrap();
        tree.process(1, "systemd", 5, 1);
        tree
    }

    /// `user` in ticks, `start` in ticks since boot.
    fn process(&self, pid: u32, comm: &str, user: u64, start: u64) {
        let folder = self.0.path().join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stat = format!(
            "{pid} ({comm}) S 1 1 1 0 -1 4194560 1 2 3 4 {user} 1 0 0 20 0 3 0 {start} 1 10 1\n"
        );
        fs::write(folder.join("stat"), stat).unwrap();
    }

    fn file(&self, pid: u32, name: &str, text: &str) {
        fs::write(self.0.path().join(pid.to_string()).join(name), text).unwrap();
    }

    fn end(&self, pid: u32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
    }

    fn config(&self, watch: Vec<Watch>) -> Config {
        Config {
            proc_path: self.0.path().to_str().unwrap().to_owned(),
            watch,
            deadline_ms: 10_000,
            ..Config::default()
        }
    }
}

#[test]
fn processes_belong_to_the_first_group_they_fit() {
    let tree = Tree::new();
    for (pid, comm, exe, cmdline) in [
        (
            10,
            "python3",
            "/usr/bin/python3.11",
            "python3\0/srv/odoo-bin\0-c\0x\0",
        ),
        (
            11,
            "python3",
            "/usr/bin/python3.11 (deleted)",
            "python3\0/srv/other\0",
        ),
        (
            12,
            "python3",
            "/home/eve/python3",
            "python3\0/srv/odoo-bin\0",
        ),
        (13, "nginx", "/usr/sbin/nginx", "nginx: master process\0"),
        (
            14,
            "nginx",
            "/usr/sbin/nginx",
            "nginx: worker process\0\0\0",
        ),
    ] {
        tree.process(pid, comm, 0, 1000);
        tree.file(pid, "cmdline", cmdline);
        let exe_path = tree.0.path().join(pid.to_string()).join("exe");
        std::os::unix::fs::symlink(exe, exe_path).unwrap();
    }
    let python = |watch: &mut Watch| {
        watch.comm = Some("pyth*".to_owned());
        watch.executable = Some("/usr/bin/python3*".to_owned());
    };
    let mut bench = Bench::new(tree.config(vec![
        by("odoo", |watch| {
            python(watch);
            watch.command_line = Some("odoo-bin".to_owned());
        }),
        by("python", python),
        by("nginx-worker", |watch| {
            watch.command_line = Some("nginx: worker*".to_owned());
        }),
        by_comm("nginx", "nginx"),
        by_comm("none", "postgres"),
    ]));
    bench.run(0).unwrap();
    assert!(bench.contents.series.is_empty(), "the first only primes");
    bench.run(15_000).unwrap();
    let counts = ["odoo", "python", "nginx-worker", "nginx", "none"]
        .map(|name| bench.value(name, ProcessMetric::Processes));
    assert_eq!(counts, [Some(1), Some(1), Some(1), Some(1), Some(0)]);
    assert_eq!(bench.value("odoo", ProcessMetric::Threads), Some(3));
    assert_eq!(bench.value("odoo", ProcessMetric::OldestAge), Some(990_500));
    assert_eq!(bench.value("none", ProcessMetric::OldestAge), None);
    assert_eq!(bench.contents.series[0].intervals_ms(), [15_000]);
}

#[test]
fn a_shell_that_becomes_the_program_is_found_and_a_restart_is_counted() {
    let tree = Tree::new();
    let mut bench = Bench::new(tree.config(vec![by_comm("crm", "crm")]));
    bench.run(0).unwrap();
    tree.process(50, "sh", 700, 90_000);
    bench.run(1_000).unwrap();
    assert_eq!(bench.value("crm", ProcessMetric::Processes), Some(0));
    // The same process, another program: the shell's time is not its own.
    tree.process(50, "crm", 705, 90_000);
    bench.run(2_000).unwrap();
    assert_eq!(bench.value("crm", ProcessMetric::Processes), Some(1));
    assert_eq!(bench.value("crm", ProcessMetric::CpuUser), Some(0));
    tree.process(50, "crm", 725, 90_000);
    bench.run(3_000).unwrap();
    assert_eq!(bench.value("crm", ProcessMetric::CpuUser), Some(200_000));
    // It ends; another begins, and what it used since counts.
    tree.end(50);
    tree.process(51, "crm", 30, 95_000);
    bench.run(4_000).unwrap();
    assert_eq!(bench.value("crm", ProcessMetric::CpuUser), Some(300_000));
    assert_eq!(bench.value("crm", ProcessMetric::Started), Some(1));
    assert_eq!(bench.value("crm", ProcessMetric::Restarts), Some(1));
    bench.run(5_000).unwrap();
    assert_eq!(bench.value("crm", ProcessMetric::Restarts), Some(0));
    // A process that is another program in the end leaves the group.
    tree.process(51, "sh", 31, 95_000);
    bench.run(6_000).unwrap();
    assert_eq!(bench.value("crm", ProcessMetric::Processes), Some(0));
}

#[test]
fn ten_thousand_processes_cost_a_listing() {
    let tree = Tree::new();
    for pid in 100..10_100 {
        let comm = if pid % 1000 == 0 { "php-fpm" } else { "java" };
        tree.process(pid, comm, 10, u64::from(pid));
    }
    let mut bench = Bench::new(tree.config(vec![by_comm("php", "php-fpm")]));
    assert_eq!(bench.source.interval(), FIRST_INTERVAL);
    let mut runs = 0;
    while !bench.source.complete {
        let before = bench.opened();
        bench.run(runs * 1000).unwrap();
        // `io` is tried for members.
        assert!(bench.opened() - before <= 2_000 + 10);
        assert!(bench.contents.series.is_empty(), "not before all were seen");
        runs += 1;
    }
    assert_eq!(runs, 6, "10,001 processes, 2,000 a run");
    assert_eq!(bench.source.interval(), Duration::from_secs(15));
    // The processes were young; then they are not.
    for run in 0..30 {
        bench.run(10_000 + run * 15_000).unwrap();
    }
    for run in 0..3 {
        let before = bench.opened();
        bench.run(1_000_000 + run * 15_000).unwrap();
        let opened = bench.opened() - before;
        println!("{opened} files opened of 10,001 processes");
        assert!(opened <= (AGAIN_MAX + 2 * 10) as u64, "{opened}");
    }
    assert_eq!(bench.value("php", ProcessMetric::Processes), Some(10));
    assert_eq!(
        bench.value("php", ProcessMetric::OldestAge),
        Some(1_000_500 - 10_000)
    );
    // One that changes after all is found in turn.
    tree.process(7_777, "php-fpm", 10, 7_777);
    let mut at_ms = 2_000_000;
    while bench.value("php", ProcessMetric::Processes) != Some(11) {
        bench.run(at_ms).unwrap();
        at_ms += 15_000;
        assert!(at_ms < 2_000_000 + 50 * 15_000, "never found");
    }
}

#[test]
fn members_beyond_the_bound_take_turns() {
    let tree = Tree::new();
    for pid in 100..125 {
        tree.process(pid, "worker", 0, 5);
    }
    let mut config = tree.config(vec![by_comm("worker", "worker")]);
    config.looks_max = 10;
    let mut bench = Bench::new(config);
    let mut runs = 0;
    while !bench.source.complete {
        let _ = bench.run(runs * 1000);
        runs += 1;
        assert!(runs < 100, "members keep new ones out for ever");
    }
    for pid in 100..125 {
        tree.process(pid, "worker", 100, 5);
    }
    let mut seen = 0;
    for run in 0..3 {
        let error = bench.run(100_000 + run * 1000).unwrap_err().to_string();
        assert!(error.contains("looks_max"), "{error}");
        seen += bench.value("worker", ProcessMetric::CpuUser).unwrap_or(0);
    }
    assert_eq!(seen, 25 * 1_000_000, "each once, within three readings");
    assert_eq!(bench.value("worker", ProcessMetric::Processes), Some(25));
}

#[test]
fn hidden_processes_and_a_folder_that_is_not_there_are_said() {
    let tree = Tree::new();
    tree.process(9, "crm", 0, 1);
    tree.end(1);
    let mut bench = Bench::new(tree.config(vec![by_comm("crm", "crm")]));
    let error = bench.run(0).unwrap_err().to_string();
    assert!(error.contains("hidepid"), "{error}");
    let mut config = tree.config(vec![by_comm("crm", "crm")]);
    config.proc_path = "/nowhere".to_owned();
    let error = Bench::new(config).run(0).unwrap_err().to_string();
    assert!(error.contains("/nowhere"), "{error}");
}

/// A process that is ended with the test, also when that fails.
struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn busy(mark: &str) -> Busy {
    let child = Command::new("sh")
        .args(["-c", "while :; do :; done", mark])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Busy(child)
}

/// Real processes: what `ps` says of them at the same moment bounds what the source says.
#[test]
fn real_processes_agree_with_ps() {
    let mark = format!("crmscope-test-{}", std::process::id());
    let mut bench = Bench::new(Config {
        watch: vec![by("busy", |watch| watch.command_line = Some(mark.clone()))],
        looks_max: 100_000,
        deadline_ms: 10_000,
        ..Config::default()
    });
    bench.run(0).unwrap();
    let first = busy(&mark);
    let second = busy(&mark);
    let ps = |pid: u32, what: &str| -> u64 {
        let output = Command::new("ps")
            .args(["-o", &format!("{what}="), "-p", &pid.to_string()])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .unwrap()
    };
    let mut cpu_us = 0;
    let mut started = 0;
    let mut at_ms = 1_000;
    let end_at = Instant::now() + Duration::from_secs(60);
    // Until both were seen at work.
    while bench.value("busy", ProcessMetric::Processes) != Some(2) || cpu_us < 400_000 {
        assert!(Instant::now() < end_at, "{cpu_us} µs");
        bench.run(at_ms).unwrap();
        at_ms += 1_000;
        cpu_us += bench.value("busy", ProcessMetric::CpuUser).unwrap();
        cpu_us += bench.value("busy", ProcessMetric::CpuSystem).unwrap();
        started += bench.value("busy", ProcessMetric::Started).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    let theirs: u64 = [&first, &second]
        .map(|busy| ps(busy.0.id(), "cputimes"))
        .iter()
        .sum();
    assert!(
        cpu_us <= (theirs + 2) * 1_000_000,
        "{cpu_us} µs, ps {theirs} s"
    );
    let resident: u64 = [&first, &second]
        .map(|busy| ps(busy.0.id(), "rss") * 1024)
        .iter()
        .sum();
    let ours = bench.value("busy", ProcessMetric::Resident).unwrap();
    assert!(ours.abs_diff(resident) < 1 << 20, "{ours} and {resident}");
    assert_eq!(started, 2);
    assert!(bench.value("busy", ProcessMetric::OpenFiles).unwrap() >= 6);
    assert!(bench.value("busy", ProcessMetric::ReadBytes).is_some());

    // The older one goes, another comes.
    let elder = bench.value("busy", ProcessMetric::OldestAge).unwrap();
    assert!(elder < 120_000, "{elder}");
    drop((first, second));
    bench.run(at_ms).unwrap();
    assert_eq!(bench.value("busy", ProcessMetric::Processes), Some(0));
    let third = busy(&mark);
    let mut restarts = 0;
    while bench.value("busy", ProcessMetric::Processes) != Some(1) {
        assert!(Instant::now() < end_at, "never seen");
        at_ms += 1_000;
        bench.run(at_ms).unwrap();
        restarts += bench.value("busy", ProcessMetric::Restarts).unwrap();
    }
    drop(third);
    assert_eq!(restarts, 1);
}

/// Without this, a process whose number is used again would be taken for the one before.
#[test]
fn a_process_keeps_its_inode() {
    let child = busy("inode");
    let mut folder = folder::Folder::new(Path::new("/proc"));
    let inode = |folder: &mut folder::Folder| {
        let mut listed = Vec::new();
        folder.list(&mut listed).unwrap();
        let found = listed.iter().find(|listed| listed.pid == child.0.id());
        found.map(|listed| listed.inode)
    };
    let first = inode(&mut folder);
    assert!(first.is_some());
    for _ in 0..10 {
        assert_eq!(inode(&mut folder), first);
    }
}
