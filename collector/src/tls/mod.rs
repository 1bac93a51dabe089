//! TLS at the collector's addresses: TLS 1.3 by rustls, with files that may change under it.
//!
//! Picture: [`files`] reads PEM, [`Acceptor`] holds what is in force and makes connections of sockets,
//! [`watch`] looks for files that changed. Promises: no older version is spoken; no session is resumed,
//! so that every connection shows its certificate and has it checked; what cannot be used never takes
//! the place of what is in force, and never stops the process; every handshake that fails is counted
//! with a reason. Leaves who an agent is to [`crate::identity`].

mod acceptor;
pub(crate) mod files;
mod metrics;
mod socket;
pub(crate) mod watch;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use self::acceptor::{Acceptor, Source};
pub use self::files::TlsError;
pub(crate) use self::metrics::Metrics;
pub(crate) use self::socket::Socket;

/// Certificate and key of an address; empty paths are no TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Certificates in PEM, the collector's own first, then those above it.
    pub certificate_file: PathBuf,
    /// Its key in PEM.
    pub key_file: PathBuf,
}

impl Config {
    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }
}
