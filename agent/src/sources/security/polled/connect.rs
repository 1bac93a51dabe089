//! Connections of pollers: names, TCP, Unix sockets and TLS.
//!
//! Promises that nothing is trusted but the system's certificates or a file's, as for probes; that a
//! server's text never gets into an error as it came ([`quoted`]); and that a connection has no
//! deadline of its own: the caller's holds for all of it.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::sources::probes::tls::{Trust, of_file, of_system};
use crmscope_proto::payload::truncate;

/// Longest text of a server in an error, bytes.
const QUOTED_MAX_BYTES: usize = 200;

/// Both directions of a connection.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A connection of any kind.
pub(super) type Stream = Box<dyn Io>;

/// A server's text, bounded and without anything that does more than stand there.
pub(super) fn quoted(text: &str) -> impl fmt::Display {
    let text = truncate(text, QUOTED_MAX_BYTES);
    // Everything but ASCII's printable characters is escaped: marks of direction do not survive.
    let escaped: String = text
        .chars()
        .flat_map(|character| {
            let plain = character == ' ' || character.is_ascii_graphic();
            let escape = (!plain).then(|| character.escape_unicode());
            plain
                .then_some(character)
                .into_iter()
                .chain(escape.into_iter().flatten())
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Whether what is sent there stays on this host.
pub(super) fn is_local(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A TCP connection; a name's addresses are tried in turn.
pub(super) async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| format!("no connection to {host}:{port}: {error}"))?;
    // Requests are small; they are not to wait for another.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A connection to a socket's file.
pub(super) async fn unix(path: &Path) -> Result<UnixStream, String> {
    UnixStream::connect(path)
        .await
        .map_err(|error| format!("no connection to {}: {error}", path.display()))
}

/// Whom a poller trusts, read when it is first needed.
#[derive(Debug, Default)]
pub(super) struct TrustCache {
    file: Option<PathBuf>,
    trust: Option<Trust>,
}

impl TrustCache {
    /// Trust in the certificates of a file, or in the system's.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, trust: None }
    }

    /// TLS over a connection. `protocols` are offered by ALPN.
    ///
    /// Files of certificates are read on the pollers' thread: a disk that hangs holds up pollers and
    /// nothing else.
    pub(super) async fn handshake<S: Io>(
        &mut self,
        name: &str,
        protocols: &[&[u8]],
        stream: S,
    ) -> Result<tokio_rustls::client::TlsStream<S>, String> {
        let trust = match self.trust.take() {
            Some(trust) => trust,
            None => match &self.file {
                Some(file) => of_file(file)?,
                None => of_system()?,
            },
        };
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("{name:?} cannot be the name of a certificate"))?;
        let connector = TlsConnector::from(trust.connection_for(protocols));
        let stream = connector
            .connect(server, stream)
            .await
            .map_err(|error| format!("no TLS with {name}: {error}"))?;
        // After a failure the file is read again: it may have been renewed with the certificate.
        self.trust = Some(trust);
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_does_nothing_in_an_error() {
        for (text, shown) in [
            ("no such table", "\"no such table\""),
            ("a\u{1b}[2Jb\n", "\"a\\u{1b}[2Jb\\u{a}\""),
            ("\u{202e}x", "\"\\u{202e}x\""),
        ] {
            assert_eq!(quoted(text).to_string(), shown);
        }
        assert!(quoted(&"x".repeat(10_000)).to_string().len() < 210);
    }

    #[test]
    fn what_stays_on_this_host() {
        for host in ["/run/mysqld/mysqld.sock", "localhost", "127.0.0.1", "::1"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db-01", "192.0.2.1", "localhost.example.com"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
