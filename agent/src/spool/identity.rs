//! The identifier of the spool's numbering.

use std::io;
use std::path::Path;

use crmscope_proto::Id;
use crmscope_proto::payload::open;
use crmscope_proto::v1::Batch;
use prost::Message as _;

use super::disk::{self, Disk};

const FILE: &str = "spool_id";

/// The identifier as stored; `None` when it is not there or cannot be read.
pub(super) fn stored(disk: &dyn Disk, root: &Path) -> Option<Id> {
    let bytes = disk::read(disk, &root.join(FILE)).ok()?;
    Id::parse(&String::from_utf8(bytes).ok()?).ok()
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
