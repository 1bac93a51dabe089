//! A fleet: many agents with known logs, collectors, ClickHouse and brokers as processes, with
//! proxies that fail between them.
//!
//! Owns starting, harming and mending every part. Leaves what must be true in the end to the
//! scenario, and a directory with all data and logs behind where it fails.

mod brokers;
mod calendar;
mod configs;
pub mod faults;
pub mod generator;
pub mod logins;
pub mod proxy;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::runtime::Runtime;

use crate::process::{Process, binary};
use crate::released::Release;
use crate::stack::{TOKEN, free_port, http_get};
use crate::wait_for;
use brokers::Brokers;
pub use configs::Role;
use configs::{AgentConfig, CollectorConfig};
use generator::{Generator, Truth};
use proxy::{Proxy, Weather};

/// What a part is asked to end with.
const SIGTERM: i32 = 15;

/// How large a fleet is.
#[derive(Clone, Debug)]
pub struct Size {
    /// Agents.
    pub agents: usize,
    /// Collectors; more than one needs brokers.
    pub collectors: usize,
    /// Brokers: 1, 3, or none.
    pub brokers: usize,
    /// Lines a second in each agent's log.
    pub lines_per_s: u64,
}

/// One agent with its logs.
pub struct Agent {
    /// Its id.
    pub name: String,
    release: Release,
    config: PathBuf,
    process: Option<Process>,
    generator: Option<Generator>,
    proxy: Proxy,
}

/// One collector.
pub struct Collector {
    /// Its name, and that of its log.
    pub name: String,
    release: Release,
    config: PathBuf,
    http_port: u16,
    process: Option<Process>,
    /// Between the collector and ClickHouse.
    proxy: Proxy,
}

/// See the module.
pub struct Fleet {
    /// Agents.
    pub agents: Vec<Agent>,
    /// Collectors.
    pub collectors: Vec<Collector>,
    clickhouse: Option<Process>,
    clickhouse_port: u16,
    brokers: Option<Brokers>,
    runtime: Runtime,
    started: Instant,
    directory: tempfile::TempDir,
}

/// A part that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// An agent.
    Agent(usize),
    /// A collector.
    Collector(usize),
    /// The database.
    ClickHouse,
    /// A Kafka broker.
    Broker(usize),
    /// The network between a collector and all brokers.
    ToKafka(usize),
}

impl Part {
    /// What it is, whichever of them.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Agent(_) => "agent",
            Self::Collector(_) => "collector",
            Self::ClickHouse => "ClickHouse",
            Self::Broker(_) => "broker",
            Self::ToKafka(_) => "network to Kafka",
        }
    }
}

impl Fleet {
    /// Starts everything, and waits until collectors are ready and agents read their logs.
    #[must_use]
    pub fn start(size: &Size, random: &mut Rng) -> Self {
        Self::start_of(Release::This, size, random)
    }

    /// The same with agents and collectors of another version.
    #[must_use]
    pub fn start_of(release: Release, size: &Size, random: &mut Rng) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::Builder::new()
            .prefix("crmscope-fleet-")
            .tempdir()
            .unwrap();
        fs::write(directory.path().join("token"), TOKEN).unwrap();
        let mut fleet = Self {
            agents: Vec::new(),
            collectors: Vec::new(),
            clickhouse: None,
            clickhouse_port: free_port(),
            brokers: None,
            runtime,
            started: Instant::now(),
            directory,
        };
        fleet.begin(Part::ClickHouse);
        if size.brokers > 0 {
            let directory = fleet.path("kafka");
            let brokers = Brokers::start(&fleet.runtime, &directory, size.brokers, size.collectors);
            fleet.brokers = Some(brokers);
        }
        let role = |number| Role::of(number, size.brokers > 0);
        let ports: Vec<u16> = (0..size.collectors).map(|_| free_port()).collect();
        for (number, &port) in ports.iter().enumerate() {
            let mut collector = fleet.make_collector(number, role(number), size, port);
            collector.release = release;
            fleet.collectors.push(collector);
        }
        if size.brokers > 0 {
            let (code, said) = fleet.command_of(release, &["topics", "apply"]);
            assert_eq!(code, 0, "{said}");
        }
        for number in 0..size.collectors {
            fleet.begin(Part::Collector(number));
        }
        fleet.wait_ready();
        let numbered = ports.into_iter().enumerate();
        let doors: Vec<u16> = numbered
            .filter(|(number, _)| role(*number).takes())
            .map(|(_, port)| port)
            .collect();
        for number in 0..size.agents {
            let mut agent = fleet.make_agent(number, &doors);
            agent.release = release;
            fleet.agents.push(agent);
            fleet.begin(Part::Agent(number));
        }
        // A log of logins is read from where it ends when it is first seen.
        wait_for("all agents to look at their logs", || {
            let sql =
                "SELECT uniqExact(agent_id) FROM source_raw WHERE source = 'security' AND runs > 0";
            match fleet.query::<u64>(sql)?[..] {
                [seen] if seen == size.agents as u64 => Ok(()),
                ref seen => Err(format!("{seen:?}")),
            }
        });
        for number in 0..size.agents {
            let [access_log, auth_log] = fleet.logs(&fleet.agents[number].name);
            let agent = &mut fleet.agents[number];
            agent.generator = Some(Generator::start(
                &agent.name,
                &access_log,
                &auth_log,
                size.lines_per_s,
                random.fork(),
            ));
        }
        fleet
    }

    /// A path in the fleet's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a program said.
    ///
    /// # Panics
    /// When it never began.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap()
    }

    /// The spool of an agent.
    #[must_use]
    pub fn spool(&self, agent_id: &str) -> PathBuf {
        self.path(&format!("{agent_id}.state")).join("spool")
    }

    fn logs(&self, agent_id: &str) -> [PathBuf; 2] {
        ["access", "auth"].map(|kind| self.path(&format!("{agent_id}.{kind}.log")))
    }

    fn make_collector(&self, number: usize, role: Role, size: &Size, port: u16) -> Collector {
        let name = format!("collector-{number}");
        let proxy = Proxy::start(&self.runtime, vec![self.clickhouse_port]);
        let http_port = free_port();
        let brokers = self.brokers.as_ref();
        let text = CollectorConfig {
            role,
            replicas: size.collectors,
            uplink_port: port,
            http_port,
            clickhouse_port: proxy.port(),
            token: &self.path("token"),
            brokers: &brokers.map_or_else(Vec::new, |brokers| brokers.addresses(number)),
        }
        .text();
        let config = self.path(&format!("{name}.toml"));
        fs::write(&config, text).unwrap();
        Collector {
            name,
            release: Release::This,
            config,
            http_port,
            process: None,
            proxy,
        }
    }

    fn make_agent(&self, number: usize, doors: &[u16]) -> Agent {
        let name = format!("agent-{number:02}");
        let proxy = Proxy::start(&self.runtime, doors.to_vec());
        let [access_log, auth_log] = self.logs(&name);
        for log in [&access_log, &auth_log] {
            fs::write(log, "").unwrap();
        }
        let text = AgentConfig {
            name: &name,
            state: &self.path(&format!("{name}.state")),
            uplink_port: proxy.port(),
            token: &self.path("token"),
            access_log: &access_log,
            auth_log: &auth_log,
        }
        .text();
        let config = self.path(&format!("{name}.toml"));
        fs::write(&config, text).unwrap();
        Agent {
            name,
            release: Release::This,
            config,
            process: None,
            generator: None,
            proxy,
        }
    }

    fn slot(&mut self, part: Part) -> Option<&mut Option<Process>> {
        match part {
            Part::Agent(number) => Some(&mut self.agents[number].process),
            Part::Collector(number) => Some(&mut self.collectors[number].process),
            Part::ClickHouse => Some(&mut self.clickhouse),
            Part::Broker(_) | Part::ToKafka(_) => None,
        }
    }

    fn process(&mut self, part: Part) -> Option<&mut Process> {
        self.slot(part).and_then(Option::as_mut)
    }

    fn brokers(&mut self) -> &mut Brokers {
        self.brokers.as_mut().unwrap()
    }

    /// Brokers; 0 without Kafka.
    #[must_use]
    pub fn broker_count(&self) -> usize {
        self.brokers.as_ref().map_or(0, Brokers::count)
    }

    /// Starts a part on what it left behind, without waiting until it serves.
    pub fn begin(&mut self, part: Part) {
        let process = match part {
            Part::Agent(number) => {
                let agent = &self.agents[number];
                let program = agent.release.binary("crmscope-agent");
                self.program(&program, &agent.name, &agent.config)
            }
            Part::Collector(number) => {
                let collector = &self.collectors[number];
                let program = collector.release.binary("crmscope-collector");
                self.program(&program, &collector.name, &collector.config)
            }
            Part::ClickHouse => Process::start(
                "clickhouse",
                Command::new(binary("crmscope-clickhouse"))
                    .arg("--data-dir")
                    .arg(self.path("clickhouse"))
                    .args(["--listen", &format!("127.0.0.1:{}", self.clickhouse_port)])
                    .arg("--library")
                    .arg(crmscope_local::engine::ensure().unwrap()),
                &self.path("clickhouse.log"),
            ),
            Part::Broker(number) => return self.brokers().begin(number),
            Part::ToKafka(_) => return,
        };
        if let Some(slot) = self.slot(part) {
            *slot = Some(process);
        }
    }

    /// The version that an agent or a collector is of when it begins the next time.
    pub fn set_release(&mut self, part: Part, release: Release) {
        match part {
            Part::Agent(number) => self.agents[number].release = release,
            Part::Collector(number) => self.collectors[number].release = release,
            Part::ClickHouse | Part::Broker(_) | Part::ToKafka(_) => {}
        }
    }

    fn program(&self, program: &Path, name: &str, config: &Path) -> Process {
        Process::start(
            name,
            Command::new(program).arg("--config").arg(config),
            &self.path(&format!("{name}.log")),
        )
    }

    /// Kills a part as a crash would.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill(&mut self, part: Part) {
        if let Part::Broker(number) = part {
            self.brokers().kill(number);
        } else if let Some(mut process) = self.slot(part).and_then(Option::take) {
            process.kill();
        }
    }

    /// Asks a part to end, without waiting; [`Fleet::has_ended`] tells when it has.
    pub fn ask_to_end(&mut self, part: Part) {
        if let Part::Broker(number) = part {
            self.brokers().ask_to_end(number);
        } else if let Some(process) = self.process(part) {
            process.ask_to_end();
        }
    }

    /// Whether a part that was asked to end has.
    ///
    /// # Panics
    /// When it ended with an error.
    pub fn has_ended(&mut self, part: Part) -> bool {
        if let Part::Broker(number) = part {
            return self.brokers().is_settled(number);
        }
        let Some(process) = self.process(part) else {
            return true;
        };
        let Some(status) = process.ended() else {
            return false;
        };
        // One that has just begun may be asked before it listens, and dies of it.
        let ends = status.success() || status.signal() == Some(SIGTERM);
        assert!(ends, "{part:?} ended with {status}:\n{}", process.log());
        if let Some(slot) = self.slot(part) {
            *slot = None;
        }
        true
    }

    /// Whether a part that was begun can be harmed again: a broker takes its time.
    pub fn is_settled(&mut self, part: Part) -> bool {
        match part {
            Part::Broker(number) => self.brokers().is_settled(number),
            _ => true,
        }
    }

    /// Asks parts to end, and waits for all of them.
    ///
    /// # Panics
    /// When one ends with an error, or does not end.
    pub fn end(&mut self, parts: &[Part]) {
        for &part in parts {
            self.ask_to_end(part);
        }
        for &part in parts {
            wait_for(&format!("{part:?} to end"), || {
                let ended = self.has_ended(part);
                ended.then_some(()).ok_or_else(|| "it runs".to_owned())
            });
        }
    }

    /// Stops a part where it stands, or lets it go on.
    pub fn freeze(&mut self, part: Part, frozen: bool) {
        if let Part::Broker(number) = part {
            self.brokers().freeze(number, frozen);
        } else if let Some(process) = self.process(part) {
            process.freeze(frozen);
        }
    }

    /// The weather of the connections that a part opens; for ClickHouse, of those to it.
    pub fn set(&self, part: Part, weather: Weather) {
        match part {
            Part::Agent(number) => self.agents[number].proxy.set(weather),
            Part::Collector(number) => self.collectors[number].proxy.set(weather),
            Part::ClickHouse => self
                .collectors
                .iter()
                .for_each(|collector| collector.proxy.set(weather)),
            Part::ToKafka(number) => {
                if let Some(brokers) = &self.brokers {
                    brokers.set(number, weather);
                }
            }
            Part::Broker(_) => {}
        }
    }

    /// Waits until every collector's write path works.
    ///
    /// # Panics
    /// When one does not come.
    pub fn wait_ready(&self) {
        for (number, collector) in self.collectors.iter().enumerate() {
            let what = format!("{} to be ready", collector.name);
            wait_for(&what, || self.ready(number));
        }
    }

    /// Whether a collector's write path works.
    ///
    /// # Errors
    /// What it says instead.
    pub fn ready(&self, collector: usize) -> Result<(), String> {
        match http_get(self.collectors[collector].http_port, "/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    /// The sum of a metric over its labels, as a collector tells it now.
    ///
    /// # Errors
    /// When it does not answer, or has no such metric.
    pub fn metric(&self, collector: usize, name: &str) -> Result<f64, String> {
        let (_, text) = http_get(self.collectors[collector].http_port, "/metrics")?;
        let values: Vec<f64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("crmscope_collector_")?.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
            .collect();
        match values.is_empty() {
            true => Err(format!("no metric {name}")),
            false => Ok(values.iter().sum()),
        }
    }

    /// Time since the fleet began to start.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends all logs, and tells what is in them.
    #[must_use]
    pub fn finish_logs(&mut self) -> Truth {
        let generators: Vec<_> = self
            .agents
            .iter_mut()
            .filter_map(|agent| agent.generator.take())
            .collect();
        let truths = generators.into_iter().map(Generator::finish);
        truths.fold(Truth::default(), Truth::and)
    }

    /// Rows of a query, past all proxies.
    ///
    /// # Errors
    /// What the server says.
    pub fn query<T>(&self, sql: &str) -> Result<Vec<T>, String>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        let client = clickhouse::Client::default()
            .with_url(format!("http://127.0.0.1:{}", self.clickhouse_port))
            .with_database("crmscope");
        self.runtime
            .block_on(async { client.query_raw(sql).fetch_all::<T>().await })
            .map_err(|error| error.to_string())
    }

    /// A query's answer as text.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn text(&self, sql: &str) -> String {
        let path = format!("/?database=crmscope&query={}", percent_encoded(sql));
        let (code, text) = http_get(self.clickhouse_port, &path).unwrap();
        assert_eq!(code, 200, "{sql}: {text}");
        text
    }

    /// Runs a command of the collector: its exit code, and what it printed.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn collector_command(&self, arguments: &[&str]) -> (i32, String) {
        self.command_of(Release::This, arguments)
    }

    /// The same of another version.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn command_of(&self, release: Release, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(release.binary("crmscope-collector"))
            .arg("--config")
            .arg(&self.collectors[0].config)
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            println!(
                "data, logs and schedule are in {}",
                self.directory.path().display()
            );
        }
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
