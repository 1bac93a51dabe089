//! The binding to libchdb's C API: the only module with `unsafe` code.
//!
//! Owns the loaded library and, in `handles`, what it hands out. Every handle frees itself once, borrows the
//! connection it came from, and takes `&mut` where the engine allows one statement at a time, so
//! the safe surface cannot be used out of order. Leaves meaning (sessions, settings) to
//! `connection`.
#![allow(unsafe_code)]

mod handles;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;

pub(crate) use handles::{Connection, InsertStream, ResultHandle, Stream};

type Handle = *mut c_void;
/// `(connection, query, its length, format, its length, names, name lengths, values, value
/// lengths, count)`: the shape of all three `*_with_params_n` functions.
type WithParams = unsafe extern "C" fn(
    Handle,
    *const u8,
    usize,
    *const u8,
    usize,
    *const *const u8,
    *const usize,
    *const *const u8,
    *const usize,
    usize,
) -> Handle;

/// A named query parameter, both sides as bytes.
pub(crate) type Param = (String, Vec<u8>);

/// The C functions in use. Never unloaded: the engine keeps threads of its own.
#[derive(Debug)]
pub(crate) struct Library {
    version: unsafe extern "C" fn() -> *const c_char,
    set_signal_handlers_enabled: unsafe extern "C" fn(c_int),
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    close_conn: unsafe extern "C" fn(*mut Handle),
    shutdown: unsafe extern "C" fn() -> c_int,
    query: WithParams,
    stream_query: WithParams,
    stream_fetch: unsafe extern "C" fn(Handle, Handle) -> Handle,
    stream_cancel: unsafe extern "C" fn(Handle, Handle),
    stream_insert: WithParams,
    stream_append: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    stream_done: unsafe extern "C" fn(Handle) -> Handle,
    stream_cancel_insert: unsafe extern "C" fn(Handle),
    stream_insert_error: unsafe extern "C" fn(Handle) -> *const c_char,
    destroy_insert: unsafe extern "C" fn(Handle),
    destroy_result: unsafe extern "C" fn(Handle),
    result_buffer: unsafe extern "C" fn(Handle) -> *const u8,
    result_length: unsafe extern "C" fn(Handle) -> usize,
    result_error: unsafe extern "C" fn(Handle) -> *const c_char,
    result_rows: unsafe extern "C" fn(Handle) -> u64,
    storage_rows: unsafe extern "C" fn(Handle) -> u64,
    storage_bytes: unsafe extern "C" fn(Handle) -> u64,
    rows_written: unsafe extern "C" fn(Handle) -> u64,
    bytes_written: unsafe extern "C" fn(Handle) -> u64,
}

impl Library {
    /// Loads libchdb for the life of the process, with the engine's signal handlers off.
    pub(crate) fn load(path: &Path) -> Result<&'static Library, libloading::Error> {
        // SAFETY: the file is libchdb (checksum verified by `fetch`, or named by the operator);
        // its initialisers are those of ClickHouse and expect nothing of the process.
        let loaded = unsafe { libloading::Library::new(path)? };
        // Leaked before the pointers are taken, so that they stay valid for ever.
        let loaded: &'static libloading::Library = Box::leak(Box::new(loaded));
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the field's type is the C declaration of this function in chdb.h.
                *unsafe { loaded.get(concat!($name, "\0").as_bytes())? }
            };
        }
        let library: &'static Library = Box::leak(Box::new(Library {
            version: symbol!("chdb_version"),
            set_signal_handlers_enabled: symbol!("chdb_set_signal_handlers_enabled"),
            connect: symbol!("chdb_connect"),
            close_conn: symbol!("chdb_close_conn"),
            shutdown: symbol!("chdb_shutdown"),
            query: symbol!("chdb_query_with_params_n"),
            stream_query: symbol!("chdb_stream_query_with_params_n"),
            stream_fetch: symbol!("chdb_stream_fetch_result"),
            stream_cancel: symbol!("chdb_stream_cancel_query"),
            stream_insert: symbol!("chdb_stream_insert_with_params_n"),
            stream_append: symbol!("chdb_stream_append"),
            stream_done: symbol!("chdb_stream_done"),
            stream_cancel_insert: symbol!("chdb_stream_cancel_insert"),
            stream_insert_error: symbol!("chdb_stream_insert_error"),
            destroy_insert: symbol!("chdb_destroy_insert_stream"),
            destroy_result: symbol!("chdb_destroy_query_result"),
            result_buffer: symbol!("chdb_result_buffer"),
            result_length: symbol!("chdb_result_length"),
            result_error: symbol!("chdb_result_error"),
            result_rows: symbol!("chdb_result_rows_read"),
            storage_rows: symbol!("chdb_result_storage_rows_read"),
            storage_bytes: symbol!("chdb_result_storage_bytes_read"),
            rows_written: symbol!("chdb_result_rows_written"),
            bytes_written: symbol!("chdb_result_bytes_written"),
        }));
        // SAFETY: takes a flag, and is called before any connection exists.
        unsafe { (library.set_signal_handlers_enabled)(0) };
        Ok(library)
    }

    /// The library's version, for example `26.7.3`.
    pub(crate) fn version(&self) -> String {
        // SAFETY: takes nothing, returns a static C string.
        text(unsafe { (self.version)() }).unwrap_or_default()
    }

    /// Opens a connection, or `None` when the engine refuses (it says why on stderr).
    pub(crate) fn connect(&'static self, arguments: &[CString]) -> Option<Connection> {
        let mut pointers: Vec<*mut c_char> = arguments
            .iter()
            .map(|argument| argument.as_ptr().cast_mut())
            .collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        // SAFETY: `count` C strings that outlive the call; the engine copies them.
        let raw = NonNull::new(unsafe { (self.connect)(count, pointers.as_mut_ptr()) })?;
        Some(Connection { library: self, raw })
    }

    /// Stops the engine's threads; false when it refuses, as while a connection is open.
    pub(crate) fn shutdown(&self) -> bool {
        // SAFETY: takes nothing; the engine itself refuses while connections are open.
        unsafe { (self.shutdown)() == 0 }
    }
}

fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: the API returns null or a C string that lives at least as long as its handle.
    (!pointer.is_null()).then(|| {
        unsafe { CStr::from_ptr(pointer) }
            .to_string_lossy()
            .into_owned()
    })
}
