//! What the engine hands out: connections, running statements, results.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::{Handle, Library, Param, WithParams, text};

/// An open connection; closed on drop.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) library: &'static Library,
    pub(super) raw: NonNull<Handle>,
}

// SAFETY: the engine ties a connection to no thread; it asks for one call at a time, which the
// `&mut self` of every method gives.
unsafe impl Send for Connection {}

impl Connection {
    fn handle(&self) -> Handle {
        // SAFETY: `raw` came from `connect`, is freed only by `drop`, and points at the handle.
        unsafe { *self.raw.as_ptr() }
    }

    fn call(&mut self, function: WithParams, sql: &[u8], format: &str, params: &[Param]) -> Handle {
        let names: Vec<*const u8> = params.iter().map(|(name, _)| name.as_ptr()).collect();
        let name_lengths: Vec<usize> = params.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<*const u8> = params.iter().map(|(_, value)| value.as_ptr()).collect();
        let value_lengths: Vec<usize> = params.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: every pointer comes with its own length and outlives the call; the four arrays
        // have `params.len()` entries; the engine copies what it keeps.
        unsafe {
            function(
                self.handle(),
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                params.len(),
            )
        }
    }

    fn own(&self, raw: Handle) -> Option<ResultHandle> {
        NonNull::new(raw).map(|raw| ResultHandle {
            library: self.library,
            raw,
        })
    }

    /// Runs a statement to its end, its whole result in memory.
    pub(crate) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Param],
    ) -> Option<ResultHandle> {
        let raw = self.call(self.library.query, sql, format, params);
        self.own(raw)
    }

    /// Starts a SELECT whose result is fetched in pieces.
    pub(crate) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Param],
    ) -> Option<Stream<'_>> {
        let raw = self.call(self.library.stream_query, sql, format, params);
        let result = self.own(raw)?;
        Some(Stream {
            connection: self,
            result,
        })
    }

    /// Starts an INSERT whose data is appended in pieces.
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &[Param],
    ) -> Option<InsertStream<'_>> {
        let raw = self.call(self.library.stream_insert, sql, format, params);
        let raw = NonNull::new(raw)?;
        Some(InsertStream {
            library: self.library,
            raw,
            connection: PhantomData,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `connect` and is closed once; streams borrow the
        // connection, so none is left.
        unsafe { (self.library.close_conn)(self.raw.as_ptr()) };
    }
}

/// A SELECT in progress. The connection serves nothing else until it is dropped.
#[derive(Debug)]
pub(crate) struct Stream<'connection> {
    connection: &'connection mut Connection,
    result: ResultHandle,
}

impl Stream<'_> {
    /// Why the statement did not start.
    pub(crate) fn error(&self) -> Option<String> {
        self.result.error()
    }

    /// The next piece; an empty one ends the stream.
    pub(crate) fn fetch(&mut self) -> Option<ResultHandle> {
        let library = self.connection.library;
        // SAFETY: both handles are live, belong together, and `&mut self` serialises the calls.
        let raw =
            unsafe { (library.stream_fetch)(self.connection.handle(), self.result.raw.as_ptr()) };
        self.connection.own(raw)
    }

    /// Stops the query; the engine frees what it holds.
    pub(crate) fn cancel(&mut self) {
        let library = self.connection.library;
        // SAFETY: as for `fetch`.
        unsafe { (library.stream_cancel)(self.connection.handle(), self.result.raw.as_ptr()) };
    }
}

/// An INSERT in progress; what was not finished is cancelled on drop.
#[derive(Debug)]
pub(crate) struct InsertStream<'connection> {
    library: &'static Library,
    raw: NonNull<c_void>,
    connection: PhantomData<&'connection mut Connection>,
}

impl InsertStream<'_> {
    /// Why the insert did not start, or failed since.
    pub(crate) fn error(&self) -> Option<String> {
        // SAFETY: the handle is live; the string belongs to it and is copied at once.
        text(unsafe { (self.library.stream_insert_error)(self.raw.as_ptr()) })
    }

    /// Hands over bytes, waiting while the engine is behind; false once the insert has failed.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: pointer and length of one slice, copied by the engine before it returns.
        unsafe {
            (self.library.stream_append)(self.raw.as_ptr(), data.as_ptr().cast(), data.len()) == 0
        }
    }

    /// Ends the data and commits.
    pub(crate) fn done(self) -> Option<ResultHandle> {
        // SAFETY: the handle is live; `self` is consumed, so nothing is appended after.
        let raw = unsafe { (self.library.stream_done)(self.raw.as_ptr()) };
        NonNull::new(raw).map(|raw| ResultHandle {
            library: self.library,
            raw,
        })
    }

    /// Gives up without committing.
    pub(crate) fn cancel(self) {
        // SAFETY: the handle is live and freed by `drop` right after.
        unsafe { (self.library.stream_cancel_insert)(self.raw.as_ptr()) };
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: freed once; the engine cancels an unfinished insert itself.
        unsafe { (self.library.destroy_insert)(self.raw.as_ptr()) };
    }
}

/// A result, or a piece of one; freed on drop.
#[derive(Debug)]
pub(crate) struct ResultHandle {
    library: &'static Library,
    raw: NonNull<c_void>,
}

impl ResultHandle {
    /// The formatted rows.
    pub(crate) fn bytes(&self) -> &[u8] {
        let raw = self.raw.as_ptr();
        // SAFETY: the handle is live; buffer and length describe memory it owns until `drop`.
        unsafe {
            let (buffer, length) = (
                (self.library.result_buffer)(raw),
                (self.library.result_length)(raw),
            );
            if buffer.is_null() || length == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(buffer, length)
            }
        }
    }

    /// The engine's error text.
    pub(crate) fn error(&self) -> Option<String> {
        // SAFETY: the handle is live; the string belongs to it and is copied at once.
        text(unsafe { (self.library.result_error)(self.raw.as_ptr()) })
    }

    /// `[result rows, storage rows read, storage bytes read, rows written, bytes written]`.
    pub(crate) fn counts(&self) -> [u64; 5] {
        let library = self.library;
        let getters = [
            library.result_rows,
            library.storage_rows,
            library.storage_bytes,
            library.rows_written,
            library.bytes_written,
        ];
        // SAFETY: plain getters on a live handle.
        getters.map(|getter| unsafe { getter(self.raw.as_ptr()) })
    }
}

impl Drop for ResultHandle {
    fn drop(&mut self) {
        // SAFETY: freed once, and no slice of it outlives `&self`.
        unsafe { (self.library.destroy_result)(self.raw.as_ptr()) };
    }
}
