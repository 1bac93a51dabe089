//! The faults: one file for each kind. Each strikes a running stack, heals it, and tells what it did.

mod clock;
pub(super) mod disk;
mod kill;
mod network;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::time::sleep;

use self::disk::SmallDisk;
use super::report::Display;
use super::stack::{AGENTS, Stack};
use super::table::Fault;

/// What a fault may break.
pub(super) struct Scene<'scene> {
    pub(super) stack: &'scene mut Stack,
    pub(super) disk: Option<&'scene SmallDisk>,
    /// How far each host's clock is off, ms; read by the load.
    pub(super) clocks: &'scene [Arc<AtomicI64>; AGENTS],
    pub(super) random: &'scene mut fastrand::Rng,
    pub(super) display: &'scene Display,
    /// How long there is load in all; a fault should be over well before.
    pub(super) load: Duration,
}

impl Scene<'_> {
    /// Waits for a part of the load's time, drawn between the two percentages.
    async fn pause(&mut self, from_percent: u32, to_percent: u32) {
        let percent = self.random.u32(from_percent..=to_percent);
        sleep(self.load * percent / 100).await;
    }
}

/// Strikes and heals. Returns what was done, for people.
pub(super) async fn strike(fault: Fault, scene: &mut Scene<'_>) -> anyhow::Result<String> {
    match fault {
        Fault::Kill(victim) => kill::strike(victim, scene).await,
        Fault::CutNetwork => network::cut(scene).await,
        Fault::SlowClickhouse(delay) => network::slow_clickhouse(delay, scene).await,
        Fault::StepClock => clock::step(scene).await,
        Fault::FillDisk => disk::fill(scene).await,
    }
}
