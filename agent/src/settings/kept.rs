//! Where settings stay, so that they hold after a start without a collector, and bad ones are known.
//!
//! One file in the state directory: a line with a checksum, then JSON. A file that is damaged counts as
//! none: the agent's own configuration is in force, and the collector delivers again.

use std::io;
use std::path::Path;

use crmscope_proto::limits::OVERLAY_MAX_BYTES;
use crmscope_proto::overlay::Overlay;
use serde::{Deserialize, Serialize};

use crate::kept;

/// Name of the file.
pub(super) const FILE: &str = "collector_settings";

const MARK: &[u8] = b"crmset01 ";

/// Length of the first line.
const HEAD_BYTES: usize = MARK.len() + 8 + 1;

/// Two overlays, of which each byte may take two, and what was bad.
const FILE_MAX_BYTES: usize = 4 * OVERLAY_MAX_BYTES + 64 * 1024;

/// Most versions that are known to be bad.
pub(super) const BAD_MAX: usize = 8;

/// What there is to know about settings over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// They passed.
    pub(super) good: Option<Entry>,
    /// They are on probation.
    pub(super) trial: Option<Entry>,
    /// The agent was stopped in good order meanwhile.
    pub(super) stopped: bool,
    /// They were taken back, the newest last.
    pub(super) bad: Vec<Bad>,
}

/// Settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Hash of the overlay.
    pub(super) version: u64,
    /// As it came.
    pub(super) overlay: String,
}

/// Settings that were taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bad {
    /// Hash of the overlay.
    pub(super) version: u64,
    /// What failed.
    pub(super) reason: String,
}

impl Entry {
    /// What it says.
    pub(super) fn decode(&self) -> Result<Overlay, String> {
        let overlay = Overlay::decode(self.version, self.overlay.as_bytes());
        overlay.map_err(|error| error.to_string())
    }
}

/// What was kept last.
///
/// # Errors
/// When there is a file that cannot be read, or is damaged.
pub(super) fn read(state_dir: &Path) -> io::Result<Option<Kept>> {
    match kept::read(state_dir, FILE, FILE_MAX_BYTES)? {
        None => Ok(None),
        Some(bytes) => decode(&bytes).map(Some).ok_or_else(kept::damaged),
    }
}

/// The same at a start. Settings that were stopped on probation go on with it, once it is written down that
/// this start is not stopped yet: else one that crashes at once would try them for ever.
///
/// # Errors
/// See [`read`].
pub(super) fn recall(state_dir: &Path) -> io::Result<Kept> {
    let mut kept = read(state_dir)?.unwrap_or_default();
    if kept.trial.is_some() && kept.stopped {
        let started = Kept {
            stopped: false,
            ..kept.clone()
        };
        if let Err(error) = write(state_dir, &started) {
            tracing::warn!(%error, "settings on probation wait for a start at which the disk takes notes");
            kept.trial = None;
        }
    }
    Ok(kept)
}

/// Keeps it; where there is nothing to know, the file goes.
///
/// # Errors
/// When the disk refuses; what was there before stays.
pub(super) fn write(state_dir: &Path, kept: &Kept) -> io::Result<()> {
    if *kept == Kept::default() {
        return kept::remove(state_dir, FILE);
    }
    let json = serde_json::to_vec(kept)?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + json.len());
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(format!("{:08x}\n", crc32fast::hash(&json)).as_bytes());
    bytes.extend_from_slice(&json);
    kept::replace(state_dir, FILE, &bytes)
}

fn decode(bytes: &[u8]) -> Option<Kept> {
    let (checksum, json) = bytes.strip_prefix(MARK)?.split_at_checked(9)?;
    (checksum == format!("{:08x}\n", crc32fast::hash(json)).as_bytes()).then_some(())?;
    let kept: Kept = serde_json::from_slice(json).ok()?;
    let is_whole = |entry: &Entry| entry.version != 0 && entry.decode().is_ok();
    let entries = [&kept.good, &kept.trial];
    let is_good = entries.into_iter().flatten().all(is_whole) && kept.bad.len() <= BAD_MAX;
    is_good.then_some(kept)
}
