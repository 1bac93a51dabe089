//! A host whose clock is set while it runs. Its web server's log and its agent follow the clock.
//!
//! The kernel has no wall clock for one process alone, so the agent reads an error of its clock
//! from a file that only drills name.

use std::fs;
use std::sync::atomic::Ordering;

use anyhow::Context as _;

use super::Scene;

/// Minutes the clock is off, one step after the other; the collector takes rows from an hour ahead
/// on, and the clock of its own host stays right.
const STEPS_MINUTES: [i64; 3] = [30, -10, 0];

pub(super) async fn step(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    for minutes in STEPS_MINUTES {
        scene.pause(10, 20).await;
        let path = scene.stack.clock_file(0);
        let milliseconds = minutes * 60_000;
        // Complete when it has its name.
        let new = path.with_extension("new");
        fs::write(&new, milliseconds.to_string())
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("write {}", path.display()))?;
        scene.clocks[0].store(milliseconds, Ordering::Relaxed);
        scene
            .display
            .event(&format!("the clock of crm-01 is {minutes} min off"));
    }
    scene.stack.check_running()?;
    let steps: Vec<_> = STEPS_MINUTES
        .iter()
        .map(|minutes| format!("{minutes:+} min"))
        .collect();
    Ok(format!("the clock of crm-01 set to {}", steps.join(", ")))
}
