//! The way to ClickHouse over TLS: by the system's OpenSSL, as alerts go.

use std::path::Path;
use std::time::Duration;

use clickhouse::Client;
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use native_tls::{Certificate, Identity, Protocol, TlsConnector};

use super::config::{ConfigError, TlsConfig, is_set};

/// ClickHouse closes what idles for 3 s by default; as the client has it without TLS.
const IDLE_MAX: Duration = Duration::from_secs(2);
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A client that speaks TLS 1.2 or newer and believes the authorities of the file, else the system's.
///
/// # Errors
/// Names the file that cannot be used.
pub(super) fn client(config: &TlsConfig) -> Result<Client, ConfigError> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    if is_set(&config.ca_file) {
        let pem = read("ca_file", &config.ca_file)?;
        let authorities = Certificate::stack_from_pem(&pem)
            .map_err(|error| fault("ca_file", &config.ca_file, &error))?;
        if authorities.is_empty() {
            return Err(fault(
                "ca_file",
                &config.ca_file,
                &"it holds no certificate in PEM",
            ));
        }
        builder.disable_built_in_roots(true);
        for authority in authorities {
            builder.add_root_certificate(authority);
        }
    }
    if is_set(&config.certificate_file) {
        let chain = read("certificate_file", &config.certificate_file)?;
        let key = read("key_file", &config.key_file)?;
        // The error could hold what the file has.
        let identity = Identity::from_pkcs8(&chain, &key).map_err(|_| {
            let what = "certificate and key (PKCS #8 in PEM) cannot be used together";
            fault("key_file", &config.key_file, &what)
        })?;
        builder.identity(identity);
    }
    let tls = builder
        .build()
        .map_err(|error| fault("ca_file", &config.ca_file, &error))?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_keepalive(Some(KEEPALIVE));
    let client = legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_MAX)
        .build(HttpsConnector::from((http, tls.into())));
    Ok(Client::with_http_client(client))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| fault(key, path, &error))
}

fn fault(key: &'static str, path: &Path, what: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Tls {
        key,
        path: path.to_owned(),
        what: what.to_string(),
    }
}
