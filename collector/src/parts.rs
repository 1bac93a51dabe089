//! Parts of the collector that run on their own.
//!
//! Promises that a part ends with its owner: what is dropped is aborted.

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A part whose end, for whatever reason, is the collector's; one that is off never ends.
pub(crate) struct Part {
    name: &'static str,
    task: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Part {
    pub(crate) const fn new(
        name: &'static str,
        task: Option<JoinHandle<anyhow::Result<()>>>,
    ) -> Self {
        Self { name, task }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        let Some(task) = &mut self.task else {
            return std::future::pending().await;
        };
        let ended = task.await;
        self.task = None;
        ended
            .context(self.name)?
            .with_context(|| format!("{} stopped", self.name))
    }

    /// Waits for its end, where it has not come yet.
    pub(crate) async fn finish(&mut self) {
        if self.task.is_some()
            && let Err(error) = self.ended().await
        {
            tracing::error!("{error:#}");
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Something that runs beside, and whose end means only that it is done.
pub(crate) struct Background {
    task: Option<JoinHandle<()>>,
    done: watch::Receiver<bool>,
}

impl Background {
    /// Nothing to do.
    pub(crate) fn none() -> Self {
        Self {
            task: None,
            done: watch::channel(true).1,
        }
    }

    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (sender, done) = watch::channel(false);
        let task = tokio::spawn(async move {
            work.await;
            sender.send_replace(true);
        });
        Self {
            task: Some(task),
            done,
        }
    }

    /// Becomes true once it is done.
    pub(crate) fn done(&self) -> watch::Receiver<bool> {
        self.done.clone()
    }

    /// Waits until it is done.
    pub(crate) async fn finish(&mut self) {
        if let Some(task) = &mut self.task {
            let _ = task.await;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
