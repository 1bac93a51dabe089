//! Logs: to stderr, for people by default, as JSON on request; the filter can be changed while
//! the collector runs.

use std::io::IsTerminal as _;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What to log, in tracing's syntax: `info`, `crmscope_collector::ingest=debug,info`.
    pub filter: String,
    /// `human` or `json`.
    pub format: Format,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// A filter that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("log.filter {filter:?}: {error}")]
pub struct FilterError {
    filter: String,
    error: tracing_subscriber::filter::ParseError,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: Format::Human,
        }
    }
}

impl Config {
    /// Checks the filter.
    ///
    /// # Errors
    /// When it cannot be parsed.
    pub fn validate(&self) -> Result<(), FilterError> {
        parse(&self.filter).map(|_| ())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| FilterError {
            filter: filter.to_owned(),
            error,
        })
}

/// Changes the filter of a running collector.
#[derive(Clone, Debug)]
pub struct FilterHandle(reload::Handle<EnvFilter, Registry>);

impl FilterHandle {
    /// Takes another filter.
    ///
    /// # Errors
    /// When it cannot be parsed; the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let parsed = parse(filter)?;
        // Fails only when the subscriber is gone, and then nobody listens.
        let _ = self.0.reload(parsed);
        Ok(())
    }
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(config: &Config) -> Result<FilterHandle, FilterError> {
    let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Fails only when a test has started logging before.
    let _ = match config.format {
        Format::Human => registry
            .with(layer.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
        Format::Json => registry.with(layer.json()).try_init(),
    };
    Ok(FilterHandle(handle))
}
