//! A collector and an engine as real processes, and an agent that does as it is told.

#![allow(dead_code, reason = "every test takes what it needs")]

pub(crate) mod agent;
pub(crate) mod chain;
pub(crate) mod exact;
pub(crate) mod log;
pub(crate) mod rows;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clickhouse::Client;
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "integration-test-token";
/// Everything that is awaited has this long. Polls end early; on a busy machine an engine may need more than a
/// minute for its schema alone, and four tests make theirs at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The embedded engine as its own process, so that it can be killed.
pub(crate) struct Engine {
    directory: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

fn engine_binary() -> PathBuf {
    if let Ok(path) = std::env::var("CRMSCOPE_CLICKHOUSE_BIN") {
        return path.into();
    }
    let binary =
        Path::new(env!("CARGO_BIN_EXE_crmscope-collector")).with_file_name("crmscope-clickhouse");
    // Always, as nothing else tells a fresh binary from a stale one; once, as tests run together.
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        if crmscope_local::cargo::are_programs_built() {
            return;
        }
        let mut build = crmscope_local::cargo::nested();
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        // Of the workspace and with its tests, and so with the features that `cargo test --workspace`
        // has built already: other features would build the dependencies again.
        build.args([
            "build",
            "--quiet",
            "--workspace",
            "--bins",
            "--tests",
            "--target-dir",
        ]);
        // target/debug/crmscope-clickhouse
        build.arg(binary.ancestors().nth(2).expect("a target directory"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.status().expect("cargo");
        assert!(built.success(), "crmscope-clickhouse does not build");
    });
    binary
}

impl Engine {
    /// An engine with a data directory of its own.
    pub(crate) fn start() -> Self {
        let mut engine = Self::stopped();
        engine.resume();
        engine
    }

    /// One with a configuration of ClickHouse's own.
    pub(crate) fn start_with(configuration: &str) -> Self {
        let mut engine = Self::stopped();
        engine.write("config.xml", configuration);
        engine.resume();
        engine
    }

    /// Writes a file beside its data; `config.xml` is its configuration from its next start on.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn configuration(&self) -> Option<PathBuf> {
        let path = self.directory.path().join("config.xml");
        path.exists().then_some(path)
    }

    /// One that is not running yet, on an address that is free now.
    pub(crate) fn stopped() -> Self {
        // Before anybody connects: building takes longer than a connection may be silent.
        engine_binary();
        let port = crmscope_local::ports::reserve().expect("a free port");
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            address: (std::net::Ipv4Addr::LOCALHOST, port).into(),
            child: None,
        }
    }

    /// Lets it write backups to the place that is returned, and read them; before it is started.
    pub(crate) fn allow_backups(&self) -> String {
        let folder = self.directory.path().join("backups");
        std::fs::create_dir(&folder).expect("a folder");
        let config = format!(
            "<clickhouse><backups><allowed_path>{}/</allowed_path></backups></clickhouse>",
            folder.display()
        );
        // The engine reads this name in the directory that it is started in.
        std::fs::write(self.directory.path().join("config.xml"), config).expect("a config");
        folder.join("whole").display().to_string()
    }

    /// Runs a statement.
    pub(crate) async fn run(&self, sql: &str) {
        let ran = self.client().query_raw(sql).execute().await;
        ran.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Starts it again on the same data and address.
    pub(crate) fn resume(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("engine.log"))
            .expect("a log");
        let mut child = Command::new(engine_binary())
            .current_dir(self.directory.path())
            .arg("--data-dir")
            .arg(self.directory.path().join("data"))
            .args(["--listen", &self.address.to_string(), "--stop-on-stdin-end"])
            .args(
                self.configuration()
                    .into_iter()
                    .flat_map(|path| ["--config-file".into(), path.into_os_string()]),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("crmscope-clickhouse starts");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("its ready line");
        if !ready.starts_with("ready:") {
            let log = std::fs::read_to_string(self.directory.path().join("engine.log"));
            panic!("the engine is not ready: {ready:?} {log:?}");
        }
        self.child = Some(child);
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::default()
            .with_url(self.url())
            .with_compression(clickhouse::Compression::None)
            .with_database("system")
    }

    /// The one number a query gives.
    pub(crate) async fn number(&self, sql: &str) -> u64 {
        let asked = self.client().query_raw(sql).fetch_one::<u64>().await;
        asked.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// A query's answer as text.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let mut cursor = self
            .client()
            .query_raw(sql)
            .fetch_bytes("TSV")
            .expect("query");
        let bytes = cursor.collect().await;
        let bytes = bytes.unwrap_or_else(|error| panic!("{sql}: {error}"));
        String::from_utf8(bytes.to_vec()).expect("text")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The collector's binary.
pub(crate) struct Collector {
    directory: TempDir,
    child: Child,
    pub(crate) ingest: SocketAddr,
    pub(crate) web: SocketAddr,
}

#[derive(serde::Deserialize)]
struct Addresses {
    ingest: Option<SocketAddr>,
    web: SocketAddr,
}

impl Collector {
    pub(crate) fn start(engine: &Engine) -> Self {
        Self::start_with(engine, "writer.flush_interval_ms = 50\n")
    }

    /// One with more in its configuration: dotted keys, then sections.
    pub(crate) fn start_with(engine: &Engine, more: &str) -> Self {
        Self::start_at(&engine.url(), more)
    }

    /// One on whatever is at that address, or on nothing.
    pub(crate) fn start_at(clickhouse: &str, more: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("token"), TOKEN).expect("a token");
        let config = format!(
            "ingest.listen = \"127.0.0.1:0\"\ningest.token_file = {:?}\nweb.listen = \"127.0.0.1:0\"\n\
             clickhouse.url = {:?}\nclickhouse.insert_timeout_ms = 10000\n\
             writer.retry_max_ms = 500\n{more}",
            path("token"),
            clickhouse,
        );
        std::fs::write(path("collector.toml"), config).expect("a config");
        let log = std::fs::File::create(path("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_crmscope-collector"))
            .arg("--config")
            .arg(path("collector.toml"))
            .arg("--address-file")
            .arg(path("addresses"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("crmscope-collector starts");
        let started = Instant::now();
        let addresses = loop {
            if let Ok(text) = std::fs::read_to_string(path("addresses")) {
                break serde_json::from_str::<Addresses>(&text).expect("addresses");
            }
            let log = std::fs::read_to_string(path("log"));
            assert!(started.elapsed() < PATIENCE, "no addresses: {log:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self {
            directory,
            child,
            // Where there is no door, nobody asks for it.
            ingest: addresses.ingest.unwrap_or(addresses.web),
            web: addresses.web,
        }
    }

    /// Kills it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The most memory it ever held, bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.expect("a peak").parse().expect("a number");
        kilobytes * 1024
    }

    /// Stops it where it stands, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// Asks it to stop, and returns its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.expect("kill").success());
        self.child.wait().expect("wait").code()
    }

    /// Writes another token, and tells it so.
    pub(crate) fn replace_token(&self, token: &str) {
        std::fs::write(self.directory.path().join("token"), token).expect("a token");
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-HUP", &id]).status();
        assert!(told.expect("kill").success());
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("wait").code()
    }

    /// Its exit code, when it ended by itself; `None` within when a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<Option<i32>> {
        let ended = self.child.try_wait().expect("wait");
        ended.map(|status| status.code())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Runs the binary with other arguments and the same configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_crmscope-collector"))
            .arg("--config")
            .arg(self.directory.path().join("collector.toml"))
            .args(arguments)
            .output()
            .expect("the command runs");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    /// A page: status, headers and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = tokio::net::TcpStream::connect(self.web).await.expect("web");
        let host = self.web;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (
            status.expect("status"),
            head.to_lowercase(),
            body.to_owned(),
        )
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn ready(&self) {
        let started = Instant::now();
        loop {
            let (status, _, body) = self.get("/readyz").await;
            if status == 200 {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{body}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a metric is at least this.
    pub(crate) async fn reaches(&self, name: &str, least: f64) {
        let started = Instant::now();
        while self.metric(name).await < least {
            assert!(started.elapsed() < PATIENCE, "{name} stays below {least}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A metric's value, by name and labels as they stand in the text.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (_, _, body) = self.get("/metrics").await;
        let line = body
            .lines()
            .find_map(|line| line.strip_prefix(&format!("crmscope_collector_{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            for line in tail.iter().rev() {
                println!("collector: {line}");
            }
        }
    }
}
