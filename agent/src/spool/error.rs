//! Why the spool could not do something.

use std::io;
use std::path::PathBuf;

use super::CHECKPOINT_MAX_BYTES;

/// Why the spool could not do something.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error("spool {path}: {error}")]
    Disk {
        /// Directory of the spool.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another agent has it.
    #[error("spool {path} is in use by another crmscope-agent; give each its own state_dir")]
    InUse {
        /// Directory of the spool.
        path: PathBuf,
    },
    /// Batches of another agent id wait in it.
    #[error(
        "agent_id is `{agent_id}`, but {queued_batches} batches of agent `{queued}` wait in spool {path}, and a collector takes them only from `{queued}`; start once with agent_id = \"{queued}\" to send them, or remove {path} to give them up"
    )]
    Owner {
        /// Directory of the spool.
        path: PathBuf,
        /// How many wait.
        queued_batches: u64,
        /// Their agent id.
        queued: String,
        /// The agent id of now.
        agent_id: String,
    },
    /// It is there and cannot be opened yet.
    #[error("spool {path} cannot be opened yet; it is tried again, and the log says why")]
    Closed {
        /// Directory of the spool.
        path: PathBuf,
    },
    /// It was opened late, and belongs to another agent id than the one gone by.
    #[error(
        "{path} belongs to agent `{pinned}`, and this agent goes by `{agent_id}`, because that could not be read at its start; restart the agent, or set agent_id"
    )]
    Renamed {
        /// The state directory.
        path: PathBuf,
        /// The agent id there.
        pinned: String,
        /// The agent id of now.
        agent_id: String,
    },
    /// The position of a source is larger than a record may hold.
    #[error("a checkpoint of {0} bytes is over the limit of {CHECKPOINT_MAX_BYTES}")]
    Checkpoint(usize),
}
