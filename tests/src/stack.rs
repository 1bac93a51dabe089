//! The whole system on loopback: embedded ClickHouse, one collector, agents.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Process, binary};
use crate::wait_for;

/// The token of every test's agents.
pub const TOKEN: &str = "test-token-0123456789abcdef";

/// A running system in a directory of its own.
pub struct Stack {
    /// The ClickHouse server.
    pub clickhouse: Option<Process>,
    /// The collector.
    pub collector: Option<Process>,
    /// Port of ClickHouse's HTTP protocol.
    pub clickhouse_port: u16,
    /// Port of the collector's uplink.
    pub uplink_port: u16,
    /// Port of the collector's pages.
    pub http_port: u16,
    collector_environment: Vec<(String, String)>,
    collector_sections: String,
    runtime: tokio::runtime::Runtime,
    /// Directory with data, configuration and logs; gone at the end, after the processes.
    pub directory: tempfile::TempDir,
}

/// A port that stays this test's, so that a restarted process has it again.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    crmscope_local::ports::reserve().unwrap()
}

impl Stack {
    /// Starts ClickHouse and the collector, and waits until the collector is ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with collector settings that are not the default, such as
    /// `("INGEST__STREAMS_MAX", "1")`.
    #[must_use]
    pub fn start_with(collector_settings: &[(&str, &str)]) -> Self {
        Self::start_configured(collector_settings, "")
    }

    /// The same, and with sections of the collector's configuration that no setting can say.
    #[must_use]
    pub fn start_configured(collector_settings: &[(&str, &str)], sections: &str) -> Self {
        let environment = |(key, value): &(&str, &str)| {
            let name = format!("CRMSCOPE_COLLECTOR__{key}");
            (name, (*value).to_owned())
        };
        let mut stack = Self {
            collector_environment: collector_settings.iter().map(environment).collect(),
            collector_sections: sections.to_owned(),
            directory: tempfile::tempdir().unwrap(),
            clickhouse: None,
            collector: None,
            clickhouse_port: free_port(),
            uplink_port: free_port(),
            http_port: free_port(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        fs::write(stack.path("token"), TOKEN).unwrap();
        stack.start_clickhouse();
        stack.start_collector();
        stack.wait_ready();
        stack
    }

    /// A path in the stack's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts ClickHouse on the stack's data.
    pub fn start_clickhouse(&mut self) {
        let library = crmscope_local::engine::ensure().unwrap();
        let process = Process::start(
            "clickhouse",
            Command::new(binary("crmscope-clickhouse"))
                .arg("--data-dir")
                .arg(self.path("clickhouse"))
                .args(["--listen", &format!("127.0.0.1:{}", self.clickhouse_port)])
                .arg("--library")
                .arg(library),
            &self.path("clickhouse.log"),
        );
        self.clickhouse = Some(process);
    }

    /// Starts the collector on the stack's ports.
    pub fn start_collector(&mut self) {
        let config = self.path("collector.toml");
        let token = self.path("token");
        fs::write(
            &config,
            format!(
                "[ingest]\nlisten = \"127.0.0.1:{}\"\ntoken_file = {token:?}\n\
                 [web]\nlisten = \"127.0.0.1:{}\"\n\
                 [clickhouse]\nurl = \"http://127.0.0.1:{}\"\n{}",
                self.uplink_port, self.http_port, self.clickhouse_port, self.collector_sections
            ),
        )
        .unwrap();
        let process = Process::start(
            "collector",
            Command::new(binary("crmscope-collector"))
                .arg("--config")
                .arg(&config)
                .envs(self.collector_environment.clone()),
            &self.path("collector.log"),
        );
        self.collector = Some(process);
    }

    /// Waits until the collector's write path works.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_ready(&self) {
        wait_for("the collector to be ready", || match self.get("/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// An HTTP GET on the collector: status and body.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        http_get(self.http_port, path)
    }

    /// Writes an agent's configuration and starts it. `extra` is TOML put after the sections this writes.
    #[must_use]
    pub fn start_agent(&self, agent_id: &str, extra: &str) -> Process {
        let config = self.agent_config(agent_id, extra);
        self.start_configured_agent(agent_id, &config)
    }

    /// Starts an agent again on the configuration it had.
    #[must_use]
    pub fn start_configured_agent(&self, agent_id: &str, config: &Path) -> Process {
        let log = self.path(&format!("{agent_id}.log"));
        Process::start(
            agent_id,
            Command::new(binary("crmscope-agent"))
                .arg("--config")
                .arg(config),
            &log,
        )
    }

    /// Writes an agent's configuration: batches every second, beats every second, and no ceiling
    /// on CPU and memory unless `extra` has a budget.
    #[must_use]
    pub fn agent_config(&self, agent_id: &str, extra: &str) -> PathBuf {
        let path = self.path(&format!("{agent_id}.toml"));
        let mut text = String::new();
        let _ = writeln!(
            text,
            "agent_id = {agent_id:?}\nstate_dir = {:?}",
            self.path(&format!("{agent_id}.state"))
        );
        let _ = writeln!(
            text,
            "[collector]\nendpoint = \"http://127.0.0.1:{}\"",
            self.uplink_port
        );
        let _ = writeln!(text, "token_file = {:?}", self.path("token"));
        let _ = writeln!(
            text,
            "[intervals]\nbatch_ms = 1000\nheartbeat_ms = 1000\n{extra}"
        );
        if !extra.contains("[budget]") {
            // A debug build costs many times as much, and scenarios are about other things.
            let _ = writeln!(
                text,
                "[budget]\ncpu_max_percent = 100000\nmemory_max_bytes = 1073741824"
            );
        }
        fs::write(&path, text).unwrap();
        path
    }

    /// A ClickHouse client on the stack's database.
    #[must_use]
    pub fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default()
            .with_url(format!("http://127.0.0.1:{}", self.clickhouse_port))
            .with_database("crmscope")
    }

    /// Rows of a query.
    ///
    /// # Errors
    /// What the server says.
    pub fn query<T>(&self, sql: &str) -> Result<Vec<T>, String>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        let client = self.client();
        self.runtime
            .block_on(async { client.query_raw(sql).fetch_all::<T>().await })
            .map_err(|error| error.to_string())
    }

    /// One number.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn number(&self, sql: &str) -> u64 {
        self.query::<u64>(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .into_iter()
            .next()
            .unwrap_or(0)
    }

    /// Waits until a query gives a number that fits.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_number(&self, what: &str, sql: &str, fits: impl Fn(u64) -> bool) -> u64 {
        wait_for(what, || {
            let number = self.query::<u64>(sql)?.into_iter().next().unwrap_or(0);
            if fits(number) {
                Ok(number)
            } else {
                Err(number.to_string())
            }
        })
    }

    /// What `crmscope-collector ledger` prints, and its exit code.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn ledger(&self, arguments: &[&str]) -> (i32, String) {
        self.command(&[&["ledger"], arguments].concat())
    }

    /// What a command of `crmscope-collector` prints, and its exit code.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(binary("crmscope-collector"))
            .arg("--config")
            .arg(self.path("collector.toml"))
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }
}

/// A plain HTTP GET on loopback: status and body.
///
/// # Errors
/// When nobody answers.
pub fn http_get(port: u16, path: &str) -> Result<(u16, String), String> {
    http(port, "GET", path, "")
}

/// A plain HTTP request on loopback: status and body.
///
/// # Errors
/// When nobody answers.
pub fn http(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
    let mut stream =
        std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    // HTTP/1.0 has no chunks: the answer is what comes until the end.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = stream.write_all(request.as_bytes()).and_then(|()| {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    });
    let answer = exchange.map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or("no status line")?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}
