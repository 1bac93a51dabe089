//! One connection: hello, batches within the window, and what the collector says back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::limits::{MESSAGE_MAX_BYTES, PROTOCOL_VERSION};
use crmscope_proto::v1::agent_message::Kind as Up;
use crmscope_proto::v1::collector_message::Kind as Down;
use crmscope_proto::v1::uplink_client::UplinkClient;
use crmscope_proto::v1::{
    AgentMessage, Batch, ClockEcho, ClockProbe, CollectorMessage, ConfigStatus, Hello, Reject,
    Welcome,
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::pace::{Leave, Pace};
use crate::clock;
use crate::outbox::Outbox;
use crate::runtime::settings::Settings;
use crate::runtime::supervisor::ClockOffset;
use crate::sources::host;

/// How long the collector may take to say welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// Windows above these are cut: they bound what the agent holds in memory.
const WINDOW_MAX_BATCHES: u32 = 64;
const WINDOW_MAX_BYTES: u32 = 2 * 1024 * 1024;

const CLOCK_PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// A round trip longer than this says little about the clocks.
const CLOCK_PROBE_MAX_MS: i64 = 2_000;

/// Longest pause a collector can ask for.
const THROTTLE_MAX: Duration = Duration::from_secs(60);

/// How long a lane waits whose disk refuses to be read; the others go on.
const DISK_PAUSE: Duration = Duration::from_secs(15);

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ended {
    /// Something on this host is wrong: the token file, the URL.
    Setup(String),
    /// Nobody answers.
    Unreachable(String),
    /// The collector closed the stream, or it broke.
    Closed(Status),
}

impl Ended {
    /// Whether only a person can mend it.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Setup(_) => true,
            Self::Unreachable(_) => false,
            Self::Closed(status) => {
                matches!(
                    status.code(),
                    Code::Unauthenticated | Code::PermissionDenied | Code::FailedPrecondition
                )
            }
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(what) | Self::Unreachable(what) => f.write_str(what),
            Self::Closed(status) => write!(
                f,
                "{}: {}",
                status.code().description(),
                status.message().escape_debug()
            ),
        }
    }
}

/// What is under way in one lane.
#[derive(Debug, Default)]
struct LaneWindow {
    sent: u64,
    under_way: VecDeque<(u64, usize)>,
    bytes: usize,
    paused_until: Option<Instant>,
}

/// See the module.
pub(super) struct Session {
    outbox: Arc<Outbox>,
    settings: Arc<Settings>,
    clock_offset: Arc<ClockOffset>,
    up: mpsc::Sender<AgentMessage>,
    down: Streaming<CollectorMessage>,
    window_batches: usize,
    window_bytes: usize,
    lanes: [LaneWindow; 4],
    probe_due: Instant,
    /// A lane waits for the pace until then.
    pace_due: Option<Instant>,
    acknowledged: bool,
}

impl Session {
    pub(super) async fn open(
        channel: Channel,
        token: &str,
        outbox: Arc<Outbox>,
        settings: Arc<Settings>,
        clock_offset: Arc<ClockOffset>,
    ) -> Result<Self, Ended> {
        // Room for every window and what is said beside: sending never waits, so acks are always read.
        let (up, messages) = mpsc::channel(4 * WINDOW_MAX_BATCHES as usize + 64);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            agent_id: outbox.origin().agent_id.clone(),
            boot_id: outbox.origin().boot_id.to_wire(),
            start_id: outbox.origin().start_id.to_wire(),
            spool_id: outbox.spool_id().to_wire(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            host: Some(host::facts::host_facts()),
            clock: Some(clock::read()),
        };
        send(&up, Up::Hello(hello))?;
        let mut request = Request::new(ReceiverStream::new(messages));
        let bearer = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Ended::Setup("the token has characters that cannot be sent".to_owned()))?;
        request.metadata_mut().insert("authorization", bearer);
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
            up,
            down,
            window_batches: welcome.window_batches.clamp(1, WINDOW_MAX_BATCHES) as usize,
            window_bytes: welcome.window_bytes.clamp(1, WINDOW_MAX_BYTES) as usize,
            lanes,
            probe_due: Instant::now(),
            pace_due: None,
            acknowledged: false,
        })
    }

    /// Whether anything was acknowledged on this connection.
    pub(super) const fn progressed(&self) -> bool {
        self.acknowledged
    }

    /// Keeps the stream going. `None` when draining and nothing is left.
    ///
    /// May be dropped at any await: what was sent is remembered here, what was received was handled.
    pub(super) async fn run(&mut self, draining: bool, pace: &mut Pace) -> Option<Ended> {
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
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Until the next clock probe, the end of a pause, or leave to send more.
    fn wait(&self) -> Duration {
        let now = Instant::now();
        let pauses = self.lanes.iter().filter_map(|lane| lane.paused_until);
        pauses
            .chain([self.probe_due])
            .chain(self.pace_due)
            .min()
            .map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Sends what the windows and the pace allow, most urgent lane first.
    fn pump(&mut self, pace: &mut Pace) -> Result<(), Ended> {
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
        pace: &mut Pace,
    ) -> Result<(), Ended> {
        let window = &mut self.lanes[position];
        if window.paused_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        window.paused_until = None;
        loop {
            let batches = self.window_batches.saturating_sub(window.under_way.len());
            // An empty window takes a batch of any size, so that a large one is not stuck.
            let bytes = if window.under_way.is_empty() {
                self.window_bytes
            } else {
                self.window_bytes.saturating_sub(window.bytes)
            };
            if batches == 0 || bytes == 0 {
                return Ok(());
            }
            let leave = match pace.leave(lane, now) {
                Leave::Bytes(leave) => leave,
                Leave::Wait(wait) => {
                    let due = now + wait;
                    self.pace_due = Some(self.pace_due.map_or(due, |other| other.min(due)));
                    return Ok(());
                }
            };
            let records = match self
                .outbox
                .read(lane, window.sent, batches, bytes.min(leave))
            {
                Ok(records) => records,
                Err(error) => {
                    tracing::error!(lane = lane.name(), %error, "lane cannot be read; it is tried again");
                    window.paused_until = Some(now + DISK_PAUSE);
                    return Ok(());
                }
            };
            let all = records.is_empty();
            for record in records {
                window.sent = record.sequence;
                pace.spend(lane, record.batch.len());
                match Batch::decode(bytes::Bytes::from(record.batch)) {
                    Ok(batch) => {
                        let size = batch.payload.len();
                        window.bytes += size;
                        window.under_way.push_back((record.sequence, size));
                        send(&self.up, Up::Batch(batch))?;
                    }
                    Err(error) => {
                        // Its checksum was right, so it was written so: a bug, and a gap in the ledger.
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
                let until = Instant::now()
                    + Duration::from_millis(throttle.pause_ms.into()).min(THROTTLE_MAX);
                match throttle.lane().position() {
                    Some(position) => self.lanes[position].paused_until = Some(until),
                    None => self
                        .lanes
                        .iter_mut()
                        .for_each(|lane| lane.paused_until = Some(until)),
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
            Down::Welcome(_) => {}
        }
        Ok(())
    }

    fn acknowledge(&mut self, lane: Lane, sequence: u64) {
        let Some(position) = lane.position() else {
            return;
        };
        let window = &mut self.lanes[position];
        // An ack can only speak of what was sent.
        let sequence = sequence.min(window.sent);
        while let Some((_, size)) = window.under_way.pop_front_if(|(sent, _)| *sent <= sequence) {
            window.bytes -= size;
        }
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
                if let Some(window) = lane.position().map(|position| &mut self.lanes[position]) {
                    tracing::debug!(lane = lane.name(), sequence = reject.sequence, %reason, "batch is to be sent again");
                    window.sent = window.sent.min(reject.sequence.saturating_sub(1));
                    while window
                        .under_way
                        .pop_back_if(|(sent, _)| *sent >= reject.sequence)
                        .is_some()
                    {}
                    window.bytes = window.under_way.iter().map(|(_, size)| size).sum();
                    window.paused_until = Some(Instant::now() + Duration::from_secs(1));
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
