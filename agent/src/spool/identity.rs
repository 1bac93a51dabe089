//! The identifier of the spool's numbering.

use std::io;
use std::path::Path;

use crmscope_proto::Id;
use crmscope_proto::payload::open;
use crmscope_proto::v1::Batch;
use prost::Message as _;

use super::disk::{self, Disk, is_refusal};

const FILE: &str = "spool_id";

/// The identifier as stored; `None` when it is not there or damaged.
///
/// # Errors
/// When the disk does not say.
pub(super) fn stored(disk: &dyn Disk, root: &Path) -> io::Result<Option<Id>> {
    let bytes = match disk::read(disk, &root.join(FILE)) {
        Err(error) if is_refusal(&error) => return Err(error),
        outcome => outcome.unwrap_or_default(),
    };
    let text = String::from_utf8(bytes).unwrap_or_default();
    Ok(Id::parse(&text).ok())
}

/// The identifier as an encoded batch has it.
pub(super) fn of_batch(batch: &[u8]) -> Option<Id> {
    let batch = Batch::decode(batch).ok()?;
    open(&batch).ok()?;
    Id::from_wire(&batch.spool_id).ok()
}

/// A new one: under it every number is free.
pub(super) fn draw() -> Id {
    Id(fastrand::u128(..).to_le_bytes())
}

/// Stores it. Durable before the first batch that carries it.
pub(super) fn store(disk: &dyn Disk, root: &Path, id: Id) -> io::Result<()> {
    disk::replace(disk, root, FILE, format!("{id}\n").as_bytes())
}
