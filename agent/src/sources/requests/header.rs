//! Reads again what a log's headers said before the place where reading goes on.
//!
//! Owns how far back is looked: the file's first [`START_BYTES`], where a header belongs, and the
//! last [`BACK_BYTES`] before the place, where a newer one may be. A header that stands only
//! between them is not found; lines are then read by the older one, or not at all.

use std::io;

use super::formats::LineParser;
use crate::sources::tail::Stretch;

/// Read from the start of the file.
const START_BYTES: u64 = 64 * 1024;

/// Read before the place.
const BACK_BYTES: u64 = 1024 * 1024;

/// Read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Has a parser learn what stands before a stretch.
pub(super) fn teach(stretch: &Stretch<'_>, parser: &mut dyn LineParser) -> io::Result<()> {
    let end = stretch.position;
    let learned = lines(stretch, 0..end.min(START_BYTES), false, parser)?;
    let back = end.saturating_sub(BACK_BYTES).max(learned);
    lines(stretch, back..end, back > learned, parser)?;
    Ok(())
}

/// Gives the lines that lie in a range to a parser, but for the rest of one that began before it,
/// and any that is longer than the buffer: neither is a header, whatever it looks like. Returns
/// the start of the first line that was not given.
fn lines(
    stretch: &Stretch<'_>,
    range: std::ops::Range<u64>,
    mut inside: bool,
    parser: &mut dyn LineParser,
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end - offset).unwrap_or(BUFFER_BYTES);
        let want = left.min(BUFFER_BYTES);
        let read = stretch.read_before(offset, &mut buffer[..want])?;
        let read = &buffer[..read.min(want)];
        let Some(last) = memchr::memrchr(b'\n', read) else {
            if read.len() < BUFFER_BYTES {
                break;
            }
            inside = true;
            offset += read.len() as u64;
            continue;
        };
        for line in read[..last]
            .split(|&byte| byte == b'\n')
            .skip(usize::from(inside))
        {
            parser.learn(line);
        }
        inside = false;
        offset += last as u64 + 1;
    }
    Ok(offset)
}
