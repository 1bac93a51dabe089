//! Settings of the sources, and the one table that lists them.

use serde::{Deserialize, Serialize};

use super::Source;
use super::filesystem::{self, FilesystemSource};
use super::host::{self, HostSource};
use super::processes::{self, ProcessesSource};
use super::requests::{self, RequestsSource};
use super::security::{self, SecuritySource};
use super::transport::{self, TransportSource};

/// One section for each source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// CPU, memory, load, disks, interfaces.
    pub host: host::Config,
    /// Space and inodes of mounted file systems.
    pub filesystem: filesystem::Config,
    /// TCP and UDP.
    pub transport: transport::Config,
    /// Named processes.
    pub processes: processes::Config,
    /// Access logs.
    pub requests: requests::Config,
    /// Logins and privileges.
    pub security: security::Config,
}

impl Config {
    /// Checks every section.
    ///
    /// # Errors
    /// Names the key that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        self.host
            .validate()
            .map_err(|error| format!("sources.host.{error}"))?;
        self.filesystem
            .validate()
            .map_err(|error| format!("sources.filesystem.{error}"))?;
        self.transport
            .validate()
            .map_err(|error| format!("sources.transport.{error}"))?;
        self.processes
            .validate()
            .map_err(|error| format!("sources.processes.{error}"))?;
        self.requests.validate()?;
        self.security.validate()
    }

    /// The table of sources: adding one is a new file and a line here.
    #[must_use]
    pub fn build(&self) -> Vec<Box<dyn Source>> {
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        if self.host.enabled {
            sources.push(Box::new(HostSource::new(&self.host)));
        }
        if self.filesystem.enabled {
            sources.push(Box::new(FilesystemSource::new(&self.filesystem)));
        }
        if self.transport.enabled {
            sources.push(Box::new(TransportSource::new(&self.transport)));
        }
        if self.processes.enabled && !self.processes.watch.is_empty() {
            sources.push(Box::new(ProcessesSource::new(&self.processes)));
        }
        if self.requests.enabled {
            sources.push(Box::new(RequestsSource::new(&self.requests)));
        }
        if self.security.enabled {
            sources.push(Box::new(SecuritySource::new(&self.security)));
        }
        sources
    }
}
