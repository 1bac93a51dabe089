//! Formats of access logs: one file each, behind one trait and one table.
//!
//! Pure. A parser belongs to one file, so that it may remember what lines before said: the time
//! that most lines share, the fields that a header announced.

pub mod apache;
pub mod auto;
pub mod caddy;
pub mod custom;
mod decimal;
mod durations;
pub mod envoy;
mod escapes;
mod forwarded;
pub mod haproxy;
pub mod iis;
pub mod json;
pub mod nginx;
mod object;
pub mod odoo;
#[cfg(test)]
mod tests;
mod times;
pub mod traefik;
mod words;

use std::fmt;

use super::config::{Format, LogConfig};
use super::fields::Fields;
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
        Format::Apache => Box::new(apache::Apache::new(apache::Taken::All)),
        Format::Auto => Box::new(auto::Auto::new(log)),
        Format::Caddy => Box::new(caddy::Caddy::default()),
        Format::Custom => {
            let pattern = log.pattern.as_deref().unwrap_or_default();
            let custom = custom::Custom::new(pattern);
            Box::new(custom.expect("the pattern was compiled when the configuration was checked"))
        }
        Format::Envoy => Box::new(envoy::Envoy),
        Format::Haproxy => Box::new(haproxy::Haproxy::new(
            log.zone.as_deref().unwrap_or("local"),
        )),
        Format::Iis => Box::new(iis::Iis::default()),
        Format::Json => Box::new(json::Json::new(
            log.fields.as_ref().unwrap_or(&Fields::default()),
            log.latency_unit.unwrap_or_default(),
        )),
        Format::Nginx => Box::new(nginx::Nginx::default()),
        Format::Odoo => Box::new(odoo::Odoo::default()),
        Format::Traefik => Box::new(traefik::Traefik::default()),
    }
}
