//! Where the collector is and how the agent proves who it is.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::transport::{Endpoint, Uri};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest token file that is read, bytes.
const TOKEN_MAX_BYTES: usize = 4096;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// URL of the collector's gRPC address.
    pub endpoint: String,
    /// File with the token that the collector knows; read at every connection.
    pub token_file: PathBuf,
    /// Allows `http://` to a host that is not this one: token and data then travel unencrypted.
    pub allow_plaintext: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:7070".to_owned(),
            token_file: PathBuf::from("/etc/crmscope/agent.token"),
            allow_plaintext: false,
        }
    }
}

impl Config {
    /// Checks the endpoint.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        let uri: Uri = self.endpoint.parse().map_err(|error| {
            format!(
                "collector.endpoint `{}` is not a URL: {error}",
                self.endpoint
            )
        })?;
        let host = uri.host().ok_or_else(|| {
            format!(
                "collector.endpoint `{}` names no host; write it as https://HOST:7070",
                self.endpoint
            )
        })?;
        match uri.scheme_str() {
            Some("https") => return Ok(()),
            Some("http") => {}
            _ => {
                return Err(format!(
                    "collector.endpoint `{}` must begin with https://, or with http:// where the collector is on this host",
                    self.endpoint
                ));
            }
        }
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = address == "localhost"
            || address
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        if !loopback && !self.allow_plaintext {
            return Err(format!(
                "collector.endpoint `{}` is another host, and token and data would travel unencrypted; write https://, or \
                 set collector.allow_plaintext = true on a network you trust",
                self.endpoint
            ));
        }
        Ok(())
    }

    /// Whether the collector speaks TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.endpoint.starts_with("https://")
    }

    /// Where to connect, and how a connection is kept.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn endpoint(&self) -> Result<Endpoint, String> {
        Ok(Endpoint::from_shared(self.endpoint.clone())
            .map_err(|error| format!("collector.endpoint is not a URL: {error}"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true))
    }

    /// Reads the token.
    ///
    /// # Errors
    /// Names the file and the remedy; never holds the token.
    pub(super) fn read_token(&self) -> Result<String, String> {
        let path = self.token_file.display();
        let text = std::fs::read_to_string(&self.token_file).map_err(|error| {
            format!("cannot read the token from {path} (collector.token_file): {error}")
        })?;
        let token = text.trim();
        if token.is_empty()
            || token.len() > TOKEN_MAX_BYTES
            || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(format!(
                "{path} (collector.token_file) must hold one token of printable ASCII, at most {TOKEN_MAX_BYTES} bytes"
            ));
        }
        Ok(token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_leaves_the_host_only_when_it_is_allowed() {
        let config = |endpoint: &str, allow_plaintext| Config {
            endpoint: endpoint.to_owned(),
            allow_plaintext,
            ..Config::default()
        };
        for good in [
            "http://127.0.0.1:7070",
            "http://localhost:1",
            "http://[::1]:7070",
        ] {
            assert_eq!(config(good, false).validate(), Ok(()), "{good}");
        }
        for bad in ["http://collector:7070", "http://10.0.0.1:7070"] {
            assert!(
                config(bad, false)
                    .validate()
                    .unwrap_err()
                    .contains("allow_plaintext"),
                "{bad}"
            );
            assert_eq!(config(bad, true).validate(), Ok(()), "{bad}");
        }
        assert_eq!(config("https://collector:7070", false).validate(), Ok(()));
        for bad in ["", "127.0.0.1:7070", "ftp://127.0.0.1:7070", "http://"] {
            assert!(
                config(bad, true)
                    .validate()
                    .unwrap_err()
                    .contains("collector.endpoint"),
                "{bad}"
            );
        }
    }
}
