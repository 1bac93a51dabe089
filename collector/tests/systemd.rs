//! What the real collector tells systemd, on a socket that stands for systemd's.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

mod common;

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use common::{Engine, PATIENCE, TOKEN};

struct Watched {
    collector: Child,
    manager: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Watched {
    fn start(engine: &Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let manager = UnixDatagram::bind(path("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        std::fs::write(path("token"), TOKEN).unwrap();
        let config = format!(
            "ingest.listen = \"127.0.0.1:0\"\ningest.token_file = {:?}\nweb.listen = \"127.0.0.1:0\"\n\
             clickhouse.url = {:?}\n",
            path("token"),
            engine.url(),
        );
        std::fs::write(path("collector.toml"), config).unwrap();
        let collector = Command::new(env!("CARGO_BIN_EXE_crmscope-collector"))
            .arg("--config")
            .arg(path("collector.toml"))
            .env("NOTIFY_SOCKET", path("notify"))
            .env("WATCHDOG_USEC", "600000")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            collector,
            manager,
            directory,
        }
    }

    fn told(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.manager.recv(&mut bytes).unwrap_or_else(|error| {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            panic!("nothing told: {error}; {}", log.unwrap_or_default())
        });
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// Reads on until a message fits.
    fn hears(&self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let told = self.told();
            if fits(&told) {
                return told;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.collector.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.collector.kill();
        let _ = self.collector.wait();
    }
}

#[test]
fn systemd_is_told_of_start_storage_reload_life_and_stop() {
    let mut engine = Engine::stopped();
    let mut watched = Watched::start(&engine);
    // Without ClickHouse the start is over as well, and says what is waited for.
    let ready = watched.hears(|told| told.contains("READY=1"));
    let status = ready.strip_prefix("READY=1\nSTATUS=").unwrap();
    assert!(
        status.starts_with("bringing the schema up to date; "),
        "{status}"
    );
    engine.resume();
    watched.hears(|told| told == "STATUS=serving");

    watched.signal("-HUP");
    let told = watched.hears(|told| told != "WATCHDOG=1");
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    assert_eq!(watched.hears(|told| told != "WATCHDOG=1"), "READY=1");
    for _ in 0..3 {
        assert_eq!(watched.told(), "WATCHDOG=1");
    }
    watched.signal("-TERM");
    let told = watched.hears(|told| told != "WATCHDOG=1");
    assert!(told.starts_with("STOPPING=1\n"), "{told}");
    assert!(watched.collector.wait().unwrap().success());
}
