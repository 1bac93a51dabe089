//! Key and certificate on disk, in `<state_dir>/identity`.
//!
//! Promises that a file is there whole or as it was before, and that only the agent's user can read a
//! key. Key and certificate are one file, so they always go together.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::der::Decode as _;

/// Longest file that is read, bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

const IDENTITY: &str = "identity.pem";
const AUTHORITIES: &str = "authorities.pem";
/// The key that a certificate was asked for and has not come yet.
const PENDING: &str = "pending.pem";
/// Which token was used last.
const TOKEN: &str = "token_id";

/// A key with its certificate.
pub(super) struct Kept {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// When the certificate begins and ends, Unix ms.
    pub(super) begins_ms: i64,
    pub(super) ends_ms: i64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            directory: state_dir.join("identity"),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Key and certificate; none before the first enrolment.
    pub(super) fn identity(&self) -> Result<Option<Kept>, String> {
        match self.optional(IDENTITY)? {
            None => Ok(None),
            Some(pem) => kept(&pem)
                .map(Some)
                .map_err(|error| self.at(IDENTITY, &error)),
        }
    }

    /// Keeps a certificate for the pending key, and whom to believe from now on.
    pub(super) fn keep(
        &self,
        key_pem: &str,
        chain: &[CertificateDer<'static>],
        authorities: &[CertificateDer<'static>],
    ) -> Result<(), String> {
        if !authorities.is_empty() {
            self.write(AUTHORITIES, &certificates(authorities))?;
        }
        let text = format!("{key_pem}{}", certificates(chain));
        self.write(IDENTITY, &text)?;
        // What is left of it is harmless: it is the same key.
        let _ = std::fs::remove_file(self.directory.join(PENDING));
        Ok(())
    }

    /// Authorities that the collector named, in PEM.
    pub(super) fn authorities(&self) -> Result<Option<Vec<u8>>, String> {
        self.optional(AUTHORITIES)
    }

    /// The key that was asked with and has no certificate yet, in PEM.
    pub(super) fn pending(&self) -> Result<Option<String>, String> {
        let pem = self.optional(PENDING)?;
        Ok(pem.and_then(|pem| String::from_utf8(pem).ok()))
    }

    pub(super) fn keep_pending(&self, key_pem: &str) -> Result<(), String> {
        self.write(PENDING, key_pem)
    }

    pub(super) fn used_token(&self) -> Option<String> {
        let id = self.optional(TOKEN).ok().flatten()?;
        String::from_utf8(id).ok()
    }

    pub(super) fn keep_used_token(&self, id: &str) -> Result<(), String> {
        self.write(TOKEN, id)
    }

    fn optional(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.directory.join(name);
        match path.try_exists() {
            Ok(false) => Ok(None),
            _ => read(&path).map(Some).map_err(|error| self.at(name, &error)),
        }
    }

    fn at(&self, name: &str, error: &str) -> String {
        format!("{}: {error}", self.directory.join(name).display())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        self.replace(name, text)
            .map_err(|error| self.at(name, &error.to_string()))
    }

    fn replace(&self, name: &str, text: &str) -> std::io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        let partial = self.directory.join(format!("{name}.new"));
        let _ = std::fs::remove_file(&partial);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, self.directory.join(name))?;
        File::open(&self.directory)?.sync_all()
    }
}

/// A file, up to its bound.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut limited = file.take(FILE_MAX_BYTES + 1);
    limited
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(format!("it has more than {FILE_MAX_BYTES} bytes"));
    }
    Ok(bytes)
}

/// Key and certificates of one file in PEM.
pub(super) fn kept(pem: &[u8]) -> Result<Kept, String> {
    // The error could hold what the file has.
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "it holds no private key in PEM".to_owned())?;
    let chain = chain(pem)?;
    let (begins_ms, ends_ms) = validity(&chain[0])?;
    Ok(Kept {
        chain,
        key,
        begins_ms,
        ends_ms,
    })
}

/// Certificates in PEM, at least one.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("it is no PEM: {error}"))?;
    match chain.is_empty() {
        true => Err("it holds no certificate in PEM".to_owned()),
        false => Ok(chain),
    }
}

/// When a certificate begins and ends, Unix ms.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Result<(i64, i64), String> {
    let parsed = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| format!("a certificate in it cannot be read: {error}"))?;
    let validity = parsed.tbs_certificate.validity;
    let ms = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX)
    };
    Ok((ms(validity.not_before), ms(validity.not_after)))
}

fn certificates(all: &[CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in all {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = base64::engine::general_purpose::STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}
