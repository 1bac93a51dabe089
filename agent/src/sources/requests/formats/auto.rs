//! The format of a file, guessed from its own lines.
//!
//! Pure. Parsers are asked in one order until one reads a request; that one stays, and is asked
//! alone from then on. Each line is read once, whatever was guessed. A file whose lines its parser
//! stops to understand is guessed anew: a server was given another format.
//! What a client sends stays within quotes in all formats, so that it cannot choose the parser.
//! Only what says itself what it means is read: a number at the end of a `combined` line may be
//! Apache's `%D` or anything, so it is no latency here.

use super::apache::{Apache, Taken};
use super::{LineParser, Reading, Unread, parser};
use crate::sources::requests::config::{Format, LogConfig};
use crate::sources::requests::fields::Fields;

/// Formats that read other formats' lines as well, asked last, the laxest one at the end.
const LAX: [Format; 2] = [Format::Apache, Format::Nginx];

/// Lines in a row that the guessed parser did not understand until it is doubted.
const UNREAD_MAX: u32 = 32;

const NOT_GUESSED: Unread =
    "the line is of no format that can be guessed; set `format`, and see `crmscope-agent try-log`";

/// Guesses, then reads.
#[derive(Debug)]
pub struct Auto {
    log: LogConfig,
    /// While nothing is settled.
    candidates: Vec<Box<dyn LineParser>>,
    settled: Option<Box<dyn LineParser>>,
    unread_in_a_row: u32,
}

impl Auto {
    /// A parser for one file.
    #[must_use]
    pub fn new(log: &LogConfig) -> Self {
        let candidates = candidates(log);
        Self {
            log: log.clone(),
            candidates,
            settled: None,
            unread_in_a_row: 0,
        }
    }

    /// Settles on the first parser that reads the line as a request.
    fn guess(&mut self, line: &[u8]) {
        let reads = |parser: &mut Box<dyn LineParser>| {
            matches!(parser.parse(line), Ok(Reading::Request(_)))
        };
        if let Some(first) = self.candidates.iter_mut().position(reads) {
            self.settled = Some(self.candidates.swap_remove(first));
            self.candidates = Vec::new();
            self.unread_in_a_row = 0;
        }
    }
}

impl LineParser for Auto {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        if self.settled.is_some() && self.unread_in_a_row >= UNREAD_MAX {
            self.settled = None;
            self.candidates = candidates(&self.log);
        }
        if self.settled.is_none() {
            self.guess(line);
        }
        if let Some(parser) = &mut self.settled {
            let reading = parser.parse(line);
            self.unread_in_a_row = match reading {
                Ok(_) => 0,
                Err(_) => self.unread_in_a_row + 1,
            };
            return reading;
        }
        // A header, or a line between requests; the candidates have seen it.
        let other = |parser: &mut Box<dyn LineParser>| parser.parse(line) == Ok(Reading::Other);
        if self.candidates.iter_mut().any(other) {
            return Ok(Reading::Other);
        }
        Err(NOT_GUESSED)
    }

    fn learn(&mut self, line: &[u8]) {
        for parser in self.settled.iter_mut().chain(&mut self.candidates) {
            parser.learn(line);
        }
    }

    fn has_header(&self) -> bool {
        let mut parsers = self.settled.iter().chain(&self.candidates);
        parsers.any(|parser| parser.has_header())
    }
}

/// The parsers to ask, in order.
fn candidates(log: &LogConfig) -> Vec<Box<dyn LineParser>> {
    let strict = Format::ALL.iter().filter(|format| !LAX.contains(format));
    strict
        .chain(&LAX)
        .filter_map(|&format| match format {
            Format::Auto | Format::Custom => None,
            Format::Apache => {
                Some(Box::new(Apache::new(Taken::VirtualHosts)) as Box<dyn LineParser>)
            }
            // Seconds by its name; `duration` may be anything.
            Format::Json => Some(parser(&LogConfig {
                format: Format::Json,
                fields: Some(Fields {
                    latency: Some("request_time".to_owned()),
                    ..Fields::default()
                }),
                ..log.clone()
            })),
            other => Some(parser(&LogConfig {
                format: other,
                ..log.clone()
            })),
        })
        .collect()
}
