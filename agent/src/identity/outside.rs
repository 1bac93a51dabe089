//! Certificates that somebody else renews, as files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Config, Fault, files, tls};

/// See the module.
pub(super) struct Outside {
    certificate_file: PathBuf,
    key_file: PathBuf,
    authority_file: PathBuf,
    /// What was last read and worked, and what was wrong since, told once.
    works: Mutex<(Option<Arc<ClientConfig>>, Option<String>)>,
}

impl Outside {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            certificate_file: config.certificate_file.clone(),
            key_file: config.key_file.clone(),
            authority_file: config.authority_file.clone(),
            works: Mutex::default(),
        }
    }

    /// Reads the files, at every connection. While they cannot be used, what was read before stays.
    pub(super) fn ready(&self) -> Result<Arc<ClientConfig>, Fault> {
        let read = self.read();
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(config) => {
                *works = (Some(Arc::clone(&config)), None);
                Ok(config)
            }
            Err(error) => match &works.0 {
                None => Err(Fault::Setup(error)),
                Some(before) => {
                    let before = Arc::clone(before);
                    if works.1.as_ref() != Some(&error) {
                        tracing::error!(error, "the old certificate stays");
                        works.1 = Some(error);
                    }
                    Ok(before)
                }
            },
        }
    }

    fn read(&self) -> Result<Arc<ClientConfig>, String> {
        let at = |key: &str, path: &PathBuf, error: String| {
            format!("identity.{key} {}: {error}", path.display())
        };
        let chain = files::read(&self.certificate_file)
            .and_then(|pem| files::chain(&pem))
            .map_err(|error| at("certificate_file", &self.certificate_file, error))?;
        // The error could hold what the file has.
        let key = files::read(&self.key_file)
            .and_then(|pem| {
                PrivateKeyDer::from_pem_slice(&pem)
                    .map_err(|_| "it holds no private key in PEM".to_owned())
            })
            .map_err(|error| at("key_file", &self.key_file, error))?;
        let trust = tls::of_file_or_system(&self.authority_file)?;
        tls::client(&trust, Some((chain, key)))
            .map_err(|error| at("certificate_file", &self.certificate_file, error))
    }
}
