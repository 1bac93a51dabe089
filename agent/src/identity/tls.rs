//! TLS towards collectors: whom to believe, and connections.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// Whom to believe as a collector.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// Who is signed by one of these.
    Roots(Arc<RootCertStore>),
    /// Who shows the certificate of this SHA-256, and is signed by it.
    Pin([u8; 32]),
}

/// What a connection needs, with a certificate or without.
///
/// # Errors
/// When certificate and key do not go together.
pub(super) fn client(
    trust: &Trust,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<Arc<ClientConfig>, String> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let building = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?;
    let building = match trust {
        Trust::Roots(roots) => building.with_root_certificates(Arc::clone(roots)),
        Trust::Pin(sha256) => {
            let verifier = Pinned {
                sha256: *sha256,
                provider,
            };
            building
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match own {
        None => building.with_no_client_auth(),
        Some((chain, key)) => building
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("certificate and key do not go together: {error}"))?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Every connection shows the certificate that is in force now.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Believes a chain that ends at one certificate, which it has to show.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_pinned = |one: &&CertificateDer<'_>| {
            let digest: [u8; 32] = Sha256::digest(one).into();
            digest == self.sha256
        };
        let above = intermediates.iter().find(is_pinned);
        let above = above.ok_or(CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(above.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Authorities out of PEM.
///
/// # Errors
/// When there is none in it.
pub(super) fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("it is no PEM: {error}"))?;
        let added = roots.add(certificate);
        added.map_err(|error| format!("a certificate in it: {error}"))?;
    }
    match roots.is_empty() {
        true => Err("it holds no certificate in PEM".to_owned()),
        false => Ok(roots),
    }
}

/// Trust in a file of the configuration, or in the system's authorities.
///
/// # Errors
/// Names the file, or says what is missing.
pub(super) fn of_file_or_system(file: &Path) -> Result<Trust, String> {
    if !file.as_os_str().is_empty() {
        let read = super::files::read(file).and_then(|pem| roots(&pem));
        let roots =
            read.map_err(|error| format!("identity.authority_file {}: {error}", file.display()))?;
        return Ok(Trust::Roots(Arc::new(roots)));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("nobody is there to believe as a collector: this host has no trusted certificates; set identity.authority_file".to_owned());
    }
    Ok(Trust::Roots(Arc::new(roots)))
}

/// Connects to an endpoint over TLS.
///
/// # Errors
/// When TCP or TLS does not come about.
pub(crate) async fn connect(
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |uri: Uri| {
        let config = Arc::clone(&config);
        async move {
            let wrong = |text: &str| std::io::Error::other(text.to_owned());
            let host = uri.host().ok_or_else(|| wrong("the URL names no host"))?;
            let host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let port = uri.port_u16().unwrap_or(443);
            let name = ServerName::try_from(host.clone())
                .map_err(|_| wrong("the URL's host can be in no certificate"))?;
            let socket = TcpStream::connect((host.as_str(), port)).await?;
            // An ack is small and must not wait for another one. A failure costs time only.
            let _ = socket.set_nodelay(true);
            let stream = TlsConnector::from(config).connect(name, socket).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    endpoint.connect_with_connector(connector).await
}
