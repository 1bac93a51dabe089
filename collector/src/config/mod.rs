//! The collector's configuration: a TOML file, then the environment.
//!
//! Owns reading and the check for unknown keys. Every section belongs to the module it configures,
//! with its defaults and checks. Promises: an unknown key is an error that names its place and the
//! nearest known key; no secret stands in the configuration, only the names of files that hold one.

mod keys;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::builder::DefaultState;
use config::{ConfigBuilder, Environment, File, FileFormat, Source as _};
use serde::{Deserialize, Serialize};

use crate::{ingest, logging, storage, web, writer};

/// Environment variables begin with this; `__` stands between section and key.
pub const ENVIRONMENT_PREFIX: &str = "CRMSCOPE_COLLECTOR";

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How agents reach the collector.
    pub ingest: ingest::Config,
    /// How blocks are made.
    pub writer: writer::Config,
    /// How to reach ClickHouse.
    pub clickhouse: storage::Config,
    /// Pages, health and metrics.
    pub web: web::Config,
    /// What agents are asked to use.
    pub agent_settings: ingest::AgentSettings,
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
    /// The file.
    #[error("config file {path}: {error}")]
    File {
        /// Path.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// Not TOML, or a value of the wrong type.
    #[error("{0}")]
    Value(#[from] config::ConfigError),
    /// A key that is none.
    #[error("{0}")]
    UnknownKey(#[from] keys::UnknownKey),
    /// Section `[ingest]` or `[agent_settings]`.
    #[error("{0}")]
    Ingest(#[from] ingest::ConfigError),
    /// Section `[writer]`.
    #[error("{0}")]
    Writer(#[from] writer::ConfigError),
    /// Section `[clickhouse]`.
    #[error("{0}")]
    Storage(#[from] storage::ConfigError),
    /// Section `[web]`.
    #[error("{0}")]
    Web(#[from] web::ConfigError),
    /// Section `[log]`.
    #[error("{0}")]
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
        let config = Self::read(path, environment)?;
        config.validate()?;
        Ok(config)
    }

    fn read(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let known = keys::known(&Self::default());
        let mut builder = ConfigBuilder::<DefaultState>::default();
        if let Some(path) = path {
            let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
                path: path.to_owned(),
                error,
            })?;
            let file = File::from_str(&text, FileFormat::Toml);
            let read = file.collect().map_err(|error| {
                let text = format!("config file {}: {error}", path.display());
                ConfigError::Value(config::ConfigError::Message(text))
            })?;
            keys::check(&keys::flatten(read), &known, &|key| {
                format!("config file {}: {key}", path.display())
            })?;
            builder = builder.add_source(file);
        }
        let variables: HashMap<String, String> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(&format!("{ENVIRONMENT_PREFIX}__")))
            .collect();
        let source = Environment::with_prefix(ENVIRONMENT_PREFIX)
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("web.allowed_hosts")
            .source(Some(variables));
        keys::check(&keys::flatten(source.collect()?), &known, &|key| {
            let name = key.to_uppercase().replace('.', "__");
            format!("environment variable {ENVIRONMENT_PREFIX}__{name}")
        })?;
        Ok(builder.add_source(source).build()?.try_deserialize()?)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.ingest.validate()?;
        self.agent_settings.validate()?;
        self.writer.validate()?;
        self.clickhouse.validate()?;
        self.web.validate()?;
        self.log.validate()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
