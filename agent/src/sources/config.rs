//! Settings of the sources, and the one table that lists them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
use super::{Source, Worker};
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

    /// The table of sources: adding one is a new file, a line here and one in [`worker_of`].
    #[must_use]
    pub fn build(&self, rules: &Arc<Rules>) -> Vec<Box<dyn Source>> {
        self.build_for(&Worker::ALL, rules)
    }

    /// The sources of some workers.
    #[must_use]
    pub fn build_for(&self, workers: &[Worker], rules: &Arc<Rules>) -> Vec<Box<dyn Source>> {
        let has = |section: &str| workers.contains(&worker_of(section));
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        if has("host") && self.host.enabled {
            sources.push(Box::new(HostSource::new(&self.host)));
        }
        if has("filesystem") && self.filesystem.enabled {
            sources.push(Box::new(FilesystemSource::new(&self.filesystem)));
        }
        if has("transport") && self.transport.enabled {
            sources.push(Box::new(TransportSource::new(&self.transport)));
        }
        if has("processes") && self.processes.enabled && !self.processes.watch.is_empty() {
            sources.push(Box::new(ProcessesSource::new(&self.processes)));
        }
        if has("units") && self.units.enabled && !self.units.watch.is_empty() {
            sources.push(Box::new(UnitsSource::new(&self.units)));
        }
        if has("containers") && self.containers.enabled {
            sources.push(Box::new(ContainersSource::new(&self.containers)));
        }
        if has("sensors") && self.sensors.enabled {
            sources.push(Box::new(SensorsSource::new(&self.sensors)));
        }
        if has("clock") && self.clock.enabled {
            sources.push(Box::new(ClockSource::new(&self.clock)));
        }
        if has("probes") && self.probes.enabled && !self.probes.targets.is_empty() {
            sources.push(Box::new(ProbesSource::new(&self.probes)));
        }
        if has("requests") && self.requests.enabled {
            sources.push(Box::new(
                RequestsSource::new(&self.requests).with_rules(rules),
            ));
        }
        if has("security") && self.security.enabled {
            sources.push(Box::new(
                SecuritySource::new(&self.security).with_rules(rules),
            ));
        }
        if has("sql") {
            sources.extend(polled::of_databases(&self.sql, rules));
        }
        if has("salesforce") {
            sources.extend(polled::of_salesforce(&self.salesforce, rules));
        }
        if has("hubspot") {
            sources.extend(polled::of_hubspot(&self.hubspot, rules));
        }
        sources
    }

    /// Workers of which a source has other settings there.
    #[must_use]
    pub fn workers_changed(&self, other: &Self) -> Vec<Worker> {
        let sections = |config: &Self| serde_json::to_value(config).unwrap_or_default();
        let (own, other) = (sections(self), sections(other));
        let mut changed = Vec::new();
        for (section, value) in own.as_object().into_iter().flatten() {
            let worker = worker_of(section);
            if other.get(section) != Some(value) && !changed.contains(&worker) {
                changed.push(worker);
            }
        }
        changed
    }
}

/// On which worker the sources of a section run.
fn worker_of(section: &str) -> Worker {
    match section {
        "host" => Worker::Kernel,
        "filesystem" => Worker::Filesystems,
        "requests" => Worker::Requests,
        "security" | "sql" | "salesforce" | "hubspot" => Worker::Security,
        _ => Worker::Slow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_runs_on_the_worker_of_its_section() {
        let config = crate::Config::template().sources;
        let rules = Rules::new(&rules::Config::default(), None, Surroundings::default());
        let mut names = Vec::new();
        for worker in Worker::ALL {
            for source in config.build_for(&[worker], &rules) {
                assert_eq!(source.worker(), worker, "{}", source.name());
                assert_eq!(worker_of(source.name()), worker, "{}", source.name());
                names.push(source.name());
            }
        }
        let all: Vec<_> = config.build(&rules);
        assert_eq!(names.len(), all.len());
        let sections = serde_json::to_value(&config).unwrap();
        for name in names {
            assert!(sections.get(name).is_some(), "{name} is no section");
        }
    }

    #[test]
    fn only_workers_with_other_settings_change() {
        let own = Config::default();
        let mut other = own.clone();
        assert_eq!(own.workers_changed(&other), []);
        other.units.interval_ms += 1;
        other.clock.interval_ms += 1;
        assert_eq!(own.workers_changed(&other), [Worker::Slow]);
        other.requests.exemplars.enabled = false;
        assert_eq!(
            own.workers_changed(&other),
            [Worker::Slow, Worker::Requests]
        );
    }
}
