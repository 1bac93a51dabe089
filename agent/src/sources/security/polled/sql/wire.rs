//! Bytes to and from a database, and the bounds of what is kept of them.
//!
//! Promises that no length a server names is believed before the bytes are there, and that of a
//! text beyond [`VALUE_MAX_BYTES`] only the beginning is held.

use std::fmt;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::super::connect::{Stream, quoted};

/// Kept of a value; as much as rules look at.
pub(super) const VALUE_MAX_BYTES: usize = 8 * 1024;

/// Most columns of a query.
pub(super) const COLUMNS_MAX: usize = 64;

/// Held of one page: behind this many bytes the rest of it is left for the next query.
pub(super) const PAGE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Longest name of a column.
pub(super) const NAME_MAX_BYTES: usize = 256;

/// Read at once of what is passed over.
const SKIP_BYTES: usize = 8 * 1024;

/// What a database answers, or how it failed.
#[derive(Debug)]
pub(super) enum SqlError {
    /// The connection broke.
    Io(std::io::Error),
    /// The database refused, in words of its own.
    Server(String),
    /// Something that it should not say, or that is not supported here.
    Other(String),
}

impl SqlError {
    pub(super) fn protocol(what: &str) -> Self {
        Self::Other(format!("the server does not speak as expected: {what}"))
    }
}

impl From<std::io::Error> for SqlError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(out, "the connection broke: {error}"),
            Self::Server(text) => write!(out, "the database refuses: {}", quoted(text)),
            Self::Other(text) => out.write_str(text),
        }
    }
}

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) columns: Vec<String>,
    /// `None` is NULL.
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// There was more than is held. The connection is of no more use then.
    pub(super) cut: bool,
    bytes: usize,
}

impl Page {
    /// One that is to be filled.
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }

    /// Adds a row. Returns whether more may come.
    pub(super) fn push(&mut self, row: Vec<Option<String>>) -> bool {
        let values = row.iter().flatten().map(String::len).sum::<usize>();
        self.bytes += values + row.len() * size_of::<Option<String>>();
        self.rows.push(row);
        self.cut = self.bytes >= PAGE_MAX_BYTES;
        !self.cut
    }
}

/// A connection with a buffer for what comes.
pub(super) struct Wire {
    stream: BufReader<Stream>,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream: BufReader::with_capacity(SKIP_BYTES, stream),
        }
    }

    /// The connection beneath, for TLS. Fails where bytes came that nobody asked for: they were sent
    /// before TLS began, by whomever.
    pub(super) fn into_stream(self) -> Result<Stream, SqlError> {
        if self.stream.buffer().is_empty() {
            Ok(self.stream.into_inner())
        } else {
            Err(SqlError::protocol("bytes ahead of TLS"))
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), SqlError> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    pub(super) async fn byte(&mut self) -> Result<u8, SqlError> {
        Ok(self.stream.read_u8().await?)
    }

    pub(super) async fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], SqlError> {
        let mut bytes = [0; LENGTH];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// So many bytes, which the caller has bounded.
    pub(super) async fn bytes(&mut self, length: usize) -> Result<Vec<u8>, SqlError> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// Passes over so many bytes.
    pub(super) async fn skip(&mut self, mut length: usize) -> Result<(), SqlError> {
        let mut passed = [0; SKIP_BYTES];
        while length > 0 {
            let part = length.min(SKIP_BYTES);
            self.stream.read_exact(&mut passed[..part]).await?;
            length -= part;
        }
        Ok(())
    }

    /// The beginning of so many bytes; the rest is passed over.
    pub(super) async fn value(&mut self, length: usize) -> Result<Vec<u8>, SqlError> {
        let kept = self.bytes(length.min(VALUE_MAX_BYTES)).await?;
        self.skip(length - kept.len()).await?;
        Ok(kept)
    }
}

/// A text as it is held: what is no UTF-8 is replaced.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
