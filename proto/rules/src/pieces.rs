//! A packed set in pieces, and together again.
//!
//! Pure. Pieces follow each other on one stream; the one at 0 begins anew whatever was there before.

use bytes::Bytes;
use crmscope_proto::v1::RulesPiece;

use crate::limits::{DELIVERED_MAX_BYTES, PACKED_MAX_BYTES, PIECE_MAX_BYTES};
use crate::pack::Packed;

/// The pieces of a set; one at least.
pub fn pieces(packed: &Packed) -> impl Iterator<Item = RulesPiece> + '_ {
    let length = packed.frame.len();
    let offsets = (0..length.max(1)).step_by(PIECE_MAX_BYTES);
    offsets.map(move |offset| RulesPiece {
        version: packed.version,
        files_bytes: u32::try_from(packed.files_bytes).unwrap_or(u32::MAX),
        frame_bytes: u32::try_from(length).unwrap_or(u32::MAX),
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        data: packed
            .frame
            .slice(offset..length.min(offset + PIECE_MAX_BYTES)),
    })
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Assembly {
    version: u64,
    frame_bytes: usize,
    data: Vec<u8>,
}

/// A piece that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PieceError {
    /// Version of the set that is not taken.
    pub version: u64,
    /// Why.
    pub reason: String,
}

impl Assembly {
    /// Takes a piece; the set once it is whole.
    ///
    /// # Errors
    /// When it does not follow, or the set is beyond a bound; the next piece at 0 begins anew.
    pub fn take(&mut self, piece: RulesPiece) -> Result<Option<Packed>, PieceError> {
        let version = piece.version;
        let refused = |reason: String| PieceError { version, reason };
        let [files_bytes, frame_bytes, offset] =
            [piece.files_bytes, piece.frame_bytes, piece.offset]
                .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        if offset == 0 {
            *self = Self {
                version,
                frame_bytes,
                data: Vec::new(),
            };
        }
        if frame_bytes > PACKED_MAX_BYTES || files_bytes > DELIVERED_MAX_BYTES {
            self.data = Vec::new();
            return Err(refused(format!(
                "{files_bytes} bytes and {frame_bytes} compressed, of {DELIVERED_MAX_BYTES} and {PACKED_MAX_BYTES} at most"
            )));
        }
        if (version, frame_bytes, offset) != (self.version, self.frame_bytes, self.data.len()) {
            self.data = Vec::new();
            return Err(refused(format!(
                "a piece at {offset} does not follow the one before"
            )));
        }
        if piece.data.len() > frame_bytes - offset || (piece.data.is_empty() && frame_bytes > 0) {
            self.data = Vec::new();
            return Err(refused(format!(
                "a piece of {} bytes at {offset}, of {frame_bytes} together",
                piece.data.len()
            )));
        }
        self.data.extend_from_slice(&piece.data);
        if self.data.len() < frame_bytes {
            return Ok(None);
        }
        Ok(Some(Packed {
            version,
            files_bytes,
            frame: Bytes::from(std::mem::take(&mut self.data)),
        }))
    }
}
