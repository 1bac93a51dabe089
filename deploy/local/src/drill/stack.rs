//! The small stack of one drill: real processes on loopback, with a network between them that can
//! be broken.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::proxy::Proxy;
use crate::kafka::Cluster;
use crate::ports;
use crate::up::binaries::Binaries;
use crate::up::children::Children;
use crate::up::place::{last_words, write_token};
use crate::up::{READY_DEADLINE, http};

/// Agents of a stack.
pub(super) const AGENTS: usize = 2;
/// Their names, and their processes' names.
const AGENT_IDS: [&str; AGENTS] = ["crm-01", "crm-02"];

/// How long a query may fail, and the pause before it is repeated.
const QUERY_DEADLINE: Duration = Duration::from_secs(120);
const QUERY_PAUSE: Duration = Duration::from_millis(500);

/// How long the topics may take until they are as they should be.
const TOPICS_DEADLINE: Duration = Duration::from_secs(120);

/// The file an agent reads its clock's error from; see the agent's `clock.rs`.
const CLOCK_VARIABLE: &str = "CRMSCOPE_CLOCK_OFFSET_FILE";

/// A collector's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collector {
    /// All roles, without Kafka.
    Whole,
    Ingest,
    Writer1,
    Writer2,
}

impl Collector {
    /// Of its process, its log and its configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "collector",
            Self::Ingest => "collector-ingest",
            Self::Writer1 => "collector-writer-1",
            Self::Writer2 => "collector-writer-2",
        }
    }

    const fn port(self, ports: &Ports) -> u16 {
        match self {
            Self::Whole | Self::Ingest => ports.pages[0],
            Self::Writer1 => ports.pages[1],
            Self::Writer2 => ports.pages[2],
        }
    }
}

/// Ports of servers that come back on them.
#[derive(Debug)]
struct Ports {
    clickhouse: u16,
    uplink: u16,
    pages: [u16; 3],
}

/// See the module. Dropping it ends every process.
#[derive(Debug)]
pub(super) struct Stack {
    /// Between agents and the collector.
    pub(super) uplink: Proxy,
    /// Between collectors and ClickHouse.
    pub(super) storage: Proxy,
    /// The brokers, where the drill has some.
    pub(super) kafka: Option<Arc<Cluster>>,
    children: Children,
    root: PathBuf,
    logs: PathBuf,
    binaries: Binaries,
    library: PathBuf,
    ports: Ports,
}

impl Stack {
    /// Starts ClickHouse, brokers and collectors, and waits until they are ready.
    pub(super) async fn start(
        root: PathBuf,
        binaries: &Binaries,
        library: &Path,
        brokers: u16,
    ) -> anyhow::Result<Self> {
        let logs = root.join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("make {}", logs.display()))?;
        write_token(&root.join("agent.token"))?;
        let reserve = || ports::reserve().context("find a free port");
        let ports = Ports {
            clickhouse: reserve()?,
            uplink: reserve()?,
            pages: [reserve()?, reserve()?, reserve()?],
        };
        let mut stack = Self {
            uplink: Proxy::start(ports.uplink).await?,
            storage: Proxy::start(ports.clickhouse).await?,
            kafka: None,
            children: Children::default(),
            logs,
            root,
            binaries: binaries.clone(),
            library: library.to_owned(),
            ports,
        };
        stack.start_clickhouse().await?;
        if brokers > 0 {
            let directory = stack.root.join("kafka");
            let cluster =
                tokio::task::spawn_blocking(move || Cluster::start(&directory, brokers)).await??;
            stack.kafka = Some(Arc::new(cluster));
        }
        for &collector in stack.collectors() {
            stack.write_collector(collector, brokers)?;
        }
        if brokers > 0 {
            stack.apply_topics().await?;
        }
        for &collector in stack.collectors() {
            stack.start_collector(collector).await?;
        }
        Ok(stack)
    }

    pub(super) async fn start_clickhouse(&mut self) -> anyhow::Result<()> {
        let mut command = self.binaries.command("crmscope-clickhouse");
        command
            .arg("--data-dir")
            .arg(self.root.join("clickhouse"))
            .args(["--listen", &format!("127.0.0.1:{}", self.ports.clickhouse)])
            .arg("--library")
            .arg(&self.library);
        self.children.start("clickhouse", command, &self.logs)?;
        let port = self.ports.clickhouse;
        self.wait_ready("clickhouse", port, "/ping").await
    }

    pub(super) async fn start_collector(&mut self, collector: Collector) -> anyhow::Result<()> {
        let command = self.collector_command(collector);
        self.children.start(collector.name(), command, &self.logs)?;
        let port = collector.port(&self.ports);
        self.wait_ready(collector.name(), port, "/readyz").await
    }

    /// Starts an agent. Its state is in [`Stack::state_dir`], its clock off by what the file at
    /// [`Stack::clock_file`] says.
    pub(super) fn start_agent(&mut self, index: usize) -> anyhow::Result<()> {
        let path = self.root.join(format!("{}.toml", AGENT_IDS[index]));
        fs::write(&path, self.agent_config(index)).context("write an agent's configuration")?;
        let mut command = self.binaries.command("crmscope-agent");
        command
            .arg("--config")
            .arg(path)
            .env(CLOCK_VARIABLE, self.clock_file(index));
        self.children.start(AGENT_IDS[index], command, &self.logs)
    }

    pub(super) async fn kill_agent(&mut self, index: usize) -> anyhow::Result<()> {
        self.children.kill(AGENT_IDS[index]).await
    }

    pub(super) async fn kill_collector(&mut self, collector: Collector) -> anyhow::Result<()> {
        self.children.kill(collector.name()).await
    }

    pub(super) async fn kill_clickhouse(&mut self) -> anyhow::Result<()> {
        self.children.kill("clickhouse").await
    }

    /// Ends the agents, which hand over what they hold first.
    pub(super) async fn stop_agents(&mut self) -> anyhow::Result<()> {
        for name in AGENT_IDS {
            let status = self.children.stop(name).await?;
            ensure!(
                status.success(),
                "the agent {name} ended with {status}; its last words:\n{}",
                last_words(&self.logs, name)
            );
        }
        Ok(())
    }

    /// Ends everything in order.
    pub(super) async fn stop(mut self) {
        self.children.stop_in_order().await;
        if let Some(cluster) = self.kafka.take() {
            let _ = tokio::task::spawn_blocking(move || drop(cluster)).await;
        }
    }

    /// An error that names a process which ended by itself, with its last words.
    pub(super) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.children.ended() {
            None => Ok(()),
            Some((name, status)) => bail!(
                "{name} ended by itself ({status}); its last words:\n{}",
                last_words(&self.logs, name)
            ),
        }
    }

    /// A query's answer, past the network that may be broken. Repeated where it fails: a busy
    /// machine may take longer than one question waits.
    pub(super) async fn query(&self, sql: &str) -> anyhow::Result<String> {
        let end = Instant::now() + QUERY_DEADLINE;
        loop {
            match http::query(self.ports.clickhouse, sql).await {
                Err(_) if Instant::now() < end => sleep(QUERY_PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// Runs `crmscope-collector ledger`.
    pub(super) async fn ledger(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = self.collector_command(self.collectors()[0]);
        let output = command.arg("ledger").args(arguments).output();
        output.await.context("run crmscope-collector ledger")
    }

    /// What an agent said so far.
    pub(super) fn agent_log(&self, index: usize) -> String {
        let log = fs::read(self.logs.join(format!("{}.log", AGENT_IDS[index])));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    }

    /// The name of an agent in every table.
    pub(super) const fn agent_id(index: usize) -> &'static str {
        AGENT_IDS[index]
    }

    pub(super) fn access_log(&self, index: usize) -> PathBuf {
        self.root.join(format!("{}.access.log", AGENT_IDS[index]))
    }

    pub(super) fn state_dir(&self, index: usize) -> PathBuf {
        self.root.join(format!("{}.state", AGENT_IDS[index]))
    }

    pub(super) fn clock_file(&self, index: usize) -> PathBuf {
        self.root.join(format!("{}.clock", AGENT_IDS[index]))
    }

    fn collectors(&self) -> &'static [Collector] {
        match self.kafka {
            None => &[Collector::Whole],
            Some(_) => &[Collector::Ingest, Collector::Writer1, Collector::Writer2],
        }
    }

    fn collector_command(&self, collector: Collector) -> Command {
        let mut command = self.binaries.command("crmscope-collector");
        let config = self.root.join(format!("{}.toml", collector.name()));
        command.arg("--config").arg(config).kill_on_drop(true);
        command
    }

    /// Makes the topics. Repeated, which is safe: a broker that did not hear of a new topic yet may
    /// be the one that is asked for it.
    async fn apply_topics(&self) -> anyhow::Result<()> {
        let end = Instant::now() + TOPICS_DEADLINE;
        loop {
            let mut command = self.collector_command(Collector::Ingest);
            let output = command.args(["topics", "apply"]).output().await?;
            if output.status.success() {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "crmscope-collector topics apply: {}: {} {}",
                output.status,
                String::from_utf8_lossy(&output.stdout).trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
            sleep(QUERY_PAUSE).await;
        }
    }

    async fn wait_ready(&mut self, name: &str, port: u16, path: &str) -> anyhow::Result<()> {
        let ready = self.children.wait_ready(name, port, path, READY_DEADLINE);
        ready
            .await
            .with_context(|| format!("last words of {name}:\n{}", last_words(&self.logs, name)))
    }

    fn write_collector(&self, collector: Collector, brokers: u16) -> anyhow::Result<()> {
        let mut text = format!(
            "[ingest]\nlisten = \"127.0.0.1:{}\"\ntoken_file = {:?}\n\
             [web]\nlisten = \"127.0.0.1:{}\"\n\
             [clickhouse]\nurl = \"http://127.0.0.1:{}\"\n",
            self.ports.uplink,
            self.root.join("agent.token"),
            collector.port(&self.ports),
            self.storage.port(),
        );
        if let Some(cluster) = &self.kafka {
            let ingest = collector == Collector::Ingest;
            let addresses: Vec<_> = cluster
                .brokers()
                .iter()
                .map(|broker| format!("{:?}", broker.address()))
                .collect();
            let _ = write!(
                text,
                "[roles]\ningest = {ingest}\nwriter = {}\nreplicas = {}\n\
                 [kafka]\nbrokers = [{}]\nreplication_factor = {brokers}\nmin_insync_replicas = {}\n\
                 [kafka.partitions]\nmetrics = 2\nrequests = 2\nsecurity = 2\npresence = 2\n",
                !ingest,
                self.collectors().len(),
                addresses.join(", "),
                if brokers >= 3 { 2 } else { 1 },
            );
        }
        let path = self.root.join(format!("{}.toml", collector.name()));
        fs::write(path, text).context("write a collector's configuration")
    }

    fn agent_config(&self, index: usize) -> String {
        format!(
            "agent_id = {:?}\nstate_dir = {:?}\n\
             [collector]\nendpoint = \"http://127.0.0.1:{}\"\ntoken_file = {:?}\n\
             [intervals]\nbatch_ms = 1000\nheartbeat_ms = 1000\n\
             [sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {:?}, service = \"crm\" }}]\n\
             # What it costs is not what a drill is about, and debug builds cost many times as much.\n\
             [budget]\ncpu_max_percent = 100000\nmemory_max_bytes = 1073741824\n",
            AGENT_IDS[index],
            self.state_dir(index),
            self.uplink.port(),
            self.root.join("agent.token"),
            self.access_log(index),
        )
    }
}
