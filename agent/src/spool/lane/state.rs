//! The small file with what a lane's segments do not say.
//!
//! It is a [`Record`]: sequence = the acknowledged one, time = the settled one, checkpoint = the
//! position there, batch = the next sequence (8 bytes) and a message with the ranges that are
//! reported as dropped and lie above what is settled, and the head of the lane's chain. It is replaced as a whole. Beside it lies `reserve`, a file of zeros that is
//! given up when the disk is full: without a new state no segment may go, and without that a full
//! disk would stay full.

use std::io;
use std::path::Path;

use crmscope_proto::chain::Head;
use crmscope_proto::v1::{ChainHead, DropRange};
use prost::Message as _;

use crate::spool::disk::{self, Disk, is_refusal, write_all_at};
use crate::spool::record::{Parsed, Record, SEQUENCE_MAX};

pub(super) const FILE: &str = "state";
const RESERVE: &str = "reserve";

/// Room for the state of a lane that follows hundreds of logs.
const RESERVE_BYTES: usize = 128 * 1024;

/// What follows the next sequence. Earlier versions read and write a payload there, of which this has
/// the field of drops.
#[derive(Clone, PartialEq, prost::Message)]
struct More {
    #[prost(message, repeated, tag = "6")]
    drops: Vec<DropRange>,
    #[prost(message, optional, tag = "100")]
    head: Option<ChainHead>,
}

/// What is stored.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) acked_sequence: u64,
    pub(super) settled_sequence: u64,
    /// The next one at that time: lower ones were given out.
    pub(super) next_sequence: u64,
    pub(super) checkpoint: Vec<u8>,
    pub(super) reported: Vec<DropRange>,
    pub(super) head: Option<Head>,
}

/// What was found.
pub(super) enum Found {
    State(State),
    Nothing,
    /// Bytes that say nothing any more.
    Damaged(Vec<u8>),
}

pub(super) fn read(disk: &dyn Disk, directory: &Path) -> io::Result<Found> {
    let bytes = match disk::read(disk, &directory.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        // A person must mend it, or time; all else is damage, which never stops the start.
        Err(error) if is_refusal(&error) => return Err(error),
        Err(_) => return Ok(Found::Damaged(Vec::new())),
    };
    let Parsed::Whole(record, _) = Record::parse(&bytes) else {
        return Ok(Found::Damaged(bytes));
    };
    let (next_sequence, more) = record.batch.split_at_checked(8).unwrap_or_default();
    let next_sequence = next_sequence.try_into().map_or(1, u64::from_le_bytes);
    let settled_sequence = record.created_ms.cast_unsigned().max(record.sequence);
    if next_sequence > SEQUENCE_MAX + 1 || settled_sequence > SEQUENCE_MAX {
        return Ok(Found::Damaged(bytes));
    }
    let More { drops, head } = More::decode(more).unwrap_or_default();
    let mut reported = drops;
    reported.retain(|range| range.last_sequence <= SEQUENCE_MAX);
    Ok(Found::State(State {
        acked_sequence: record.sequence,
        settled_sequence,
        checkpoint: record.checkpoint,
        next_sequence,
        reported,
        head: head.and_then(|head| Head::from_wire(&head).ok()),
    }))
}

/// Replaces the file. Durable before any segment it speaks of goes.
pub(super) fn write(disk: &dyn Disk, directory: &Path, state: State) -> io::Result<()> {
    let more = More {
        drops: state.reported,
        head: state.head.map(Head::to_wire),
    };
    let mut batch = state.next_sequence.to_le_bytes().to_vec();
    batch.extend(more.encode_to_vec());
    let record = Record {
        sequence: state.acked_sequence,
        created_ms: state.settled_sequence.cast_signed(),
        checkpoint: state.checkpoint,
        batch,
        ..Record::default()
    };
    let mut encoded = Vec::new();
    record.write_to(&mut encoded);
    match disk::replace(disk, directory, FILE, &encoded) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            disk.remove(&directory.join(RESERVE)).map_err(|_| error)?;
            disk::replace(disk, directory, FILE, &encoded)
        }
        outcome => outcome,
    }
}

/// Gives the reserve up.
pub(super) fn release_reserve(disk: &dyn Disk, directory: &Path) {
    // Where there is none, nothing depends on it.
    let _ = disk.remove(&directory.join(RESERVE));
}

/// Lays the reserve in, or in again. Without room for it there is none: nothing depends on it.
pub(super) fn keep_reserve(disk: &dyn Disk, directory: &Path) {
    // Memory is not what runs out of room there, and it would be held for nothing.
    if disk.is_in_memory() {
        return;
    }
    let path = directory.join(RESERVE);
    let whole = |length| length == RESERVE_BYTES as u64;
    if disk
        .open(&path)
        .and_then(|file| file.length())
        .is_ok_and(whole)
    {
        return;
    }
    let laid = disk
        .create(&path)
        .and_then(|file| write_all_at(file.as_ref(), vec![0; RESERVE_BYTES].into(), 0));
    if laid.is_err() {
        let _ = disk.remove(&path);
    }
}
