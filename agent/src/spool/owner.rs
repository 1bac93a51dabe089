//! Whose the spool is: the agent id, pinned in `<state_dir>/agent_id` at the first start.
//!
//! A collector takes batches of one agent id on a stream. So a spool in which batches of another id
//! wait would never get empty: it is refused, with the remedies. A spool in which nothing waits is
//! handed over, and its numbering begins anew.

use std::path::Path;
use std::sync::Arc;

use crmscope_proto::check_agent_id;

use super::disk::{self, DeadlineDisk, Disk, RealDisk};
use super::{Spool, SpoolError};

const FILE: &str = "agent_id";

/// The pinned agent id; `None` when there is none that can be one.
#[must_use]
pub fn pinned(state_dir: &Path) -> Option<String> {
    let disk = DeadlineDisk::new(Arc::new(RealDisk)).ok()?;
    pinned_on(&disk, state_dir)
}

fn pinned_on(disk: &dyn Disk, state_dir: &Path) -> Option<String> {
    let bytes = disk::read(disk, &state_dir.join(FILE)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let agent_id = text.trim();
    check_agent_id(agent_id).ok()?;
    Some(agent_id.to_owned())
}

/// Settles on the agent id to go by, and pins it. `named` says that the configuration names
/// `agent_id`; otherwise it is only what a first start would take: the host's name, or the pinned one.
///
/// # Errors
/// When batches of another id than the one named wait, or the disk refuses.
pub fn settle(
    state_dir: &Path,
    spool: &mut Spool,
    agent_id: &str,
    named: bool,
) -> Result<String, SpoolError> {
    // What waits decides over the file, which may be lost or stem from a backup.
    let queued = spool.queued_agent_id()?;
    let pinned = pinned(state_dir);
    let agent_id = match (&queued, &pinned) {
        (Some(queued), _) if queued != agent_id && named => {
            return Err(SpoolError::Owner {
                path: spool.path.clone(),
                queued_batches: spool.queued_batches(),
                queued: queued.clone(),
                agent_id: agent_id.to_owned(),
            });
        }
        (Some(queued), _) => queued.as_str(),
        (None, Some(pinned)) if !named => pinned.as_str(),
        (None, _) => agent_id,
    };
    let same = |other: &Option<String>| other.as_deref() == Some(agent_id);
    if !same(&pinned) {
        let refused = |error| SpoolError::Disk {
            path: state_dir.join(FILE),
            error,
        };
        // Numbers count by agent id: those of another one do not go on.
        if !same(&queued) && spool.is_numbered() {
            spool.renumber()?;
        }
        let line = format!("{agent_id}\n");
        disk::replace(spool.disk.as_ref(), state_dir, FILE, line.as_bytes()).map_err(refused)?;
    }
    Ok(agent_id.to_owned())
}
