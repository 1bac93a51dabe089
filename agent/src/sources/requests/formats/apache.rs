//! Lines of Apache's `common`, `combined` and `vhost_combined` log formats, with `%D` behind them
//! or not.
//!
//! Pure. Apache escapes client text (`\"`, `\\`, `\xc3`), the unquoted user too, so that a quote
//! without a backslash is Apache's own. A virtual host is told from a client's address by its one
//! colon: an IPv6 address has more, a name or IPv4 address none.
//! The time is that of the request's arrival, to which the latency is added.
//! A latency is only taken from the line's last field, when it is the sole bare field behind the
//! byte count, is made of digits, and stands behind the quoted agent or right behind the byte
//! count: that is where `%D` (µs) is put. A log with another number there (`%T`, `%I`) must be
//! read as `custom`.

use super::nginx::{Common, TimeCache, common, first_word, quoted};
use super::{LineParser, Reading, Unread, escapes};
use crate::sources::requests::line::{Line, Request, end_ms};
use crate::sources::tail::calendar::digits;

/// What is asked of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Any of the formats; a number at the end is `%D`.
    All,
    /// Only what nginx's `combined` is not: nothing before the first line that begins with a
    /// virtual host. For guesses: a number at the end may mean anything then.
    VirtualHosts,
}

/// Reads Apache's lines.
#[derive(Debug)]
pub struct Apache {
    taken: Taken,
    /// Whether a line began with a virtual host.
    begun: bool,
    times: TimeCache,
    plain: Vec<u8>,
}

impl Apache {
    /// A parser for one file.
    #[must_use]
    pub fn new(taken: Taken) -> Self {
        Self {
            taken,
            begun: false,
            times: TimeCache::default(),
            plain: Vec::new(),
        }
    }
}

impl LineParser for Apache {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let Common {
            before,
            time_ms,
            request,
            status,
            response_bytes,
            rest,
        } = common(line, &mut self.times)?;
        let first = first_word(before);
        let (site, client) = match virtual_host(first) {
            Some(site) => (
                site,
                first_word(before.get(first.len() + 1..).unwrap_or_default()),
            ),
            None => (b"".as_slice(), first),
        };
        self.begun |= !site.is_empty() && !client.is_empty();
        if self.taken == Taken::VirtualHosts && !self.begun {
            return Err("no virtual host before the client");
        }
        let latency_us = match self.taken {
            Taken::All => last_number(rest),
            Taken::VirtualHosts => None,
        };
        Ok(Reading::Request(Line {
            time_ms: end_ms(time_ms, latency_us),
            request: escapes::request(Request::Line(request), &mut self.plain),
            status,
            response_bytes,
            latency_us,
            upstream_latency_us: None,
            client,
            site,
        }))
    }
}

/// The name in `name:port`.
fn virtual_host(word: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', word)?;
    let (name, port) = (&word[..colon], &word[colon + 1..]);
    (!name.is_empty() && port.len() <= 5 && digits(port).is_some()).then_some(name)
}

/// The number that is the sole bare field, and the last.
fn last_number(mut rest: &[u8]) -> Option<u64> {
    let mut quoted_fields = 0;
    loop {
        rest = rest.trim_ascii_start();
        match rest.strip_prefix(b"\"") {
            Some(inside) => rest = quoted(inside)?.1,
            None => break,
        }
        quoted_fields += 1;
    }
    let number = digits(rest).and_then(|number| u64::try_from(number).ok());
    number.filter(|_| quoted_fields != 1)
}
