//! One connection: hello, batches within the window, and what the collector says back.

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Lane;
use crmscope_proto::limits::{MESSAGE_MAX_BYTES, PROTOCOL_VERSION};
use crmscope_proto::v1::agent_message::Kind as Up;
use crmscope_proto::v1::collector_message::Kind as Down;
use crmscope_proto::v1::uplink_client::UplinkClient;
use crmscope_proto::v1::{
    AgentMessage, Batch, ClockEcho, ClockProbe, CollectorMessage, ConfigStatus, Hello, Reject,
    RulesStatus, Welcome,
};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use super::delivery::Delivery;
use super::ended::Ended;
use super::pace::{Leave, SharedPace};
use super::window::LaneWindow;
use crate::clock;
use crate::outbox::Outbox;
use crate::rules::Rules;
use crate::runtime::settings::Settings;
use crate::runtime::supervisor::ClockOffset;
use crate::settings::Desk;
use crate::sources::host;

/// How long the collector may take to say welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// Windows above these are cut: they bound what the agent holds in memory.
const WINDOW_MAX_BATCHES: u32 = 64;
const WINDOW_MAX_BYTES: u32 = 2 * 1024 * 1024;

const CLOCK_PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// A round trip longer than this says little about the clocks.
const CLOCK_PROBE_MAX_MS: i64 = 2_000;

/// How long a lane waits before it sends a batch again that the collector could not take.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a lane waits whose disk refuses to be read; the others go on.
const DISK_PAUSE: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct Session {
    outbox: Arc<Outbox>,
    settings: Arc<Settings>,
    clock_offset: Arc<ClockOffset>,
    delivery: Option<Delivery>,
    desk: Option<Arc<Desk>>,
    /// What became of settings.
    outcomes: Option<watch::Receiver<u64>>,
    up: mpsc::Sender<AgentMessage>,
    down: Streaming<CollectorMessage>,
    window_batches: usize,
    window_bytes: usize,
    lanes: [LaneWindow; 4],
    probe_due: Instant,
    /// A lane waits for the pace until then.
    pace_due: Option<Instant>,
    began: Instant,
    acknowledged: bool,
}

impl Session {
    pub(super) async fn open(
        channel: Channel,
        token: Option<&str>,
        outbox: Arc<Outbox>,
        settings: Arc<Settings>,
        clock_offset: Arc<ClockOffset>,
        rules: Option<Arc<Rules>>,
        desk: Option<Arc<Desk>>,
    ) -> Result<Self, Ended> {
        let spool_id = outbox
            .spool_id()
            .ok_or_else(|| Ended::Setup("the spool is not open".to_owned()))?;
        // Room for every window and what is said beside: sending never waits, so acks are always read.
        let (up, messages) = mpsc::channel(4 * WINDOW_MAX_BATCHES as usize + 64);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            agent_id: outbox.origin().agent_id.clone(),
            boot_id: outbox.origin().boot_id.to_wire(),
            start_id: outbox.origin().start_id.to_wire(),
            spool_id: spool_id.to_wire(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            host: Some(host::facts::host_facts()),
            clock: Some(clock::read()),
            delivered_rules_version: rules.as_ref().and_then(|rules| rules.delivered_version()),
            settings_version: desk.as_ref().and_then(|desk| desk.attempted_version()),
            // On a stream beside another one, they come on that.
            refuses_settings: desk.as_ref().is_none_or(|desk| !desk.takes()),
        };
        send(&up, Up::Hello(hello))?;
        let mut request = Request::new(ReceiverStream::new(messages));
        if let Some(token) = token {
            let bearer = MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| {
                Ended::Setup("the token has characters that cannot be sent".to_owned())
            })?;
            request.metadata_mut().insert("authorization", bearer);
        }
        let mut client = UplinkClient::new(channel).max_decoding_message_size(MESSAGE_MAX_BYTES);
        let welcome = async {
            let mut down = client.connect(request).await?.into_inner();
            match down.message().await?.and_then(|message| message.kind) {
                Some(Down::Welcome(welcome)) => Ok((down, welcome)),
                _ => Err(Status::failed_precondition(
                    "the collector's first message is not a welcome",
                )),
            }
        };
        let (down, welcome) = tokio::time::timeout(WELCOME_TIMEOUT, welcome)
            .await
            .map_err(|_| Ended::Unreachable("the collector did not answer in time".to_owned()))?
            .map_err(Ended::Closed)?;
        check_version(&welcome)?;
        outbox.rewind();
        let lanes = std::array::from_fn(|_| LaneWindow::default());
        Ok(Self {
            outbox,
            settings,
            clock_offset,
            delivery: rules.map(Delivery::new),
            outcomes: desk.as_ref().map(|desk| desk.outcomes()),
            desk,
            up,
            down,
            window_batches: welcome.window_batches.clamp(1, WINDOW_MAX_BATCHES) as usize,
            window_bytes: welcome.window_bytes.clamp(1, WINDOW_MAX_BYTES) as usize,
            lanes,
            probe_due: Instant::now(),
            pace_due: None,
            began: Instant::now(),
            acknowledged: false,
        })
    }

    /// Whether anything was acknowledged on this connection.
    pub(super) const fn progressed(&self) -> bool {
        self.acknowledged
    }

    /// How long it has lasted.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Keeps the stream going. `None` when draining and nothing is left.
    ///
    /// May be dropped at any await: what was sent is remembered here, what was received was handled.
    pub(super) async fn run(&mut self, draining: bool, pace: &SharedPace) -> Option<Ended> {
        loop {
            if let Err(ended) = self.pump(pace) {
                return Some(ended);
            }
            if draining
                && self
                    .outbox
                    .states()
                    .iter()
                    .all(|lane| lane.queued_batches == 0)
            {
                return None;
            }
            let outbox = Arc::clone(&self.outbox);
            let wait = self.wait();
            tokio::select! {
                biased;
                message = self.down.message() => match message {
                    Ok(Some(message)) => {
                        if let Err(ended) = message.kind.map_or(Ok(()), |kind| self.hear(kind)) {
                            return Some(ended);
                        }
                    }
                    Ok(None) => return Some(Ended::Closed(Status::unavailable("the collector closed the stream"))),
                    Err(status) => return Some(Ended::Closed(status)),
                },
                () = outbox.appended() => {}
                status = settled(self.delivery.as_mut()) => {
                    if let Err(ended) = send(&self.up, Up::RulesStatus(status)) {
                        return Some(ended);
                    }
                }
                () = changed(self.outcomes.as_mut()) => {
                    let status = self.desk.as_ref().map(|desk| desk.status());
                    if let Some(status) = status
                        && let Err(ended) = send(&self.up, Up::ConfigStatus(status))
                    {
                        return Some(ended);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Until the next clock probe, the end of a pause, or leave to send more.
    fn wait(&self) -> Duration {
        let now = Instant::now();
        let pauses = self.lanes.iter().filter_map(LaneWindow::paused_until);
        pauses
            .chain([self.probe_due])
            .chain(self.pace_due)
            .min()
            .map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Sends what the windows and the pace allow, most urgent lane first.
    fn pump(&mut self, pace: &SharedPace) -> Result<(), Ended> {
        let now = Instant::now();
        self.pace_due = None;
        if now >= self.probe_due {
            self.probe_due = now + CLOCK_PROBE_INTERVAL;
            send(
                &self.up,
                Up::ClockProbe(ClockProbe {
                    token: fastrand::u64(..),
                    sent_ms: clock::wall_ms(),
                }),
            )?;
        }
        for lane in Lane::BY_URGENCY {
            if let Some(position) = lane.position() {
                self.pump_lane(lane, position, now, pace)?;
            }
        }
        Ok(())
    }

    fn pump_lane(
        &mut self,
        lane: Lane,
        position: usize,
        now: Instant,
        pace: &SharedPace,
    ) -> Result<(), Ended> {
        let window = &mut self.lanes[position];
        if window.is_paused(now) {
            return Ok(());
        }
        loop {
            let Some((batches, bytes)) = window.room(self.window_batches, self.window_bytes) else {
                window.had_its_turn();
                return Ok(());
            };
            let leave = match pace.leave(lane, now.into_std()) {
                Leave::Bytes(leave) => leave,
                Leave::Wait(wait) => {
                    let due = now + wait;
                    self.pace_due = Some(self.pace_due.map_or(due, |other| other.min(due)));
                    return Ok(());
                }
            };
            let records = match self
                .outbox
                .read(lane, window.sent(), batches, bytes.min(leave))
            {
                Ok(records) => records,
                Err(error) => {
                    tracing::error!(lane = lane.name(), %error, "lane cannot be read; it is tried again");
                    window.rest(now + DISK_PAUSE);
                    return Ok(());
                }
            };
            window.had_its_turn();
            let all = records.is_empty();
            for record in records {
                let size = record.batch.len();
                pace.spend(lane, size);
                match Batch::decode(bytes::Bytes::from(record.batch)) {
                    Ok(batch) => {
                        window.take(record.sequence, size);
                        send(&self.up, Up::Batch(batch))?;
                    }
                    Err(error) => {
                        // Its checksum was right, so it was written so: a bug, and a gap in the ledger.
                        window.pass_over(record.sequence);
                        tracing::error!(lane = lane.name(), sequence = record.sequence, %error, "spooled batch is not a batch");
                    }
                }
            }
            // Where the pace cut the reading short, the rest has leave too, or its wait is noted.
            if all || leave >= bytes {
                return Ok(());
            }
        }
    }

    fn hear(&mut self, kind: Down) -> Result<(), Ended> {
        match kind {
            Down::Ack(ack) => self.acknowledge(ack.lane(), ack.sequence),
            Down::Reject(reject) => self.rejected(&reject),
            Down::Throttle(throttle) => {
                let now = Instant::now();
                let pause = Duration::from_millis(throttle.pause_ms.into());
                for lane in Lane::BY_URGENCY {
                    // A lane that this version does not know is none of its own.
                    if throttle.lane == i32::from(lane)
                        || throttle.lane == i32::from(Lane::Unspecified)
                    {
                        self.pause(lane, now, pause);
                    }
                }
            }
            Down::Config(wanted) => {
                let outcome = self.settings.apply(&wanted);
                match &outcome {
                    Ok(()) => tracing::info!(
                        version = wanted.version,
                        "settings of the collector are in force"
                    ),
                    Err(error) => tracing::warn!(
                        version = wanted.version,
                        error,
                        "settings of the collector are refused"
                    ),
                }
                let status = ConfigStatus {
                    attempted_version: wanted.version,
                    effective_version: self.settings.version(),
                    error: outcome.err().unwrap_or_default(),
                };
                send(&self.up, Up::ConfigStatus(status))?;
            }
            Down::ClockEcho(echo) => self.clock_echo(&echo),
            Down::RulesPiece(piece) => {
                if let Some(delivery) = &mut self.delivery {
                    delivery.take(piece);
                }
            }
            Down::Settings(settings) => {
                if let Some(desk) = &self.desk {
                    desk.deliver(settings);
                }
            }
            Down::Welcome(_) => {}
        }
        Ok(())
    }

    fn pause(&mut self, lane: Lane, now: Instant, pause: Duration) {
        if let Some(position) = lane.position() {
            self.lanes[position].pause(lane, now, pause);
        }
    }

    fn acknowledge(&mut self, lane: Lane, sequence: u64) {
        let Some(position) = lane.position() else {
            return;
        };
        let sequence = self.lanes[position].acknowledge(sequence);
        self.acknowledged = true;
        // The spool knows it all the same, and keeps it with the next ack. After a crash before
        // that the batches are sent again, which changes nothing.
        if let Err(error) = self.outbox.acknowledge(lane, sequence) {
            tracing::error!(lane = lane.name(), %error, "ack cannot be stored yet");
        }
    }

    /// A discarded batch is settled by the ack that follows; one to be retried is sent again after a pause.
    fn rejected(&mut self, reject: &Reject) {
        use crmscope_proto::v1::RejectCode;
        let lane = reject.lane();
        let reason = reject.reason.escape_debug();
        match reject.code() {
            RejectCode::Retry => {
                if let Some(position) = lane.position() {
                    tracing::debug!(lane = lane.name(), sequence = reject.sequence, %reason, "batch is to be sent again");
                    self.lanes[position].send_again_from(reject.sequence);
                    self.pause(lane, Instant::now(), RETRY_PAUSE);
                }
            }
            RejectCode::Discard | RejectCode::Unspecified => {
                tracing::warn!(lane = lane.name(), sequence = reject.sequence, %reason, "collector discarded a batch; it is in its dead-letter table");
            }
        }
    }

    /// Half of the round trip is taken as the way there.
    fn clock_echo(&self, echo: &ClockEcho) {
        let now_ms = clock::wall_ms();
        // Saturating: what a collector echoes may be any number.
        let round_trip_ms = now_ms.saturating_sub(echo.agent_sent_ms);
        if (0..=CLOCK_PROBE_MAX_MS).contains(&round_trip_ms) {
            let half_way_ms = now_ms - round_trip_ms / 2;
            self.clock_offset
                .set(echo.collector_received_ms.saturating_sub(half_way_ms));
        }
    }
}

/// What became of a set of rules, once it is settled.
async fn settled(delivery: Option<&mut Delivery>) -> RulesStatus {
    match delivery {
        Some(delivery) => delivery.settled().await,
        None => std::future::pending().await,
    }
}

/// Until something became of settings.
async fn changed(outcomes: Option<&mut watch::Receiver<u64>>) {
    if let Some(outcomes) = outcomes
        && outcomes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn check_version(welcome: &Welcome) -> Result<(), Ended> {
    if welcome.protocol_version == PROTOCOL_VERSION {
        return Ok(());
    }
    Err(Ended::Setup(format!(
        "collector {} speaks protocol {}, this agent {PROTOCOL_VERSION}; upgrade the older of the two",
        welcome.collector_version.escape_debug(),
        welcome.protocol_version
    )))
}

fn send(up: &mpsc::Sender<AgentMessage>, kind: Up) -> Result<(), Ended> {
    // The channel has room for every window, so full means that the transport takes nothing.
    up.try_send(AgentMessage { kind: Some(kind) })
        .map_err(|_| Ended::Closed(Status::unavailable("the stream takes no more messages")))
}
