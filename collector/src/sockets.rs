//! Listening addresses: taken at start, told to whoever has to find them.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use tokio::net::TcpListener;

/// The addresses as bound.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Addresses {
    pub(crate) ingest: SocketAddr,
    pub(crate) web: SocketAddr,
}

/// Takes an address; an error names it and the key that changes it.
pub(crate) async fn bind(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let variable = key.to_uppercase().replace('.', "__");
        let prefix = crate::config::ENVIRONMENT_PREFIX;
        let hint = format!("change {key} ({prefix}__{variable})");
        match error.kind() {
            ErrorKind::AddrInUse => {
                anyhow::anyhow!("{address} is in use by another program; {hint}")
            }
            ErrorKind::PermissionDenied => {
                anyhow::anyhow!("listening on {address} is not permitted; {hint}")
            }
            _ => anyhow::anyhow!("cannot listen on {address}: {error}; {hint}"),
        }
    })
}

impl Addresses {
    pub(crate) fn of(ingest: &TcpListener, web: &TcpListener) -> std::io::Result<Self> {
        Ok(Self {
            ingest: ingest.local_addr()?,
            web: web.local_addr()?,
        })
    }

    /// Logs the addresses, and writes them to the file, whole or not at all.
    pub(crate) fn tell(self, file: Option<&Path>) -> anyhow::Result<()> {
        tracing::info!(ingest = %self.ingest, web = %self.web, "listening");
        let Some(path) = file else { return Ok(()) };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let text = serde_json::to_string(&self)?;
        std::fs::write(&partial, text)
            .and_then(|()| std::fs::rename(&partial, path))
            .with_context(|| format!("--address-file {}", path.display()))
    }
}
