//! `cargo up`: the whole system on one machine, by one command.
//!
//! Owns building, fetching, starting and stopping in order, and saying where to look. Promises that
//! Ctrl-C stops all in the order that loses nothing (agent, collector, ClickHouse), that a process
//! that ends by itself is named with the last lines of its log, and that the next start goes on
//! with the same data. Leaves what the processes do to themselves.

pub(crate) mod binaries;
pub(crate) mod children;
pub(crate) mod http;
pub(crate) mod place;
mod smoke;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use children::Children;
use place::Place;

/// Builds crmscope, starts it for this machine, and shows where to look.
///
/// Starts the embedded ClickHouse server, one collector and one agent, each its own process, on
/// loopback. Ctrl-C stops them in order and loses nothing.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo up --", version)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of starting the stack.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Wait until every table that this host can fill holds rows, print what arrived, stop, and
    /// exit 0; or print what is missing and exit 1.
    #[arg(long)]
    pub smoke: bool,
    /// Access log to count requests from (nginx combined, with or without $request_time); may be a
    /// pattern such as '/var/log/nginx/*access.log' and may be given several times. Read from its start.
    #[arg(long, value_name = "GLOB")]
    pub watch_log: Vec<String>,
    /// Where data, configuration and logs are kept.
    #[arg(long, value_name = "DIR", default_value = ".crmscope")]
    pub data_dir: PathBuf,
    /// Port of ClickHouse's HTTP protocol, on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 8123)]
    pub clickhouse_port: u16,
    /// Port of the agents' uplink (gRPC), on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 7070)]
    pub uplink_port: u16,
    /// Port of the collector's pages, on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// Longest wait of --smoke, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub smoke_timeout_seconds: u64,
    /// Do not build: the programs are there already.
    #[arg(long)]
    pub no_build: bool,
}

/// Other things than to watch this host.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Break a small stack in named ways under load, and prove that nothing was lost or counted twice.
    Drill(crate::drill::Arguments),
}

/// How long each process may take to be ready. The engine loads half a gigabyte on a cold disk.
pub(crate) const READY_DEADLINE: Duration = Duration::from_secs(120);

/// Does what the module says. Returns whether the smoke test, if asked for, passed.
///
/// # Errors
/// When something cannot be built, fetched or started; the text says what to do.
pub async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let place = Place::prepare(arguments)?;
    say(&format!(
        "crmscope {} on this machine\n",
        env!("CARGO_PKG_VERSION")
    ));
    if !arguments.no_build {
        say("  [1/5] building the programs (minutes the first time, then seconds)");
        place.binaries.build()?;
    }
    say("  [2/5] embedded ClickHouse engine");
    let library = tokio::task::spawn_blocking(crate::engine::ensure).await??;

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut children = Children::default();
    let outcome = tokio::select! {
        outcome = start_and_watch(arguments, &place, &library, &mut children) => outcome,
        _ = terminate.recv() => Ok(true),
        _ = interrupt.recv() => Ok(true),
    };
    say("\nstopping: agent, collector, ClickHouse");
    children.stop_in_order().await;
    if outcome.is_ok() {
        say(&format!(
            "stopped; everything is kept in {}",
            place.root.display()
        ));
    }
    outcome
}

async fn start_and_watch(
    arguments: &Arguments,
    place: &Place,
    library: &std::path::Path,
    children: &mut Children,
) -> anyhow::Result<bool> {
    say(&format!(
        "  [3/5] ClickHouse on http://127.0.0.1:{}",
        arguments.clickhouse_port
    ));
    children.start(
        "crmscope-clickhouse",
        place.clickhouse(library),
        &place.logs,
    )?;
    children
        .wait_ready(
            "crmscope-clickhouse",
            arguments.clickhouse_port,
            "/ping",
            READY_DEADLINE,
        )
        .await?;

    say(&format!(
        "  [4/5] collector on http://127.0.0.1:{}",
        arguments.http_port
    ));
    children.start("crmscope-collector", place.collector(), &place.logs)?;
    children
        .wait_ready(
            "crmscope-collector",
            arguments.http_port,
            "/readyz",
            READY_DEADLINE,
        )
        .await?;

    say("  [5/5] agent for this host");
    children.start("crmscope-agent", place.agent(), &place.logs)?;
    say(&place.where_to_look());

    if !arguments.smoke {
        say("Stop with Ctrl-C; the next start goes on with the same data.");
        let (name, status) = children.wait_any().await;
        bail!(
            "{name} ended by itself ({status}); its last words:\n{}",
            place.last_words(name)
        );
    }
    let smoke = smoke::Smoke::new(arguments, place);
    tokio::select! {
        passed = smoke.run(Duration::from_secs(arguments.smoke_timeout_seconds)) => passed.context("smoke test"),
        (name, status) = children.wait_any() => {
            bail!("{name} ended by itself ({status}); its last words:\n{}", place.last_words(name));
        }
    }
}

/// Says a line to the person at the terminal.
#[allow(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
