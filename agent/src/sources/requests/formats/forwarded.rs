//! Addresses that proxies pass on.
//!
//! Pure.

/// The last address of an `x-forwarded-for` list: what the nearest proxy saw. Those before it may
/// be the client's invention.
pub(super) fn last_address(list: &[u8]) -> &[u8] {
    let start = memchr::memrchr(b',', list).map_or(0, |comma| comma + 1);
    list.get(start..).unwrap_or_default().trim_ascii()
}
