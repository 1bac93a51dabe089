//! crmscope-agent: the command. Only wires; see the library.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};
use crmscope_agent::rules;
use crmscope_agent::sources::requests::Format;
use crmscope_agent::sources::requests::try_log::{self, Options};
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
    /// Print the ceilings in force and what is shed near them, in its order.
    Budget,
    /// Read an access log once and show what the agent would make of it.
    ///
    /// Guesses the format unless one is given, and shows routes, latencies, the lines that were
    /// not understood and why, and the configuration to follow the log with. Needs no
    /// configuration and sends nothing.
    ///
    /// Exit status: 0 when there was a request and every line was understood, 1 when not, or when
    /// the log could not be read.
    TryLog(TryLog),
    /// Read Sigma rules and say what is wrong with them.
    ///
    /// Exit status: 0 when there is a rule and all are good, 1 when not.
    #[command(subcommand)]
    Rules(RulesCommand),
}

#[derive(Subcommand)]
enum RulesCommand {
    /// Print file, line and reason of each rule that is refused.
    Check {
        /// Directories instead of those of the configuration.
        #[arg(value_name = "DIR")]
        directories: Vec<PathBuf>,
    },
}

#[derive(Args)]
struct TryLog {
    /// The log, compressed by gzip or not; `-` is standard input.
    file: PathBuf,
    /// Format of its lines, instead of a guess.
    #[arg(long, value_parser = formats())]
    format: Option<String>,
    /// The server's own log format, as nginx's log_format or Apache's LogFormat has it.
    #[arg(long)]
    pattern: Option<String>,
    /// Read only so many lines.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    lines: Option<u64>,
    /// Show the first lines that were not understood. They may hold names and secrets.
    #[arg(long)]
    show_lines: bool,
}

/// Names of formats, with what they are in the help.
fn formats() -> PossibleValuesParser {
    let named = |format: &Format| PossibleValue::new(format.name()).help(format.description());
    PossibleValuesParser::new(Format::ALL.iter().map(named))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Command::TryLog(options)) => try_log(options),
        Some(Command::Rules(RulesCommand::Check { directories })) => {
            check_rules(&arguments, directories)
        }
        _ => start(&arguments).map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
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

fn try_log(options: &TryLog) -> anyhow::Result<ExitCode> {
    let name = options.format.as_deref();
    let outcome = try_log::run(&Options {
        file: options.file.clone(),
        format: name.and_then(Format::named),
        pattern: options.pattern.clone(),
        max_lines: options.lines,
        show_lines: options.show_lines,
    })?;
    print(&outcome.text, outcome.good)
}

fn check_rules(arguments: &Arguments, directories: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let config = Config::load(arguments.config.as_deref())?;
    let surroundings = config.rule_surroundings();
    let directories = match directories {
        [] => &config.rules.directories,
        given => given,
    };
    let outcome = rules::check::run(directories, &surroundings).map_err(anyhow::Error::msg)?;
    print(&outcome.text, outcome.good)
}

fn print(text: &str, good: bool) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        result => result.context("cannot write to standard output")?,
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
    if matches!(arguments.command, Some(Command::Budget)) {
        #[allow(clippy::print_stdout, reason = "the answer to the command")]
        {
            print!("{}", config.budget);
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
