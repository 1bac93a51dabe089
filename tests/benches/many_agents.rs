//! What it takes to hold 10,000 agents: memory of one collector, and how long acks take.
//!
//! `cargo bench -p crmscope-tests --bench many_agents`. Agents are tasks of this process with a
//! connection each; they beat and send a batch of host figures at an interval, spread evenly over
//! it. `CRMSCOPE_BENCH_AGENTS`, `CRMSCOPE_BENCH_INTERVAL_SECONDS` and `CRMSCOPE_BENCH_SECONDS`
//! change the size. Memory is the collector's resident set as the kernel has it. Both ends share
//! the machine, so the times of acks hold the cost of playing the agents too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crmscope_proto::limits::PROTOCOL_VERSION;
use crmscope_proto::payload::Contents;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::agent_message::Kind as Up;
use crmscope_proto::v1::collector_message::Kind as Down;
use crmscope_proto::v1::uplink_client::UplinkClient;
use crmscope_proto::v1::{AgentMessage, Batch, ClockReading, CollectorMessage, Heartbeat, Hello};
use crmscope_proto::{Lane, SeriesKind, seal};
use crmscope_tests::load::cpu_seconds;
use crmscope_tests::stack::TOKEN;
use crmscope_tests::{Stack, now_ms};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Files of each process beside its connections.
const FILES_BESIDE: u64 = 256;

/// Connections that are being opened at once.
const OPENING: usize = 64;

/// Rows of host figures in a batch.
const ROWS: i64 = 10;

fn setting(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name);
    text.map_or(otherwise, |text| text.parse().unwrap())
}

/// What all agents tell together.
#[derive(Default)]
struct Account {
    connected: AtomicU64,
    sent: AtomicU64,
    acked: AtomicU64,
    /// Milliseconds from sending a batch to its ack.
    ack_ms: Mutex<Vec<u32>>,
}

fn main() {
    let agents = allowed_agents(setting("CRMSCOPE_BENCH_AGENTS", 10_000));
    let interval = Duration::from_secs(setting("CRMSCOPE_BENCH_INTERVAL_SECONDS", 30));
    let load = Duration::from_secs(setting("CRMSCOPE_BENCH_SECONDS", 120));
    let streams_max = (agents + 100).to_string();
    let stack = Stack::start_with(&[("INGEST__STREAMS_MAX", &streams_max)]);
    let collector = stack.collector.as_ref().unwrap().id();
    let bare = resident_bytes(collector);
    println!("collector without agents: {:.1} MB", bare as f64 / 1e6);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let account = Arc::new(Account::default());
    let (phase, phases) = watch::channel(Phase::Connect);
    runtime.block_on(async {
        let opening = Arc::new(Semaphore::new(OPENING));
        let begun = Instant::now();
        let tasks: Vec<_> = (0..agents)
            .map(|number| {
                let agent = Agent {
                    number,
                    agents,
                    interval,
                    port: stack.uplink_port,
                    account: Arc::clone(&account),
                    phases: phases.clone(),
                };
                tokio::spawn(agent.run(Arc::clone(&opening)))
            })
            .collect();
        while account.connected.load(Ordering::Relaxed) < agents {
            let stopped = tasks.iter().any(tokio::task::JoinHandle::is_finished);
            assert!(!stopped, "an agent ended while others connected");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        report("connected", agents, bare, collector);
        println!("  all connected after {:.1} s", begun.elapsed().as_secs_f64());

        phase.send_replace(Phase::Load);
        let begun = Instant::now();
        let cpu = cpu_seconds(collector);
        let mut peak = 0;
        while begun.elapsed() < load {
            tokio::time::sleep(Duration::from_secs(1)).await;
            peak = peak.max(resident_bytes(collector));
        }
        let acked = account.acked.load(Ordering::Relaxed);
        println!(
            "under load: {:.0} batches/s acknowledged, {:.2} collector CPU-s a second, peak {:.1} MB",
            acked as f64 / begun.elapsed().as_secs_f64(),
            (cpu_seconds(collector) - cpu) / begun.elapsed().as_secs_f64(),
            peak as f64 / 1e6
        );
        report("under load", agents, bare, collector);
        phase.send_replace(Phase::End);
        for task in tasks {
            task.await.unwrap();
        }
    });
    let sent = account.sent.load(Ordering::Relaxed);
    assert_eq!(
        sent,
        account.acked.load(Ordering::Relaxed),
        "every batch is acknowledged"
    );
    let stored = stack.number("SELECT toUInt64(sum(last_sequence - first_sequence + 1)) FROM ledger WHERE disposition = 'stored'");
    assert_eq!(stored, sent, "and stored once");
    let mut times = account.ack_ms.lock().unwrap();
    times.sort_unstable();
    let quantile = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "acks of {sent} batches: median {} ms, 99 % within {} ms, longest {} ms (the collector gathers for up to 1 s)",
        quantile(50),
        quantile(99),
        quantile(100)
    );
}

/// Raises the limit on open files, which the collector inherits; fewer agents where it is too low.
fn allowed_agents(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let most = limit.maximum.map_or(u64::MAX, |files| files - FILES_BESIDE);
    if wanted > most {
        println!("the limit on open files allows {most} agents of {wanted} (ulimit -Hn)");
    }
    wanted.min(most)
}

fn report(when: &str, agents: u64, bare: u64, collector: u32) {
    let resident = resident_bytes(collector);
    println!(
        "{when}: {agents} agents, collector {:.1} MB, {:.1} KB an agent",
        resident as f64 / 1e6,
        resident.saturating_sub(bare) as f64 / agents as f64 / 1e3
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connect,
    Load,
    End,
}

struct Agent {
    number: u64,
    agents: u64,
    interval: Duration,
    port: u16,
    account: Arc<Account>,
    phases: watch::Receiver<Phase>,
}

impl Agent {
    async fn run(mut self, opening: Arc<Semaphore>) {
        let (up, mut down) = {
            let _place = opening.acquire().await.unwrap();
            self.connect().await
        };
        self.account.connected.fetch_add(1, Ordering::Relaxed);
        let _ = self.phases.wait_for(|phase| *phase != Phase::Connect).await;
        // Agents beat at their own moments.
        let offset = self
            .interval
            .mul_f64(self.number as f64 / self.agents as f64);
        let mut due = Box::pin(tokio::time::sleep(offset));
        let mut sequence = 0;
        let mut under_way = HashMap::new();
        while *self.phases.borrow() != Phase::End || !under_way.is_empty() {
            tokio::select! {
                () = &mut due, if *self.phases.borrow() == Phase::Load => {
                    sequence += 1;
                    for lane in [Lane::Presence, Lane::Metrics] {
                        let message = AgentMessage { kind: Some(Up::Batch(self.batch(lane, sequence))) };
                        up.send(message).await.unwrap();
                        under_way.insert((lane, sequence), Instant::now());
                        self.account.sent.fetch_add(1, Ordering::Relaxed);
                    }
                    let next = due.deadline() + self.interval;
                    due.as_mut().reset(next);
                }
                message = down.message() => match message.unwrap().unwrap().kind {
                    Some(Down::Ack(ack)) => {
                        under_way.retain(|(lane, sent), at| {
                            let waits = *lane != ack.lane() || *sent > ack.sequence;
                            if !waits {
                                self.acked(*at);
                            }
                            waits
                        });
                    }
                    Some(Down::Reject(reject)) => panic!("{}", reject.reason),
                    _ => {}
                },
                _ = self.phases.changed() => {}
            }
        }
    }

    fn acked(&self, sent: Instant) {
        self.account.acked.fetch_add(1, Ordering::Relaxed);
        let took_ms = u32::try_from(sent.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.account.ack_ms.lock().unwrap().push(took_ms);
    }

    async fn connect(&self) -> (mpsc::Sender<AgentMessage>, Streaming<CollectorMessage>) {
        let (up, messages) = mpsc::channel(8);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            agent_id: self.name(),
            boot_id: vec![1; 16],
            start_id: vec![2; 16],
            spool_id: vec![3; 16],
            agent_version: "bench".to_owned(),
            ..Hello::default()
        };
        let kind = Some(Up::Hello(hello));
        up.send(AgentMessage { kind }).await.unwrap();
        let mut request = tonic::Request::new(ReceiverStream::new(messages));
        let token = format!("Bearer {TOKEN}").parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        let url = format!("http://127.0.0.1:{}", self.port);
        let endpoint = tonic::transport::Endpoint::from_shared(url).unwrap();
        let mut client = UplinkClient::new(endpoint.connect().await.unwrap());
        let mut down = client.connect(request).await.unwrap().into_inner();
        let welcome = down.message().await.unwrap().unwrap();
        assert!(matches!(welcome.kind, Some(Down::Welcome(_))));
        (up, down)
    }

    fn name(&self) -> String {
        format!("bench-{:05}", self.number)
    }

    fn batch(&self, lane: Lane, sequence: u64) -> Batch {
        let envelope = Batch {
            agent_id: self.name(),
            boot_id: vec![1; 16],
            start_id: vec![2; 16],
            spool_id: vec![3; 16],
            lane: lane.into(),
            sequence,
            created_ms: now_ms(),
            ..Batch::default()
        };
        seal(&contents(lane, sequence), envelope).unwrap()
    }
}

fn contents(lane: Lane, sequence: u64) -> Contents {
    let time_ms = now_ms();
    if lane == Lane::Presence {
        let clock = ClockReading {
            wall_ms: time_ms,
            ..ClockReading::default()
        };
        return Contents {
            heartbeats: vec![Heartbeat {
                clock: Some(clock),
                beat: sequence,
                ..Heartbeat::default()
            }],
            ..Contents::default()
        };
    }
    let mut table = SeriesTable::new(SeriesKind::Host, Vec::new());
    for row in 0..ROWS {
        let values: Vec<_> = (0..SeriesKind::Host.metrics().len())
            .map(|_| Some(fastrand::u64(0..100_000)))
            .collect();
        let time_ms = time_ms - (ROWS - row) * 1000;
        table.push(time_ms, 1000, &values).unwrap();
    }
    Contents {
        series: vec![table],
        ..Contents::default()
    }
}

fn resident_bytes(id: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{id}/statm")).unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}
