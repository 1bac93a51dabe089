//! Route templates: what stays of a request line once everything that names a person or a record
//! is taken out.
//!
//! Pure. Promises a template of at most [`SEGMENTS_MAX`] segments of [`SEGMENT_MAX_BYTES`], valid
//! UTF-8 without control characters, and never a query, a fragment or a `;` parameter.

use std::fmt::Write as _;

use super::line::Request;

/// Segments kept; `/…` stands for the rest.
pub(super) const SEGMENTS_MAX: usize = 12;

/// Longest segment, bytes.
pub(super) const SEGMENT_MAX_BYTES: usize = 64;

/// Method and route of what is no request line: TLS on a plain port, empty lines, HTTP/0.9.
pub(super) const INVALID: &str = "INVALID";

/// Everything beyond a bound, and unknown methods.
pub(super) const OTHER: &str = "OTHER";

/// Stands for numbers, record ids, addresses and tokens.
pub(super) const ID: &str = "{id}";

/// Stands for ids in the form of RFC 4122.
pub(super) const UUID: &str = "{uuid}";

/// Stands for the words of which one place of a route has too many; see [`super::learned`].
pub(super) const SLUG: &str = "{slug}";

/// Methods counted apart: those of HTTP, WebDAV and caches. Clients can send any word.
pub(super) const METHODS: [&str; 20] = [
    OTHER,
    INVALID,
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "PURGE",
];

/// Method and target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Position in [`METHODS`].
    pub(super) method: u8,
    /// The target, as it was sent and escaped; `None` when the line is invalid.
    pub(super) target: Option<&'a [u8]>,
}

/// What is no request.
const INVALID_TARGET: Target<'_> = Target {
    method: 1,
    target: None,
};

/// Takes a request apart.
pub(super) fn target_of<'a>(request: &Request<'a>) -> Target<'a> {
    match *request {
        Request::Line(line) => {
            split_line(line).map_or(INVALID_TARGET, |(method, target)| checked(method, target))
        }
        Request::Parts { method, target } => checked(method, target.trim_ascii()),
    }
}

/// `METHOD target HTTP/x.y`.
fn split_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (method, rest) = line.split_at(memchr::memchr(b' ', line)?);
    let (rest, version) = rest.split_last_chunk::<9>()?;
    let http = matches!(version.trim_ascii_start(), [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit());
    (http && version[0] == b' ').then_some((method, rest.trim_ascii()))
}

fn checked<'a>(method: &[u8], target: &'a [u8]) -> Target<'a> {
    let token = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    if target.is_empty() || method.is_empty() || !method.iter().all(token) {
        return INVALID_TARGET;
    }
    let known = METHODS[2..]
        .iter()
        .position(|known| known.as_bytes() == method);
    Target {
        method: known.map_or(0, |position| u8::try_from(position + 2).unwrap_or(0)),
        target: Some(target),
    }
}

/// The path of a target without query and fragment, its `\xHH` undone; `None` when it has none: `*`
/// of OPTIONS, `host:port` of CONNECT. `plain` is scratch space.
pub(super) fn path<'a>(target: &'a [u8], plain: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let path = path_of(target)?;
    if memchr::memchr(b'\\', path).is_none() {
        return Some(path);
    }
    unescape(path, plain);
    // An escaped delimiter cuts as a plain one does.
    let end = memchr::memchr2(b'?', b'#', plain).unwrap_or(plain.len());
    Some(&plain[..end])
}

/// The segments of a path, without empty ones and without `;` parameters.
pub(super) fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .map(|segment| &segment[..memchr::memchr(b';', segment).unwrap_or(segment.len())])
        .filter(|segment| !segment.is_empty())
}

/// Writes the template of a path to `out`.
pub(super) fn template(path: Option<&[u8]>, out: &mut String) {
    out.clear();
    let Some(path) = path else {
        out.push('*');
        return;
    };
    for (number, segment) in segments(path).enumerate() {
        if number == SEGMENTS_MAX {
            out.push_str("/…");
            return;
        }
        out.push('/');
        push_segment(segment, out);
    }
    if out.is_empty() || path.ends_with(b"/") {
        out.push('/');
    }
}

/// Whether a segment of a template stands for many. Clients may send braces, but no other ones are
/// taken for ours.
pub(super) fn is_placeholder(segment: &str) -> bool {
    let of = |name: &str| {
        segment
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    of(ID) || of(UUID) || segment == SLUG
}

/// The path of a target without query and fragment; `None` when it has none.
fn path_of(target: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let target = &target[..end];
    if target.starts_with(b"/") {
        return Some(target);
    }
    // A proxy's absolute form: the host is the client's text and no part of the route.
    let scheme = memchr::memmem::find(target, b"://")?;
    let rest = &target[scheme + 3..];
    Some(memchr::memchr(b'/', rest).map_or(b"/".as_slice(), |slash| &rest[slash..]))
}

/// Undoes nginx's `\xHH`.
fn unescape(text: &[u8], plain: &mut Vec<u8>) {
    let nibble = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    plain.clear();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\\'
            && let [b'x', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (nibble(*high), nibble(*low))
        {
            plain.push(high << 4 | low);
            rest = after;
        } else {
            plain.push(byte);
        }
    }
}

fn push_segment(segment: &[u8], out: &mut String) {
    if let Some(name) = placeholder(segment) {
        out.push_str(name);
        return;
    }
    // A record with its representation: `42.json`.
    if let Some(dot) = memchr::memrchr(b'.', segment)
        && let (stem, ending) = (&segment[..dot], &segment[dot + 1..])
        && (2..=5).contains(&ending.len())
        && ending.iter().all(u8::is_ascii_alphabetic)
        && let Some(name) = placeholder(stem)
    {
        let _ = write!(out, "{name}.{}", String::from_utf8_lossy(ending));
        return;
    }
    if segment.len() <= SEGMENT_MAX_BYTES && segment.iter().all(u8::is_ascii_graphic) {
        // Checked to be ASCII.
        out.push_str(std::str::from_utf8(segment).unwrap_or(OTHER));
        return;
    }
    let text = String::from_utf8_lossy(segment);
    let mut length = 0;
    for character in text.chars() {
        let shown = if character.is_control() {
            '\u{fffd}'
        } else {
            character
        };
        length += shown.len_utf8();
        if length > SEGMENT_MAX_BYTES {
            break;
        }
        out.push(shown);
    }
}

/// What a segment is replaced by, when it names one of many.
fn placeholder(segment: &[u8]) -> Option<&'static str> {
    if is_uuid(segment) {
        Some(UUID)
    } else if is_id(segment) {
        Some(ID)
    } else {
        None
    }
}

/// The form of RFC 4122, 8-4-4-4-12 hexadecimal digits, in braces or not.
fn is_uuid(segment: &[u8]) -> bool {
    let bare = match segment {
        [b'{', inside @ .., b'}'] => inside,
        _ => segment,
    };
    bare.len() == 36
        && bare.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a segment names one record, person or session, and not a kind of thing.
fn is_id(segment: &[u8]) -> bool {
    let mut digits = 0;
    let mut hex = 0;
    let mut letters = 0;
    let mut marks = 0;
    let mut others = 0;
    for &byte in segment {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' => hex += 1,
            b'g'..=b'z' | b'G'..=b'Z' => letters += 1,
            b'-' | b'_' => marks += 1,
            _ => others += 1,
        }
    }
    let length = segment.len();
    let alphabetic = hex + letters;
    if others == 0 {
        let numeric = digits > 0 && alphabetic == 0;
        let hexadecimal = letters == 0 && marks == 0 && length >= 16;
        let mixed = digits > 0 && alphabetic > 0 && length >= 20;
        // Salesforce record ids have 15 or 18 characters; ULIDs are mixed ones.
        let record = marks == 0 && matches!(length, 15 | 18) && digits >= 4 && alphabetic > 0;
        return numeric || hexadecimal || mixed || record;
    }
    is_address(segment) || is_token(segment, digits, alphabetic)
}

/// `someone@example.com`, its at sign encoded or not.
fn is_address(segment: &[u8]) -> bool {
    let at = memchr::memchr(b'@', segment)
        .map(|at| (at, at + 1))
        .or_else(|| memchr::memmem::find(segment, b"%40").map(|at| (at, at + 3)));
    at.is_some_and(|(at, after)| at > 0 && memchr::memchr(b'.', &segment[after..]).is_some())
}

/// Base64 and JSON web tokens, their padding encoded or not.
fn is_token(segment: &[u8], digits: usize, alphabetic: usize) -> bool {
    let alphabet = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=' | b'-' | b'_' | b'%' | b'~')
    };
    let padded = segment.ends_with(b"=") || segment.ends_with(b"%3D") || segment.ends_with(b"%3d");
    let base64 = segment.len() >= 16
        && segment.iter().all(alphabet)
        && alphabetic > 0
        && (padded || (digits > 0 && segment.len() >= 20 && segment.contains(&b'+')));
    let web_token = segment.len() >= 20
        && segment.starts_with(b"eyJ")
        && segment.iter().all(|byte| alphabet(byte) || *byte == b'.');
    base64 || web_token
}
