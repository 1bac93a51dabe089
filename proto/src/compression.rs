//! zstd with contexts that are kept from one batch to the next.

use std::io;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

/// zstd's cheapest useful level: higher ones gained nothing on these payloads.
const ZSTD_LEVEL: i32 = 1;

/// Most memory of a compression context that is kept: what a batch of some 20 kB takes.
const SPARE_MAX_BYTES: usize = 144 << 10;

/// A context that the next batch is compressed with. Making one asks the processor for its
/// features, which takes longer than compressing a small batch where a hypervisor answers.
static SPARE: Mutex<Option<Compressor<'static>>> = Mutex::new(None);

/// Compresses a payload.
///
/// # Errors
/// When there is no memory for it.
pub(crate) fn compress(raw: &[u8]) -> io::Result<Vec<u8>> {
    let spare = || SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = spare().take();
    let mut compressor = match kept {
        Some(kept) => kept,
        None => Compressor::new(ZSTD_LEVEL)?,
    };
    let compressed = compressor.compress(raw)?;
    // One that a large batch has swollen costs memory for good, and saves it little.
    if compressor.context_mut().sizeof() <= SPARE_MAX_BYTES {
        *spare() = Some(compressor);
    }
    Ok(compressed)
}

/// Decompresses one payload after the other.
#[derive(Default)]
pub(crate) struct Decompression(Option<Decompressor<'static>>);

impl Decompression {
    /// Gives at most `announced` bytes.
    ///
    /// # Errors
    /// When it is no zstd, or unfolds to more.
    pub(crate) fn decompress(&mut self, payload: &[u8], announced: usize) -> io::Result<Vec<u8>> {
        let decompressor = match &mut self.0 {
            Some(kept) => kept,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.decompress(payload, announced)
    }
}
