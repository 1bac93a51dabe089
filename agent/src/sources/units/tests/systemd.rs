//! A real systemd with units of its own: what `systemctl` itself says of them is what the source says.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use super::*;

/// Ends in failure at once.
const BROKEN: &str = "[Service]\nExecStart=/bin/false\n";

/// Runs.
const STEADY: &str = "[Service]\nExecStart=/bin/sleep 100000\n";

/// Ends in success, and counts as active.
const ONCE: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n";

/// Takes its time to end, so that the manager is asked while it stops.
const SLOW_TO_END: &str = "[Service]\nExecStart=/bin/sleep 100000\nExecStop=/bin/sleep 100000\n";

/// Fails three times and is started again, then runs.
fn again(tries: &Path) -> String {
    let tries = tries.display();
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=on-failure\nRestartSec=100ms\n\
         ExecStart=/bin/sh -c 'echo try >> {tries}; [ $(wc -l < {tries}) -gt 3 ] || exit 1; exec sleep 100000'\n"
    )
}

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The manager; ends when this does.
struct Systemd {
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Systemd {
    /// `None`, and why, where none can be started: namespaces and a control group are needed.
    fn start(units: &[(&str, String)]) -> Option<Self> {
        let skipped = |why: &str| {
            println!("SKIPPED: units of a real systemd: {why}");
            None
        };
        if !Path::new("/lib/systemd/systemd").is_file() {
            return skipped("systemd is not installed (apt-get install systemd)");
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config/systemd/user");
        fs::create_dir_all(&config).unwrap();
        for (name, text) in units {
            fs::write(config.join(name), text).unwrap();
        }
        // No bus: systemctl asks the manager itself.
        std::os::unix::fs::symlink("/dev/null", config.join("dbus.socket")).unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
        let wrapper = folder.path().join("systemctl");
        let script = format!(
            "#!/bin/sh\nexport XDG_RUNTIME_DIR='{}'\nexec systemctl --user \"$@\"\n",
            run.display()
        );
        fs::write(&wrapper, script).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sources/units/tests/systemd.sh");
        let spawned = Command::new("unshare")
            .args(["--mount", "sh"])
            .arg(script)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => return skipped(&format!("unshare: {error}")),
        };
        let mut systemd = Self { folder, child };
        let end = Instant::now() + PATIENCE;
        loop {
            if systemd.child.try_wait().unwrap().is_some() {
                let mut said = String::new();
                let err = systemd.child.stderr.take();
                let _ = err.map(|mut err| err.read_to_string(&mut said));
                return skipped(&format!("it ended: {}", said.trim()));
            }
            if systemd.ask(&["show", "--property=Version"]).is_some() {
                return Some(systemd);
            }
            if Instant::now() >= end {
                return skipped("it does not answer");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn systemctl(&self) -> PathBuf {
        self.folder.path().join("systemctl")
    }

    /// What systemctl prints; nothing if it fails.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let output = loop {
            match Command::new(self.systemctl()).args(arguments).output() {
                // Another test forked while the script was being written.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                output => break output.unwrap(),
            }
        };
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    fn property(&self, unit: &str, name: &str) -> String {
        let property = format!("--property={name}");
        self.ask(&["show", "--value", &property, unit]).unwrap()
    }
}

/// Sum of a figure over all readings.
fn sum(bench: &Bench, name: &str, metric: UnitMetric) -> u64 {
    let tables = bench.contents.series.iter();
    let tables = tables.filter(|table| table.labels()[0] == name);
    tables
        .filter_map(|table| table.columns()[metric as usize].as_ref())
        .flatten()
        .sum()
}

#[test]
fn units_of_a_real_systemd_are_read_as_systemctl_shows_them() {
    let tries = tempfile::tempdir().unwrap();
    let tries = tries.path().join("tries");
    let Some(systemd) = Systemd::start(&[
        ("crm-steady.service", STEADY.to_owned()),
        ("crm-broken.service", BROKEN.to_owned()),
        ("crm-once.service", ONCE.to_owned()),
        ("crm-again.service", again(&tries)),
    ]) else {
        return;
    };
    let names =
        ["steady", "broken", "once", "again", "gone"].map(|name| format!("crm-{name}.service"));
    let [steady, broken, once, restarted, gone] = names.each_ref().map(String::as_str);
    let mut bench = Bench::new(|config| {
        config.program = systemd.systemctl();
        config.deadline_ms = 30_000;
        config.watch = names.to_vec();
    });
    let end = Instant::now() + PATIENCE;
    // Before any of them was started; it may be too busy with its own start to answer.
    while let Err(error) = bench.run(0) {
        assert!(Instant::now() < end, "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
    for name in [steady, broken, once, restarted] {
        systemd.ask(&["start", "--no-block", name]).unwrap();
    }
    let mut at_ms = 0;
    // Active, sub-state; see the catalog for their numbers.
    let want = [
        (steady, [1, 2]),
        (broken, [4, 4]),
        (once, [1, 3]),
        (restarted, [1, 2]),
        (gone, [3, 1]),
    ];
    loop {
        at_ms += 30_000;
        bench.run(at_ms).unwrap();
        let state = |name| {
            [UnitMetric::ActiveState, UnitMetric::SubState].map(|metric| bench.value(name, metric))
        };
        let settled = want
            .iter()
            .all(|(name, want)| state(name) == want.map(Some));
        if settled && sum(&bench, restarted, UnitMetric::AutomaticRestarts) == 3 {
            break;
        }
        let now = want.map(|(name, _)| (name, state(name)));
        assert!(
            Instant::now() < end,
            "{now:?}, {} restarts",
            sum(&bench, restarted, UnitMetric::AutomaticRestarts)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let main_pid = |name| bench.value(name, UnitMetric::MainPid).unwrap().to_string();
    assert_eq!(main_pid(steady), systemd.property(steady, "MainPID"));
    assert_ne!(main_pid(steady), "0");
    assert_eq!(systemd.property(restarted, "NRestarts"), "3");
    assert!(sum(&bench, restarted, UnitMetric::Starts) >= 1);
    assert_eq!(bench.value(steady, UnitMetric::Loaded), Some(1));
    assert_eq!(bench.value(gone, UnitMetric::Loaded), Some(0));
    // Killed from outside: failed, and no restart.
    systemd.ask(&["kill", "--signal=KILL", steady]).unwrap();
    while bench.value(steady, UnitMetric::ActiveState) != Some(4) {
        assert!(Instant::now() < end, "the killed one");
        at_ms += 30_000;
        bench.run(at_ms).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(sum(&bench, steady, UnitMetric::AutomaticRestarts), 0);
}

#[test]
fn a_real_systemd_tells_whether_it_stops() {
    let Some(systemd) = Systemd::start(&[("crm-slow.service", SLOW_TO_END.to_owned())]) else {
        return;
    };
    let manager = Manager::new(&Config {
        program: systemd.systemctl(),
        systemd_path: systemd.folder.path().to_owned(),
        ..Config::default()
    });
    let end = Instant::now() + PATIENCE;
    while systemd.ask(&["start", "crm-slow.service"]).is_none() {
        assert!(Instant::now() < end, "the unit cannot be started");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!manager.stops_host());
    systemd.ask(&["exit", "--no-block"]);
    while !manager.stops_host() {
        let state = systemd.ask(&["show", "--property=SystemState"]);
        assert!(Instant::now() < end, "{state:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Where it does not run, or has no answer, nothing is claimed.
    let elsewhere = |program: &str, path: &str| {
        Manager::new(&Config {
            program: program.into(),
            systemd_path: path.into(),
            ..Config::default()
        })
    };
    assert!(!elsewhere("/bin/false", "/").stops_host());
    assert!(!elsewhere("crmscope-no-such-program", "/").stops_host());
    assert!(!elsewhere("systemctl", "/nowhere").stops_host());
}
