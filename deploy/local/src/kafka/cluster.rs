//! One broker, or three that replicate.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;

use super::broker::Broker;
use super::fetch::{Kafka, ensure};
use super::properties::{self, Ports};
use super::tls::Keys;
use super::{KafkaError, file_error};
use crate::ports;

/// Tries to start with ports that another program took meanwhile, each with others.
const PORT_TRIES: u32 = 5;

/// What a cluster should be like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// 1 or 3. With three, every topic has three replicas and needs two in sync.
    pub brokers: u16,
    /// Clients must use TLS; see [`Cluster::certificate`].
    pub tls: bool,
    /// Clients must log in as this user with this password, by PLAIN or SCRAM-SHA-512. Letters,
    /// digits, `-` and `_` only.
    pub sasl: Option<(String, String)>,
    /// Other ways by which clients come, in plain, such as proxies: for each way, the port of
    /// 127.0.0.1 under which it reaches broker 1, 2 and so on. Clients that begin on a way stay on
    /// it, since brokers tell them these ports; what arrives there goes to [`Broker::way`].
    pub ways: Vec<Vec<u16>>,
    /// Further lines of `server.properties`; they win over those written here.
    pub properties: Vec<(String, String)>,
}

impl Settings {
    /// So many brokers, plain.
    #[must_use]
    pub fn new(brokers: u16) -> Self {
        Self {
            brokers,
            tls: false,
            sasl: None,
            ways: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// What clients set as `security.protocol`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match (self.tls, self.sasl.is_some()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SASL_PLAINTEXT",
            (true, false) => "SSL",
            (true, true) => "SASL_SSL",
        }
    }

    fn validate(&self) -> Result<(), KafkaError> {
        if !matches!(self.brokers, 1 | 3) {
            return Err(KafkaError::Settings(format!(
                "a cluster has 1 or 3 brokers, not {}",
                self.brokers
            )));
        }
        let brokers = usize::from(self.brokers);
        if let Some(way) = self.ways.iter().find(|way| way.len() != brokers) {
            return Err(KafkaError::Settings(format!(
                "a way has a port for each of {brokers} brokers, not {}",
                way.len()
            )));
        }
        let is_plain = |text: &String| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        match &self.sasl {
            Some((user, password)) if !is_plain(user) || !is_plain(password) => {
                Err(KafkaError::Settings(
                    "a user and a password of Kafka have letters, digits, - and _ only".to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Running brokers; all end when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
    settings: Settings,
    certificate: Option<PathBuf>,
}

impl Cluster {
    /// Starts 1 or 3 brokers with their data in `directory`, which must not hold a cluster yet, and
    /// waits until all serve.
    ///
    /// # Errors
    /// When Kafka cannot be had, or a broker does not start.
    pub fn start(directory: &Path, brokers: u16) -> Result<Self, KafkaError> {
        Self::start_with(directory, Settings::new(brokers))
    }

    /// The same with more settings.
    ///
    /// # Errors
    /// When Kafka cannot be had, the settings cannot be, or a broker does not start.
    pub fn start_with(directory: &Path, settings: Settings) -> Result<Self, KafkaError> {
        settings.validate()?;
        let kafka = ensure()?;
        fs::create_dir_all(directory).map_err(file_error("make", directory))?;
        let directory = directory
            .canonicalize()
            .map_err(file_error("find", directory))?;
        // These end a value, or a path, in server.properties.
        if directory
            .to_str()
            .is_none_or(|path| path.contains([',', '\\', '\n', '\r']))
        {
            return Err(KafkaError::Settings(format!(
                "{}: kafka's data cannot be in a path with a comma or a backslash",
                directory.display()
            )));
        }
        let keys = settings
            .tls
            .then(|| Keys::make(&kafka.java, &directory))
            .transpose()?;
        let mut tries = 1;
        loop {
            match start(&kafka, &directory, &settings, keys.as_ref()) {
                Err(KafkaError::PortTaken(_)) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(brokers) => {
                    return Ok(Self {
                        brokers,
                        settings,
                        certificate: keys.map(|keys| keys.certificate),
                    });
                }
            }
        }
    }

    /// What clients set as `bootstrap.servers`: all brokers.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.brokers.iter().map(Broker::address).collect();
        addresses.join(",")
    }

    /// The broker with this index, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn broker(&self, index: usize) -> &Broker {
        &self.brokers[index]
    }

    /// All brokers.
    #[must_use]
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What clients set as `ssl.ca.location`, with TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }
}

fn start(
    kafka: &Kafka,
    directory: &Path,
    settings: &Settings,
    keys: Option<&Keys>,
) -> Result<Vec<Broker>, KafkaError> {
    let ports = reserve(settings).map_err(file_error("take a port of 127.0.0.1 for", directory))?;
    let cluster_id = cluster_id();
    let mut brokers = Vec::new();
    for id in 1..=settings.brokers {
        let home = directory.join(format!("broker-{id}"));
        // What an attempt with ports that were taken left behind.
        match fs::remove_dir_all(&home) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error("empty", home)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&home).map_err(file_error("make", &home))?;
        let text = properties::text(id, &ports, &home.join("data"), settings, keys);
        let own = &ports[usize::from(id) - 1];
        brokers.push(Broker::new(kafka.clone(), id, home, own, &text)?);
    }
    // Together: a quorum is ready only when most of it is there, and two cores do two at once.
    let formats: Vec<_> = brokers
        .iter()
        .map(|broker| broker.format(&cluster_id, settings))
        .collect::<Result<_, _>>()?;
    for format in formats {
        format.wait()?;
    }
    for broker in &brokers {
        broker.spawn()?;
    }
    for broker in &brokers {
        broker.wait_ready()?;
    }
    Ok(brokers)
}

/// Ports that stay this process's, so that a broker comes back on them.
fn reserve(settings: &Settings) -> std::io::Result<Vec<Ports>> {
    (0..settings.brokers)
        .map(|_| {
            Ok(Ports {
                clients: ports::reserve()?,
                ways: settings
                    .ways
                    .iter()
                    .map(|_| ports::reserve())
                    .collect::<Result<_, _>>()?,
                internal: ports::reserve()?,
                controller: ports::reserve()?,
            })
        })
        .collect()
}

/// A UUID as Kafka writes it: 16 random bytes in URL-safe base64.
fn cluster_id() -> String {
    // Bit patterns of a random UUID, which also keep a dash from its front.
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[0] &= 0x7f;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let mut two = Settings::new(2);
        assert!(two.validate().is_err());
        two.brokers = 3;
        two.sasl = Some(("crm".to_owned(), "a\"b".to_owned()));
        assert!(two.validate().is_err());
        two.sasl = Some(("crm".to_owned(), "a-b".to_owned()));
        two.tls = true;
        assert!(two.validate().is_ok());
        assert_eq!(two.protocol(), "SASL_SSL");
        two.ways = vec![vec![1, 2, 3], vec![4, 5]];
        assert!(two.validate().is_err());
    }

    #[test]
    fn an_id_is_no_option_of_a_command() {
        for _ in 0..1000 {
            let id = cluster_id();
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
        }
    }
}
