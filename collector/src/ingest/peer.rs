//! The other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tonic::Request;

use crate::identity::certificate::{Certified, Unnamed};

/// Where a connection comes from, and whose certificate it showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(super) address: Option<SocketAddr>,
    /// None where it showed none.
    pub(super) certificate: Option<Arc<Result<Certified, Unnamed>>>,
}

impl Peer {
    /// Of a request.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .unwrap_or_default()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}", address.ip()),
            None => f.write_str("unknown"),
        }
    }
}
