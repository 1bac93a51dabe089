//! Listening addresses: taken at start, told to whoever has to find them.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::config::Config;

/// The addresses as bound; those whose role is off are left out.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Addresses {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ingest: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) web: Option<SocketAddr>,
}

/// Takes an address; an error names it and the key that changes it.
async fn bind(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
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
    /// Takes the address for agents, where ingest is on.
    pub(crate) async fn take_ingest(
        &mut self,
        config: &Config,
    ) -> anyhow::Result<Option<TcpListener>> {
        if !config.roles.ingest {
            return Ok(None);
        }
        let listener = bind("ingest.listen", config.ingest.listen).await?;
        self.ingest = Some(listener.local_addr()?);
        Ok(Some(listener))
    }

    /// Takes the address of the pages, where they are on.
    pub(crate) async fn take_web(
        &mut self,
        config: &Config,
    ) -> anyhow::Result<Option<TcpListener>> {
        if !config.roles.web {
            return Ok(None);
        }
        let listener = bind("web.listen", config.web.listen).await?;
        self.web = Some(listener.local_addr()?);
        Ok(Some(listener))
    }

    /// Logs the addresses, and writes them to the file, whole or not at all.
    pub(crate) fn tell(self, file: Option<&Path>) -> anyhow::Result<()> {
        for (what, address) in [("ingest", self.ingest), ("web", self.web)] {
            if let Some(address) = address {
                tracing::info!(what, %address, "listening");
            }
        }
        let Some(path) = file else { return Ok(()) };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let text = serde_json::to_string(&self)?;
        std::fs::write(&partial, text)
            .and_then(|()| std::fs::rename(&partial, path))
            .with_context(|| format!("--address-file {}", path.display()))
    }
}
