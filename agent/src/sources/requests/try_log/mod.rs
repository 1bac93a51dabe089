//! `crmscope-agent try-log`: what the agent would make of a log, before it is told to follow it.
//!
//! Owns the guess of a format and the report for people. Reads a file once and holds only a sample
//! and bounded tables of it. Promises that nothing of the file is shown as it is: routes are
//! templates, lines are shown only on request, and what a terminal would obey is escaped.
//! Leaves what lines mean to [`super::formats`].

#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod guess;
mod input;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::config::{Format, LogConfig};
use super::formats;
use guess::{Guess, SAMPLE_MAX_BYTES, SAMPLE_MAX_LINES};
use input::Input;
use report::Report;

/// Lines between two looks at the clock.
const PROGRESS_LINES: u64 = 4096;

/// Nothing is said of progress before this, and no more often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What to try.
#[derive(Clone, Debug)]
pub struct Options {
    /// A log, compressed by gzip or not; `-` is standard input.
    pub file: PathBuf,
    /// Its format; guessed when there is none.
    pub format: Option<Format>,
    /// The pattern of format `custom`.
    pub pattern: Option<String>,
    /// Most lines to read.
    pub max_lines: Option<u64>,
    /// Whether lines that were not understood are shown.
    pub show_lines: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// For people.
    pub text: String,
    /// Whether there was a request, and no line that was not understood.
    pub good: bool,
}

/// Why a log could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum TryLogError {
    /// The file.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file, escaped.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Format and pattern do not go together, or the pattern means nothing.
    #[error("{0}")]
    Options(String),
}

/// Reads the log and tells what it says.
///
/// # Errors
/// When the file cannot be read, or the options contradict each other.
pub fn run(options: &Options) -> Result<Outcome, TryLogError> {
    let told = told(options)?;
    let input = Input::open(&options.file).map_err(|error| unreadable(options, error))?;
    read(options, told, input)
}

fn unreadable(options: &Options, error: std::io::Error) -> TryLogError {
    TryLogError::Read {
        path: text::shown(&options.file.to_string_lossy()),
        error,
    }
}

/// Reads the lines, as of a format or of one to be guessed.
fn read(
    options: &Options,
    told: Option<LogConfig>,
    mut input: Input,
) -> Result<Outcome, TryLogError> {
    let unreadable = |error| unreadable(options, error);
    let mut sample = Vec::new();
    let mut sample_bytes = 0;
    let mut left = options.max_lines.unwrap_or(u64::MAX);
    while told.is_none()
        && left > 0
        && sample.len() < SAMPLE_MAX_LINES
        && sample_bytes < SAMPLE_MAX_BYTES
    {
        let Some(piece) = input.next().map_err(unreadable)? else {
            break;
        };
        let piece = piece.to_owned();
        sample_bytes += piece.text.len();
        sample.push(piece);
        left -= 1;
    }
    let guess = match told {
        Some(log) => Guess::told(log),
        None => match guess::guess(&sample) {
            Ok(guess) => guess,
            Err(text) => return Ok(Outcome { text, good: false }),
        },
    };
    let mut parser = formats::parser(&guess.log);
    let mut report = Report::new(options.show_lines);
    for piece in &sample {
        report.take(parser.as_mut(), piece.borrow());
    }
    drop(sample);
    let mut progress = Progress::new();
    while left > 0
        && let Some(piece) = input.next().map_err(unreadable)?
    {
        report.take(parser.as_mut(), piece);
        left -= 1;
        if report.lines().is_multiple_of(PROGRESS_LINES) {
            progress.show(report.lines());
        }
    }
    progress.end();
    Ok(Outcome {
        good: report.is_good(),
        text: report.text(&options.file, &guess),
    })
}

/// The log as the options have it, if they say a format.
fn told(options: &Options) -> Result<Option<LogConfig>, TryLogError> {
    let format = match (options.format, &options.pattern) {
        (None, None) => return Ok(None),
        (None | Some(Format::Custom), Some(pattern)) => {
            formats::custom::Custom::new(pattern).map_err(TryLogError::Options)?;
            Format::Custom
        }
        (Some(Format::Custom), None) => {
            return Err(TryLogError::Options(
                "format custom needs --pattern, the server's log format".to_owned(),
            ));
        }
        (Some(format), Some(_)) => {
            return Err(TryLogError::Options(format!(
                "format {} takes no --pattern; leave one of them out",
                format.name()
            )));
        }
        (Some(format), None) => format,
    };
    Ok(Some(LogConfig {
        pattern: options.pattern.clone(),
        ..LogConfig::new("", format)
    }))
}

/// Says on a terminal how far reading is.
struct Progress {
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            next: Instant::now() + PROGRESS_INTERVAL,
            shown: false,
        }
    }

    fn show(&mut self, lines: u64) {
        let now = Instant::now();
        if self.terminal && now >= self.next {
            self.next = now + PROGRESS_INTERVAL;
            self.shown = true;
            // Only for the eye: a terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{lines} lines read");
        }
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
