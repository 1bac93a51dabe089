//! A spool on a file system that is full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};

use super::Scene;
use crate::drill::stack::Stack;
use crate::drill::table::Fault;

/// Of the file system, MiB.
const SIZE_MIB: u32 = 16;

/// What an agent's log says when the disk refuses: ENOSPC as Rust writes it.
const DISK_FULL: &str = "(os error 28)";
/// How long it may take to say so.
const BITE_DEADLINE: Duration = Duration::from_secs(60);

/// A small file system for the first agent's state; unmounted on drop.
#[derive(Debug)]
pub(in crate::drill) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it where the drill needs it.
    pub(in crate::drill) fn prepare(fault: Fault, stack: &Stack) -> anyhow::Result<Option<Self>> {
        if !matches!(fault, Fault::FillDisk) {
            return Ok(None);
        }
        if !rustix::process::geteuid().is_root() {
            bail!(
                "a small file system for the spool may not be mounted here: run this drill as root, or where `unshare --map-root-user --mount` is allowed"
            );
        }
        let path = stack.state_dir(0);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        let size = format!("size={SIZE_MIB}m,mode=0700");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "crmscope-drill"])
            .arg(&path))?;
        Ok(Some(Self { path }))
    }

    /// Takes every free page, and tells how many bytes that were.
    fn fill(&self) -> anyhow::Result<u64> {
        let path = self.ballast();
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("write {}", path.display()))?;
        let mut bytes = 0;
        // Page by page to the end: what is left is less than a page.
        for size in [64 << 10, 4096] {
            let piece = vec![0u8; size];
            while file.write_all(&piece).is_ok() {
                bytes += size as u64;
                ensure!(
                    bytes <= u64::from(SIZE_MIB) << 20,
                    "{} takes more than it has",
                    self.path.display()
                );
            }
        }
        Ok(bytes)
    }

    fn free(&self) -> anyhow::Result<()> {
        let path = self.ballast();
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // An agent that still runs keeps it until it ends, so lazily.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.path));
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Fills it, lets load go on, and frees it.
pub(super) async fn fill(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let disk = scene.disk.context("the drill has no small file system")?;
    scene.pause(5, 10).await;
    let bytes = disk.fill()?;
    ensure!(
        !has_room(&disk.path),
        "{} has room though it was filled",
        disk.path.display()
    );
    scene
        .display
        .event("the file system of crm-01's spool is full");
    // What acks free meanwhile is taken too.
    let mut more = 0;
    for _ in 0..5 {
        scene.pause(8, 12).await;
        scene.stack.check_running()?;
        more += disk.fill()?;
    }
    let end = Instant::now() + BITE_DEADLINE;
    while !scene.stack.agent_log(0).contains(DISK_FULL) {
        ensure!(
            Instant::now() < end,
            "the agent never met its full disk: its log has no {DISK_FULL:?}"
        );
        sleep(Duration::from_millis(250)).await;
        more += disk.fill()?;
    }
    disk.free()?;
    scene.display.event("it has room again");
    Ok(format!(
        "a tmpfs of {SIZE_MIB} MiB under crm-01's spool, filled with {bytes} bytes, and {more} that acks freed"
    ))
}

fn has_room(path: &Path) -> bool {
    let probe = path.join("probe");
    let has_room = fs::write(&probe, vec![0u8; 4096]).is_ok();
    let _ = fs::remove_file(probe);
    has_room
}
