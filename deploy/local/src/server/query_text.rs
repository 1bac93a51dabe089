//! The text of a statement, gathered from the URL and the body without taking the data of an
//! INSERT with it.

use std::io::Read;

use super::fault::{Fault, code};
use super::request::Request;
use super::statement::{self, Statement};

/// A statement without the data of an INSERT.
const MAX_QUERY_BYTES: usize = 16 << 20;
/// The first look at a body.
const READ_BYTES: usize = 64 << 10;

/// Reads as much of the body as belongs to the statement. ClickHouse's rule: the text is the
/// `query` parameter, a line break, and the body.
pub(super) fn read_statement(
    request: &mut Request,
    body: &mut dyn Read,
) -> Result<(Vec<u8>, Statement), Fault> {
    let mut text = std::mem::take(&mut request.query);
    if !text.is_empty() {
        text.push(b'\n');
    }
    let mut want = READ_BYTES;
    let mut complete = false;
    loop {
        if let Some(statement) = statement::parse(&text, complete)? {
            if !matches!(statement, Statement::Insert { .. }) {
                trim_end(&mut text);
            }
            return Ok((text, statement));
        }
        // Doubling keeps the repeated look at the text linear.
        complete = !read_some(body, &mut text, want)?;
        want = text.len().max(want);
        if text.len() > MAX_QUERY_BYTES {
            return Err(too_large());
        }
    }
}

fn too_large() -> Fault {
    Fault::new(
        code::QUERY_IS_TOO_LARGE,
        format!(
            "the query is larger than {MAX_QUERY_BYTES} bytes; data of an INSERT belongs after FORMAT or VALUES"
        ),
    )
}

fn trim_end(text: &mut Vec<u8>) {
    while text.last().is_some_and(u8::is_ascii_whitespace) {
        text.pop();
    }
}

/// Appends up to `want` bytes; false at the end of the body.
fn read_some(body: &mut dyn Read, text: &mut Vec<u8>, want: usize) -> std::io::Result<bool> {
    let start = text.len();
    text.resize(start + want, 0);
    let count = body.read(&mut text[start..]);
    text.truncate(start + *count.as_ref().unwrap_or(&0));
    count.map(|count| count > 0)
}

/// The whole of a multipart body.
pub(super) fn read_form(body: &mut dyn Read) -> Result<Vec<u8>, Fault> {
    let mut form = Vec::new();
    while read_some(body, &mut form, READ_BYTES)? {
        if form.len() > MAX_QUERY_BYTES {
            return Err(too_large());
        }
    }
    Ok(form)
}
