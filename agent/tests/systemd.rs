//! What the real agent tells systemd, on a socket that stands for systemd's.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a message: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the agent is watched with, ms: it has to tell that it lives every 300.
const WATCHDOG_MS: u64 = 600;

struct Watched {
    agent: Child,
    manager: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Watched {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let manager = UnixDatagram::bind(path("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        std::fs::create_dir(path("rules")).unwrap();
        let config = format!(
            "agent_id = \"crm-web-01\"\nstate_dir = {:?}\ncollector.token_file = {:?}\n\
             collector.endpoint = \"http://127.0.0.1:9\"\nrules.directories = [{:?}]\n\
             rules.check_interval_ms = 3600000\nsources.security.enabled = false\n\
             sources.requests.enabled = false\n",
            path("state"),
            path("token"),
            path("rules"),
        );
        std::fs::write(path("agent.toml"), config).unwrap();
        let agent = Command::new(env!("CARGO_BIN_EXE_crmscope-agent"))
            .arg("--config")
            .arg(path("agent.toml"))
            .env("NOTIFY_SOCKET", path("notify"))
            .env("WATCHDOG_USEC", (WATCHDOG_MS * 1000).to_string())
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            agent,
            manager,
            directory,
        }
    }

    /// The next message.
    fn told(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.manager.recv(&mut bytes).unwrap_or_else(|error| {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            panic!("nothing told: {error}; {}", log.unwrap_or_default())
        });
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next message that is no sign of life.
    fn news(&self) -> String {
        loop {
            let told = self.told();
            if told != "WATCHDOG=1" {
                return told;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.agent.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

fn monotonic_us() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[test]
fn systemd_is_told_of_start_reload_life_and_stop() {
    let mut watched = Watched::start();
    let state = watched.directory.path().join("state");
    let told = watched.told();
    assert_eq!(told, "READY=1\nSTATUS=watching this host");
    assert!(state.join("spool").is_dir(), "the spool is open");

    // A file that nobody looks at but for the signal.
    let rule = watched.directory.path().join("rules/broken.yml");
    std::fs::write(rule, "title: broken\n").unwrap();
    let before = monotonic_us();
    watched.signal("-HUP");
    let told = watched.news();
    let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    let time: i64 = time.parse().unwrap();
    assert!((before..=monotonic_us()).contains(&time), "{told}");
    assert_eq!(watched.news(), "READY=1");
    let log = std::fs::read_to_string(watched.directory.path().join("log")).unwrap();
    assert!(
        log.contains("broken.yml"),
        "reloaded before it is told: {log}"
    );

    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(watched.told(), "WATCHDOG=1");
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(WATCHDOG_MS), "{took:?}");

    watched.signal("-TERM");
    assert!(watched.news().starts_with("STOPPING=1\n"));
    assert!(watched.agent.wait().unwrap().success());
}

#[test]
fn an_agent_that_stands_still_gives_no_sign_of_life() {
    let watched = Watched::start();
    assert!(watched.told().starts_with("READY=1\n"));
    assert_eq!(watched.told(), "WATCHDOG=1");
    watched.signal("-STOP");
    let wait = Duration::from_millis(WATCHDOG_MS * 3);
    watched.manager.set_read_timeout(Some(wait)).unwrap();
    let mut bytes = [0; 64];
    // What was sent before the signal came, and then nothing.
    let heard = (0..3).filter(|_| watched.manager.recv(&mut bytes).is_ok());
    assert!(heard.count() < 3);
}
