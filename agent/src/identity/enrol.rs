//! Asking a collector for a certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::enrolment::EnrolmentToken;
use crmscope_proto::v1::enrolment_client::EnrolmentClient;
use crmscope_proto::v1::{EnrolReply, EnrolRequest, RenewRequest};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tonic::Status;
use tonic::transport::Endpoint;

use super::{Fault, files, tls};
use crate::uplink::error_chain;

/// Longest that the collector may take.
const REPLY_MAX: Duration = Duration::from_secs(30);
/// Longest reply that is read, bytes, and most certificates in it.
const REPLY_MAX_BYTES: usize = 64 << 10;
const CERTIFICATES_MAX: usize = 16;

/// What a collector gave.
pub(super) struct Given {
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Whom to believe from now on; none: as before.
    pub(super) authorities: Vec<CertificateDer<'static>>,
}

/// Reads the token of the configuration; none where there is no file.
///
/// # Errors
/// When it cannot be read or is none. Never holds it.
pub(super) fn token(path: &Path) -> Result<Option<EnrolmentToken>, String> {
    let at =
        |error: &dyn std::fmt::Display| format!("identity.token_file {}: {error}", path.display());
    match path.try_exists() {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(error) => return Err(at(&error)),
    }
    let bytes = files::read(path).map_err(|error| at(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    EnrolmentToken::parse(&text)
        .map(Some)
        .map_err(|error| at(&error))
}

/// A new key, in PEM.
pub(super) fn key_pem() -> Result<String, String> {
    let key = KeyPair::generate().map_err(|error| format!("no key can be made: {error}"))?;
    Ok(key.serialize_pem())
}

/// The request for a certificate of a key. It names nobody: the collector gives the name.
fn request_der(key_pem: &str) -> Result<Vec<u8>, Fault> {
    let setup =
        |error: rcgen::Error| Fault::Setup(format!("no certificate can be asked for: {error}"));
    let key = KeyPair::from_pem(key_pem).map_err(setup)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(setup)?;
    Ok(request.der().to_vec())
}

/// Asks with a token.
pub(super) async fn enrol(
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
    (token, agent_id, key_pem): (&EnrolmentToken, &str, &str),
) -> Result<Given, Fault> {
    let request = EnrolRequest {
        token_id: token.id().to_owned(),
        token_secret: token.secret().to_owned(),
        agent_id: agent_id.to_owned(),
        request_der: request_der(key_pem)?,
    };
    let mut client = client(endpoint, config).await?;
    given(within(client.enrol(request)).await?)
}

/// Asks with the certificate that is in force.
pub(super) async fn renew(
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
    key_pem: &str,
) -> Result<Given, Fault> {
    let request = RenewRequest {
        request_der: request_der(key_pem)?,
    };
    let mut client = client(endpoint, config).await?;
    given(within(client.renew(request)).await?)
}

async fn client(
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
) -> Result<EnrolmentClient<tonic::transport::Channel>, Fault> {
    let channel = tls::connect(endpoint, config)
        .await
        .map_err(|error| Fault::Unreachable(error_chain(&error)))?;
    Ok(EnrolmentClient::new(channel).max_decoding_message_size(REPLY_MAX_BYTES))
}

async fn within(
    call: impl Future<Output = Result<tonic::Response<EnrolReply>, Status>>,
) -> Result<EnrolReply, Fault> {
    match tokio::time::timeout(REPLY_MAX, call).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) if status.code() == tonic::Code::Unavailable => Err(Fault::Unreachable(
            status.message().escape_debug().to_string(),
        )),
        Ok(Err(status)) => Err(Fault::Refused(status)),
        Err(_) => Err(Fault::Unreachable(
            "the collector did not answer the request for a certificate in time".to_owned(),
        )),
    }
}

fn given(reply: EnrolReply) -> Result<Given, Fault> {
    let certificates = |all: Vec<Vec<u8>>| {
        let all = all.into_iter().take(CERTIFICATES_MAX);
        all.map(CertificateDer::from).collect::<Vec<_>>()
    };
    let given = Given {
        chain: certificates(reply.chain_der),
        authorities: certificates(reply.authorities_der),
    };
    match given.chain.is_empty() {
        true => Err(Fault::Setup(
            "the collector's answer holds no certificate".to_owned(),
        )),
        false => Ok(given),
    }
}
