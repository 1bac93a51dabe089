//! Lines of a file, of standard input, or of either compressed by gzip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::sources::tail::LINE_MAX_BYTES;

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A line, or what is there of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Without its newline.
    pub(super) text: &'a [u8],
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Line,
    /// The end of the file, which has no newline: it may still be being written.
    Open,
    /// Longer than a line may be; has no text.
    TooLong,
}

/// A [`Piece`] that is kept.
#[derive(Clone, Debug)]
pub(super) struct OwnedPiece {
    pub(super) text: Vec<u8>,
    kind: Kind,
}

impl Piece<'_> {
    pub(super) fn to_owned(self) -> OwnedPiece {
        OwnedPiece {
            text: self.text.to_vec(),
            kind: self.kind,
        }
    }
}

impl OwnedPiece {
    pub(super) fn borrow(&self) -> Piece<'_> {
        Piece {
            text: &self.text,
            kind: self.kind,
        }
    }
}

/// Where lines come from.
pub(super) struct Input {
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
}

impl Input {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let plain: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                return Err(io::Error::other("it is a directory; name a file in it"));
            }
            Box::new(file)
        };
        Self::of(plain)
    }

    /// Told by its first bytes, not by its name.
    pub(super) fn of(plain: Box<dyn Read>) -> io::Result<Self> {
        let mut start = Vec::new();
        let mut plain = plain;
        (&mut plain)
            .take(GZIP.len() as u64)
            .read_to_end(&mut start)?;
        let compressed = start == GZIP;
        let whole = BufReader::new(io::Cursor::new(start).chain(plain));
        let reader: Box<dyn BufRead> = if compressed {
            Box::new(BufReader::new(MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        Ok(Self {
            reader,
            line: Vec::new(),
        })
    }

    /// The next line; holds no more of a long one than a line may have.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.line.clear();
        let limit = LINE_MAX_BYTES as u64 + 1;
        self.reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(Some(Piece {
                text: &self.line,
                kind: Kind::Line,
            }));
        }
        if self.line.len() <= LINE_MAX_BYTES {
            return Ok(Some(Piece {
                text: &self.line,
                kind: Kind::Open,
            }));
        }
        self.reader.skip_until(b'\n')?;
        Ok(Some(Piece {
            text: b"",
            kind: Kind::TooLong,
        }))
    }
}
