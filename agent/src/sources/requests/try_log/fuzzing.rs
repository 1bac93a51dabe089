//! What the fuzzers of `try-log` and of its texts call.

use std::ffi::OsStr;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt as _;

use crmscope_proto::settings;
use serde::{Deserialize, Serialize};

use super::input::Input;
use super::{Options, TryLogError, read, text, told};
use crate::Config;
use crate::fuzzing::{folder, is_printable, write};
use crate::sources::requests::config::Format;

/// Longest form of one byte or character of foreign text, bytes: `\u{10ffff}`.
const ESCAPED_MAX_BYTES: usize = 10;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Text {
    text: String,
}

/// Tries a log: the first byte chooses the options, the first line is the file's name, or the
/// pattern; the rest is the log.
///
/// # Panics
/// When the report would do more on a terminal than stand there, is longer than reports are, or
/// ends with a configuration that the agent does not take.
pub fn try_log(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let end = memchr::memchr(b'\n', data).unwrap_or(data.len());
    let (said, log) = data.split_at(end);
    let pattern = choice % 3 == 2;
    let options = Options {
        // No file has an empty name.
        file: OsStr::from_bytes(if pattern || said.is_empty() {
            b"a.log"
        } else {
            said
        })
        .into(),
        format: (choice % 3 == 1).then(|| Format::ALL[usize::from(choice / 3) % Format::ALL.len()]),
        pattern: pattern.then(|| String::from_utf8_lossy(said).into_owned()),
        max_lines: None,
        show_lines: choice & 128 != 0,
    };
    let log = Box::new(Cursor::new(log.to_vec()));
    let outcome = told(&options).and_then(|told| {
        let input = Input::of(log).map_err(|error| TryLogError::Options(error.to_string()))?;
        read(&options, told, input)
    });
    let text = match outcome {
        Ok(outcome) => outcome.text,
        Err(error) => error.to_string(),
    };
    assert!(is_printable(&text), "{text:?}");
    assert!(text.len() <= 128 * 1024 + 2 * ESCAPED_MAX_BYTES * said.len());
    if let Some(start) = text.find("\n[[sources.requests.logs]]\n") {
        let config = text[start..].split("\n\n").next().unwrap_or_default();
        let path = folder("try_log").join("agent.toml");
        write(&path, config.as_bytes());
        let config = Config::load(Some(&path)).expect("the agent takes it");
        assert_eq!(config.sources.requests.logs[0].pattern, options.pattern);
    }
}

/// Foreign text as it is printed.
///
/// # Panics
/// When it would do more on a terminal than stand there, is longer than stated, or as TOML says
/// something else.
pub fn print(data: &[u8]) {
    let line = text::shown_line(data);
    assert!(is_printable(&line) && !line.contains('\n'), "{line:?}");
    assert!(
        line.len() <= 4 * text::SHOWN_MAX_BYTES + 64,
        "{}",
        line.len()
    );
    let foreign = String::from_utf8_lossy(data);
    let shown = text::shown(&foreign);
    assert!(is_printable(&shown) && !shown.contains('\n'), "{shown:?}");
    assert!(shown.len() <= ESCAPED_MAX_BYTES * foreign.len());
    let quoted = text::toml(&foreign);
    assert!(
        is_printable(&quoted) && !quoted.contains('\n'),
        "{quoted:?}"
    );
    let path = folder("printed_text").join("text.toml");
    write(&path, format!("text = {quoted}").as_bytes());
    let read = settings::load(Some(&path), "FUZZ", [], &Text::default()).expect("it is TOML");
    assert_eq!(read.text, foreign);
}
