//! Results held in memory: how large they may be, and what a client is told of it.

use super::fault::{Fault, code};
use super::formats;
use super::request::Request;

/// A result that is held in memory, for its format or for `wait_end_of_query=1`, may be so large.
pub(super) const HELD_BYTES: usize = 256 << 20;

/// Stops a SELECT early whose result is going to be refused for its size anyway. The engine counts
/// what it has in columns, which is mostly less than the document made of it.
pub(super) fn held_limit(text: &[u8], request: &Request) -> Option<(String, Vec<u8>)> {
    // With `break` the engine would cut the result instead.
    let is_cut = formats::mentions(text, &request.settings, b"result_overflow_mode");
    let limit = ("max_result_bytes".to_owned(), HELD_BYTES.to_string().into());
    (!is_cut).then_some(limit)
}

pub(super) fn too_large(format: &str) -> Fault {
    Fault::new(
        code::TOO_MANY_ROWS_OR_BYTES,
        format!(
            "the result is larger than the {HELD_BYTES} bytes that may be held in memory: ask for fewer rows, or without wait_end_of_query=1 for a format that is streamed, such as JSONEachRow, CSVWithNames or RowBinaryWithNamesAndTypes, instead of {format}"
        ),
    )
}

/// Says which bound it was, where the engine knows only its own.
pub(super) fn explain(fault: Fault, format: &str) -> Fault {
    match fault.code {
        code::TOO_MANY_ROWS_OR_BYTES if fault.to_string().contains("max bytes: 256.00 MiB") => {
            too_large(format)
        }
        // A document may take fifty times as much as its columns, and is in no query's own limit.
        code::MEMORY_LIMIT_EXCEEDED => fault.with_hint(&format!(
            "results in {format} are held in memory, unlike JSONEachRow, CSVWithNames or RowBinaryWithNamesAndTypes"
        )),
        _ => fault,
    }
}
