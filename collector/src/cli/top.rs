//! `top`: the overview in the terminal.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use prometheus_client::registry::Registry;

use super::time::parse_duration;
use crate::config::Config;
use crate::overview::Settings;
use crate::storage::Storage;
use crate::top;

/// How the overview is shown.
#[derive(Args, Clone, Debug)]
pub struct TopArguments {
    /// From one look at ClickHouse to the next, such as 2s.
    #[arg(long, value_parser = parse_duration, default_value = "2s", value_name = "TIME")]
    pub every: Duration,
    /// Print it as text and leave. Exit code 0: all is well; 1: something is wrong; 2: an error;
    /// 3: not known.
    #[arg(long)]
    pub once: bool,
}

pub(super) async fn show(config: &Config, arguments: &TopArguments) -> anyhow::Result<ExitCode> {
    // Waits no longer than the configuration says: it is better to say soon that nothing is known.
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let settings = Settings::of(config, config.ingest.listen);
    let options = top::Options {
        every: arguments.every,
        once: arguments.once,
    };
    Ok(ExitCode::from(top::run(storage, settings, options).await?))
}
