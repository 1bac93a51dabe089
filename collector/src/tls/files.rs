//! Certificates and keys out of files in PEM.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Longest file that is read, bytes: a chain, or the authorities of a company.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// A file that cannot be used, with the setting that names it. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    key: &'static str,
    path: PathBuf,
    what: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, path, what } = self;
        write!(f, "{key} {}: {what}", path.display())
    }
}

impl std::error::Error for TlsError {}

impl TlsError {
    pub(crate) fn new(key: &'static str, path: &Path, what: impl fmt::Display) -> Self {
        Self {
            key,
            path: path.to_owned(),
            what: what.to_string(),
        }
    }
}

/// A file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) key: &'static str,
    pub(crate) path: PathBuf,
}

impl Named {
    pub(crate) fn new(key: &'static str, path: &Path) -> Self {
        let path = path.to_owned();
        Self { key, path }
    }

    pub(crate) fn fault(&self, what: impl fmt::Display) -> TlsError {
        TlsError::new(self.key, &self.path, what)
    }

    /// The whole file, up to its bound.
    pub(crate) fn read(&self) -> Result<Vec<u8>, TlsError> {
        let file = std::fs::File::open(&self.path).map_err(|error| self.fault(error))?;
        let mut bytes = Vec::new();
        let mut limited = file.take(FILE_MAX_BYTES + 1);
        limited
            .read_to_end(&mut bytes)
            .map_err(|error| self.fault(error))?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(self.fault(format!("it has more than {FILE_MAX_BYTES} bytes")));
        }
        Ok(bytes)
    }

    /// Its certificates, at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let bytes = self.read()?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.fault(format!("it is no PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(self.fault("it holds no certificate in PEM"));
        }
        Ok(certificates)
    }

    /// Its key.
    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let bytes = self.read()?;
        // The error could hold what the file has.
        PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| self.fault("it holds no private key in PEM (PKCS #8, SEC 1 or PKCS #1)"))
    }

    /// Its certificates as those that may sign.
    pub(crate) fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.fault(format!("a certificate in it: {error}")))?;
        }
        Ok(roots)
    }
}

/// When a certificate ends, Unix ms.
pub(crate) fn expires_ms(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    parsed.validity().not_after.timestamp().checked_mul(1000)
}

/// Whether it may sign others.
pub(crate) fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.is_ca())
}

/// SHA-256 of a certificate, as openssl shows it with `-fingerprint -sha256`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
