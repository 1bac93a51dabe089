//! One session per request.
//!
//! A session is a connection of its own, closed when it ends, so settings, `USE` and temporary
//! tables cannot reach the next request.

use super::EngineError;
use super::library::{Connection, InsertStream, Param, ResultHandle, Stream};

/// What a statement did, as far as the engine tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows in the result.
    pub result_rows: u64,
    /// Rows read from tables.
    pub read_rows: u64,
    /// Bytes read from tables.
    pub read_bytes: u64,
    /// Rows written, those of materialized views included.
    pub written_rows: u64,
    /// Bytes written, likewise.
    pub written_bytes: u64,
}

impl Counters {
    fn add(&mut self, handle: &ResultHandle) {
        let [
            result_rows,
            read_rows,
            read_bytes,
            written_rows,
            written_bytes,
        ] = handle.counts();
        self.result_rows += result_rows;
        self.read_rows += read_rows;
        self.read_bytes += read_bytes;
        self.written_rows += written_rows;
        self.written_bytes += written_bytes;
    }
}

/// One connection for one request.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
}

const NO_RESULT: &str = "the engine returned no result";

fn checked(handle: Option<ResultHandle>) -> Result<ResultHandle, EngineError> {
    let handle = handle.ok_or_else(|| EngineError::Statement(NO_RESULT.to_owned()))?;
    match handle.error() {
        Some(error) => Err(EngineError::Statement(error)),
        None => Ok(handle),
    }
}

impl Session {
    pub(super) fn new(connection: Connection) -> Session {
        Session { connection }
    }

    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Runs a statement that returns nothing of interest.
    ///
    /// # Errors
    /// With ClickHouse's own text.
    pub fn run(&mut self, sql: &[u8]) -> Result<(), EngineError> {
        checked(self.connection.query(sql, "Null", &[])).map(drop)
    }

    /// Runs a statement that returns one value.
    ///
    /// # Errors
    /// With ClickHouse's own text.
    pub fn text(&mut self, sql: &str) -> Result<String, EngineError> {
        let handle = checked(
            self.connection
                .query(sql.as_bytes(), "TabSeparatedRaw", &[]),
        )?;
        Ok(String::from_utf8_lossy(handle.bytes())
            .trim_end()
            .to_owned())
    }

    /// Runs a statement to its end, the whole result in memory. `Ok(None)` when the result is
    /// larger than `max_bytes`.
    ///
    /// # Errors
    /// With ClickHouse's own text.
    pub fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Param],
        max_bytes: usize,
    ) -> Result<Option<(Vec<u8>, Counters)>, EngineError> {
        let handle = checked(self.connection.query(sql, format, params))?;
        let mut counters = Counters::default();
        counters.add(&handle);
        let bytes = handle.bytes();
        Ok((bytes.len() <= max_bytes).then(|| (bytes.to_vec(), counters)))
    }

    /// Starts a SELECT. Each piece of its rows is a document of its own in the format, header and
    /// frame included. `Ok(None)` when the engine can run the statement only by
    /// [`Session::query`].
    ///
    /// # Errors
    /// With ClickHouse's own text.
    pub fn rows(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Param],
    ) -> Result<Option<Rows<'_>>, EngineError> {
        let stream = self
            .connection
            .stream(sql, format, params)
            .ok_or_else(|| EngineError::Statement(NO_RESULT.to_owned()))?;
        match stream.error() {
            None => Ok(Some(Rows {
                stream,
                counters: Counters::default(),
                ended: false,
            })),
            Some(text) if text.contains("Streaming query is not supported for query") => Ok(None),
            Some(text) => Err(EngineError::Statement(text)),
        }
    }

    /// Starts an INSERT of data in `format`; `sql` ends before FORMAT or VALUES.
    ///
    /// # Errors
    /// With ClickHouse's own text.
    pub fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Param],
    ) -> Result<Insert<'_>, EngineError> {
        let stream = self
            .connection
            .insert(sql, format, params)
            .ok_or_else(|| EngineError::Statement(NO_RESULT.to_owned()))?;
        match stream.error() {
            None => Ok(Insert { stream }),
            Some(text) => Err(EngineError::Statement(text)),
        }
    }
}

/// The rows of a SELECT, in pieces. Dropped early, the query is cancelled.
#[derive(Debug)]
pub struct Rows<'session> {
    stream: Stream<'session>,
    counters: Counters,
    ended: bool,
}

impl Rows<'_> {
    /// The next piece, `None` at the end.
    ///
    /// # Errors
    /// With ClickHouse's own text, when the query failed on the way.
    pub fn fetch(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        let piece = checked(self.stream.fetch()).inspect_err(|_| self.ended = true)?;
        self.counters.add(&piece);
        if piece.bytes().is_empty() {
            self.ended = true;
            return Ok(None);
        }
        Ok(Some(piece.bytes().to_vec()))
    }

    /// What was read so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.cancel();
        }
    }
}

/// An INSERT that takes its data in pieces. Dropped unfinished, it commits nothing.
#[derive(Debug)]
pub struct Insert<'session> {
    stream: InsertStream<'session>,
}

impl Insert<'_> {
    /// Hands over data, waiting while the engine is behind. False once the insert has failed;
    /// [`Insert::finish`] then tells why.
    pub fn append(&mut self, data: &[u8]) -> bool {
        self.stream.append(data)
    }

    /// Ends the data and commits it.
    ///
    /// # Errors
    /// With ClickHouse's own text; whether rows were written is then unknown.
    pub fn finish(self) -> Result<Counters, EngineError> {
        let earlier = self.stream.error();
        let handle = checked(self.stream.done()).map_err(|error| match earlier {
            Some(text) => EngineError::Statement(text),
            None => error,
        })?;
        let mut counters = Counters::default();
        counters.add(&handle);
        Ok(counters)
    }

    /// Gives up; nothing is committed beyond blocks the engine already wrote.
    pub fn cancel(self) {
        self.stream.cancel();
    }
}
