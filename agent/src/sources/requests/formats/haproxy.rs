//! Lines of HAProxy's `option httplog`, and of `option httpslog`, which adds to its end.
//!
//! Pure, and without an allocation per line but for targets with encoded bytes. Before the line
//! may stand what syslog daemons write: `Nov 25 09:35:36 host haproxy[123]: `, an RFC 3339 time in
//! its place, an RFC 5424 header, a `<134>`; the date inside of the line is the one that counts,
//! and has no zone, so the config gives it. That date is when the request began to arrive; with
//! the active time Ta it gives the end. HAProxy encodes quotes inside of what clients send (`#22`),
//! so the quotes around the request are its own.
//!
//! `site` is the backend: one frontend commonly serves all sites. It is the frontend where no
//! backend was chosen. Lines of `option tcplog`, of failed handshakes and of HAProxy's own state
//! are passed over, as are other programs' lines with a syslog head. The bytes are those of the
//! whole response. With `option logasap` (`+` before Ta) the time and bytes so far are no measure
//! of the request: it has no latency.

use memchr::{memchr, memrchr};

use super::words::{status, unsigned, word};
use super::{LineParser, Reading, Unread};
use crate::sources::requests::line::{Line, Request};
use crate::sources::tail::calendar::{Civil, digits, month};
use crate::sources::tail::zone::Zone;

/// `25/Nov/2026:09:35:36`, before the milliseconds.
const SECOND_BYTES: usize = 20;

const NO_HEAD: Unread = "no `address:port [date] ` at the beginning, nor behind a syslog head";
const NO_DATE: Unread = "the date is none";
const NO_TIMERS: Unread = "no TR/Tw/Tc/Tr/Ta timers behind the server: is `option httplog` set?";
const NO_STATUS: Unread = "no status behind the timers";
const NO_BYTES: Unread = "no byte count behind the status";
const NO_REQUEST: Unread = "no quoted request at the end";

/// How HAProxy begins what it says about itself.
const NOTICES: [&[u8]; 12] = [
    b"Proxy ",
    b"Server ",
    b"Connect from ",
    b"Health check ",
    b"Backend ",
    b"backend ",
    b"Stopping ",
    b"Pausing ",
    b"Enabling ",
    b"Loading ",
    b"[",
    b"New worker",
];

/// Reads HAProxy's lines.
#[derive(Debug)]
pub struct Haproxy {
    zone: Zone,
    /// The second of the line before, and its start: most lines share theirs.
    second: [u8; SECOND_BYTES],
    second_ms: i64,
    plain: Vec<u8>,
}

impl Haproxy {
    /// For dates in a zone: `local`, or an offset such as `+02:00`.
    #[must_use]
    pub fn new(zone: &str) -> Self {
        Self {
            zone: Zone::of(zone),
            second: [0; SECOND_BYTES],
            second_ms: 0,
            plain: Vec::new(),
        }
    }

    /// `25/Nov/2026:09:35:36.123` as Unix ms.
    fn date_ms(&mut self, text: &[u8]) -> Option<i64> {
        let (second, fraction) = text.split_first_chunk::<SECOND_BYTES>()?;
        let [b'.', milliseconds @ ..] = fraction else {
            return None;
        };
        if milliseconds.len() != 3 {
            return None;
        }
        if self.second != *second {
            self.second_ms = self.zone.unix_ms(civil(second)?.utc_ms()?);
            self.second = *second;
        }
        Some(self.second_ms + digits(milliseconds)?)
    }
}

impl LineParser for Haproxy {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Reading<'a>, Unread> {
        let Some((message, program)) = message(line) else {
            return Err(NO_HEAD);
        };
        let Some((client, date, rest)) = head(message) else {
            let own = program.is_none_or(|program| program.starts_with(b"haproxy"));
            let notice = NOTICES.iter().any(|begin| message.starts_with(begin));
            return if notice || !own {
                Ok(Reading::Other)
            } else {
                Err(NO_HEAD)
            };
        };
        let accepted_ms = self.date_ms(date).ok_or(NO_DATE)?;
        let (frontend, rest) = word(rest).ok_or(NO_TIMERS)?;
        // `frontend/listener: SSL handshake failure`
        if frontend.ends_with(b":") {
            return Ok(Reading::Other);
        }
        let (server, rest) = word(rest).ok_or(NO_TIMERS)?;
        let (timers, rest) = word(rest).ok_or(NO_TIMERS)?;
        let timers = match Timers::of(timers) {
            Some(timers) => timers,
            None if timers.split(|&byte| byte == b'/').count() == 3 => return Ok(Reading::Other),
            None => return Err(NO_TIMERS),
        };
        let (code, rest) = word(rest).ok_or(NO_STATUS)?;
        let status = match code {
            b"-1" => 0,
            code => status(code).ok_or(NO_STATUS)?,
        };
        let (bytes, rest) = word(rest).ok_or(NO_BYTES)?;
        let bytes = bytes.strip_prefix(b"+").unwrap_or(bytes);
        let response_bytes = unsigned(bytes).ok_or(NO_BYTES)?;
        let request = request(rest, &mut self.plain).ok_or(NO_REQUEST)?;
        let backend = &server[..memrchr(b'/', server).unwrap_or(server.len())];
        let frontend = frontend.strip_suffix(b"~").unwrap_or(frontend);
        let site = backend.strip_suffix(b"~").unwrap_or(backend);
        Ok(Reading::Request(Line {
            time_ms: accepted_ms.saturating_add_unsigned(timers.active_ms.unwrap_or(0)),
            request,
            status,
            response_bytes,
            latency_us: timers
                .active_ms
                .filter(|_| timers.complete)
                .map(|ms| ms.saturating_mul(1000)),
            upstream_latency_us: timers.response_ms.map(|ms| ms.saturating_mul(1000)),
            client: &client[..memrchr(b':', client).unwrap_or(client.len())],
            site: if site.is_empty() { frontend } else { site },
        }))
    }
}

/// `TR/Tw/Tc/Tr/Ta`: what of it counts. A timer is -1 where the request did not get so far.
struct Timers {
    response_ms: Option<u64>,
    active_ms: Option<u64>,
    /// Not logged before the end.
    complete: bool,
}

impl Timers {
    fn of(text: &[u8]) -> Option<Self> {
        let timer = |text: &[u8]| match text {
            b"-1" => Some(None),
            text => unsigned(text).map(Some),
        };
        let mut fields = text.split(|&byte| byte == b'/');
        for _ in 0..3 {
            timer(fields.next()?)?;
        }
        let response_ms = timer(fields.next()?)?;
        let last = fields.next()?;
        let so_far = last.strip_prefix(b"+");
        let active_ms = timer(so_far.unwrap_or(last))?;
        fields.next().is_none().then_some(Self {
            response_ms,
            active_ms,
            complete: so_far.is_none(),
        })
    }
}

/// Client, date and the rest of `address:port [date] …`.
fn head(message: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (client, rest) = word(message)?;
    memchr(b':', client)?;
    let rest = rest.strip_prefix(b"[")?;
    let end = memchr(b']', rest)?;
    let (date, rest) = rest.split_at(end);
    Some((client, date, rest.strip_prefix(b"] ")?))
}

/// What is behind a syslog head, and the program it names; the line itself where there is none.
fn message(line: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut rest = line;
    if let Some(inside) = line.strip_prefix(b"<") {
        let end = memchr(b'>', inside.get(..4).unwrap_or(inside))?;
        digits(&inside[..end])?;
        rest = &inside[end + 1..];
    }
    if head(rest).is_some() {
        return Some((rest, None));
    }
    if let Some(mut header) = rest.strip_prefix(b"1 ") {
        // RFC 5424: time, host, program, process, message id; then data, of which HAProxy has none.
        let mut program = None;
        for position in 0..5 {
            let (field, after) = word(header)?;
            if position == 2 {
                program = Some(field);
            }
            header = after;
        }
        return Some((header.strip_prefix(b"- ")?, program));
    }
    let after_time = if rest.first()?.is_ascii_digit() {
        let (time, after) = word(rest)?;
        (time.get(10) == Some(&b'T')).then_some(after)
    } else {
        rest.get(16..)
            .filter(|_| month(&rest[..3]).is_some() && rest[15] == b' ')
    };
    let Some(mut tag) = after_time else {
        return Some((rest, None));
    };
    // A host may stand before the tag.
    for _ in 0..2 {
        let (word, after) = word(tag)?;
        if let Some(program) = word.strip_suffix(b":") {
            let end = memchr(b'[', program).unwrap_or(program.len());
            return Some((after, Some(&program[..end])));
        }
        tag = after;
    }
    None
}

/// The request between its quotes. A long line is cut by HAProxy or on its way: without the end of
/// its request, or without the quote.
fn request<'a>(rest: &'a [u8], plain: &'a mut Vec<u8>) -> Option<Request<'a>> {
    let open = memchr(b'"', rest)?;
    let inside = &rest[open + 1..];
    let text = match memrchr(b'"', inside) {
        None => inside,
        // A captured cookie may hold quotes: the request is what the last two are around.
        Some(close) => {
            let before = &inside[..close];
            &before[memrchr(b'"', before).map_or(0, |quote| quote + 1)..]
        }
    };
    if text == b"<BADREQ>" {
        return Some(Request::Line(text));
    }
    let (method, target) = word(text).unwrap_or((text, b""));
    let target = match memrchr(b' ', target) {
        Some(end) if target[end + 1..].starts_with(b"HTTP/") => &target[..end],
        _ => target,
    };
    let target = if memchr(b'#', target).is_some() {
        decode(target, plain);
        plain
    } else {
        target
    };
    Some(Request::Parts { method, target })
}

/// Undoes HAProxy's `#HH`.
fn decode(text: &[u8], plain: &mut Vec<u8>) {
    let nibble = |byte: u8| char::from(byte).to_digit(16);
    plain.clear();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'#'
            && let [high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (nibble(*high), nibble(*low))
        {
            plain.push(u8::try_from(high << 4 | low).unwrap_or(byte));
            rest = after;
        } else {
            plain.push(byte);
        }
    }
}

fn civil(text: &[u8; SECOND_BYTES]) -> Option<Civil> {
    let separators = [2, 6, 11, 14, 17].map(|position| text[position]);
    if separators != *b"//:::" {
        return None;
    }
    Some(Civil {
        year: digits(&text[7..11])?,
        month: month(&text[3..6])?,
        day: digits(&text[..2])?,
        hour: digits(&text[12..14])?,
        minute: digits(&text[15..17])?,
        second: digits(&text[18..20])?,
    })
}
