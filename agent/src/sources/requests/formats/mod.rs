//! Formats of access logs: one file each, behind one trait and one table.
//!
//! Pure. A parser belongs to one file, so that it may remember what lines before said: the time
//! that most lines share, the fields that a header announced.

pub mod nginx;

use std::fmt;

use super::config::LogConfig;
use super::line::Line;

/// What a line turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    /// A request that was answered, or given up.
    Request(Line<'a>),
    /// Understood, and no request: a header, another program's line in the same file.
    Other,
}

/// Why a line was not understood: what was looked for and not found. Says nothing of the line's
/// own text, which may hold anything.
pub type Unread = &'static str;

/// Reads the lines of one file.
pub trait LineParser: fmt::Debug + Send {
    /// Reads a line without its newline.
    ///
    /// # Errors
    /// When the line is not of this format.
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread>;

    /// A line that stands before the place where reading begins, the file's first ones first. For
    /// formats whose headers say what the lines after them mean.
    fn learn(&mut self, _line: &[u8]) {}

    /// Whether [`LineParser::learn`] is of use: the format has headers.
    fn has_header(&self) -> bool {
        false
    }
}

/// A parser for a log with this configuration.
#[must_use]
pub fn parser(log: &LogConfig) -> Box<dyn LineParser> {
    match log.format {
        super::Format::Nginx => Box::new(nginx::Nginx::default()),
    }
}
