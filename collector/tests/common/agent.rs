//! An agent over real gRPC, without spool or sources.

use std::net::SocketAddr;

use crmscope_proto::Lane;
use crmscope_proto::limits::PROTOCOL_VERSION;
use crmscope_proto::v1::agent_message::Kind;
use crmscope_proto::v1::collector_message::Kind as Answer;
use crmscope_proto::v1::uplink_client::UplinkClient;
use crmscope_proto::v1::{AgentMessage, Batch, CollectorMessage, Hello, HostFacts, Reject};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Request, Status, Streaming};

use super::{PATIENCE, TOKEN};

pub(crate) struct Agent {
    pub(crate) outgoing: mpsc::Sender<AgentMessage>,
    pub(crate) incoming: Streaming<CollectorMessage>,
    pub(crate) rejects: Vec<Reject>,
}

pub(crate) fn hello(agent_id: &str) -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        agent_id: agent_id.to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        agent_version: "0.0.0".to_owned(),
        host: Some(HostFacts {
            hostname: "<b>host</b>".to_owned(),
            ..HostFacts::default()
        }),
        clock: None,
        ..Hello::default()
    }
}

/// Opens a stream with whatever token and first message.
pub(crate) async fn open(
    collector: SocketAddr,
    token: Option<&str>,
    first: Kind,
) -> Result<Agent, Status> {
    let agent = open_silent(collector, token).await?;
    let _ = agent
        .outgoing
        .send(AgentMessage { kind: Some(first) })
        .await;
    Ok(agent)
}

/// Opens a stream and says nothing.
pub(crate) async fn open_silent(
    collector: SocketAddr,
    token: Option<&str>,
) -> Result<Agent, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{collector}")).expect("an endpoint");
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let (outgoing, messages) = mpsc::channel(64);
    let mut request = Request::new(ReceiverStream::new(messages));
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a token");
        request.metadata_mut().insert("authorization", value);
    }
    let incoming = UplinkClient::new(channel)
        .connect(request)
        .await?
        .into_inner();
    Ok(Agent {
        outgoing,
        incoming,
        rejects: Vec::new(),
    })
}

/// Connects as agents do.
pub(crate) async fn connect(collector: SocketAddr, agent_id: &str) -> Result<Agent, Status> {
    let mut agent = open(collector, Some(TOKEN), Kind::Hello(hello(agent_id))).await?;
    match agent.next().await? {
        Answer::Welcome(_) => Ok(agent),
        other => panic!("{other:?} instead of Welcome"),
    }
}

impl Agent {
    pub(crate) async fn send(&self, batch: &Batch) -> Result<(), Status> {
        let kind = Some(Kind::Batch(batch.clone()));
        let sent = self.outgoing.send(AgentMessage { kind }).await;
        sent.map_err(|_| Status::unavailable("the stream is gone"))
    }

    pub(crate) async fn next(&mut self) -> Result<Answer, Status> {
        let message = tokio::time::timeout(PATIENCE, self.incoming.message()).await;
        let message = message.map_err(|_| Status::deadline_exceeded("no answer"))??;
        let kind = message.and_then(|message| message.kind);
        kind.ok_or_else(|| Status::unavailable("the stream ended"))
    }

    /// Waits until everything up to the sequence is acknowledged; keeps the rejects.
    pub(crate) async fn acked(&mut self, lane: Lane, sequence: u64) -> Result<(), Status> {
        loop {
            match self.next().await? {
                Answer::Ack(ack) if ack.lane() == lane && ack.sequence >= sequence => return Ok(()),
                Answer::Reject(reject) => self.rejects.push(reject),
                _ => {}
            }
        }
    }

    /// How the stream ends.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}
