//! ClickHouse's own compression framing, both ways, with LZ4.
//!
//! A frame is a 16-byte checksum (CityHash128 1.0.2 of all that follows), a method byte, the
//! compressed size with these nine bytes, the uncompressed size, and the data.

use std::io::{self, Read};

use super::fault::{Fault, code};

const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
const LZ4: u8 = 0x82;
const PLAIN: u8 = 0x02;
/// Clients send frames of 1 MiB at most unless told otherwise; a lying header must not allocate.
const MAX_FRAME_BYTES: usize = 128 << 20;
/// What one frame of ours holds before compression.
const OUT_BYTES: usize = 1 << 20;

/// CityHash128 as ClickHouse writes it: low half first.
fn checksum(data: &[u8]) -> [u8; CHECKSUM_BYTES] {
    cityhash_rs::cityhash_102_128(data)
        .rotate_right(64)
        .to_le_bytes()
}

/// `data` as frames.
pub(super) fn compress(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 2 + CHECKSUM_BYTES + HEADER_BYTES);
    for part in data.chunks(OUT_BYTES) {
        let packed = lz4_flex::block::compress(part);
        let mut frame = Vec::with_capacity(HEADER_BYTES + packed.len());
        frame.push(LZ4);
        // Both are below `OUT_BYTES` and a little, so they fit.
        let sizes = [packed.len() + HEADER_BYTES, part.len()];
        for size in sizes {
            frame.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        frame.extend_from_slice(&packed);
        out.extend_from_slice(&checksum(&frame));
        out.extend_from_slice(&frame);
    }
    out
}

/// Reads the data out of frames.
#[derive(Debug)]
pub(super) struct Frames<R> {
    inner: R,
    data: Vec<u8>,
    at: usize,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(inner: R) -> Self {
        Frames {
            inner,
            data: Vec::new(),
            at: 0,
        }
    }

    /// Reads one frame into `data`; false at the end of the input.
    fn refill(&mut self) -> io::Result<bool> {
        let mut head = [0; CHECKSUM_BYTES + HEADER_BYTES];
        let first = loop {
            match self.inner.read(&mut head) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if first == 0 {
            return Ok(false);
        }
        self.inner.read_exact(&mut head[first..])?;
        let (should, header) = head.split_at(CHECKSUM_BYTES);
        let size = |at: usize| {
            let bytes = header[at..at + 4].try_into().unwrap_or([0; 4]);
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (compressed, uncompressed) = (size(1), size(5));
        if compressed > MAX_FRAME_BYTES
            || uncompressed > MAX_FRAME_BYTES
            || compressed < HEADER_BYTES
        {
            return Err(fault(
                code::TOO_LARGE_SIZE_COMPRESSED,
                format!(
                    "compressed block of {compressed} bytes, {uncompressed} uncompressed, is out of bounds; \
                 most likely corrupted data, or a body that is not compressed with decompress=1"
                ),
            ));
        }
        let mut frame = header.to_vec();
        frame.resize(compressed, 0);
        self.inner.read_exact(&mut frame[HEADER_BYTES..])?;
        if checksum(&frame) != should {
            return Err(fault(
                code::CHECKSUM_DOESNT_MATCH,
                "Checksum doesn't match: corrupted data".to_owned(),
            ));
        }
        let packed = &frame[HEADER_BYTES..];
        self.data = match header[0] {
            LZ4 => lz4_flex::block::decompress(packed, uncompressed).map_err(|error| {
                fault(
                    code::CANNOT_DECOMPRESS,
                    format!("Cannot decompress: {error}"),
                )
            })?,
            PLAIN => packed.to_vec(),
            method => {
                return Err(fault(
                    code::UNKNOWN_COMPRESSION_METHOD,
                    format!(
                        "Unknown compression method: {method:#x}; this server takes LZ4 (0x82) and none (0x02)"
                    ),
                ));
            }
        };
        if self.data.len() != uncompressed {
            return Err(fault(
                code::CANNOT_DECOMPRESS,
                format!(
                    "Cannot decompress: {} bytes instead of {uncompressed}",
                    self.data.len()
                ),
            ));
        }
        self.at = 0;
        Ok(true)
    }
}

fn fault(code: u32, message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Fault::new(code, message))
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.data.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.data.len() - self.at);
        buffer[..count].copy_from_slice(&self.data[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frames: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Frames::new(frames).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn round_trips_and_notices_damage() {
        let data: Vec<u8> = (0..3_000_000_u32)
            .flat_map(|number| (number / 7).to_le_bytes())
            .collect();
        let frames = compress(&data);
        assert!(frames.len() < data.len());
        assert_eq!(read(&frames).unwrap(), data);
        assert_eq!(read(&[]).unwrap(), b"");
        assert!(read(&frames[..frames.len() - 1]).is_err());
        for at in [0, 16, 17, 21, 40] {
            let mut damaged = frames.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged).is_err(), "{at}");
        }
    }
}
