//! Chains of certificates: who is believed, and when the first of them expires. No I/O.
//!
//! A chain is recorded before it is judged, so that one that is refused still tells when it
//! expires. Every byte of it comes from the target.

use std::sync::{Arc, Mutex, PoisonError};

use crmscope_proto::catalog::ProbeReason;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Certificates of a chain that are looked at.
const CHAIN_MAX: usize = 16;

/// Judges a chain as rustls does, and notes when its certificates expire.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Arc<[CertificateDer<'static>]>,
    /// The server's own first; ms of Unix time.
    expiries_ms: Mutex<Vec<i64>>,
}

impl Recorder {
    /// `pinned` are trusted as they are.
    pub(super) fn new(
        inner: Arc<WebPkiServerVerifier>,
        pinned: Arc<[CertificateDer<'static>]>,
    ) -> Self {
        Self {
            inner,
            pinned,
            expiries_ms: Mutex::default(),
        }
    }

    /// Time until the first certificate expires, see [`time_left`].
    pub(super) fn seconds_left(&self, trusted: bool, now_ms: i64) -> Option<u64> {
        let expiries_ms = self
            .expiries_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        time_left(&expiries_ms, trusted, now_ms)
    }

    /// A certificate that stands in the file itself needs no issuer: many sign their own.
    fn judge_pinned(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        let (begins_ms, ends_ms) = validity_ms(certificate).ok_or(CertificateError::BadEncoding)?;
        let now_ms = i64::try_from(now.as_secs())
            .unwrap_or(i64::MAX)
            .saturating_mul(1000);
        if now_ms > ends_ms {
            return Err(CertificateError::Expired.into());
        }
        if now_ms < begins_ms {
            return Err(CertificateError::NotValidYet.into());
        }
        Ok(())
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self
            .expiries_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = chain
            .take(CHAIN_MAX)
            .filter_map(validity_ms)
            .map(|(_, ends_ms)| ends_ms)
            .collect();
        if self.pinned.contains(end_entity) {
            self.judge_pinned(end_entity, server_name, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// From when to when a certificate is valid, ms of Unix time.
pub(super) fn validity_ms(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let validity = Certificate::from_der(certificate)
        .ok()?
        .tbs_certificate
        .validity;
    let ms = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_millis());
    Some((ms(validity.not_before).ok()?, ms(validity.not_after).ok()?))
}

/// Time until the first of a chain expires. In a chain that is trusted, what has expired was not
/// needed: servers go on sending issuers that others replaced.
fn time_left(expiries_ms: &[i64], trusted: bool, now_ms: i64) -> Option<u64> {
    let counted = expiries_ms
        .iter()
        .filter(|&&expiry_ms| !trusted || expiry_ms > now_ms);
    let first_ms = counted.min()?;
    Some(u64::try_from(first_ms.saturating_sub(now_ms)).unwrap_or(0) / 1000)
}

/// What an error of a handshake, or of a connection after it, says; `None` when it is not TLS's.
pub(super) fn reason(error: &rustls::Error) -> ProbeReason {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext,
    };
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                ProbeReason::CertificateExpired
            }
            NotValidForName | NotValidForNameContext { .. } => ProbeReason::CertificateOtherName,
            _ => ProbeReason::CertificateNotTrusted,
        },
        _ => ProbeReason::TlsFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_expire_counts_but_for_what_a_trusted_chain_does_not_need() {
        for (expiries_ms, trusted, left) in [
            (vec![], true, None),
            (vec![10_000, 5_000, 90_000], true, Some(4)),
            (vec![10_000, 500, 90_000], true, Some(9)),
            (vec![10_000, 500], false, Some(0)),
            (vec![i64::MIN], false, Some(0)),
            (vec![i64::MAX], true, Some(9_223_372_036_854_774)),
        ] {
            assert_eq!(
                time_left(&expiries_ms, trusted, 1_000),
                left,
                "{expiries_ms:?}"
            );
        }
        assert_eq!(
            time_left(&[i64::MAX], true, i64::MIN),
            Some(9_223_372_036_854_775)
        );
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        for bytes in [&b""[..], b"\x30\x82\xff\xff", &[0x30; 3000]] {
            assert_eq!(validity_ms(&CertificateDer::from(bytes)), None);
        }
    }
}
