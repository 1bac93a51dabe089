//! Escapes of client text, brought into the one form that routes are made from.
//!
//! Pure. nginx writes `\xHH` for what is not plain; Apache and nginx's `escape=json` write `\"`,
//! `\\`, `\n` and `\u00HH` besides. Here all become the byte itself, or `\xHH` where it is not
//! printable or would begin an escape.

use super::super::line::Request;

/// The request with nginx's escapes only. `plain` holds it if it differs from what was logged.
pub(super) fn request<'a>(request: Request<'a>, plain: &'a mut Vec<u8>) -> Request<'a> {
    let text = match request {
        Request::Line(line) => line,
        Request::Parts { target, .. } => target,
    };
    if memchr::memchr(b'\\', text).is_none() {
        return request;
    }
    unescape(text, plain);
    match request {
        Request::Line(_) => Request::Line(plain),
        Request::Parts { method, .. } => Request::Parts {
            method,
            target: plain,
        },
    }
}

fn unescape(text: &[u8], plain: &mut Vec<u8>) {
    plain.clear();
    let mut rest = text;
    while let Some(slash) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..slash]);
        rest = &rest[slash..];
        let (written, length): (&[u8], usize) = match rest {
            [_, b'"', ..] => (b"\"", 2),
            [_, b'/', ..] => (b"/", 2),
            [_, b'\\', ..] => (b"\\x5C", 2),
            [_, b'b', ..] => (b"\\x08", 2),
            [_, b't', ..] => (b"\\x09", 2),
            [_, b'n', ..] => (b"\\x0A", 2),
            [_, b'v', ..] => (b"\\x0B", 2),
            [_, b'f', ..] => (b"\\x0C", 2),
            [_, b'r', ..] => (b"\\x0D", 2),
            [_, b'u', b'0', b'0', high, low, ..] => {
                plain.extend_from_slice(&[b'\\', b'x', *high, *low]);
                (b"", 6)
            }
            // `\xHH`, or no escape at all.
            _ => (b"\\", 1),
        };
        plain.extend_from_slice(written);
        rest = &rest[length..];
    }
    plain.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_ends_as_the_byte_or_in_hex() {
        for (logged, plain) in [
            (r"GET /a HTTP/1.1", r"GET /a HTTP/1.1"),
            (r#"GET /a\"b HTTP/1.1"#, r#"GET /a"b HTTP/1.1"#),
            (r"/a\\x22", r"/a\x5Cx22"),
            (r"/\xc3\xa9", r"/\xc3\xa9"),
            (r"/a\tb\nc\/", r"/a\x09b\x0Ac/"),
            (r"/a\u001Fb", r"/a\x1Fb"),
            (r"/\u0", r"/\u0"),
            (r"/\", r"/\"),
        ] {
            let mut scratch = Vec::new();
            let found = request(Request::Line(logged.as_bytes()), &mut scratch);
            assert_eq!(found, Request::Line(plain.as_bytes()), "{logged}");
        }
    }
}
