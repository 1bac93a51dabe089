//! TLS of probes: whom to trust.
//!
//! Nothing of it is set up before the first run of an https target. There is no way to trust
//! everybody: a certificate of one's own belongs into `server_ca_file`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::chain::Recorder;
use super::helpers::Helper;
use super::outcome::Failure;

/// A file of certificates that is read; the system's have some 200 KiB.
const FILE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What a target needs for TLS.
#[derive(Clone, Debug)]
pub(in crate::sources) struct Trust {
    config: ClientConfig,
    verifier: Arc<WebPkiServerVerifier>,
    /// Certificates of the file, which are trusted as they are too.
    pinned: Arc<[CertificateDer<'static>]>,
}

/// Trust in the system's certificates, made once for all targets.
pub(super) type SystemTrust = Arc<Mutex<Option<Trust>>>;

/// Reads whom to trust; may take a deadline.
pub(super) async fn trust(
    file: Option<&Path>,
    system: &SystemTrust,
    helper: &Helper,
) -> Result<Trust, Failure> {
    let made = match file {
        Some(file) => {
            let file = file.to_owned();
            helper.ask(move || of_file(&file)).await?
        }
        None => {
            let made = system
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(trust) = made {
                return Ok(trust);
            }
            helper.ask(of_system).await?
        }
    };
    let trust = made.map_err(Failure::Agent)?;
    if file.is_none() {
        *system.lock().unwrap_or_else(PoisonError::into_inner) = Some(trust.clone());
    }
    Ok(trust)
}

/// Trust in the certificates of a file; the error says what to do.
pub(in crate::sources) fn of_file(path: &Path) -> Result<Trust, String> {
    let wrong = |what: &dyn std::fmt::Display| {
        format!(
            "server_ca_file {}: {what}; use certificates in PEM that the agent's user can read",
            path.display()
        )
    };
    let length = std::fs::metadata(path)
        .map_err(|error| wrong(&error))?
        .len();
    if length > FILE_MAX_BYTES {
        return Err(wrong(&format!(
            "it has {length} bytes, more than {FILE_MAX_BYTES}"
        )));
    }
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(&error))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    if roots.is_empty() {
        return Err(wrong(&"it holds no certificate"));
    }
    Trust::new(roots, certificates)
}

/// Trust in the system's certificates; the error says what to do.
pub(in crate::sources) fn of_system() -> Result<Trust, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this host has no trusted certificates; install ca-certificates or set server_ca_file"
                .to_owned(),
        );
    }
    Trust::new(roots, Vec::new())
}

impl Trust {
    fn new(roots: RootCertStore, pinned: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| format!("certificates cannot be used: {error}"))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every handshake is a whole one, as a new user's is, and shows the chain.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config,
            verifier,
            pinned: pinned.into(),
        })
    }

    /// Whether it rests on the system's certificates, not on a file.
    pub(super) fn is_of_system(&self) -> bool {
        self.pinned.is_empty()
    }

    /// Settings of a connection that is no probe, with other protocols offered.
    pub(in crate::sources) fn connection_for(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let (config, _) = self.connection();
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        Arc::new(config)
    }

    /// Settings of one connection, and where its chain is recorded.
    pub(super) fn connection(&self) -> (Arc<ClientConfig>, Arc<Recorder>) {
        let recorder = Arc::new(Recorder::new(
            Arc::clone(&self.verifier),
            Arc::clone(&self.pinned),
        ));
        let mut config = self.config.clone();
        let verifier = Arc::clone(&recorder);
        config.dangerous().set_certificate_verifier(verifier);
        (Arc::new(config), recorder)
    }
}
