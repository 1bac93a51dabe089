//! One agent's stream, from hello to goodbye.
//!
//! Owns the order of one stream's batches. Promises: a batch is judged and handed to the writer in
//! the order it came, or the stream ends; a batch beyond its lane's window or a full queue stops
//! the reading, never the acks; so does an agent's quota; a batch is opened in its turn among all streams, because it may
//! unfold to hundreds of times its size; on shutdown and at the stream's highest age what was
//! received is settled and acknowledged first, on shutdown within the deadline of the caller. A
//! frame or an envelope that cannot be read names no batch to reject, so the stream ends with the
//! reason, after what came before it is settled and acknowledged.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::limits::PROTOCOL_VERSION;
use crmscope_proto::v1::{
    AgentMessage, Batch, ClockEcho, ClockProbe, CollectorMessage, ConfigStatus, Lane, RulesStatus,
    Throttle, Welcome, agent_message, collector_message::Kind,
};
use crmscope_rules::pieces::pieces;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::Shared;
use crate::clock::now_ms;
use crate::delivery::rules::Offer;
use crate::delivery::settings;
use crate::error::{Code, Error};
use crate::identity::certificate::Certified;
use crate::identity::revocations::Revocations;
use crate::ingest::admission::NotAdmitted;
use crate::ingest::end::{End, Gone, is_gone, max_age, refused, shutdown, unreadable, writer_gone};
use crate::ingest::feed::Feed;
use crate::ingest::hello::greet;
use crate::ingest::pending::Pending;
use crate::ingest::quota::Share;
use crate::ingest::settings::SettingsFeed;
use crate::log::SendError;
use crate::writer::agents::AgentFacts;
use crate::writer::queue::{Crowding, Room};
use crate::writer::settle::Board;

/// An agent is asked to pause at most this often.
const THROTTLE_EVERY: Duration = Duration::from_secs(1);

/// Answers to the agent.
pub(super) type Outgoing = mpsc::Sender<Result<CollectorMessage, Status>>;

struct Stream {
    shared: Arc<Shared>,
    agent: AgentFacts,
    outgoing: Outgoing,
    board: Arc<Board>,
    pending: Pending,
    throttled: Option<Instant>,
    feed: Feed,
    settings: SettingsFeed,
    quota: Share,
    certified: Option<Certified>,
}

/// Serves a stream that was let in, with TLS as the agent of a certificate.
pub(super) async fn serve(
    shared: Arc<Shared>,
    certified: Option<Certified>,
    mut incoming: Streaming<AgentMessage>,
    outgoing: Outgoing,
) {
    let end = match greet(&shared, certified.as_ref(), &mut incoming).await {
        Ok((agent, feed, settings)) => {
            let span_agent = agent.agent_id.clone();
            tracing::info!(
                agent_id = span_agent,
                version = agent.agent_version,
                "agent connected"
            );
            shared.metrics.streams.inc();
            shared.metrics.streams_open.inc();
            let stream = Stream {
                shared: Arc::clone(&shared),
                agent,
                outgoing: outgoing.clone(),
                board: Arc::default(),
                pending: Pending::default(),
                throttled: None,
                feed,
                settings,
                quota: shared.quotas.share(&span_agent),
                certified,
            };
            let end = stream.run(incoming).await;
            shared.metrics.streams_open.dec();
            tracing::info!(agent_id = span_agent, "agent disconnected");
            end
        }
        Err(end) => Err(end),
    };
    if let Err(End(reason, error)) = end {
        shared.metrics.refused(reason);
        if error.code == Code::Aborted {
            tracing::debug!(reason, "stream closed");
        } else {
            tracing::warn!(reason, %error, "stream closed");
        }
        let _ = outgoing.send(Err(error.into())).await;
    }
}

/// Until a stream is old enough: the configured age, give or take a tenth, so that streams that
/// began together do not end together; or the end of its certificate.
async fn age(max_age_ms: u64, certified: Option<&Certified>) {
    let tenth_ms = max_age_ms / 10;
    let by_config = match max_age_ms {
        0 => None,
        _ => Some(max_age_ms - tenth_ms + fastrand::u64(0..=2 * tenth_ms)),
    };
    let by_certificate =
        certified.map(|certified| (certified.ends_ms - now_ms()).max(0).unsigned_abs());
    match by_config.into_iter().chain(by_certificate).min() {
        Some(age_ms) => tokio::time::sleep(Duration::from_millis(age_ms)).await,
        None => std::future::pending().await,
    }
}

/// Until other certificates are refused; for ever without TLS.
async fn refusals(changes: &mut Option<watch::Receiver<Arc<Revocations>>>) {
    if let Some(watched) = changes
        && watched.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

impl Stream {
    async fn run(mut self, mut incoming: Streaming<AgentMessage>) -> Result<(), End> {
        if self.welcome().await.is_err() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let board = Arc::clone(&self.board);
        let mut draining = shared.draining.clone();
        let mut offers = shared.offers.clone();
        let mut has_offers = true;
        self.feed
            .want(offers.borrow_and_update().offer(&self.agent.agent_id));
        let mut settings = shared.settings.clone();
        let mut has_settings = true;
        let offered = Arc::clone(&settings.borrow_and_update());
        if self.give_settings(&offered).await.is_err() {
            return Ok(());
        }
        let certified = self.certified.clone();
        let mut age = pin!(age(shared.config.connection_max_age_ms, certified.as_ref()));
        let mut changes = shared.admission.changes();
        let mut aged = false;
        loop {
            let leaves = *draining.borrow() || aged;
            if leaves && self.board.is_idle() && self.pending.is_none() {
                // The last batch may have been settled since news were told.
                if self.tell_news().await.is_err() {
                    return Ok(());
                }
                return Err(if aged { max_age() } else { shutdown() });
            }
            let weight = self.pending.weight(&shared.log);
            let openable = self.pending.lane().is_some_and(|lane| self.has_room(lane));
            let quota_wait = self.quota.wait();
            let readable = self.pending.is_none() && !leaves && quota_wait.is_none();
            let feeds = self.feed.waits() && !leaves;
            let step = tokio::select! {
                biased;
                () = board.changed() => self.tell_news().await,
                place = Arc::clone(&shared.opening).acquire_owned(), if openable => {
                    let Ok(place) = place else { return Err(writer_gone()) };
                    match self.pending.open(place) {
                        Ok(()) => Ok(()),
                        Err(end) => return self.fail(end).await,
                    }
                }
                changed = offers.changed(), if has_offers => {
                    has_offers = changed.is_ok();
                    let offer = offers.borrow_and_update();
                    self.feed.want(offer.offer(&self.agent.agent_id));
                    Ok(())
                }
                changed = settings.changed(), if has_settings => {
                    has_settings = changed.is_ok();
                    let offered = Arc::clone(&settings.borrow_and_update());
                    self.give_settings(&offered).await
                }
                place = Arc::clone(&shared.sending).acquire_owned(), if feeds => {
                    let Ok(place) = place else { return Err(writer_gone()) };
                    match self.feed.begin(place) {
                        Some(offer) => self.give(&offer).await,
                        None => Ok(()),
                    }
                }
                () = self.feed.times_out() => {
                    self.feed.end();
                    Ok(())
                }
                room = shared.log.reserve(weight), if weight > 0 => {
                    let Some(room) = room else { return Err(writer_gone()) };
                    self.hand_over(room)?;
                    Ok(())
                }
                message = incoming.message(), if readable => match message {
                    Ok(Some(message)) => match self.take(message).await {
                        Ok(step) => step,
                        Err(end) => return self.fail(end).await,
                    },
                    // The agent is done sending, or gone; what it sent is settled all the same.
                    Ok(None) => return self.finish().await,
                    Err(status) if is_gone(&status) => Err(Gone),
                    Err(status) => return self.fail(unreadable(&status)).await,
                },
                () = tokio::time::sleep(quota_wait.unwrap_or_default()), if quota_wait.is_some() => Ok(()),
                () = self.outgoing.closed() => Err(Gone),
                _ = draining.changed() => Ok(()),
                () = refusals(&mut changes) => match &certified {
                    Some(certified) => match shared.admission.still(certified) {
                        Ok(()) => Ok(()),
                        Err(NotAdmitted(reason, error)) => return self.fail(End(reason, error)).await,
                    },
                    None => Ok(()),
                },
                () = &mut age, if !aged => {
                    aged = true;
                    Ok(())
                }
            };
            if step.is_err() {
                return Ok(());
            }
        }
    }

    async fn welcome(&self) -> Result<(), Gone> {
        let config = &self.shared.config;
        self.send(Kind::Welcome(Welcome {
            protocol_version: PROTOCOL_VERSION,
            collector_version: env!("CARGO_PKG_VERSION").to_owned(),
            window_batches: config.window_batches,
            window_bytes: config.window_bytes,
        }))
        .await
    }

    async fn send(&self, kind: Kind) -> Result<(), Gone> {
        let message = CollectorMessage { kind: Some(kind) };
        self.outgoing.send(Ok(message)).await.map_err(|_| Gone)
    }

    async fn tell_news(&self) -> Result<(), Gone> {
        let news = self.board.take_news();
        for reject in news.rejects {
            self.send(Kind::Reject(reject)).await?;
        }
        for ack in news.acks {
            self.shared.metrics.acks.inc();
            self.send(Kind::Ack(ack)).await?;
        }
        Ok(())
    }

    async fn take(&mut self, message: AgentMessage) -> Result<Result<(), Gone>, End> {
        match message.kind {
            Some(agent_message::Kind::Batch(batch)) => {
                let bytes = batch.encoded_len();
                self.take_batch(batch)?;
                self.quota.spend(bytes);
                Ok(self.throttle().await)
            }
            Some(agent_message::Kind::ClockProbe(probe)) => Ok(self.echo(probe).await),
            Some(agent_message::Kind::ConfigStatus(status)) => {
                self.note_config(&status);
                Ok(Ok(()))
            }
            Some(agent_message::Kind::RulesStatus(status)) => {
                self.note_rules(&status);
                Ok(Ok(()))
            }
            Some(agent_message::Kind::Hello(_)) => Err(End(
                "hello_twice",
                Error::new(Code::InvalidArgument, "Hello is said once a stream"),
            )),
            // A newer agent may say more than this version knows.
            None => Ok(Ok(())),
        }
    }

    fn take_batch(&mut self, batch: Batch) -> Result<(), End> {
        if batch.agent_id != self.agent.agent_id {
            return Err(End(
                "agent_id",
                Error::new(
                    Code::InvalidArgument,
                    format!(
                        "a batch of agent {:?} came on the stream of {:?}: the agent's spool belongs to another agent id",
                        batch.agent_id, self.agent.agent_id
                    ),
                ),
            ));
        }
        // An agent that keeps to its windows is never held up: a lane that is behind does not
        // keep security events from being read.
        if !self.has_room(batch.lane()) {
            self.shared.metrics.windows_exceeded.inc();
        }
        self.pending = Pending::Received(Box::new(batch), now_ms());
        Ok(())
    }

    fn has_room(&self, lane: Lane) -> bool {
        let (batches, bytes) = self.shared.window;
        !self.board.is_window_full(lane, batches, bytes)
    }

    fn hand_over(&mut self, room: Room) -> Result<(), End> {
        let Some(entry) = self.pending.take() else {
            return Ok(());
        };
        let (lane, bytes) = (entry.identity.lane, entry.encoded.len());
        self.shared.metrics.batch(lane, bytes);
        self.board.sent(lane, bytes);
        let sent = self.shared.log.send(entry, Arc::clone(&self.board), room);
        sent.map_err(|error| match error {
            SendError::Gone => writer_gone(),
            SendError::Refused(reason) => refused(reason),
        })
    }

    /// Asks for a pause where the queue is crowded: first of what can wait, then of everything.
    async fn throttle(&mut self) -> Result<(), Gone> {
        let lately = self
            .throttled
            .is_some_and(|at| at.elapsed() < THROTTLE_EVERY);
        let over_quota = self.quota.wait();
        let lanes: &[Lane] = match self.shared.log.crowding() {
            _ if lately => return Ok(()),
            Crowding::None if over_quota.is_some() => {
                self.shared.metrics.quota_waits.inc();
                &[Lane::Metrics, Lane::Requests]
            }
            Crowding::None => return Ok(()),
            Crowding::Some => &[Lane::Metrics, Lane::Requests],
            Crowding::Severe => &[Lane::Unspecified],
        };
        self.throttled = Some(Instant::now());
        for &lane in lanes {
            self.shared.metrics.throttled(lane);
            self.send(Kind::Throttle(Throttle {
                lane: lane.into(),
                pause_ms: self.shared.config.throttle_pause_ms,
            }))
            .await?;
        }
        Ok(())
    }

    async fn echo(&self, probe: ClockProbe) -> Result<(), Gone> {
        self.shared.metrics.clock_probes.inc();
        self.send(Kind::ClockEcho(ClockEcho {
            token: probe.token,
            agent_sent_ms: probe.sent_ms,
            collector_received_ms: now_ms(),
        }))
        .await
    }

    fn note_config(&self, status: &ConfigStatus) {
        let in_force = status.error.is_empty();
        self.shared.metrics.config_status(in_force);
        let agent_id = self.agent.agent_id.as_str();
        let attempted = format_args!("{:016x}", status.attempted_version);
        if in_force {
            tracing::info!(agent_id, version = attempted, "settings in force");
        } else {
            let error = crmscope_proto::payload::truncate(&status.error, 256);
            tracing::warn!(
                agent_id,
                attempted,
                effective = format_args!("{:016x}", status.effective_version),
                error = %error.escape_debug(),
                "settings refused by the agent, or taken back"
            );
        }
    }

    /// Gives the agent its settings, where it has others.
    async fn give_settings(&mut self, offers: &settings::Offers) -> Result<(), Gone> {
        match self.settings.news(offers.offer(&self.agent.agent_id)) {
            Some(kind) => {
                self.shared.metrics.settings_sent.inc();
                self.send(kind).await
            }
            None => Ok(()),
        }
    }

    /// Gives the agent its rules.
    async fn give(&self, offer: &Offer) -> Result<(), Gone> {
        self.shared.metrics.rules_sent.inc();
        for piece in pieces(&offer.packed) {
            self.send(Kind::RulesPiece(piece)).await?;
        }
        Ok(())
    }

    fn note_rules(&mut self, status: &RulesStatus) {
        self.feed.answered(status);
        let in_force = status.attempted_version == status.effective_version;
        self.shared.metrics.rules_status(in_force);
        let agent_id = self.agent.agent_id.as_str();
        let attempted = format_args!("{:016x}", status.attempted_version);
        let (rules, refused) = (status.rules, status.refused);
        if in_force {
            tracing::info!(
                agent_id,
                version = attempted,
                rules,
                refused,
                "rules in force"
            );
        } else {
            let error = crmscope_proto::payload::truncate(&status.error, 256);
            tracing::warn!(
                agent_id,
                attempted,
                effective = format_args!("{:016x}", status.effective_version),
                error = %error.escape_debug(),
                "rules refused by the agent"
            );
        }
    }

    /// The agent sends no more: settles and acknowledges what it sent.
    async fn finish(self) -> Result<(), End> {
        loop {
            let idle = self.board.is_idle();
            // Also where nothing is under way: the last of it may have been settled since news were told.
            if self.tell_news().await.is_err() || idle {
                return Ok(());
            }
            tokio::select! {
                () = self.board.changed() => {}
                () = self.outgoing.closed() => return Ok(()),
            }
        }
    }

    /// What came before is settled, then the stream ends.
    async fn fail(self, end: End) -> Result<(), End> {
        self.finish().await?;
        Err(end)
    }
}
