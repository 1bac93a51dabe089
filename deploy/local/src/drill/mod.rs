//! `cargo up -- drill`: named faults on a small stack under load, and the proof after each.
//!
//! Owns: the drills ([`table`](mod@table)), the stack each one runs on, load whose truth is known,
//! the faults, and the judgement. Promises that a drill is whole only when the collector's own
//! ledger finds nothing missing, every table holds exactly the lines that were written, and the
//! fault is known to have bitten; that nothing is left running, whatever happens; and that it uses
//! ports and directories of its own. Leaves to others what the parts do.

mod faults;
mod load;
pub mod namespace;
mod proof;
mod proxy;
mod report;
mod run;
mod stack;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::up::binaries::Binaries;
use crate::up::say;
use report::{Display, Outcome};
use table::Drill;

/// Breaks a small stack in named ways under load, and proves that nothing was lost or counted twice.
///
/// Each drill starts ClickHouse, collectors, two agents and, where it needs them, Kafka brokers, of
/// its own; writes access logs whose lines it counts; strikes; heals; waits until all is stored; and
/// then checks the ledger and every table. Exit code 0: all whole; 1: a drill is not whole; 2: a
/// drill could not run; 130: it was interrupted.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// Drills to run; all of them when none is named.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Show the drills and what they do, then leave.
    #[arg(long)]
    pub list: bool,
    /// How long each drill writes load, seconds; at least 6.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(6..=3600))]
    pub seconds: u64,
    /// Seed of the moments faults strike and how long they last; drawn and printed when not given.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Longest a drill may take to settle after its load, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub settle_seconds: u64,
    /// Keep data, configuration and logs in this directory, which must be empty or not be there.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Do not build: the binaries are there already.
    #[arg(long)]
    pub no_build: bool,
    /// Expect one line more than was written, to see that a drill can fail.
    #[arg(long)]
    pub sabotage: bool,
}

/// What came of all drills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every drill is whole.
    Whole,
    /// Something is missing, or was counted twice.
    NotWhole,
    /// A drill could not run, so that nothing is known.
    CouldNotRun,
    /// Stopped by a signal, so that nothing is known.
    Interrupted,
}

impl Verdict {
    /// Of the command: 0, 1, 2, or 130 as shells have it for Ctrl-C.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::NotWhole => 1,
            Self::CouldNotRun => 2,
            Self::Interrupted => 130,
        }
    }
}

/// Does what the module says.
///
/// # Errors
/// When nothing can be run: an unknown name, a build that fails, no engine.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Verdict> {
    if arguments.list {
        say(&table::list());
        return Ok(Verdict::Whole);
    }
    let drills = table::chosen(&arguments.names)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // What is dropped on the way out takes its processes with it.
    tokio::select! {
        verdict = run_all(arguments, &drills) => verdict,
        _ = terminate.recv() => Ok(stopped("a signal")),
        _ = interrupt.recv() => Ok(stopped("Ctrl-C")),
    }
}

fn stopped(by: &str) -> Verdict {
    say(&format!("stopped by {by}; no verdict"));
    Verdict::Interrupted
}

async fn run_all(arguments: &Arguments, drills: &[&'static Drill]) -> anyhow::Result<Verdict> {
    let binaries = Binaries::find()?;
    if !arguments.no_build {
        say("building (minutes the first time, then seconds)");
        binaries.build()?;
    }
    let library = tokio::task::spawn_blocking(crate::engine::ensure).await??;
    let scratch = Scratch::new(arguments.keep.as_ref())?;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    say(&format!("seed {seed}\n"));
    let display = Display::new(drills.len());
    let mut outcomes = Vec::new();
    for drill in drills {
        let started = Instant::now();
        display.begin(drill.name);
        let drill_run = run::DrillRun {
            drill,
            arguments,
            binaries: &binaries,
            library: &library,
            root: scratch.path.join(drill.name),
            // Its own, so that a drill alone is the same as among others.
            random: fastrand::Rng::with_seed(seed ^ table::position(drill)),
            display: &display,
        };
        let outcome = Outcome::of(drill.name, drill_run.run().await, started.elapsed());
        display.done(&outcome);
        outcomes.push(outcome);
    }
    display.end();
    say(&report::table(&outcomes));
    if let Some(keep) = &arguments.keep {
        say(&format!(
            "data, configuration and logs are kept in {}",
            keep.display()
        ));
    }
    Ok(outcomes
        .iter()
        .map(|outcome| outcome.verdict)
        .max()
        .unwrap_or(Verdict::Whole))
}

/// Where the drills have their directories; gone at the end unless it is to be kept.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    fn new(keep: Option<&PathBuf>) -> anyhow::Result<Self> {
        let path = match keep {
            Some(path) => path.clone(),
            None => std::env::temp_dir().join(format!("crmscope-drill-{}", std::process::id())),
        };
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        if std::fs::read_dir(&path)?.next().is_some() {
            bail!("{} is not empty: name another directory", path.display());
        }
        Ok(Self {
            path: path.canonicalize()?,
            keep: keep.is_some(),
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
