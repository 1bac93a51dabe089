//! The agent before a collector that does exactly as a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crmscope_agent::outbox::Outbox;
use crmscope_proto::Lane;
use crmscope_proto::limits::{PAUSE_METADATA, PROTOCOL_VERSION};
use crmscope_proto::v1::agent_message::Kind as Up;
use crmscope_proto::v1::collector_message::Kind as Down;
use crmscope_proto::v1::uplink_server::{Uplink, UplinkServer};
use crmscope_proto::v1::{
    Ack, AgentMessage, CollectorMessage, Reject, RejectCode, Throttle, Welcome,
};
use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::network::Network;
use crate::{agent, directory, token_file, virtually};

/// Longer than anything on the way takes.
const SOON: Duration = Duration::from_secs(4);

struct Scripted {
    streams: mpsc::UnboundedSender<Stream>,
    refusals: Mutex<VecDeque<Status>>,
}

/// One stream of the agent, greeted.
struct Stream {
    incoming: Streaming<AgentMessage>,
    outgoing: mpsc::Sender<Result<CollectorMessage, Status>>,
}

#[tonic::async_trait]
impl Uplink for Scripted {
    type ConnectStream = ReceiverStream<Result<CollectorMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        if let Some(refusal) = self.refusals.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        let (outgoing, answers) = mpsc::channel(1024);
        let incoming = request.into_inner();
        let _ = self.streams.send(Stream { incoming, outgoing });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

impl Stream {
    async fn say(&self, kind: Down) {
        let message = CollectorMessage { kind: Some(kind) };
        self.outgoing.send(Ok(message)).await.unwrap();
    }

    async fn ack(&self, lane: Lane, sequence: u64) {
        let lane = lane.into();
        self.say(Down::Ack(Ack { lane, sequence })).await;
    }

    async fn throttle(&self, lane: Lane, pause: Duration) {
        let pause_ms = u32::try_from(pause.as_millis()).unwrap();
        let lane = lane.into();
        self.say(Down::Throttle(Throttle { lane, pause_ms })).await;
    }

    /// The next batch that comes within the time; probes are passed over.
    async fn batch(&mut self, time: Duration) -> Option<(Lane, u64)> {
        let next = async {
            loop {
                let message = self.incoming.message().await.unwrap().unwrap();
                if let Some(Up::Batch(batch)) = message.kind {
                    return (batch.lane(), batch.sequence);
                }
            }
        };
        tokio::time::timeout(time, next).await.ok()
    }

    async fn batches(&mut self, time: Duration) -> Vec<(Lane, u64)> {
        let end = Instant::now() + time;
        let mut batches = Vec::new();
        while let Some(batch) = self
            .batch(end.saturating_duration_since(Instant::now()))
            .await
        {
            batches.push(batch);
        }
        batches
    }
}

/// An agent, and the collector it finds.
struct Scene {
    outbox: Arc<Outbox>,
    streams: mpsc::UnboundedReceiver<Stream>,
    random: Rng,
    network: Network,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn begin(refusals: Vec<Status>) -> Self {
        let directory = directory();
        let token_file = token_file(directory.path());
        let network = Network::calm(Rng::with_seed(7));
        let (sender, streams) = mpsc::unbounded_channel();
        let service = Scripted {
            streams: sender,
            refusals: Mutex::new(refusals.into()),
        };
        let listener = UnboundedReceiverStream::new(network.listen(0));
        let serving = Server::builder()
            .add_service(UplinkServer::new(service))
            .serve_with_incoming(listener);
        tokio::spawn(async move { serving.await.unwrap() });
        let outbox = agent::open("agent", &directory.path().join("spool"));
        agent::run(&outbox, &network.dial(0), &token_file, 10_000_000);
        Self {
            outbox,
            streams,
            random: Rng::with_seed(7),
            network,
            _directory: directory,
        }
    }

    fn append(&mut self, lane: Lane) {
        let contents = agent::contents(lane, &mut self.random);
        self.outbox.append(lane, &contents, None).unwrap();
    }

    fn append_everywhere(&mut self) {
        Lane::BY_URGENCY
            .into_iter()
            .for_each(|lane| self.append(lane));
    }

    fn acked(&self, lane: Lane) -> u64 {
        let states = self.outbox.states();
        let state = states.iter().find(|state| state.lane() == lane);
        state.unwrap().acked_sequence
    }

    /// The next stream, welcomed.
    async fn stream(&mut self, window_batches: u32) -> Stream {
        let mut stream = tokio::time::timeout(Duration::from_secs(120), self.streams.recv())
            .await
            .expect("the agent connects")
            .unwrap();
        let first = stream.incoming.message().await.unwrap().unwrap();
        assert!(matches!(first.kind, Some(Up::Hello(_))), "{first:?}");
        let welcome = Welcome {
            protocol_version: PROTOCOL_VERSION,
            window_batches,
            window_bytes: 1 << 20,
            ..Welcome::default()
        };
        stream.say(Down::Welcome(welcome)).await;
        stream
    }
}

fn lanes(batches: &[(Lane, u64)]) -> Vec<Lane> {
    batches.iter().map(|(lane, _)| *lane).collect()
}

#[test]
fn a_pause_of_one_lane_stops_no_other() {
    virtually(async {
        let mut scene = Scene::begin(Vec::new());
        let mut stream = scene.stream(64).await;
        stream
            .throttle(Lane::Metrics, Duration::from_secs(30))
            .await;
        assert_eq!(stream.batches(SOON).await, []);
        scene.append_everywhere();
        let begun = Instant::now();
        assert_eq!(
            lanes(&stream.batches(SOON).await),
            [Lane::Security, Lane::Presence, Lane::Requests]
        );
        assert_eq!(stream.batch(3 * SOON * 3).await, Some((Lane::Metrics, 1)));
        let waited = begun.elapsed();
        assert!(
            waited > Duration::from_secs(25) && waited < Duration::from_secs(30) + SOON,
            "{waited:?}"
        );
    });
}

#[test]
fn a_pause_of_all_lanes_is_obeyed_and_pauses_without_end_are_not() {
    virtually(async {
        let mut scene = Scene::begin(Vec::new());
        let mut stream = scene.stream(64).await;
        stream
            .throttle(Lane::Unspecified, Duration::from_secs(9))
            .await;
        tokio::time::sleep(SOON).await;
        scene.append_everywhere();
        assert_eq!(stream.batches(SOON).await, []);
        assert_eq!(stream.batches(SOON).await.len(), 4);
        for lane in Lane::BY_URGENCY {
            stream.ack(lane, 1).await;
        }
        // Every second another minute: security and heartbeats have their turn all the same.
        let mut came = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(130) {
            stream
                .throttle(Lane::Unspecified, Duration::from_secs(60))
                .await;
            if begun.elapsed() < Duration::from_secs(1) {
                tokio::time::sleep(Duration::from_millis(700)).await;
                scene.append_everywhere();
            }
            for (lane, _) in stream.batches(Duration::from_secs(1)).await {
                came.push((lane, begun.elapsed().as_secs()));
            }
        }
        let first = |wanted: Lane| came.iter().find(|(lane, _)| *lane == wanted).unwrap().1;
        for lane in [Lane::Security, Lane::Presence] {
            assert!((8..=14).contains(&first(lane)), "{came:?}");
        }
        for lane in [Lane::Requests, Lane::Metrics] {
            assert!((58..=64).contains(&first(lane)), "{came:?}");
        }
    });
}

#[test]
fn the_window_of_a_lane_is_its_own() {
    virtually(async {
        let mut scene = Scene::begin(Vec::new());
        let mut stream = scene.stream(2).await;
        for _ in 0..5 {
            scene.append(Lane::Metrics);
        }
        let metrics = |sequence| (Lane::Metrics, sequence);
        assert_eq!(stream.batches(SOON).await, [metrics(1), metrics(2)]);
        scene.append(Lane::Security);
        assert_eq!(stream.batches(SOON).await, [(Lane::Security, 1)]);
        stream.ack(Lane::Metrics, 1).await;
        assert_eq!(stream.batches(SOON).await, [metrics(3)]);
        stream.ack(Lane::Metrics, 3).await;
        assert_eq!(stream.batches(SOON).await, [metrics(4), metrics(5)]);
        assert_eq!(scene.acked(Lane::Metrics), 3);
    });
}

#[test]
fn an_ack_of_what_was_never_sent_frees_nothing_of_it() {
    virtually(async {
        let mut scene = Scene::begin(Vec::new());
        let mut stream = scene.stream(2).await;
        for _ in 0..6 {
            scene.append(Lane::Metrics);
        }
        assert_eq!(stream.batches(SOON).await.len(), 2);
        stream.ack(Lane::Metrics, 1_000).await;
        let metrics = |sequence| (Lane::Metrics, sequence);
        assert_eq!(stream.batches(SOON).await, [metrics(3), metrics(4)]);
        assert_eq!(scene.acked(Lane::Metrics), 2);
        // A late and a repeated ack change nothing.
        stream.ack(Lane::Metrics, 1).await;
        stream.ack(Lane::Metrics, 2).await;
        assert_eq!(stream.batches(SOON).await, []);
        // On the next connection nothing was sent yet when an ack comes: it is of no use.
        scene.network.cut(Some(0));
        let mut stream = scene.stream(2).await;
        assert_eq!(stream.batches(SOON).await, [metrics(3), metrics(4)]);
        assert_eq!(scene.acked(Lane::Metrics), 2);
    });
}

#[test]
fn a_batch_to_be_retried_comes_again_after_a_pause() {
    virtually(async {
        let mut scene = Scene::begin(Vec::new());
        let mut stream = scene.stream(8).await;
        for _ in 0..4 {
            scene.append(Lane::Requests);
        }
        assert_eq!(stream.batches(SOON).await.len(), 4);
        let reject = Reject {
            lane: Lane::Requests.into(),
            sequence: 3,
            code: RejectCode::Retry.into(),
            reason: "not now".to_owned(),
        };
        let begun = Instant::now();
        stream.say(Down::Reject(reject)).await;
        stream.ack(Lane::Requests, 2).await;
        assert_eq!(stream.batch(SOON).await, Some((Lane::Requests, 3)));
        assert!(begun.elapsed() >= Duration::from_secs(1));
        assert_eq!(stream.batch(SOON).await, Some((Lane::Requests, 4)));
        assert_eq!(scene.acked(Lane::Requests), 2);
    });
}

#[test]
fn an_agent_told_to_move_on_comes_back_at_once_every_time() {
    virtually(async {
        let mut scene = Scene::begin(Vec::new());
        let mut stream = scene.stream(8).await;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let aborted = Status::aborted("old enough");
            stream.outgoing.send(Err(aborted)).await.unwrap();
            let told = Instant::now();
            stream = scene.stream(8).await;
            // The way there and back, and no waiting in between.
            assert!(
                told.elapsed() < Duration::from_secs(2),
                "{:?}",
                told.elapsed()
            );
        }
        // Who says so at once again and again is waited for as for any failure.
        let begun = Instant::now();
        for _ in 0..8 {
            let aborted = Status::aborted("old enough");
            stream.outgoing.send(Err(aborted)).await.unwrap();
            stream = scene.stream(8).await;
        }
        assert!(
            begun.elapsed() > Duration::from_secs(16),
            "{:?}",
            begun.elapsed()
        );
        // What was not acknowledged goes with the agent.
        scene.append(Lane::Security);
        assert_eq!(stream.batch(SOON).await, Some((Lane::Security, 1)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let aborted = Status::aborted("old enough");
        stream.outgoing.send(Err(aborted)).await.unwrap();
        let mut stream = scene.stream(8).await;
        assert_eq!(stream.batch(SOON).await, Some((Lane::Security, 1)));
    });
}

#[test]
fn a_refusal_with_a_pause_is_obeyed() {
    virtually(async {
        let mut full = Status::resource_exhausted("full");
        full.metadata_mut()
            .insert(PAUSE_METADATA, "20000".parse().unwrap());
        let begun = Instant::now();
        let mut scene = Scene::begin(vec![full.clone(), full]);
        scene.stream(8).await;
        let waited = begun.elapsed();
        assert!(
            waited >= Duration::from_secs(40) && waited < Duration::from_secs(90),
            "{waited:?}"
        );
    });
}
