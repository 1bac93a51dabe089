//! Readiness: not a port that answers, but a row that was written.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::error::{Code, Error};
use crate::readiness::Readiness;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// How long an answer is good for: probes come from several sides.
const CACHED: Duration = Duration::from_secs(5);
/// How long the write may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// Tests the path on which rows are written.
#[derive(Debug)]
pub(super) struct Probe {
    storage: Storage,
    readiness: Readiness,
    last: Mutex<Option<(Instant, Result<(), Error>)>>,
}

impl Probe {
    pub(super) fn new(storage: Storage, readiness: Readiness) -> Self {
        Self {
            storage,
            readiness,
            last: Mutex::new(None),
        }
    }

    /// Whether the collector stores what it is given.
    pub(super) async fn check(&self) -> Result<(), Error> {
        if let Some(obstacle) = self.readiness.obstacle() {
            return Err(unready(&obstacle));
        }
        if !self.readiness.stores() {
            return Ok(());
        }
        // Whoever comes while a row is being written waits for its outcome.
        let mut last = self.last.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < CACHED
        {
            return outcome.clone();
        }
        let outcome = match tokio::time::timeout(DEADLINE, self.storage.insert(&row())).await {
            Ok(outcome) => outcome.map_err(|error| unready(&error.message)),
            Err(_) => Err(unready(&format!(
                "a row was not written within {} ms",
                DEADLINE.as_millis()
            ))),
        };
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

fn unready(why: &str) -> Error {
    Error::new(Code::Unavailable, format!("not ready: {why}"))
}

fn row() -> Insert {
    let mut native = Block::new(1, 16);
    native.string(
        "collector",
        std::iter::once(env!("CARGO_PKG_VERSION").as_bytes()),
    );
    Insert::new(
        "write_probe",
        &Origin::Journal(fastrand::u64(..)),
        1,
        native,
    )
}
