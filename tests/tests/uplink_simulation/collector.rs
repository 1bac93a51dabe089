//! A collector: real streams in front of the durable log, and a service around them that repeats
//! acks late and twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crmscope_collector::ingest::auth::Tokens;
use crmscope_collector::ingest::{Admission, Config, Ingest};
use crmscope_collector::log::BoundedLog;
use crmscope_collector::writer::agents::Inventory;
use crmscope_collector::writer::queue::queue;
use crmscope_proto::v1::collector_message::Kind;
use crmscope_proto::v1::uplink_server::{Uplink, UplinkServer};
use crmscope_proto::v1::{Ack, AgentMessage, CollectorMessage};
use fastrand::Rng;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::log::{self, DurableLog};
use crate::network::{Network, Peer};

/// Every ack an agent was ever sent, whatever the connection.
pub(crate) type History = Arc<Mutex<HashMap<usize, Vec<Ack>>>>;

pub(crate) struct Collector {
    number: usize,
    network: Network,
    drain: watch::Sender<bool>,
    writing: JoinHandle<()>,
    serving: JoinHandle<()>,
    registry: Registry,
}

/// What collectors have in common.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) network: Network,
    pub(crate) log: DurableLog,
    pub(crate) config: Config,
    pub(crate) queue_max_bytes: usize,
    /// Acks are repeated where there is a history.
    pub(crate) history: Option<History>,
}

impl Collector {
    pub(crate) fn start(number: usize, surroundings: &Surroundings, random: &mut Rng) -> Self {
        let mut registry = Registry::default();
        let (arrivals_in, arrivals) = queue(surroundings.queue_max_bytes, 50, &mut registry);
        let (drain, draining) = watch::channel(false);
        let config = surroundings.config.clone();
        let tokens = Tokens::load(&config.token_file).unwrap();
        let inventory = Arc::new(Inventory::new(&mut registry));
        let ingest = Ingest::new(
            config,
            // Without a sender nothing is ever offered.
            watch::channel(Arc::default()).1,
            watch::channel(Arc::default()).1,
            Arc::new(Admission::by_tokens(tokens)),
            BoundedLog::Direct(arrivals_in),
            inventory,
            draining.clone(),
            &mut registry,
        );
        let noisy = Noisy {
            ingest,
            history: surroundings.history.clone(),
            random: Mutex::new(random.fork()),
        };
        let listener = surroundings.network.listen(number);
        let serving = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_service(UplinkServer::new(noisy))
            .serve_with_incoming_shutdown(UnboundedReceiverStream::new(listener), async move {
                let mut draining = draining;
                let _ = draining.wait_for(|draining| *draining).await;
            });
        Self {
            number,
            network: surroundings.network.clone(),
            drain,
            writing: tokio::spawn(log::write(
                surroundings.log.clone(),
                arrivals,
                random.fork(),
            )),
            serving: tokio::spawn(async move { serving.await.unwrap() }),
            registry,
        }
    }

    /// As kill -9 does it: what was not in the log is gone, connections break.
    pub(crate) async fn crash(self) {
        self.network.refuse(self.number);
        self.writing.abort();
        self.serving.abort();
        let _ = self.writing.await;
        self.network.cut(Some(self.number));
    }

    /// An orderly stop; what does not end in time is killed.
    pub(crate) async fn stop(mut self) {
        self.network.refuse(self.number);
        self.drain.send_replace(true);
        let _ = tokio::time::timeout(Duration::from_secs(10), &mut self.serving).await;
        self.crash().await;
    }

    /// A counter, summed over its labels.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let values = text
            .lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        values.sum()
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.writing.is_finished()
    }
}

/// Says what the collector says, and what was said before.
struct Noisy {
    ingest: Ingest,
    history: Option<History>,
    random: Mutex<Rng>,
}

#[tonic::async_trait]
impl Uplink for Noisy {
    type ConnectStream = ReceiverStream<Result<CollectorMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let Peer(agent) = *request.extensions().get::<Peer>().unwrap();
        let response = self.ingest.connect(request).await?;
        let Some(history) = self.history.clone() else {
            return Ok(response);
        };
        let mut random = self.random.lock().unwrap().fork();
        let mut said = response.into_inner().into_inner();
        let (outgoing, answers) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Some(message) = tokio::select! {
                message = said.recv() => message,
                () = outgoing.closed() => None,
            } {
                let ack = match &message {
                    Ok(CollectorMessage {
                        kind: Some(Kind::Ack(ack)),
                    }) => Some(*ack),
                    _ => None,
                };
                let mut messages = vec![message];
                if let Some(ack) = ack {
                    let mut history = history.lock().unwrap();
                    let past = history.entry(agent).or_default();
                    past.push(ack);
                    for _ in 0..random.usize(0..3) {
                        let again = past[random.usize(..past.len())];
                        let again = CollectorMessage {
                            kind: Some(Kind::Ack(again)),
                        };
                        messages.insert(random.usize(..=messages.len()), Ok(again));
                    }
                }
                for message in messages {
                    if outgoing.send(message).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}
