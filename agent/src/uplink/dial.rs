//! How a connection comes about: TCP, or what a test puts in its place.

use std::pin::Pin;
use std::sync::Arc;

use tonic::transport::{Channel, Endpoint, Error};

/// Connects to an endpoint. One connection a call: a stream of its own decides when it ends.
pub type Dial = Arc<
    dyn Fn(Endpoint) -> Pin<Box<dyn Future<Output = Result<Channel, Error>> + Send>> + Send + Sync,
>;

pub(super) fn tcp() -> Dial {
    Arc::new(|endpoint| Box::pin(async move { endpoint.connect().await }))
}
