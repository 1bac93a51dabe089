//! What is in force at an address, and handshakes by it.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{AlertDescription, CertificateError, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Metrics;
use super::files::{Named, TlsError, expires_ms, is_authority, sha256};

/// Where certificates of an address come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// What metrics call the address.
    pub(crate) listener: &'static str,
    pub(crate) certificate: Named,
    pub(crate) key: Named,
    /// Who may sign certificates of clients; none where clients have no certificates.
    pub(crate) authorities: Vec<Named>,
    /// Protocols that are spoken inside.
    pub(crate) protocols: &'static [&'static [u8]],
}

struct InForce {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    /// Of all files, to see a change.
    digest: [u8; 32],
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Acceptor {
    source: Arc<Source>,
    in_force: Arc<RwLock<InForce>>,
    metrics: Metrics,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn new(source: Source, metrics: Metrics) -> Result<Self, TlsError> {
        let in_force = load(&source)?;
        let expires_ms = in_force.chain.first().and_then(expires_ms);
        metrics.in_force(source.listener, expires_ms);
        Ok(Self {
            source: Arc::new(source),
            in_force: Arc::new(RwLock::new(in_force)),
            metrics,
        })
    }

    pub(crate) fn listener(&self) -> &'static str {
        self.source.listener
    }

    /// Reads the files again; true where they changed. What was in force stays where they cannot be used.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let read = load(&self.source).inspect_err(|_| {
            self.metrics.reload_failed(self.source.listener);
        })?;
        let mut in_force = self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let has_changed = in_force.digest != read.digest;
        let expires_ms = read.chain.first().and_then(expires_ms);
        self.metrics.in_force(self.source.listener, expires_ms);
        *in_force = read;
        Ok(has_changed)
    }

    /// The certificates above the collector's own that it shows.
    pub(crate) fn authorities(&self) -> Vec<CertificateDer<'static>> {
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
        let above = in_force.chain.iter().skip(1);
        above.filter(|one| is_authority(one)).cloned().collect()
    }

    /// Makes a connection of a socket.
    ///
    /// # Errors
    /// When the other end cannot be spoken with; it is counted.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = {
            let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&in_force.config)
        };
        TlsAcceptor::from(config)
            .accept(socket)
            .await
            .inspect_err(|error| self.failed(reason(error)))
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.metrics.failed(self.source.listener, reason);
    }
}

fn load(source: &Source) -> Result<InForce, TlsError> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let chain = source.certificate.certificates()?;
    let key = source.key.private_key()?;
    let mut everything = Vec::new();
    for file in [&source.certificate, &source.key]
        .into_iter()
        .chain(&source.authorities)
    {
        everything.extend(sha256(&file.read()?));
    }
    let building = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| source.certificate.fault(error))?;
    let building = if source.authorities.is_empty() {
        building.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for file in &source.authorities {
            roots.roots.extend(file.roots()?.roots);
        }
        // Who has no certificate yet may ask for one, and for nothing else.
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| source.authorities[0].fault(error))?;
        building.with_client_cert_verifier(verifier)
    };
    let mut config = building
        .with_single_cert(chain.clone(), key)
        .map_err(|error| {
            let key = source.key.path.display();
            let text = format!("it does not go with the key in {key}: {error}");
            source.certificate.fault(text)
        })?;
    config.alpn_protocols = source.protocols.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(InForce {
        config: Arc::new(config),
        chain,
        digest: sha256(&everything),
    })
}

/// A word for the counter.
pub(crate) fn reason(error: &io::Error) -> &'static str {
    use rustls::Error as Tls;
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Tls>());
    match inner {
        // What came was no TLS at all: an agent with http:// most of the time.
        Some(Tls::InvalidMessage(_)) => "plaintext",
        Some(Tls::PeerIncompatible(_)) => "version",
        Some(Tls::NoApplicationProtocol) => "protocol",
        Some(Tls::InvalidCertificate(why)) => certificate(why),
        Some(Tls::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        )) => "not_believed",
        Some(_) => "handshake",
        None => match error.kind() {
            io::ErrorKind::TimedOut => "timeout",
            _ => "closed",
        },
    }
}

fn certificate(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "not_valid_yet"
        }
        CertificateError::UnknownIssuer => "unknown_authority",
        _ => "certificate",
    }
}
