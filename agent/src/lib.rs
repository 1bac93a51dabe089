//! crmscope-agent: gathers what happens on one CRM host and hands it on, whole.
//!
//! The path of a figure, top to bottom: a [`sources::Source`] reads it on its worker's thread
//! ([`runtime::worker`]) and puts it into rows; rows become a sealed, numbered batch in the
//! [`outbox`], which keeps it in the [`spool`] on disk; the [`uplink`] sends it and frees it once
//! the collector says that it is stored.

pub mod clock;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
pub mod identity;
mod kept;
pub mod outbox;
pub mod rules;
pub mod runtime;
pub mod settings;
pub mod sources;
pub mod spool;
pub mod uplink;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crmscope_proto::settings::{SettingsError, load};
use crmscope_proto::systemd::{Notifier, SystemdError};
use crmscope_proto::{Id, check_agent_id};
use serde::{Deserialize, Serialize};

use identity::Identity;
use outbox::Outbox;
use rules::{Rules, Surroundings};
use runtime::Agent;
use settings::Desk;
use spool::{Opening, Origin};

/// Prefix of environment variables that override the file: `CRMSCOPE_AGENT__COLLECTOR__ENDPOINT`.
pub const ENVIRONMENT_PREFIX: &str = "CRMSCOPE_AGENT";

/// Everything that can be set; one section for each module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name of this host in every table and page; empty means the one of the first start, which
    /// is the host name.
    pub agent_id: String,
    /// Whether the configuration names the agent id.
    #[serde(skip)]
    agent_id_named: bool,
    /// Directory for what must survive a restart.
    pub state_dir: PathBuf,
    /// What is logged: a level, or directives such as `info,crmscope_agent::uplink=debug`.
    pub log: String,
    /// `text` for people, `json` for log collectors.
    pub log_format: LogFormat,
    /// Where the collector is.
    pub collector: uplink::Config,
    /// Who the agent is to it.
    pub identity: identity::Config,
    /// How often things happen.
    pub intervals: runtime::settings::Config,
    /// How much the disk may hold.
    pub spool: spool::Config,
    /// What the agent may cost.
    pub budget: runtime::budget::Config,
    /// What a collector may set.
    pub settings: settings::Config,
    /// What is measured.
    pub sources: sources::config::Config,
    /// What security events and requests are asked about.
    pub rules: rules::Config,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent_id: String::new(),
            agent_id_named: false,
            state_dir: PathBuf::from("/var/lib/crmscope-agent"),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            collector: uplink::Config::default(),
            identity: identity::Config::default(),
            intervals: runtime::settings::Config::default(),
            spool: spool::Config::default(),
            budget: runtime::budget::Config::default(),
            settings: settings::Config::default(),
            sources: sources::config::Config::default(),
            rules: rules::Config::default(),
        }
    }
}

impl Config {
    /// Reads the file, if any, then the environment, and checks every bound.
    ///
    /// # Errors
    /// Names the file or variable, the key and the remedy.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let mut config: Self = load(
            file,
            ENVIRONMENT_PREFIX,
            std::env::vars(),
            &Self::template(),
        )?;
        config.agent_id_named = !config.agent_id.is_empty();
        if !config.agent_id_named {
            config.agent_id = spool::owner::pinned(&config.state_dir)
                .unwrap_or_else(|| sources::host::facts::host_facts().hostname);
        }
        config
            .validate()
            .map_err(|message| SettingsError::Invalid {
                place: file.map_or_else(
                    || "configuration".to_owned(),
                    |path| path.display().to_string(),
                ),
                message,
            })?;
        Ok(config)
    }

    /// A configuration in which every list has an element: its keys are all there are.
    #[must_use]
    pub fn template() -> Self {
        let mut template = Self::default();
        template.sources.requests.logs = vec![sources::requests::LogConfig {
            service: Some(String::new()),
            pattern: Some(String::new()),
            fields: Some(sources::requests::Fields::template()),
            latency_unit: Some(sources::requests::LatencyUnit::default()),
            zone: Some(String::new()),
            routes: vec![String::new()],
            ..sources::requests::LogConfig::new("", sources::requests::Format::default())
        }];
        template.sources.security.logs = vec![sources::security::LogConfig::template()];
        template.sources.sql.databases = vec![sources::security::polled::sql::Database::template()];
        template.sources.salesforce.orgs =
            vec![sources::security::polled::salesforce::Org::template()];
        template.sources.hubspot.accounts =
            vec![sources::security::polled::hubspot::Account::template()];
        template.sources.probes.targets = vec![sources::probes::Target::template()];
        template.sources.processes.watch = vec![sources::processes::Watch {
            name: String::new(),
            comm: Some(String::new()),
            executable: Some(String::new()),
            command_line: Some(String::new()),
        }];
        template
    }

    fn validate(&self) -> Result<(), String> {
        check_agent_id(&self.agent_id)
            .map_err(|error| format!("agent_id `{}`: {error}", self.agent_id.escape_debug()))?;
        self.collector.validate()?;
        self.identity.validate()?;
        self.intervals.validate()?;
        self.spool.validate()?;
        self.budget.validate(self.spool.total_bytes())?;
        self.settings.validate()?;
        self.sources.validate()?;
        self.rules.validate()
    }

    /// What rules are chosen by.
    #[must_use]
    pub fn rule_surroundings(&self) -> Surroundings {
        self.sources.rule_surroundings(&self.agent_id, &self.rules)
    }

    /// Opens the spool and makes the sources.
    ///
    /// # Errors
    /// When the spool is in use or holds batches of another agent, when none may be made, when the kernel does not
    /// tell the boot id, or systemd cannot be told.
    pub fn build(self) -> Result<Agent, BuildError> {
        let desk = Desk::new(&self);
        let mut opening = Opening::new(
            &self.state_dir,
            self.spool,
            &self.agent_id,
            self.agent_id_named,
        )?;
        let opened = opening.open()?;
        let agent_id = match &opened {
            Some(opened) => opened.agent_id.clone(),
            None => self.agent_id,
        };
        let hostname = sources::host::facts::host_facts().hostname;
        if !self.agent_id_named && agent_id != hostname {
            tracing::warn!(
                agent_id,
                hostname,
                "the host's name is another than at the first start; the agent id stays: set agent_id to change it"
            );
        }
        let origin = Origin {
            agent_id,
            boot_id: sources::host::facts::boot_id().map_err(BuildError::Boot)?,
            start_id: Id(fastrand::u128(..).to_le_bytes()),
        };
        let rules = Rules::new(
            &self.rules,
            Some(&self.state_dir),
            self.sources
                .rule_surroundings(&origin.agent_id, &self.rules),
        );
        let identity = match self.collector.is_encrypted() {
            true => Some(Arc::new(Identity::new(
                &self.identity,
                &self.state_dir,
                &origin.agent_id,
                self.collector.endpoint().map_err(BuildError::Endpoint)?,
            ))),
            false => None,
        };
        // Of the agent's own configuration, only these may be other ones.
        let (intervals, budget, sources) = match desk.start() {
            Some(laid) => (laid.intervals, laid.budget, laid.sources),
            None => (self.intervals, self.budget, self.sources.clone()),
        };
        let outbox = match opened {
            Some(opened) => Outbox::new(opened.spool, opened.lost, origin),
            None => Outbox::closed(opening, origin),
        };
        Ok(Agent {
            outbox: Arc::new(outbox.with_aside()?),
            sources: sources.build(&rules),
            rules,
            intervals,
            desk: Arc::new(desk),
            uplink: self.collector,
            identity,
            budget,
            manager: sources::units::Manager::new(&self.sources.units),
            notifier: Arc::new(Notifier::from_environment()?),
        })
    }
}

/// Why the agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] spool::SpoolError),
    /// Where the collector is.
    #[error("{0}")]
    Endpoint(String),
    /// The boot id.
    #[error("cannot tell this boot from others: {0}")]
    Boot(sources::SourceError),
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}
