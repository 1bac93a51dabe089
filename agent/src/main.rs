//! crmscope-agent: the command. Only wires; see the library.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use crmscope_agent::{Config, LogFormat, runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Watches this host and streams what it sees to a crmscope collector.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file (TOML); variables CRMSCOPE_AGENT__SECTION__KEY override it.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Watch and send until stopped (the default).
    Run,
    /// Read the configuration, say what is wrong with it, and exit.
    Validate,
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before logging is set up, and for people at a terminal.
            #[allow(clippy::print_stderr, reason = "the last word of a failed command")]
            {
                eprintln!("crmscope-agent: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.as_deref())?;
    if matches!(arguments.command, Some(Command::Validate)) {
        #[allow(clippy::print_stdout, reason = "the answer to the command")]
        {
            println!(
                "the configuration is good; this host is `{}`",
                config.agent_id
            );
        }
        return Ok(());
    }
    let filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("log = `{}`", config.log))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    let agent_id = config.agent_id.clone();
    let agent = config.build()?;
    let sources: Vec<_> = agent.sources.iter().map(|source| source.name()).collect();
    tracing::info!(
        agent_id,
        version = env!("CARGO_PKG_VERSION"),
        sources = sources.join(","),
        "watching this host"
    );
    // One thread for everything that waits: the sources have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let signals = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = stop.send(true);
            // A second signal means now.
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::select! {
            result = runtime::run(agent, stopped) => result.map_err(anyhow::Error::from),
            () = signals => Ok(()),
        }
    })?;
    tracing::info!("stopped");
    Ok(())
}
