//! One record of a segment: a sealed batch, and where its source stood after it.
//!
//! Layout, little endian, 44 bytes and then the body:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic `CSR1` |
//! | 4 | CRC-32 of everything after this field |
//! | 4 | length of the checkpoint |
//! | 4 | length of the batch |
//! | 8 | sequence |
//! | 8 | created, Unix ms |
//! | 4 | items |
//! | 4 | flags: bit 0 set when the next record belongs to the same append, bit 1 when the batch reports drops |
//! | 4 | CRC-32 of the 32 bytes from the lengths on up to here; 0 in records of earlier versions |
//! | n | checkpoint, then batch |

use crmscope_proto::chain::Head;
use crmscope_proto::limits::BATCH_MAX_BYTES;

const MAGIC: [u8; 4] = *b"CSR1";
const FLAG_CONTINUES: u32 = 1;
const FLAG_DROPS: u32 = 2;

/// Bytes before the body.
pub(super) const HEADER_BYTES: usize = 44;

/// No record is smaller: a header, and a batch with three ids of 16 bytes.
pub(super) const RECORD_MIN_BYTES: usize = HEADER_BYTES + 64;

/// Longest checkpoint a source may keep, bytes: some 400 for each of the 4096 logs it may follow.
pub const CHECKPOINT_MAX_BYTES: usize = 2 * 1024 * 1024;

/// No agent gives out so many numbers: a higher one is damage, whatever its checksum, and none is
/// given out. The one behind it is the highest that a collector takes as the next.
pub(super) const SEQUENCE_MAX: u64 = (1 << 62) - 1;

/// A record, read or to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Sequence within the lane.
    pub sequence: u64,
    /// Agent's wall clock, Unix ms.
    pub created_ms: i64,
    /// Rows in the batch.
    pub items: u32,
    /// Whether the next record was appended in the same step.
    pub continues: bool,
    /// Whether the batch reports drops.
    pub drops: bool,
    /// Where the lane's source stood; empty when it has no position or the append goes on.
    pub checkpoint: Vec<u8>,
    /// The encoded batch.
    pub batch: Vec<u8>,
    /// The chain's head once the batch is in it. Known where the batch is made, not where it is read:
    /// the batch says it.
    pub(super) head: Option<Head>,
}

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A whole record and its length.
    Whole(Record, usize),
    /// The bytes end within a record: an append that was cut off.
    Torn,
    /// Not a record, or one whose checksum is wrong.
    Corrupt,
}

impl Record {
    /// How many bytes it has in a segment.
    pub(super) const fn encoded_bytes(&self) -> usize {
        HEADER_BYTES + self.checkpoint.len() + self.batch.len()
    }

    /// Appends the record's bytes.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        for length in [self.checkpoint.len(), self.batch.len()] {
            // Both are bounded far below 4 GiB before they come here.
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.created_ms.to_le_bytes());
        out.extend_from_slice(&self.items.to_le_bytes());
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.continues, FLAG_CONTINUES) | flag(self.drops, FLAG_DROPS);
        out.extend_from_slice(&flags.to_le_bytes());
        let header = crc32fast::hash(&out[start + 8..]);
        out.extend_from_slice(&header.to_le_bytes());
        out.extend_from_slice(&self.checkpoint);
        out.extend_from_slice(&self.batch);
        let checksum = crc32fast::hash(&out[start + 8..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the record at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Parsed {
        if bytes.len() < HEADER_BYTES {
            return if MAGIC.starts_with(&bytes[..bytes.len().min(4)]) || bytes.starts_with(&MAGIC) {
                Parsed::Torn
            } else {
                Parsed::Corrupt
            };
        }
        let Some(length) = Self::length(bytes) else {
            return Parsed::Corrupt;
        };
        let u32_at = |at| u32_at(bytes, at);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let checkpoint = u32_at(8) as usize;
        let Some(whole) = bytes.get(..length) else {
            return Parsed::Torn;
        };
        if crc32fast::hash(&whole[8..]) != u32_at(4) || u64_at(16) > SEQUENCE_MAX {
            return Parsed::Corrupt;
        }
        let record = Self {
            sequence: u64_at(16),
            created_ms: u64_at(24).cast_signed(),
            items: u32_at(32),
            continues: u32_at(36) & FLAG_CONTINUES != 0,
            drops: u32_at(36) & FLAG_DROPS != 0,
            checkpoint: whole[HEADER_BYTES..HEADER_BYTES + checkpoint].to_vec(),
            batch: whole[HEADER_BYTES + checkpoint..].to_vec(),
            head: None,
        };
        Parsed::Whole(record, length)
    }

    /// How long the record at the start of `bytes` is by its header; `None` when that is none.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(&MAGIC) {
            return None;
        }
        // A damaged length must not pass for an append that was cut off: its number may be known.
        let header = u32_at(bytes, HEADER_BYTES - 4);
        if header != 0 && header != crc32fast::hash(&bytes[8..HEADER_BYTES - 4]) {
            return None;
        }
        let (checkpoint, batch) = (u32_at(bytes, 8) as usize, u32_at(bytes, 12) as usize);
        (checkpoint <= CHECKPOINT_MAX_BYTES && batch <= BATCH_MAX_BYTES)
            .then_some(HEADER_BYTES + checkpoint + batch)
    }

    /// How many bytes to go on by from damage at the start of `bytes`.
    pub(super) fn skip(bytes: &[u8]) -> usize {
        Self::find(&bytes[1..]).map_or(bytes.len(), |next| next + 1)
    }

    /// Where the next record may begin in `bytes`, for going on after damage.
    pub(super) fn find(bytes: &[u8]) -> Option<usize> {
        memchr::memmem::find(bytes, &MAGIC)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            sequence: 7,
            created_ms: -5,
            items: 3,
            continues: true,
            drops: true,
            checkpoint: b"position".to_vec(),
            batch: vec![0, 255, 10, 13],
            head: None,
        }
    }

    #[test]
    fn a_number_that_nobody_gives_out_is_damage() {
        for (sequence, whole) in [
            (SEQUENCE_MAX, true),
            (SEQUENCE_MAX + 1, false),
            (u64::MAX, false),
        ] {
            let mut bytes = Vec::new();
            Record {
                sequence,
                ..record()
            }
            .write_to(&mut bytes);
            let parsed = Record::parse(&bytes);
            assert_eq!(matches!(parsed, Parsed::Whole(..)), whole, "{sequence}");
        }
    }

    #[test]
    fn a_record_survives_and_every_cut_and_flip_is_seen() {
        let mut bytes = Vec::new();
        record().write_to(&mut bytes);
        assert_eq!(Record::parse(&bytes), Parsed::Whole(record(), bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(Record::parse(&bytes[..cut]), Parsed::Torn, "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(Record::parse(&flipped), Parsed::Whole(..)),
                "bit {bit}"
            );
        }
    }
}
