//! One drill, from an empty directory to its proof.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::{Instant, sleep};

use super::faults::{self, Scene};
use super::load::Load;
use super::proof::{self, Proof};
use super::report::Display;
use super::stack::{AGENTS, Stack};
use super::table::Drill;
use super::{Arguments, faults::disk::SmallDisk};
use crate::up::binaries::Binaries;

/// How long the first lines may take to be stored, before anything strikes.
const FIRST_ROWS_DEADLINE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(250);

/// What one drill is run with.
pub(super) struct DrillRun<'run> {
    pub(super) drill: &'static Drill,
    pub(super) arguments: &'run Arguments,
    pub(super) binaries: &'run Binaries,
    pub(super) library: &'run Path,
    pub(super) root: PathBuf,
    pub(super) random: fastrand::Rng,
    pub(super) display: &'run Display,
}

impl DrillRun<'_> {
    /// Runs it. An error means that it could not be run; what is not whole is in the proof.
    pub(super) async fn run(mut self) -> anyhow::Result<Proof> {
        self.display.phase("starting its stack");
        std::fs::create_dir_all(&self.root)
            .with_context(|| format!("make {}", self.root.display()))?;
        let mut stack = Stack::start(
            self.root.clone(),
            self.binaries,
            self.library,
            self.drill.brokers,
        )
        .await?;
        // Before the agents, whose state it may hold; unmounted after they are gone.
        let disk = SmallDisk::prepare(self.drill.fault, &stack)?;
        let clocks: [Arc<AtomicI64>; AGENTS] = Default::default();
        let mut loads = Vec::new();
        for (index, clock) in clocks.iter().enumerate() {
            let load = Load::start(&stack.access_log(index), Arc::clone(clock))?;
            loads.push(load);
            stack.start_agent(index)?;
        }
        self.wait_first_rows(&mut stack).await?;

        let end = Instant::now() + Duration::from_secs(self.arguments.seconds);
        self.display.phase("under load");
        let mut scene = Scene {
            stack: &mut stack,
            disk: disk.as_ref(),
            clocks: &clocks,
            random: &mut self.random,
            display: self.display,
            load: Duration::from_secs(self.arguments.seconds),
        };
        let struck = faults::strike(self.drill.fault, &mut scene).await?;
        self.display.phase("healed, under load");
        tokio::time::sleep_until(end).await;

        let mut written = Vec::new();
        for load in &mut loads {
            written.push(load.finish()?);
        }
        let expected: Vec<u64> = written
            .iter()
            .map(|lines| lines + u64::from(self.arguments.sabotage))
            .collect();
        let settle = Duration::from_secs(self.arguments.settle_seconds);
        self.settle(&mut stack, &written, settle).await?;
        self.display.phase("stopping agents, reading the ledger");
        stack.stop_agents().await?;
        let proof = proof::collect(&stack, expected, struck, settle).await?;
        stack.stop().await;
        drop(disk);
        Ok(proof)
    }

    async fn wait_first_rows(&self, stack: &mut Stack) -> anyhow::Result<()> {
        self.display.phase("waiting for the first rows");
        let end = Instant::now() + FIRST_ROWS_DEADLINE;
        loop {
            stack.check_running()?;
            let stored = proof::stored(stack, "requests_raw").await?;
            if stored.iter().all(|&lines| lines > 0) {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "no rows of both agents after {} s: nothing to strike",
                FIRST_ROWS_DEADLINE.as_secs()
            );
            sleep(POLL).await;
        }
    }

    /// Waits until every line that was written is stored, or the time is over.
    async fn settle(
        &self,
        stack: &mut Stack,
        written: &[u64],
        longest: Duration,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + longest;
        let total: u64 = written.iter().sum();
        loop {
            stack.check_running()?;
            let stored = proof::stored(stack, "requests_raw").await?;
            let sum: u64 = stored.iter().sum();
            self.display
                .phase(&format!("settling: {sum} of {total} lines stored"));
            let is_there = stored
                .iter()
                .zip(written)
                .all(|(stored, written)| stored >= written);
            // What is not there in time is for the proof to say.
            if is_there || Instant::now() > end {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }
}
