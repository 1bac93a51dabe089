//! Settings that a collector delivers: an overlay over the agent's own configuration.
//!
//! Owns whether it is taken, which is in force, and which is never tried again. Promises: an overlay that
//! cannot be is refused with the key and the reason, and changes nothing; one that can is written down
//! before it is tried, and taken back by itself where within its probation the agent crashes, loses the
//! collector or a source fails that worked before; what was taken back is not tried again before another
//! one passed; the last good one holds without a collector, through restarts. Bytes of the collector and of
//! the disk may be anything. [`trial`] and [`health`] are pure, [`kept`] has the file, [`desk`] acts.
//! Leaves to [`crmscope_proto::overlay`] what may be set, and to [`crate::runtime::crew`] how.

mod config;
pub mod desk;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
pub mod health;
mod kept;
#[cfg(test)]
mod tests;
mod trial;

pub use config::Config;
pub use desk::Desk;

use crmscope_proto::overlay::Overlay;

/// An agent's own configuration with an overlay, checked as a file would be.
///
/// # Errors
/// Names the key that makes no sense, and what would.
pub fn merged(own: &crate::Config, overlay: &Overlay) -> Result<crate::Config, String> {
    let mut tree = serde_json::to_value(own).map_err(|error| error.to_string())?;
    overlay
        .lay_over(&mut tree)
        .map_err(|error| error.to_string())?;
    let mut merged: crate::Config =
        serde_json::from_value(tree).map_err(|error| error.to_string())?;
    // Not part of the file.
    merged.agent_id_named = own.agent_id_named;
    merged.validate()?;
    Ok(merged)
}
