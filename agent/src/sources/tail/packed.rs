//! Reading packed files: streaming, in bounded memory, from any place.
//!
//! A packed file has no random access: what stands before the position is unpacked and passed over,
//! within the bounds of a run like everything that is read. A small file that unpacks to an endless
//! one costs no more in a run than any other.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::LINE_MAX_BYTES;
use super::identity::{ANCHOR_BYTES, FINGERPRINT_BYTES, Mark};
use super::names::Packing;

/// Unpacked at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Largest window of zstd, as a power of two: 8 MiB, which its highest level needs without `--long`.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// First bytes that are kept, for formats with a header.
const HEAD_BYTES: usize = 4 * FINGERPRINT_BYTES;

/// Reads a file without the position that handles share.
struct Sequential {
    file: File,
    offset: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Unpacks a file from its start.
fn unpack(packing: Packing, file: &File) -> io::Result<Box<dyn Read + Send>> {
    let packed = Sequential {
        file: file.try_clone()?,
        offset: 0,
    };
    match packing {
        Packing::Gzip => Ok(Box::new(flate2::read::MultiGzDecoder::new(packed))),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(packed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Ok(Box::new(decoder))
        }
        Packing::None => Ok(Box::new(packed)),
        Packing::Other => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The first unpacked bytes, as a fingerprint covers them, and whether there are no more.
pub(super) fn head(packing: Packing, file: &File) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::with_capacity(FINGERPRINT_BYTES + 1);
    unpack(packing, file)?
        .take(FINGERPRINT_BYTES as u64 + 1)
        .read_to_end(&mut head)?;
    let whole = head.len() <= FINGERPRINT_BYTES;
    head.truncate(FINGERPRINT_BYTES);
    Ok((head, whole))
}

/// How long the unpacked contents are, modulo 2^32, by the trailer of a gzip file.
pub(super) fn gzip_length(file: &File, size: u64) -> io::Result<u32> {
    let mut trailer = [0; 4];
    file.read_exact_at(&mut trailer, size.saturating_sub(4))?;
    Ok(u32::from_le_bytes(trailer))
}

/// What the bytes at hand are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// More of them; this many were unpacked.
    More(usize),
    /// The contents end here.
    End,
    /// The contents end before the position: everything in them was read.
    Short,
    /// Before the position stands something else than was read.
    Foreign,
}

/// A packed file being read.
pub(super) struct Packed {
    packing: Packing,
    file: File,
    decoder: Option<Box<dyn Read + Send>>,
    /// Unpacked bytes from `offset` on.
    bytes: Vec<u8>,
    offset: u64,
    verified: bool,
    ended: bool,
    /// First bytes.
    pub(super) head: Vec<u8>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Packed")
            .field("packing", &self.packing)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Packed {
    pub(super) fn new(packing: Packing, file: File) -> Self {
        Self {
            packing,
            file,
            decoder: None,
            bytes: Vec::new(),
            offset: 0,
            verified: false,
            ended: false,
            head: Vec::new(),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Begins again at the start of the file: it was written to meanwhile.
    pub(super) fn rewind(&mut self) {
        self.decoder = None;
        self.bytes = Vec::new();
        self.offset = 0;
        self.verified = false;
        self.ended = false;
    }

    /// Whether unpacking ended and nothing but an open end is left after the position.
    pub(super) fn is_drained(&self, mark: &Mark) -> bool {
        self.ended && memchr::memchr(b'\n', self.after(mark)).is_none()
    }

    /// Unpacked bytes after the position.
    pub(super) fn after(&self, mark: &Mark) -> &[u8] {
        let skip = mark.position.saturating_sub(self.offset);
        usize::try_from(skip)
            .ok()
            .and_then(|skip| self.bytes.get(skip..))
            .unwrap_or_default()
    }

    /// The anchor's bytes and what follows; `None` until the position is reached.
    pub(super) fn with_anchor(&self, mark: &Mark) -> Option<&[u8]> {
        let start = mark.position - mark.anchor_bytes() as u64;
        let skip = usize::try_from(start.checked_sub(self.offset)?).ok()?;
        (self.offset + self.bytes.len() as u64 >= mark.position)
            .then(|| self.bytes.get(skip..))
            .flatten()
    }

    /// Unpacks a chunk, and lets go what the position has passed.
    pub(super) fn fill(&mut self, mark: &Mark) -> io::Result<Filled> {
        let keep_from = mark.position - mark.anchor_bytes() as u64;
        let passed = usize::try_from(keep_from.saturating_sub(self.offset))
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        self.bytes.drain(..passed);
        self.offset += passed as u64;
        let mut filled = Filled::End;
        if !self.ended && self.bytes.len() <= LINE_MAX_BYTES + ANCHOR_BYTES {
            let decoder = match &mut self.decoder {
                Some(decoder) => decoder,
                None => self.decoder.insert(unpack(self.packing, &self.file)?),
            };
            let have = self.bytes.len();
            self.bytes.resize(have + CHUNK_BYTES, 0);
            let outcome = decoder.read(&mut self.bytes[have..]);
            let read = *outcome.as_ref().unwrap_or(&0);
            self.bytes.truncate(have + read);
            outcome?;
            let room = HEAD_BYTES.saturating_sub(self.head.len());
            if self.offset + have as u64 == self.head.len() as u64 {
                self.head
                    .extend_from_slice(&self.bytes[have..have + read.min(room)]);
            }
            self.ended = read == 0;
            if read > 0 {
                filled = Filled::More(read);
            } else {
                self.decoder = None;
            }
        }
        if !self.verified {
            match self.with_anchor(mark) {
                Some(bytes) if mark.is_anchor(&bytes[..mark.anchor_bytes()]) => {
                    self.verified = true;
                }
                Some(_) => return Ok(Filled::Foreign),
                None if self.ended => return Ok(Filled::Short),
                None => {}
            }
        }
        Ok(filled)
    }
}
