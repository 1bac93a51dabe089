//! The directory of a local stack: configuration, token, data and logs, and the commands on them.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::Arguments;
use super::binaries::Binaries;

/// The rules of this repository.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");

/// nginx's access log on Debian and its like; watched when it is there and nothing else was asked for.
const USUAL_LOG: &str = "/var/log/nginx/access.log";

/// Lines of a log that are shown when its process ended.
const LAST_WORDS: usize = 15;

/// See the module.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) logs: PathBuf,
    pub(super) watched: Vec<String>,
    pub(super) binaries: Binaries,
    ports: [u16; 3],
}

impl Place {
    /// Makes the directory, the token and the configuration files; refuses ports that are taken.
    pub(super) fn prepare(arguments: &Arguments) -> anyhow::Result<Self> {
        let root = &arguments.data_dir;
        let logs = root.join("logs");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&logs)
            .with_context(|| format!("make {} (--data-dir changes it)", logs.display()))?;
        let root = root.canonicalize()?;
        let binaries = Binaries::find()?;
        let watched = if arguments.watch_log.is_empty() {
            fs::File::open(USUAL_LOG)
                .is_ok()
                .then(|| USUAL_LOG.to_owned())
                .into_iter()
                .collect()
        } else {
            arguments
                .watch_log
                .iter()
                .map(|pattern| absolute(pattern))
                .collect::<anyhow::Result<_>>()?
        };
        let place = Self {
            logs: root.join("logs"),
            root,
            watched,
            binaries,
            ports: [
                arguments.clickhouse_port,
                arguments.uplink_port,
                arguments.http_port,
            ],
        };
        for (port, option, what) in [
            (arguments.clickhouse_port, "--clickhouse-port", "ClickHouse"),
            (arguments.uplink_port, "--uplink-port", "the agents' uplink"),
            (arguments.http_port, "--http-port", "the collector's pages"),
        ] {
            if let Err(error) = TcpListener::bind(("127.0.0.1", port)) {
                bail!(
                    "127.0.0.1:{port}, for {what}, cannot be used: {error}. If crmscope runs already, stop it; else \
                     choose another port: cargo up -- {option} PORT"
                );
            }
        }
        write_token(&place.root.join("agent.token"))?;
        place.write_collector()?;
        place.write_agent(!arguments.watch_log.is_empty())?;
        Ok(place)
    }

    pub(super) fn clickhouse(&self, library: &Path) -> Command {
        let mut command = self.binaries.command("crmscope-clickhouse");
        command.arg("--data-dir").arg(self.root.join("clickhouse"));
        command.args(["--listen", &format!("127.0.0.1:{}", self.ports[0])]);
        command.arg("--library").arg(library);
        command
    }

    pub(super) fn collector(&self) -> Command {
        let mut command = self.binaries.command("crmscope-collector");
        command
            .arg("--config")
            .arg(self.root.join("collector.toml"));
        command
    }

    pub(super) fn agent(&self) -> Command {
        let mut command = self.binaries.command("crmscope-agent");
        command.arg("--config").arg(self.root.join("agent.toml"));
        command
    }

    /// What to open and what to type.
    pub(super) fn where_to_look(&self) -> String {
        let [clickhouse, _, http] = self.ports;
        let binaries = self.binaries.directory().display();
        let root = self.root.display();
        let mut text = String::from(
            "\nWatching this host: CPU, memory, load, disks, file systems, network, logins",
        );
        match self.watched.as_slice() {
            [] => text
                .push_str("\nNo access log is there to watch yet; name one with: cargo up -- --watch-log GLOB"),
            watched => {
                let _ = write!(text, "\nRequests from: {}", watched.join(", "));
            }
        }
        let _ = write!(
            text,
            "\n\n  Hosts         http://127.0.0.1:{http}/\
             \n  Dashboards    http://127.0.0.1:{clickhouse}/dashboard\
             \n  SQL           curl 'http://127.0.0.1:{clickhouse}/?database=crmscope' --data 'SHOW TABLES'\
             \n  Proof         {binaries}/crmscope-collector --config {root}/collector.toml ledger\
             \n  Logs          {root}/logs\n"
        );
        text
    }

    /// The end of a process's log.
    pub(super) fn last_words(&self, name: &str) -> String {
        last_words(&self.logs, name)
    }

    fn write_collector(&self) -> anyhow::Result<()> {
        let [clickhouse, uplink, http] = self.ports;
        let token = self.root.join("agent.token");
        let text = format!(
            "# Written by `cargo up` at every start.\n\
             [ingest]\nlisten = \"127.0.0.1:{uplink}\"\ntoken_file = {token:?}\n\
             [web]\nlisten = \"127.0.0.1:{http}\"\n\
             [clickhouse]\nurl = \"http://127.0.0.1:{clickhouse}\"\n\
             [correlation]\ndirectories = [{RULES:?}]\n\
             [[agent_rules.sets]]\nname = \"crmscope\"\ndirectory = {RULES:?}\n"
        );
        fs::write(self.root.join("collector.toml"), text).context("write collector.toml")
    }

    fn write_agent(&self, from_start: bool) -> anyhow::Result<()> {
        let mut text = format!(
            "# Written by `cargo up` at every start.\n\
             state_dir = {:?}\n\
             [collector]\nendpoint = \"http://127.0.0.1:{}\"\ntoken_file = {:?}\n",
            self.root.join("agent"),
            self.ports[1],
            self.root.join("agent.token"),
        );
        // The collector delivers them.
        text.push_str("[rules]\ndirectories = []\n");
        text.push_str("[sources.requests]\n");
        // A log that was named is wanted whole; the usual one only from now on.
        let _ = writeln!(
            text,
            "from = \"{}\"",
            if from_start { "start" } else { "end" }
        );
        for pattern in &self.watched {
            let _ = write!(text, "[[sources.requests.logs]]\npath = {pattern:?}\n");
        }
        fs::write(self.root.join("agent.toml"), text).context("write agent.toml")
    }
}

/// A random token that only this user can read; kept between starts.
pub(crate) fn write_token(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut random = [0u8; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    Ok(())
}

/// The end of a process's log.
pub(crate) fn last_words(logs: &Path, name: &str) -> String {
    let log = fs::read(logs.join(format!("{name}.log"))).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}

/// A pattern as seen from anywhere: the agent does not run in the caller's directory for ever.
fn absolute(pattern: &str) -> anyhow::Result<String> {
    let path = std::path::absolute(pattern).with_context(|| format!("--watch-log {pattern}"))?;
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("--watch-log {path:?} is not valid UTF-8"))
}
