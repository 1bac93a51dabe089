//! Settings of the sources, and the one table that lists them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Source;
use super::clock::{self, ClockSource};
use super::containers::{self, ContainersSource};
use super::filesystem::{self, FilesystemSource};
use super::host::{self, HostSource};
use super::probes::{self, ProbesSource};
use super::processes::{self, ProcessesSource};
use super::requests::{self, RequestsSource};
use super::security::polled::{self, hubspot, salesforce, sql};
use super::security::{self, SecuritySource};
use super::sensors::{self, SensorsSource};
use super::transport::{self, TransportSource};
use super::units::{self, UnitsSource};
use crate::rules::{self, Rules, Surroundings};

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
    /// Units of systemd.
    pub units: units::Config,
    /// Containers.
    pub containers: containers::Config,
    /// Temperatures.
    pub sensors: sensors::Config,
    /// The clock.
    pub clock: clock::Config,
    /// Pages, ports and names that are asked for.
    pub probes: probes::Config,
    /// Access logs.
    pub requests: requests::Config,
    /// Logins and privileges.
    pub security: security::Config,
    /// Login records in databases.
    pub sql: sql::Config,
    /// Login records and exports of Salesforce.
    pub salesforce: salesforce::Config,
    /// The login history of HubSpot.
    pub hubspot: hubspot::Config,
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
        self.units
            .validate()
            .map_err(|error| format!("sources.units.{error}"))?;
        self.containers
            .validate()
            .map_err(|error| format!("sources.containers.{error}"))?;
        self.sensors
            .validate()
            .map_err(|error| format!("sources.sensors.{error}"))?;
        self.clock
            .validate()
            .map_err(|error| format!("sources.clock.{error}"))?;
        self.probes
            .validate()
            .map_err(|error| format!("sources.probes.{error}"))?;
        self.requests.validate()?;
        self.security.validate()?;
        self.sql.validate()?;
        self.salesforce.validate()?;
        self.hubspot.validate()
    }

    /// What rules are chosen by.
    #[must_use]
    pub fn rule_surroundings(&self, host: &str, rules: &rules::Config) -> Surroundings {
        let requests = self.requests.enabled.then_some(&self.requests.logs);
        let security = self.security.enabled.then_some(&self.security.logs);
        let formats = requests.into_iter().flatten();
        let formats = formats.map(|log| log.format.name().to_owned());
        let applications = security.into_iter().flatten();
        let applications = applications.map(|log| log.service_name().to_owned());
        let databases = self.sql.enabled.then_some(&self.sql.databases);
        let databases = databases.into_iter().flatten();
        let databases = databases.map(|database| database.service.clone());
        let orgs = self.salesforce.enabled.then_some(&self.salesforce.orgs);
        let orgs = orgs.into_iter().flatten().map(|org| org.service.clone());
        let accounts = self.hubspot.enabled.then_some(&self.hubspot.accounts);
        let accounts = accounts.into_iter().flatten();
        let accounts = accounts.map(|account| account.service.clone());
        let polled = databases.chain(orgs).chain(accounts);
        Surroundings {
            host: host.to_owned(),
            products: formats.chain(applications).chain(polled).collect(),
            reads_access_logs: requests.is_some_and(|logs| !logs.is_empty()),
            clock: rules.clock(),
        }
    }

    /// The table of sources: adding one is a new file and a line here.
    #[must_use]
    pub fn build(&self, rules: &Arc<Rules>) -> Vec<Box<dyn Source>> {
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
        if self.units.enabled && !self.units.watch.is_empty() {
            sources.push(Box::new(UnitsSource::new(&self.units)));
        }
        if self.containers.enabled {
            sources.push(Box::new(ContainersSource::new(&self.containers)));
        }
        if self.sensors.enabled {
            sources.push(Box::new(SensorsSource::new(&self.sensors)));
        }
        if self.clock.enabled {
            sources.push(Box::new(ClockSource::new(&self.clock)));
        }
        if self.probes.enabled && !self.probes.targets.is_empty() {
            sources.push(Box::new(ProbesSource::new(&self.probes)));
        }
        if self.requests.enabled {
            sources.push(Box::new(
                RequestsSource::new(&self.requests).with_rules(rules),
            ));
        }
        if self.security.enabled {
            sources.push(Box::new(
                SecuritySource::new(&self.security).with_rules(rules),
            ));
        }
        sources.extend(polled::of_databases(&self.sql, rules));
        sources.extend(polled::of_salesforce(&self.salesforce, rules));
        sources.extend(polled::of_hubspot(&self.hubspot, rules));
        sources
    }
}
