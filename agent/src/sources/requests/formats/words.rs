//! Takes lines apart at blanks and separators.
//!
//! Pure.

use memchr::{memchr, memmem};

use crate::sources::tail::calendar::digits;

/// Text before the first blank, and what follows it.
pub(super) fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Text before a separator, and what follows it.
pub(super) fn split<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

/// A number made of digits only.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    digits(text).and_then(|number| u64::try_from(number).ok())
}

/// A response status made of digits only.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    match unsigned(text)? {
        status @ 0..=999 => u16::try_from(status).ok(),
        _ => None,
    }
}
