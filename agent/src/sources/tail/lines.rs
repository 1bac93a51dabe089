//! From bytes to lines.

use std::path::Path;

use super::identity::{self, ANCHOR_BYTES, Mark};
use super::{LINE_MAX_BYTES, LineSink, Loss, Lost};

/// Moves a mark along, also when a line makes its sink panic.
struct Progress<'a> {
    mark: &'a mut Mark,
    skipping: &'a mut bool,
    /// The anchor's bytes and what follows.
    bytes: &'a [u8],
    /// How much of them is behind the position.
    passed: usize,
}

impl Progress<'_> {
    fn advance(&mut self, length: usize) {
        self.passed += length;
        self.mark.position += length as u64;
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        let passed = &self.bytes[..self.passed];
        let last = &passed[passed.len().saturating_sub(ANCHOR_BYTES)..];
        self.mark.anchor = Some(identity::anchor(last));
    }
}

/// Hands over complete lines. `bytes` begin with those the mark's anchor covers. Returns how far
/// the position moved.
pub(super) fn hand_over<S: LineSink>(
    mark: &mut Mark,
    skipping: &mut bool,
    bytes: &[u8],
    path: &Path,
    sink: &mut S,
) -> usize {
    let start = mark.anchor_bytes();
    if bytes.len() <= start {
        return 0;
    }
    let mut progress = Progress {
        mark,
        skipping,
        bytes,
        passed: start,
    };
    let too_long = |sink: &mut S, bytes| {
        sink.lost(&Loss {
            reason: Lost::LineTooLong,
            path,
            bytes,
        });
    };
    while progress.passed < bytes.len() && sink.ready() {
        let rest = &bytes[progress.passed..];
        let offset = progress.mark.position;
        if let Some(length) = memchr::memchr(b'\n', rest) {
            // Before the line is looked at: one that makes the parser panic is passed over, and
            // those before it are not counted again.
            progress.advance(length + 1);
            if *progress.skipping {
                *progress.skipping = false;
                sink.lost_more(length as u64 + 1);
            } else if length > LINE_MAX_BYTES {
                too_long(sink, Some(length as u64 + 1));
            } else {
                sink.line(offset, &rest[..length]);
            }
        } else if *progress.skipping {
            progress.advance(rest.len());
            sink.lost_more(rest.len() as u64);
        } else if rest.len() > LINE_MAX_BYTES {
            progress.advance(rest.len());
            *progress.skipping = true;
            too_long(sink, Some(rest.len() as u64));
        } else {
            break;
        }
    }
    progress.passed - start
}
