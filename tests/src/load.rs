//! Load for measurements: host figures as agents send them after an outage, as fast as they may.
//!
//! Owns what an agent's batches look like and how they are sent and acknowledged. Leaves what is
//! measured to the benches.

use std::fs;

use crmscope_proto::catalog::{Behaviour, SeriesKind};
use crmscope_proto::limits::PROTOCOL_VERSION;
use crmscope_proto::payload::Contents;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::agent_message::Kind as Up;
use crmscope_proto::v1::collector_message::Kind as Down;
use crmscope_proto::v1::uplink_client::UplinkClient;
use crmscope_proto::v1::{AgentMessage, Batch, Hello};
use crmscope_proto::{Lane, seal};
use tokio_stream::wrappers::ReceiverStream;

use crate::now_ms;
use crate::stack::TOKEN;

/// Host rows in a batch, one a second.
pub const ROWS: i64 = 30;

/// The batches of one agent: host rows of a calm machine, the last of them now.
///
/// # Panics
/// When the catalogue does not take its own figures.
#[must_use]
pub fn host_batches(agent: u64, batches: u64) -> Vec<Batch> {
    let mut random = fastrand::Rng::with_seed(agent);
    let metrics = SeriesKind::Host.metrics();
    let mut levels: Vec<u64> = metrics
        .iter()
        .map(|_| random.u64(1_000_000..8_000_000_000))
        .collect();
    let first_ms = now_ms() - i64::try_from(batches).unwrap() * ROWS * 1000;
    let mut next_ms = first_ms;
    (1..=batches)
        .map(|sequence| {
            let mut table = SeriesTable::new(SeriesKind::Host, Vec::new());
            for _ in 0..ROWS {
                let values: Vec<Option<u64>> = metrics
                    .iter()
                    .zip(&mut levels)
                    .map(|(metric, level)| match metric.behaviour {
                        Behaviour::Increment => Some(random.u64(0..100_000)),
                        Behaviour::Gauge => {
                            *level = level.saturating_add_signed(random.i64(-40_960..40_960));
                            Some(*level)
                        }
                    })
                    .collect();
                table.push(next_ms, 1000, &values).unwrap();
                next_ms += 1000;
            }
            let envelope = Batch {
                agent_id: format!("bench-{agent:03}"),
                boot_id: vec![1; 16],
                start_id: vec![2; 16],
                spool_id: vec![3; 16],
                lane: Lane::Metrics.into(),
                sequence,
                created_ms: first_ms,
                ..Batch::default()
            };
            let contents = Contents {
                series: vec![table],
                ..Contents::default()
            };
            seal(&contents, envelope).unwrap()
        })
        .collect()
}

/// Sends one agent's batches to a collector on loopback, as fast as its window allows, until all
/// are acknowledged.
///
/// # Panics
/// When the stream ends before, or a batch is refused.
pub async fn send_all(port: u16, batches: Vec<Batch>) {
    let (up, messages) = tokio::sync::mpsc::channel(256);
    let first = &batches[0];
    let hello = Hello {
        protocol_version: PROTOCOL_VERSION,
        agent_id: first.agent_id.clone(),
        boot_id: first.boot_id.clone(),
        start_id: first.start_id.clone(),
        spool_id: first.spool_id.clone(),
        agent_version: "bench".to_owned(),
        ..Hello::default()
    };
    let kind = Some(Up::Hello(hello));
    up.send(AgentMessage { kind }).await.unwrap();
    let mut request = tonic::Request::new(ReceiverStream::new(messages));
    let token = format!("Bearer {TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let url = format!("http://127.0.0.1:{port}");
    let endpoint = tonic::transport::Endpoint::from_shared(url).unwrap();
    let mut client = UplinkClient::new(endpoint.connect().await.unwrap());
    let mut down = client.connect(request).await.unwrap().into_inner();
    let Some(Down::Welcome(welcome)) = down.message().await.unwrap().unwrap().kind else {
        panic!("no welcome")
    };
    let (mut sent, mut acked, last) = (0, 0, batches.len() as u64);
    let mut batches = batches.into_iter();
    while acked < last {
        while sent < last && sent - acked < u64::from(welcome.window_batches) {
            let kind = Some(Up::Batch(batches.next().unwrap()));
            up.send(AgentMessage { kind }).await.unwrap();
            sent += 1;
        }
        match down.message().await.unwrap().unwrap().kind {
            Some(Down::Ack(ack)) => acked = acked.max(ack.sequence),
            Some(Down::Reject(reject)) => panic!("{}", reject.reason),
            _ => {}
        }
    }
}

/// User and system time of a process, seconds, from the kernel's ticks of 10 ms.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum();
    // A tick is 10 ms on every platform this runs on.
    std::time::Duration::from_millis(ticks * 10).as_secs_f64()
}
