//! The uplink: keeps one stream to the collector and everything in the spool moving over it.
//!
//! Promises that batches of a lane go out in sequence order within the collector's window, that
//! the spool is freed only by acks, that a lost connection costs nothing but a resend, and that no
//! more goes out than the network ceiling allows, also after an outage. Leaves durability to
//! [`crate::outbox`].

mod backoff;
mod config;
mod delivery;
mod dial;
mod ended;
mod pace;
mod session;
mod window;

use std::sync::Arc;
use std::time::Duration;

use crate::identity::{self, Identity};
use crate::outbox::Outbox;
use crate::rules::Rules;
use crate::runtime::settings::Settings;
use crate::runtime::supervisor::ClockOffset;
use crate::settings::Desk;
use backoff::Backoff;
pub use config::Config;
pub use dial::Dial;
use ended::Ended;
pub(crate) use pace::SharedPace;
use session::Session;

/// A stream that was younger than this when it was told to move on says that something is wrong:
/// the next attempt waits as after any failure.
const MOVE_ON_AGE_MIN: Duration = Duration::from_millis(500);

/// How long a connection on which something comes up only now and then is kept: some heartbeats.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub struct Uplink {
    config: Config,
    outbox: Arc<Outbox>,
    settings: Arc<Settings>,
    clock_offset: Arc<ClockOffset>,
    /// Where rules go that the collector delivers.
    rules: Option<Arc<Rules>>,
    /// Where settings go.
    desk: Option<Arc<Desk>>,
    session: Option<Session>,
    backoff: Backoff,
    /// Kept over connections: a new one begins with no new credit.
    pace: SharedPace,
    dial: Dial,
    /// Who this agent is, where the collector speaks TLS.
    identity: Option<Arc<Identity>>,
    /// Why there is no connection, as it was last said.
    unreachable: Option<String>,
}

impl Uplink {
    /// An uplink that is not connected yet, and sends no more than `max_bytes_per_s` on average.
    #[must_use]
    pub fn new(
        config: Config,
        outbox: Arc<Outbox>,
        settings: Arc<Settings>,
        clock_offset: Arc<ClockOffset>,
        max_bytes_per_s: u64,
    ) -> Self {
        Self {
            config,
            outbox,
            settings,
            clock_offset,
            rules: None,
            desk: None,
            session: None,
            backoff: Backoff::default(),
            pace: SharedPace::new(max_bytes_per_s),
            dial: dial::tcp(),
            identity: None,
            unreachable: None,
        }
    }

    /// The same over another transport.
    #[must_use]
    pub fn dialing(self, dial: Dial) -> Self {
        Self { dial, ..self }
    }

    /// The same over TLS.
    #[must_use]
    pub fn identified(self, identity: Option<Arc<Identity>>) -> Self {
        Self { identity, ..self }
    }

    /// The same, and rules that the collector delivers go there.
    #[must_use]
    pub fn taking_rules(self, rules: Arc<Rules>) -> Self {
        let rules = Some(rules);
        Self { rules, ..self }
    }

    /// The same, and settings that the collector delivers go there.
    #[must_use]
    pub fn taking_settings(self, desk: Arc<Desk>) -> Self {
        let desk = Some(desk);
        Self { desk, ..self }
    }

    /// How fast it sends.
    pub(crate) fn pace(&self) -> SharedPace {
        self.pace.clone()
    }

    fn tell_connected(&self, is_connected: bool) {
        if let Some(desk) = &self.desk {
            desk.connected(is_connected);
        }
    }

    /// An uplink of another outbox of the same agent, under the same ceiling.
    #[must_use]
    pub fn beside(&self, outbox: Arc<Outbox>) -> Self {
        Self {
            config: self.config.clone(),
            outbox,
            settings: Arc::clone(&self.settings),
            clock_offset: Arc::clone(&self.clock_offset),
            // They come on the other one.
            rules: None,
            desk: None,
            session: None,
            backoff: Backoff::default(),
            pace: self.pace.clone(),
            dial: Arc::clone(&self.dial),
            identity: self.identity.clone(),
            unreachable: None,
        }
    }

    /// Connects, sends, reconnects, for ever. May be dropped at any await and called again.
    pub async fn run(&mut self) {
        loop {
            self.step(false).await;
        }
    }

    /// Returns once everything in the spool is acknowledged.
    pub async fn drain(&mut self) {
        while self
            .outbox
            .states()
            .iter()
            .any(|lane| lane.queued_batches > 0)
        {
            self.step(true).await;
        }
    }

    /// Sends what comes up now and then, for ever; connected only while something does. May be
    /// dropped at any await.
    pub async fn run_seldom(&mut self) {
        loop {
            self.drain().await;
            let appended = self.outbox.appended();
            if self.session.is_none() {
                appended.await;
            } else if tokio::time::timeout(IDLE_MAX, appended).await.is_err() {
                self.session = None;
            }
        }
    }

    /// Connects, or keeps the session going until it ends or, when draining, until all is acknowledged.
    async fn step(&mut self, draining: bool) {
        if self.outbox.spool_id().is_none() {
            // Opening it counts as something new.
            self.outbox.appended().await;
            return;
        }
        let ended = match &mut self.session {
            None => match self.connect().await {
                Ok(session) => {
                    self.unreachable = None;
                    self.session = Some(session);
                    self.tell_connected(true);
                    return;
                }
                Err(ended) => ended,
            },
            Some(session) => match session.run(draining, &self.pace).await {
                None => return,
                Some(ended) => {
                    if session.progressed() {
                        self.backoff.reset();
                    }
                    if ended.moves_on() && session.age() >= MOVE_ON_AGE_MIN {
                        tracing::debug!(reason = %ended, "connecting anew");
                        self.session = None;
                        return;
                    }
                    ended
                }
            },
        };
        self.session = None;
        self.tell_connected(false);
        let hint = match &self.identity {
            None if ended.is_broken() => {
                "; if the collector speaks TLS, collector.endpoint begins with https://"
            }
            _ => "",
        };
        let reason = format!("{ended}{hint}");
        // Said when it begins and when it is another, not at every attempt.
        if self.unreachable.as_ref() != Some(&reason) {
            tracing::warn!(endpoint = self.config.endpoint, %reason, "no connection to the collector; batches are kept and sent later");
            self.unreachable = Some(reason);
        }
        let wait = self.backoff.next(ended.is_refusal(), ended.pause());
        tokio::time::sleep(wait).await;
    }

    async fn connect(&self) -> Result<Session, Ended> {
        let endpoint = self.config.endpoint().map_err(Ended::Setup)?;
        let unreachable = |error| Ended::Unreachable(error_chain(&error));
        let (channel, token) = match &self.identity {
            Some(identity) => {
                let tls = identity.ready().await?;
                let channel = identity::connect(endpoint, tls).await;
                (channel.map_err(unreachable)?, None)
            }
            None => {
                // Read at every attempt, so that a replaced token needs no restart.
                let token = self.config.read_token().map_err(Ended::Setup)?;
                let channel = (self.dial)(endpoint).await;
                (channel.map_err(unreachable)?, Some(token))
            }
        };
        let session = Session::open(
            channel,
            token.as_deref(),
            Arc::clone(&self.outbox),
            Arc::clone(&self.settings),
            Arc::clone(&self.clock_offset),
            self.rules.clone(),
            self.desk.clone(),
        )
        .await?;
        tracing::info!(
            endpoint = self.config.endpoint,
            "connected to the collector"
        );
        Ok(session)
    }
}

/// An error with its causes: tonic's own text names none of them.
/// An error with what caused it.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
