//! The authority: signs certificates of agents, for the name the collector gives and no other.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crmscope_proto::enrolment::agent_uri;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use time::OffsetDateTime;

use super::AuthorityConfig;
use crate::error::{Code, Error};
use crate::tls::TlsError;
use crate::tls::files::{Named, expires_ms, is_authority, sha256};

/// Longest request that is read, bytes.
pub(crate) const REQUEST_MAX_BYTES: usize = 8 << 10;
/// Random bytes of a serial number; RFC 5280 allows 20, the first of which keeps it positive.
const SERIAL_BYTES: usize = 16;

/// A certificate that was made.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// The agent's first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Until when it is good, Unix ms.
    pub(crate) ends_ms: i64,
}

/// What an agent asks for, checked: it has the key.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    params: CertificateSigningRequestParams,
    /// SHA-256 of the public key, hexadecimal.
    pub(crate) key_sha256: String,
}

struct InForce {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    ends_ms: i64,
}

/// See the module.
#[derive(Clone)]
pub struct Authority {
    certificate: Named,
    key: Named,
    lifetime: Duration,
    in_force: Arc<RwLock<Arc<InForce>>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// When one cannot be used, or they do not go together.
    pub fn load(config: &AuthorityConfig) -> Result<Self, TlsError> {
        let certificate = Named::new(
            "ingest.authority.certificate_file",
            &config.certificate_file,
        );
        let key = Named::new("ingest.authority.key_file", &config.key_file);
        let in_force = load(&certificate, &key)?;
        Ok(Self {
            certificate,
            key,
            lifetime: Duration::from_secs(u64::from(config.certificate_minutes) * 60),
            in_force: Arc::new(RwLock::new(Arc::new(in_force))),
        })
    }

    /// Reads them again; the old ones stay where they cannot be used.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(load(&self.certificate, &self.key)?);
        *self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.in_force().certificate.clone()
    }

    /// The file with it.
    pub(crate) fn file(&self) -> Named {
        self.certificate.clone()
    }

    /// Makes a certificate for an agent. Of what was asked for only the key is used.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn sign(&self, agent_id: &str, asked: &Asked, now_ms: i64) -> Result<Signed, Error> {
        let internal = |error: &dyn std::fmt::Display| {
            Error::new(
                Code::Internal,
                format!("the certificate cannot be made: {error}"),
            )
        };
        let in_force = self.in_force();
        let lifetime_ms = i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX);
        // Whole seconds, as certificates have them.
        let begins = now_ms.div_euclid(1000);
        let ends = now_ms.saturating_add(lifetime_ms).min(in_force.ends_ms) / 1000;
        if ends <= begins {
            let text = "the collector's authority (ingest.authority.certificate_file) has expired: make another one";
            return Err(Error::new(Code::Unavailable, text));
        }
        let uri = agent_uri(agent_id).map_err(|error| internal(&error))?;
        let uri = uri
            .try_into()
            .map_err(|error: rcgen::Error| internal(&error))?;
        let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds);
        let mut serial = [0; SERIAL_BYTES];
        getrandom::fill(&mut serial).map_err(|error| internal(&error))?;
        serial[0] &= 0x7f;
        let mut name = DistinguishedName::new();
        // The id may be longer than a common name may be; the alternative name is what counts.
        name.push(DnType::OrganizationName, "crmscope agent");
        let mut params = CertificateParams::default();
        params.not_before = moment(begins).map_err(|error| internal(&error))?;
        params.not_after = moment(ends).map_err(|error| internal(&error))?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.distinguished_name = name;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&asked.params.public_key, &in_force.issuer)
            .map_err(|error| internal(&error))?;
        Ok(Signed {
            chain: vec![certificate.der().clone(), in_force.certificate.clone()],
            ends_ms: ends * 1000,
        })
    }
}

impl Asked {
    /// Reads a request for a certificate (PKCS #10) and checks that it was made with the key in it.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn read(der: &[u8]) -> Result<Self, Error> {
        let wrong = |what: &dyn std::fmt::Display| {
            let text = format!("the request for a certificate cannot be used: {what}");
            Error::new(Code::InvalidArgument, text)
        };
        if der.len() > REQUEST_MAX_BYTES {
            let bytes = der.len();
            return Err(wrong(&format_args!(
                "it has {bytes} bytes, more than {REQUEST_MAX_BYTES}"
            )));
        }
        let request = CertificateSigningRequestDer::from(der);
        let params =
            CertificateSigningRequestParams::from_der(&request).map_err(|error| wrong(&error))?;
        let key = sha256(&params.public_key.subject_public_key_info());
        Ok(Self {
            params,
            key_sha256: super::store::hexadecimal(&key),
        })
    }
}

fn load(certificate: &Named, key: &Named) -> Result<InForce, TlsError> {
    let read = certificate.certificates()?;
    let first = read
        .into_iter()
        .next()
        .ok_or_else(|| certificate.fault("it holds no certificate"))?;
    if !is_authority(&first) {
        return Err(certificate.fault("the first certificate in it may sign no others"));
    }
    let bytes = key.private_key()?;
    // The error could hold what the file has.
    let pair = KeyPair::try_from(&bytes).map_err(|_| {
        key.fault("its key is none that can sign (ECDSA P-256 or P-384, Ed25519, RSA)")
    })?;
    let is_own = x509_parser::parse_x509_certificate(&first)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == pair.subject_public_key_info());
    if !is_own {
        let path = certificate.path.display();
        return Err(key.fault(format!("it is not the key of the certificate in {path}")));
    }
    let ends_ms = expires_ms(&first).unwrap_or(0);
    let issuer =
        Issuer::from_ca_cert_der(&first, pair).map_err(|error| certificate.fault(error))?;
    Ok(InForce {
        certificate: first,
        issuer,
        ends_ms,
    })
}

#[cfg(test)]
mod tests;
