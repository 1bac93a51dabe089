//! librdkafka's clients, made of the configuration in one place.
//!
//! Owns every setting that exactness stands on. Promises that no two clients differ in them, that
//! librdkafka's logs reach ours without flooding them, and that the last error is there for
//! whoever asks why nothing moves. Leaves what is produced and read to the modules that do it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use super::config::{Config, ConfigError};
use super::passthrough::flatten;

/// Largest record a producer makes, and largest set of records it sends at once, bytes. The largest
/// batch fits with its headers; see [`super::record::VALUE_MAX_BYTES`].
pub const MESSAGE_MAX_BYTES: usize = 1_000_000;

/// How long anything is asked of brokers before it is asked again.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Log lines of one client that are passed on in [`LINES_INTERVAL`].
const LINES_MAX: u32 = 20;
const LINES_INTERVAL: Duration = Duration::from_secs(10);

/// Settings of the client that writes the log: all copies, in order, without an end to trying.
///
/// # Errors
/// When a secret's file cannot be read.
pub fn producer(config: &Config) -> Result<ClientConfig, ConfigError> {
    let mut client = common(config)?;
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // A record that fails for good ends the producer; otherwise librdkafka would renumber what
        // comes behind it, and the log would have a gap.
        .set("enable.gapless.guarantee", "true")
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string())
        .set("compression.type", config.compression.name())
        // The bound is ours, in bytes of batches; librdkafka's own is above it, so that it never
        // refuses a record that has room.
        .set("queue.buffering.max.messages", "0")
        .set(
            "queue.buffering.max.kbytes",
            (config.queue_max_bytes.saturating_mul(2) / 1024).to_string(),
        );
    Ok(client)
}

/// Settings of a member of the writers' group.
///
/// # Errors
/// When a secret's file cannot be read.
pub fn group_consumer(config: &Config) -> Result<ClientConfig, ConfigError> {
    let mut client = reader(config)?;
    client.set("enable.partition.eof", "false");
    Ok(client)
}

/// Settings of a client that reads partitions it names itself, and tells where each ends.
///
/// # Errors
/// When a secret's file cannot be read.
pub fn reader(config: &Config) -> Result<ClientConfig, ConfigError> {
    let mut client = common(config)?;
    client
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // An offset that is gone is told, never skipped.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("fetch.message.max.bytes", "1048576");
    Ok(client)
}

/// Settings of the client that publishes heads of chains: each is tried for two minutes, and none is
/// waited for.
///
/// # Errors
/// When a secret's file cannot be read.
pub fn heads_producer(config: &Config) -> Result<ClientConfig, ConfigError> {
    let mut client = common(config)?;
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "120000")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "32768");
    Ok(client)
}

/// Settings of the client that looks after topics.
///
/// # Errors
/// When a secret's file cannot be read.
pub fn admin(config: &Config) -> Result<ClientConfig, ConfigError> {
    common(config)
}

fn common(config: &Config) -> Result<ClientConfig, ConfigError> {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in flatten(&config.client)? {
        client.set(key, value);
    }
    client
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", "crmscope-collector")
        .set("allow.auto.create.topics", "false")
        .set("statistics.interval.ms", "0")
        .set("security.protocol", config.security_protocol.name());
    let mechanism = config.sasl_mechanism.name();
    if !mechanism.is_empty() {
        client
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", &config.sasl_username);
    }
    if let Some(password) = config.sasl_password()? {
        client.set("sasl.password", password);
    }
    for (key, path) in [
        ("ssl.ca.location", &config.ssl_ca_file),
        ("ssl.certificate.location", &config.ssl_certificate_file),
        ("ssl.key.location", &config.ssl_key_file),
    ] {
        if !path.as_os_str().is_empty() {
            client.set(key, path.to_string_lossy());
        }
    }
    Ok(client)
}

/// A client's context: passes on what librdkafka says, and remembers its last error.
#[derive(Clone, Debug)]
pub struct Observer {
    purpose: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last_error: Option<String>,
    last_code: Option<RDKafkaErrorCode>,
    since: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Observer {
    /// One for a client that is there for `purpose`, which stands in every line.
    #[must_use]
    pub fn new(purpose: &'static str) -> Self {
        Self {
            purpose,
            state: Arc::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What went wrong last, until [`Self::works`].
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.with(|state| state.last_error.clone())
    }

    /// Notes that brokers answer again.
    pub fn works(&self) {
        self.with(|state| {
            state.last_error = None;
            state.last_code = None;
        });
    }

    /// Whether a line may be passed on; if so, how many were held back before it.
    fn admit(&self, now: Instant) -> Option<u64> {
        self.with(|state| {
            let over = |since| now.saturating_duration_since(since) >= LINES_INTERVAL;
            if state.since.is_none_or(over) {
                state.since = Some(now);
                state.lines = 0;
            }
            if state.lines >= LINES_MAX {
                state.suppressed += 1;
                return None;
            }
            state.lines += 1;
            Some(std::mem::take(&mut state.suppressed))
        })
    }
}

impl ClientContext for Observer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        let Some(suppressed) = self.admit(Instant::now()) else {
            return;
        };
        let client = self.purpose;
        match level {
            Emerg | Alert | Critical | Error => {
                tracing::error!(client, facility, suppressed, "kafka: {message}");
            }
            Warning => tracing::warn!(client, facility, suppressed, "kafka: {message}"),
            Notice | Info => tracing::info!(client, facility, suppressed, "kafka: {message}"),
            Debug => tracing::debug!(client, facility, suppressed, "kafka: {message}"),
        }
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let text = match error.rdkafka_error_code() {
            Some(code) => format!("{code}: {reason}"),
            None => format!("{error}: {reason}"),
        };
        // A broker that is away is told of many times a second, in changing words.
        let code = error.rdkafka_error_code();
        let repeated = self.with(|state| std::mem::replace(&mut state.last_code, code) == code);
        if !repeated && let Some(suppressed) = self.admit(Instant::now()) {
            tracing::warn!(client = self.purpose, suppressed, "kafka: {text}");
        }
        self.with(|state| state.last_error = Some(text));
    }
}

impl ConsumerContext for Observer {}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
