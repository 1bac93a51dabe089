//! `run`: the collector, until a signal ends it.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crmscope_proto::systemd::Notifier;
use tokio::signal::unix::{SignalKind, signal};

use crate::Options;
use crate::config::Config;
use crate::ingest::auth::Tokens;
use crate::logging::{self, FilterHandle};

/// Options of `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArguments {
    /// Write the bound addresses to this file, as JSON.
    #[arg(long, value_name = "PATH")]
    pub address_file: Option<PathBuf>,
}

pub(super) async fn run<E: Display>(
    config: Config,
    arguments: &RunArguments,
    load: impl Fn() -> Result<Config, E>,
) -> anyhow::Result<ExitCode> {
    let filter = logging::start(&config.log)?;
    let tokens = if config.roles.ingest && !config.ingest.tls.is_on() {
        Tokens::load(&config.ingest.token_file)?
    } else {
        Tokens::none()
    };
    let notifier = Arc::new(Notifier::from_environment()?);
    let options = Options {
        address_file: arguments.address_file.clone(),
        notifier: Arc::clone(&notifier),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let reloaded = tokens.clone();
    let shutdown = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hangup.recv() => {
                    notifier.reloading();
                    reload(&reloaded, &filter, load());
                    notifier.reloaded();
                }
            }
        }
    };
    crate::run(config, options, tokens, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// What was in force stays where the new one cannot be used.
fn reload<E: Display>(tokens: &Tokens, filter: &FilterHandle, config: Result<Config, E>) {
    match tokens.reload() {
        Ok(count) => tracing::info!(count, "tokens read again"),
        Err(error) => tracing::error!(%error, "the old tokens stay"),
    }
    let applied = config
        .map_err(|error| error.to_string())
        .and_then(|config| {
            filter
                .set(&config.log.filter)
                .map_err(|error| error.to_string())
        });
    match applied {
        Ok(()) => tracing::info!("log filter read again"),
        Err(error) => tracing::error!(error, "the old log filter stays"),
    }
}
