//! The processes of the local stack.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::http;

/// How long a process may take to end before it is killed. The collector flushes, the engine closes.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How long killed processes may take to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// Children in the order of their start; they are stopped in the opposite order. What is left when
/// they are dropped is killed, and gone then: nothing writes into a directory that is to be removed.
#[derive(Debug, Default)]
pub(crate) struct Children(Vec<(&'static str, Child)>);

impl Children {
    /// Starts a process whose output goes to `<logs>/<name>.log`.
    pub(crate) fn start(
        &mut self,
        name: &'static str,
        mut command: Command,
        logs: &Path,
    ) -> anyhow::Result<()> {
        let path = logs.join(format!("{name}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open the log {}", path.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own: Ctrl-C at the terminal reaches only this command, which stops them in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        self.0.push((name, child));
        Ok(())
    }

    /// Waits until a path answers 200, or the process ends, or the deadline is over.
    pub(crate) async fn wait_ready(
        &mut self,
        name: &str,
        port: u16,
        path: &str,
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + deadline;
        loop {
            if let Some((_, child)) = self.0.iter_mut().find(|(started, _)| *started == name)
                && let Some(status) = child.try_wait()?
            {
                bail!(
                    "{name} did not start ({status}); see its log, {name}.log in the logs directory"
                );
            }
            let seen = match http::get(port, path).await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => format!("it answers {status}: {}", body.trim()),
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > end {
                bail!("{name} is not ready after {} s: {seen}", deadline.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Kills a process at once, as a crash would.
    pub(crate) async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let mut child = self.take(name)?;
        if let Some(status) = child.try_wait()? {
            bail!("{name} had ended by itself ({status})");
        }
        child.kill().await.with_context(|| format!("kill {name}"))
    }

    /// Asks a process to end, and waits; it is killed where it does not.
    pub(crate) async fn stop(&mut self, name: &str) -> anyhow::Result<ExitStatus> {
        let mut child = self.take(name)?;
        signal(&child, Signal::TERM);
        match tokio::time::timeout(STOP_DEADLINE, child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                child.kill().await?;
                bail!("{name} did not end within {} s", STOP_DEADLINE.as_secs())
            }
        }
    }

    /// A process that ended by itself, if one did.
    pub(crate) fn ended(&mut self) -> Option<(&'static str, ExitStatus)> {
        self.0.iter_mut().find_map(|(name, child)| {
            let status = child.try_wait().ok().flatten()?;
            Some((*name, status))
        })
    }

    fn take(&mut self, name: &str) -> anyhow::Result<Child> {
        let position = self
            .0
            .iter()
            .position(|(started, _)| *started == name)
            .with_context(|| format!("{name} was not started"))?;
        Ok(self.0.remove(position).1)
    }

    /// The first process that ends by itself.
    pub(crate) async fn wait_any(&mut self) -> (&'static str, ExitStatus) {
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends all, the last started first, each given time to finish.
    pub(crate) async fn stop_in_order(&mut self) {
        while let Some((name, mut child)) = self.0.pop() {
            signal(&child, Signal::TERM);
            if tokio::time::timeout(STOP_DEADLINE, child.wait())
                .await
                .is_err()
            {
                super::say(&format!(
                    "{name} did not end within {} s and is killed",
                    STOP_DEADLINE.as_secs()
                ));
                let _ = child.kill().await;
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            let _ = child.start_kill();
        }
        let end = Instant::now() + KILL_DEADLINE;
        while Instant::now() < end
            && self
                .0
                .iter_mut()
                .any(|(_, child)| matches!(child.try_wait(), Ok(None)))
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn signal(child: &Child, which: Signal) {
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, which);
    }
}
