//! Alerts with real receivers: Alertmanager, a program behind a webhook that fails for a while, and an SMTP
//! server. What was told is what the receivers took, and what ClickHouse has on record.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

mod alertmanager;
mod findings;
mod hook;
mod mail;
mod tls;
mod webhook;

use std::collections::BTreeMap;

use crmscope_collector::alerts::{Config, Desk, Incident, Kind, run};
use crmscope_collector::storage::{self, Storage};
use crmscope_proto::Id;
use crmscope_tests::{Stack, now_ms, wait_for};
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What a host may call itself that means harm.
const HOSTILE: &str =
    "web\r\nBcc: eve@example.com\r\n\r\n.\r\n\"},{\"x\":1\u{202e}\0{{ template }}</b>";

/// Alerts of one collector, as it runs them.
struct Alerts {
    incidents: mpsc::Sender<Incident>,
    task: JoinHandle<()>,
    runtime: Runtime,
    registry: Registry,
}

impl Alerts {
    fn start(clickhouse_port: u16, config: &Config) -> Self {
        let mut registry = Registry::default();
        let clickhouse = storage::Config {
            url: format!("http://127.0.0.1:{clickhouse_port}"),
            ..storage::Config::default()
        };
        let storage = Storage::new(&clickhouse, &mut registry).unwrap();
        let desk = Desk::new(config, &mut registry).unwrap();
        let (incidents, receiver) = mpsc::channel(100);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let task = runtime.spawn(run(desk, storage, receiver));
        Self {
            incidents,
            task,
            runtime,
            registry,
        }
    }

    fn tell(&self, incidents: &[Incident]) {
        for incident in incidents {
            self.incidents.blocking_send(incident.clone()).unwrap();
        }
    }

    /// Attempts at a target that failed.
    fn failures(&self, target: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let name = format!("alerts_attempt_failures_total{{target=\"{target}\"}} ");
        let mut found = text.lines().filter_map(|line| line.strip_prefix(&name));
        found.next().map_or(0, |number| number.parse().unwrap())
    }

    /// Ends it as the loss of its lease would.
    fn abort(self) {
        self.task.abort();
        assert!(self.runtime.block_on(self.task).unwrap_err().is_cancelled());
    }

    /// Ends it where it stands, as the end of its process would.
    fn crash(self) {
        drop(self.runtime);
    }
}

/// Short times, since tests wait for what they lead to.
fn config() -> Config {
    Config {
        group_wait_ms: 100,
        retry_initial_ms: 20,
        retry_max_ms: 200,
        timeout_ms: 2_000,
        ..Config::default()
    }
}

fn incident(number: u8) -> Incident {
    let agent_id = format!("crm-web-{number:02}");
    Incident {
        incident_id: Id([number; 16]),
        kind: Kind::HostSilent,
        summary: format!("{agent_id} was not heard for 40 s."),
        agent_id,
        labels: BTreeMap::from([("group".to_owned(), "crm".to_owned())]),
        began_ms: now_ms(),
        ended_ms: None,
    }
}

fn hostile(number: u8) -> Incident {
    Incident {
        agent_id: HOSTILE.to_owned(),
        summary: HOSTILE.repeat(100),
        labels: BTreeMap::from([
            (HOSTILE.to_owned(), HOSTILE.to_owned()),
            ("severity".to_owned(), "none".to_owned()),
            ("__name__".to_owned(), "\u{1b}[2J".to_owned()),
        ]),
        ..incident(number)
    }
}

fn over(incident: &Incident) -> Incident {
    Incident {
        ended_ms: Some(now_ms()),
        ..incident.clone()
    }
}

/// Waits until ClickHouse has so many rows of a phase and an outcome.
fn wait_recorded(stack: &Stack, target: &str, phase: &str, outcome: &str, rows: u64) {
    let sql = format!(
        "SELECT count() FROM notifications WHERE target = '{target}' AND phase = '{phase}' AND outcome = '{outcome}'"
    );
    let what = format!("{rows} times {phase}, {outcome} on record");
    // More would be a repetition.
    stack.wait_number(&what, &sql, |found| found == rows);
}

/// Waits until something is as it should be; otherwise says what it is.
fn wait_until(what: &str, mut check: impl FnMut() -> Result<bool, String>) {
    wait_for(what, || match check() {
        Ok(true) => Ok(()),
        Ok(false) => Err("not yet".to_owned()),
        Err(seen) => Err(seen),
    });
}
