//! Reading a segment at the start: what is whole, what was torn off, and what is damaged.

use std::io;
use std::path::Path;

use super::damage::Piece;
use super::disk::{self, Disk};
use super::record::{Parsed, RECORD_MIN_BYTES, Record};
use super::segment::Segment;

/// What reading a segment from disk found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Sequence and time of each whole record, in order.
    pub(super) records: Vec<(u64, i64)>,
    /// What belongs to no whole record and is not a torn tail.
    pub(super) pieces: Vec<Piece>,
    /// The last checkpoint of a whole append, and its sequence.
    pub(super) checkpoint: Option<(u64, Vec<u8>)>,
    /// The first batch, from which the spool id can be recovered.
    pub(super) first_batch: Option<Vec<u8>>,
    /// Batches that report drops, with their sequences.
    pub(super) drops: Vec<(u64, Vec<u8>)>,
    /// What the file ends with, where that looks like an append that was cut off.
    pub(super) torn: Option<Piece>,
    /// The last batch.
    pub(super) last_batch: Option<Vec<u8>>,
    /// The last number that may have been given out, when the end is damaged.
    pub(super) used_up_to: Option<u64>,
}

impl Scan {
    /// Reads a file. Its segment ends with the last whole append.
    pub(super) fn run(
        disk: &dyn Disk,
        path: &Path,
        first_sequence: u64,
    ) -> io::Result<(Segment, Self)> {
        let bytes = disk::read(disk, path)?;
        let mut segment = Segment::empty(path.to_owned(), first_sequence);
        let mut scan = Self::default();
        let (mut at, mut damaged) = (0, false);
        // Records of an append whose end is not seen yet: without it, it never was one.
        let mut open: Vec<Record> = Vec::new();
        while at < bytes.len() {
            match Record::parse(&bytes[at..]) {
                Parsed::Whole(record, length) => {
                    at += length;
                    let last = !record.continues;
                    open.push(record);
                    if last {
                        scan.take(&mut open, &mut segment);
                        segment.bytes = at as u64;
                        damaged = false;
                    }
                }
                Parsed::Torn if Record::find(&bytes[at + 1..]).is_none() => break,
                Parsed::Torn | Parsed::Corrupt => {
                    let skipped = Record::skip(&bytes[at..]);
                    let bad = &bytes[at..at + skipped];
                    Piece::note(&mut scan.pieces, &segment, at as u64, bad);
                    at += skipped;
                    damaged = true;
                }
            }
        }
        let whole = usize::try_from(segment.bytes).unwrap_or(bytes.len());
        if !damaged && whole < bytes.len() {
            scan.torn = Some(Piece {
                path: path.to_owned(),
                offset: segment.bytes,
                bytes: bytes[whole..].to_vec(),
            });
        }
        if damaged {
            // They may have been sent: their numbers must not be used again.
            let counted = segment
                .last_sequence
                .saturating_add(most_records(&bytes[whole..]));
            let seen = open.last().map_or(0, |record| record.sequence);
            scan.used_up_to = Some(counted.max(seen));
        }
        Ok((segment, scan))
    }

    fn take(&mut self, open: &mut Vec<Record>, segment: &mut Segment) {
        for record in open.drain(..) {
            self.records.push((record.sequence, record.created_ms));
            segment.batches += 1;
            segment.last_sequence = record.sequence;
            segment.last_ms = record.created_ms;
            if !record.checkpoint.is_empty() {
                self.checkpoint = Some((record.sequence, record.checkpoint));
            }
            if record.drops {
                self.drops.push((record.sequence, record.batch.clone()));
            }
            if self.first_batch.is_none() {
                self.first_batch = Some(record.batch.clone());
            }
            self.last_batch = Some(record.batch);
        }
    }
}

/// How many records the bytes may have held: counted by their headers while those lead on, then by
/// the size of the smallest.
fn most_records(mut bytes: &[u8]) -> u64 {
    let mut records = 0;
    while let Some(rest) = Record::length(bytes).and_then(|length| bytes.get(length..)) {
        records += 1;
        bytes = rest;
    }
    records + bytes.len().div_ceil(RECORD_MIN_BYTES) as u64
}
