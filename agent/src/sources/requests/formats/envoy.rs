//! Lines of Envoy's default text format, and of Istio's, which adds why a response was sent.
//!
//! Pure, and without an allocation per line. The line begins with the time the request began;
//! with the duration it gives the end. `site` is the authority. The client is the last address of
//! `x-forwarded-for`: the one that Envoy itself saw, or that a trusted proxy passed on.
//! Envoy does not escape what it quotes, so a client can write quotes into its own line; it can
//! spoil no other one.

use memchr::{memchr, memmem};

use super::forwarded::last_address;
use super::words::{split, status, unsigned, word};
use super::{LineParser, Reading, Unread};
use crate::sources::requests::line::{Line, Request};
use crate::sources::tail::calendar::rfc3339;

const NO_TIME: Unread = "no [start time] at the beginning";
const NO_REQUEST: Unread = "no \"METHOD path protocol\" behind the time";
const NO_STATUS: Unread = "no response code behind the request";
const NO_NUMBERS: Unread = "no bytes and duration behind the response flags";

/// Reads Envoy's lines.
#[derive(Debug, Default)]
pub struct Envoy;

impl LineParser for Envoy {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let rest = line.strip_prefix(b"[").ok_or(NO_TIME)?;
        let (time, rest) = split(rest, b"] \"").ok_or(NO_TIME)?;
        let start_ms = rfc3339(time).ok_or(NO_TIME)?;
        // No client can put a blank into method or path, so blanks tell where the request ends.
        let (method, after) = word(rest).ok_or(NO_REQUEST)?;
        let (target, after) = word(after).ok_or(NO_REQUEST)?;
        let (_protocol, rest) = split(after, b"\" ").ok_or(NO_REQUEST)?;
        let (code, rest) = word(rest).ok_or(NO_STATUS)?;
        let status = status(code).ok_or(NO_STATUS)?;
        let (_flags, rest) = word(rest).ok_or(NO_STATUS)?;
        let numbers = numbers(rest).or_else(|| numbers(behind_details(rest)?));
        let ([sent, duration_ms], rest) = numbers.ok_or(NO_NUMBERS)?;
        let (upstream, rest) = rest.split_at(memchr(b' ', rest).unwrap_or(rest.len()));
        let (forwarded, site) = quoted_fields(rest.trim_ascii());
        // A request that Envoy could not read has neither.
        let request = if method == b"-" && target == b"-" {
            Request::Line(b"-")
        } else {
            Request::Parts { method, target }
        };
        Ok(Reading::Request(Line {
            time_ms: start_ms.saturating_add_unsigned(duration_ms),
            request,
            status,
            response_bytes: sent,
            latency_us: Some(duration_ms.saturating_mul(1000)),
            upstream_latency_us: unsigned(upstream).map(|ms| ms.saturating_mul(1000)),
            client: last_address(forwarded),
            site,
        }))
    }
}

/// Bytes sent and duration, behind the bytes received, and what follows.
fn numbers(text: &[u8]) -> Option<([u64; 2], &[u8])> {
    let (received, rest) = word(text)?;
    let (sent, rest) = word(rest)?;
    let (duration, rest) = word(rest)?;
    unsigned(received)?;
    Some(([unsigned(sent)?, unsigned(duration)?], rest))
}

/// Behind Istio's response code details, connection termination details and `"failure reason"`.
/// Envoy writes the first two without blanks.
fn behind_details(text: &[u8]) -> Option<&[u8]> {
    let (_details, rest) = word(text)?;
    let (_termination, rest) = word(rest)?;
    Some(split(rest.strip_prefix(b"\"")?, b"\" ")?.1)
}

/// `x-forwarded-for` and authority of `"xff" "agent" "id" "authority" "upstream"…`.
fn quoted_fields(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(inside) = text.strip_prefix(b"\"") else {
        return (b"", b"");
    };
    let forwarded = split(inside, b"\"").map_or(b"".as_slice(), |(forwarded, _)| forwarded);
    // In Envoy's own format the authority is the last but one, whatever the agent is called.
    let authority = if let Some(inside) = inside.strip_suffix(b"\"") {
        let separators = memmem::rfind(inside, b"\" \"")
            .and_then(|end| Some((memmem::rfind(&inside[..end], b"\" \"")? + 3, end)));
        separators.and_then(|(start, end)| inside.get(start..end))
    } else {
        let third = memmem::find_iter(inside, b"\" \"").nth(2);
        third.and_then(|at| split(inside.get(at + 3..)?, b"\"").map(|(authority, _)| authority))
    };
    (
        dash_empty(forwarded),
        dash_empty(authority.unwrap_or_default()),
    )
}

fn dash_empty(text: &[u8]) -> &[u8] {
    if text == b"-" { b"" } else { text }
}
