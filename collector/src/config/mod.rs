//! The collector's configuration: a TOML file, then the environment.
//!
//! Owns the list of sections; each belongs to the module it configures, with its defaults and
//! checks. Promises that no secret stands in the configuration, only the names of files that hold
//! one. Leaves reading, and what unknown keys mean, to [`crmscope_proto::settings`].

use std::path::Path;

use crmscope_proto::settings::{self, SettingsError};
use serde::{Deserialize, Serialize};

use crate::presence::live;
use crate::roles::{Roles, RolesError};
use crate::{
    alerts, baselines, correlation, delivery, ingest, kafka, logging, objectives, storage, tls,
    web, writer,
};

/// Environment variables begin with this; `__` stands between section and key.
pub const ENVIRONMENT_PREFIX: &str = "CRMSCOPE_COLLECTOR";

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which parts of the collector are on.
    pub roles: Roles,
    /// How agents reach the collector.
    pub ingest: ingest::Config,
    /// How blocks are made.
    pub writer: writer::Config,
    /// The log between several collectors.
    pub kafka: kafka::Config,
    /// How to reach ClickHouse.
    pub clickhouse: storage::Config,
    /// When silence is suspicious.
    pub presence: live::Config,
    /// What is promised of services.
    pub objectives: Vec<objectives::Objective>,
    /// What many security events show together.
    pub correlation: correlation::Config,
    /// What is usual of users.
    pub baselines: baselines::Config,
    /// Who is notified.
    pub alerts: alerts::Config,
    /// Pages, health and metrics.
    pub web: web::Config,
    /// What agents are asked to use.
    pub agent_settings: delivery::settings::Config,
    /// What rules agents are given.
    pub agent_rules: delivery::rules::Config,
    /// Logs.
    pub log: logging::Config,
    /// The end.
    pub shutdown: Shutdown,
}

/// Section `[shutdown]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long settling what was received may take before the collector leaves anyway, ms.
    pub drain_deadline_ms: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            drain_deadline_ms: 10_000,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or a variable.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Section `[roles]`.
    #[error(transparent)]
    Roles(#[from] RolesError),
    /// Section `[kafka]`.
    #[error(transparent)]
    Kafka(#[from] kafka::ConfigError),
    /// Section `[ingest]`.
    #[error(transparent)]
    Ingest(#[from] ingest::ConfigError),
    /// Section `[agent_settings]`.
    #[error(transparent)]
    AgentSettings(#[from] delivery::settings::ConfigError),
    /// Section `[writer]`.
    #[error(transparent)]
    Writer(#[from] writer::ConfigError),
    /// Section `[clickhouse]`.
    #[error(transparent)]
    Storage(#[from] storage::ConfigError),
    /// Section `[presence]`.
    #[error(transparent)]
    Presence(#[from] live::ConfigError),
    /// Sections `[[objectives]]`.
    #[error(transparent)]
    Objectives(#[from] objectives::ConfigError),
    /// Section `[correlation]`.
    #[error(transparent)]
    Correlation(#[from] correlation::ConfigError),
    /// Section `[agent_rules]`.
    #[error(transparent)]
    Delivery(#[from] delivery::SetsError),
    /// Section `[baselines]`.
    #[error(transparent)]
    Baselines(#[from] baselines::ConfigError),
    /// Section `[alerts]`.
    #[error(transparent)]
    Alerts(#[from] alerts::ConfigError),
    /// Section `[web]`.
    #[error(transparent)]
    Web(#[from] web::ConfigError),
    /// Section `[log]`.
    #[error(transparent)]
    Log(#[from] logging::FilterError),
}

impl Config {
    /// Reads the file, where one is named, then `environment`, and checks everything.
    ///
    /// # Errors
    /// With the place, what is wrong there, and what would be right.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let config: Self =
            settings::load(path, ENVIRONMENT_PREFIX, environment, &Self::template())?;
        config.validate()?;
        Ok(config)
    }

    /// Reads the files of certificates and keys that are named, as a start would.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn try_files(&self) -> Result<(), ConfigError> {
        if self.roles.ingest {
            ingest::tls(&self.ingest, tls::Metrics::default())?;
        }
        if self.roles.web {
            web::tls(&self.web, tls::Metrics::default()).map_err(ingest::ConfigError::from)?;
        }
        Ok(())
    }

    /// A configuration in which every key is there, so that misspelt ones can be told.
    fn template() -> Self {
        Self {
            objectives: vec![objectives::Objective::template()],
            agent_settings: delivery::settings::Config {
                sets: vec![delivery::settings::SetConfig::template()],
                ..delivery::settings::Config::default()
            },
            agent_rules: delivery::rules::Config {
                sets: vec![delivery::rules::SetConfig::template()],
                ..delivery::rules::Config::default()
            },
            web: web::Config {
                tokens: vec![web::TokenConfig::default()],
                ..web::Config::default()
            },
            ..Self::default()
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.roles.validate(self.kafka.is_on())?;
        self.kafka.validate()?;
        self.ingest.validate()?;
        self.agent_settings.validate()?;
        self.writer.validate()?;
        self.clickhouse.validate()?;
        self.presence.validate()?;
        objectives::validate(&self.objectives)?;
        self.correlation.validate()?;
        self.agent_rules.validate()?;
        self.baselines.validate()?;
        self.alerts.validate()?;
        self.web.validate()?;
        self.log.validate()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
