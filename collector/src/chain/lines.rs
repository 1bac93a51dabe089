//! Rows of an answer as they come, however many there are.

use std::time::Duration;

use bytes::BytesMut;
use clickhouse::query::{BytesCursor, Query};
use serde::de::DeserializeOwned;

use crate::error::{Code, Error};
use crate::schema::DATABASE;
use crate::storage::Storage;

/// How long the next piece of an answer may take: the digests of all rows come once all are there.
const PATIENCE: Duration = Duration::from_secs(3600);
/// No row of these questions is so long.
const LINE_MAX_BYTES: usize = 1 << 20;
/// What grouping and sorting may hold in ClickHouse's memory before they go to its disk, bytes.
const SPILL_BYTES: &str = "268435456";

/// An answer that is read row by row, with the next one in sight.
pub(super) struct Lines<T> {
    what: &'static str,
    cursor: BytesCursor,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no end of a line.
    searched: usize,
    next: Option<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// Asks, and waits for the first row.
    pub(super) async fn ask(
        storage: &Storage,
        what: &'static str,
        sql: &str,
        bind: impl FnOnce(Query) -> Query,
    ) -> Result<Self, Error> {
        let query = bind(
            storage
                .client()
                .clone()
                .with_database(DATABASE)
                .query_raw(sql),
        )
        .with_setting("output_format_json_quote_64bit_integers", "0")
        .with_setting("max_bytes_before_external_group_by", SPILL_BYTES)
        .with_setting("max_bytes_before_external_sort", SPILL_BYTES);
        let cursor = query.fetch_bytes("JSONEachRow");
        let mut lines = Self {
            what,
            cursor: cursor.map_err(|error| failed(what, &error.to_string()))?,
            buffer: BytesMut::new(),
            searched: 0,
            next: None,
        };
        lines.advance().await?;
        Ok(lines)
    }

    /// The next row.
    pub(super) const fn peek(&self) -> Option<&T> {
        self.next.as_ref()
    }

    /// Takes the next row, and waits for the one behind it.
    pub(super) async fn take(&mut self) -> Result<Option<T>, Error> {
        let taken = self.next.take();
        if taken.is_some() {
            self.advance().await?;
        }
        Ok(taken)
    }

    /// Where a line ends, in what was not searched yet.
    fn end(&self) -> Option<usize> {
        let mut rest = self.buffer.iter().skip(self.searched);
        rest.position(|&byte| byte == b'\n')
    }

    async fn advance(&mut self) -> Result<(), Error> {
        loop {
            if let Some(end) = self.end() {
                let line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                return self.read(&line);
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_MAX_BYTES {
                return Err(failed(self.what, "a row is too long"));
            }
            let piece = match tokio::time::timeout(PATIENCE, self.cursor.next()).await {
                Ok(piece) => piece.map_err(|error| failed(self.what, &error.to_string()))?,
                Err(_) => {
                    let text = format!("nothing more within {} s", PATIENCE.as_secs());
                    return Err(failed(self.what, &text));
                }
            };
            match piece {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => {
                    self.next = None;
                    return Ok(());
                }
                None => {
                    let line = self.buffer.split();
                    self.searched = 0;
                    return self.read(&line);
                }
            }
        }
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Error> {
        let row = serde_json::from_slice(line);
        self.next = Some(row.map_err(|error| failed(self.what, &error.to_string()))?);
        Ok(())
    }
}

fn failed(what: &str, error: &str) -> Error {
    Error::new(Code::Unavailable, format!("ClickHouse: {what}: {error}"))
}
