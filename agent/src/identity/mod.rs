//! Who this agent is to collectors: its key and certificate.
//!
//! Picture: [`Identity::ready`] gives what a connection needs. Certificates of an outside authority are
//! files that somebody renews (cert-manager, SPIFFE); otherwise the agent enrols with a token ([`enrol`]),
//! keeps key and certificate in [`files`], and renews them before they end ([`Identity::run`]). Promises:
//! a key never leaves the host; a collector is believed by the authority that the token, a file or the
//! system names, never unseen; TLS is 1.3; files that changed are used at the next connection, and what
//! cannot be used does not take the place of what works; after a crash at any point the agent has a
//! certificate that goes with its key, or asks for one with the key it asked with before. Leaves
//! connections to [`crate::uplink`].

mod config;
mod enrol;
mod files;
mod outside;
mod own;
mod tls;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tonic::Status;
use tonic::transport::Endpoint;

pub use config::Config;
use outside::Outside;
use own::Own;
pub(crate) use tls::connect;

/// Why there is nothing to connect with.
#[derive(Debug)]
pub enum Fault {
    /// Something on this host: a file, a token.
    Setup(String),
    /// Nobody answers where a certificate is asked for.
    Unreachable(String),
    /// The collector gives none.
    Refused(Status),
}

enum Kind {
    Own(Box<Own>),
    Outside(Outside),
}

/// See the module.
pub struct Identity {
    kind: Kind,
}

impl Identity {
    /// Of an agent whose collector speaks TLS. Reads nothing yet.
    #[must_use]
    pub fn new(
        config: &Config,
        state_dir: &std::path::Path,
        agent_id: &str,
        endpoint: Endpoint,
    ) -> Self {
        let kind = if config.is_outside() {
            Kind::Outside(Outside::new(config))
        } else {
            Kind::Own(Box::new(Own::new(config, state_dir, agent_id, endpoint)))
        };
        Self { kind }
    }

    /// What a connection needs; enrols where that has to be first.
    ///
    /// # Errors
    /// With what is in the way, and the remedy.
    pub async fn ready(&self) -> Result<Arc<ClientConfig>, Fault> {
        match &self.kind {
            Kind::Own(own) => own.ready().await,
            Kind::Outside(outside) => outside.ready(),
        }
    }

    /// Renews, for ever.
    pub async fn run(&self) {
        match &self.kind {
            Kind::Own(own) => own.run().await,
            Kind::Outside(_) => std::future::pending().await,
        }
    }
}

/// From one failed renewal to the next attempt.
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(3600);
