//! What may be told of a query when the operator asks for queries.
//!
//! Pure. By default no query leaves the host at all. With `keep_query`, names of parameters and
//! their values do, but for those that look like a secret or like a person: by the parameter's name,
//! or by the form of the text, once its percent signs are undone. A text that a second reading could
//! still change, or that holds parameters of its own, is taken for a secret. No list finds a person's
//! name or a telephone number: that is why the default is to keep nothing.

use std::fmt::Write as _;

/// Longest redacted query, bytes.
const QUERY_MAX_BYTES: usize = 512;

/// Longest name or value that is shown, bytes.
const TEXT_MAX_BYTES: usize = 64;

/// Stands for what is not shown.
const HIDDEN: &str = "{…}";

/// Parts of the names of parameters whose values are secrets or persons.
const SECRET_NAMES: [&str; 28] = [
    "token",
    "pass",
    "pwd",
    "key",
    "secret",
    "session",
    "sess",
    "sid",
    "auth",
    "code",
    "sign",
    "sig",
    "hash",
    "nonce",
    "otp",
    "pin",
    "csrf",
    "xsrf",
    "jwt",
    "state",
    "ticket",
    "assertion",
    "saml",
    "credential",
    "mail",
    "phone",
    "user",
    "name",
];

/// Appends the query of a target to `out`, redacted.
pub(super) fn push_query(target: &[u8], out: &mut String) {
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let Some(start) = memchr::memchr(b'?', &target[..end]) else {
        return;
    };
    let most = out.len() + QUERY_MAX_BYTES;
    let mut separator = '?';
    for parameter in target[start + 1..end].split(|&byte| byte == b'&') {
        if parameter.is_empty() {
            continue;
        }
        if out.len() >= most {
            out.push('…');
            return;
        }
        out.push(separator);
        separator = '&';
        let Some(equals) = memchr::memchr(b'=', parameter) else {
            // No name at all: it may be a value.
            out.push_str(HIDDEN);
            continue;
        };
        let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
        let name_shown = shown_name(name);
        let _ = write!(out, "{}=", name_shown.unwrap_or(HIDDEN));
        match name_shown.filter(|name| !names_secret(name)) {
            Some(_) => out.push_str(shown_value(value).unwrap_or(HIDDEN)),
            None => out.push_str(HIDDEN),
        }
    }
}

/// A name of letters and marks, as programs give them; a client may send any.
fn shown_name(name: &[u8]) -> Option<&str> {
    let right = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    if name.is_empty() || name.len() > 32 || digits > 3 || !name.iter().all(right) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

fn names_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| lower.contains(secret))
}

/// The value, when nothing about it looks like a secret or a person.
fn shown_value(value: &[u8]) -> Option<&str> {
    if value.len() > TEXT_MAX_BYTES || !value.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let plain = decoded(value)?;
    let nested = |byte: &u8| b"?&=%@:;\\<>\"'{}".contains(byte) || !(b' '..=b'~').contains(byte);
    if plain.iter().any(nested) || is_card(&plain) || is_token(&plain) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Percent signs undone once, `+` as a space; `None` when a percent sign is no escape.
fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (&[high, low], after) = rest.split_first_chunk()?;
                plain.push(digit(high)? << 4 | digit(low)?);
                rest = after;
            }
            b'+' => plain.push(b' '),
            _ => plain.push(byte),
        }
    }
    Some(plain)
}

/// Card, account and telephone numbers: 12 digits or more, or 7 in groups, which dates have too. A
/// shorter run of digits alone is a record or an amount.
fn is_card(plain: &[u8]) -> bool {
    let digits = plain.iter().filter(|byte| byte.is_ascii_digit()).count();
    let grouped = plain
        .iter()
        .all(|byte| byte.is_ascii_digit() || b" -./+()".contains(byte));
    digits >= 12 || (digits >= 7 && grouped && digits < plain.len())
}

/// Web tokens, and long runs of letters and digits mixed, as random ids and keys are.
fn is_token(plain: &[u8]) -> bool {
    let run = plain
        .split(|byte| !byte.is_ascii_alphanumeric())
        .max_by_key(|run| run.len())
        .unwrap_or_default();
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    plain.starts_with(b"eyJ")
        || run.len() >= 24
        || (run.len() >= 12 && digits > 0 && digits < run.len())
}
