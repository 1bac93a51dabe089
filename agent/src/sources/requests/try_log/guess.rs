//! Which format a sample of lines is of.

use std::fmt::Write as _;

use super::input::OwnedPiece;
use super::text;
use crate::sources::requests::config::{Format, LogConfig};
use crate::sources::requests::formats::{Reading, parser};

/// Most lines a guess is made from.
pub(super) const SAMPLE_MAX_LINES: usize = 10_000;

/// Most bytes a guess is made from, give or take a line.
pub(super) const SAMPLE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Formats that read other formats' lines too: taken only if no other reads as much.
const LAX: [Format; 2] = [Format::Nginx, Format::Apache];

/// A format, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) log: LogConfig,
    pub(super) guessed: bool,
    /// Others that read the sample as well.
    pub(super) equals: Vec<Format>,
}

impl Guess {
    pub(super) fn told(log: LogConfig) -> Self {
        Self {
            log,
            guessed: false,
            equals: Vec::new(),
        }
    }
}

/// How well a format reads a sample, the first figure first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    requests: u64,
    understood: u64,
    /// Latencies, upstream latencies and sites.
    details: u64,
}

/// The format that reads most, and says most of it.
///
/// # Errors
/// What each format misses, when none reads a request.
pub(super) fn guess(sample: &[OwnedPiece]) -> Result<Guess, String> {
    let candidates = Format::ALL
        .iter()
        .filter(|format| !LAX.contains(format))
        .chain(&LAX)
        .filter(|format| !matches!(format, Format::Auto | Format::Custom));
    let mut fits = Vec::new();
    let mut reasons = String::new();
    for &format in candidates {
        let (fit, reason) = fit(format, sample);
        let _ = writeln!(
            reasons,
            "  {:<8} {}",
            format.name(),
            reason.unwrap_or("no request in it")
        );
        fits.push((format, fit));
    }
    let best = fits.iter().map(|&(_, fit)| fit).max().unwrap_or_default();
    if best.requests == 0 {
        return Err(nothing(sample, &reasons));
    }
    let mut equals = fits
        .into_iter()
        .filter(|&(_, fit)| fit == best)
        .map(|(format, _)| format);
    let format = equals.next().unwrap_or_default();
    Ok(Guess {
        log: LogConfig::new("", format),
        guessed: true,
        equals: equals.collect(),
    })
}

fn fit(format: Format, sample: &[OwnedPiece]) -> (Fit, Option<&'static str>) {
    let mut parser = parser(&LogConfig::new("", format));
    let mut fit = Fit::default();
    let mut reason = None;
    for piece in sample {
        match parser.parse(&piece.text) {
            Ok(Reading::Request(line)) => {
                fit.requests += 1;
                fit.understood += 1;
                fit.details += u64::from(line.latency_us.is_some())
                    + u64::from(line.upstream_latency_us.is_some())
                    + u64::from(!line.site.is_empty());
            }
            Ok(Reading::Other) => fit.understood += 1,
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    (fit, reason)
}

fn nothing(sample: &[OwnedPiece], reasons: &str) -> String {
    if sample.is_empty() {
        return "there is no line in it\n".to_owned();
    }
    format!(
        "no format reads a request in the first {}; what each first missed:\n{reasons}\n\
         If the server has a log format of its own, try it as a pattern:\n  \
         crmscope-agent try-log FILE --pattern {}\n",
        text::lines(sample.len() as u64),
        r#"'$remote_addr [$time_local] "$request" $status …'"#,
    )
}
