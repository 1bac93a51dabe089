//! The network of a client: its address without the part that tells one host from its neighbours.
//!
//! Pure. The address is the one the server logged for the connection, or whatever its operator made
//! of it there: nothing in a line that a client can write, such as X-Forwarded-For, is believed here.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crmscope_proto::clients::UNKNOWN;

/// Longest text that can be an address: IPv6 in brackets, with a zone and a port.
const ADDRESS_MAX_BYTES: usize = 80;

/// How many leading bits make a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) ipv4: u8,
    pub(super) ipv6: u8,
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Network {
    /// 4 or 6; 0 when the line had no address.
    family: u8,
    /// Leading bits of the address.
    prefix: u8,
    bits: u128,
}

impl Network {
    /// Of a line without an address.
    pub(super) const UNKNOWN: Self = Self {
        family: 0,
        prefix: 0,
        bits: 0,
    };

    /// The network of an address as logged: with or without a port, brackets or a zone.
    pub(super) fn of(client: &[u8], prefixes: Prefixes) -> Self {
        if let Some(address) = ipv4(client) {
            return Self::v4(address, prefixes);
        }
        let Some(address) = ipv6(client) else {
            return Self::UNKNOWN;
        };
        // An IPv4 client of a socket for both.
        if let Some(mapped) = address.to_ipv4_mapped() {
            return Self::v4(mapped.to_bits(), prefixes);
        }
        let prefix = prefixes.ipv6.min(128);
        let shift = 128 - u32::from(prefix);
        let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
        Self {
            family: 6,
            prefix,
            bits: address.to_bits() & mask,
        }
    }

    fn v4(address: u32, prefixes: Prefixes) -> Self {
        let prefix = prefixes.ipv4.min(32);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Self {
            family: 4,
            prefix,
            bits: u128::from(address & mask),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            4 => {
                let address = Ipv4Addr::from_bits(u32::try_from(self.bits).unwrap_or(0));
                write!(f, "{address}/{}", self.prefix)
            }
            6 => write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.prefix),
            _ => f.write_str(UNKNOWN),
        }
    }
}

/// Four numbers with dots, and a port or not.
fn ipv4(text: &[u8]) -> Option<u32> {
    let mut address = 0u32;
    let mut octets = 0;
    let mut number = None;
    for (place, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                let value = number.unwrap_or(0) * 10 + u32::from(byte - b'0');
                if value > 255 {
                    return None;
                }
                number = Some(value);
            }
            b'.' if octets < 3 => {
                address = address << 8 | number.take()?;
                octets += 1;
            }
            b':' if octets == 3 && is_port(&text[place + 1..]) => break,
            _ => return None,
        }
    }
    (octets == 3).then_some(address << 8 | number?)
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    if text.len() > ADDRESS_MAX_BYTES {
        return None;
    }
    let bare = match text.strip_prefix(b"[") {
        Some(rest) => {
            let (inside, after) = rest.split_at(memchr::memchr(b']', rest)?);
            let port = after[1..].strip_prefix(b":");
            if after.len() > 1 && !port.is_some_and(is_port) {
                return None;
            }
            inside
        }
        None => text,
    };
    let end = memchr::memchr(b'%', bare).unwrap_or(bare.len());
    std::str::from_utf8(&bare[..end]).ok()?.parse().ok()
}

fn is_port(text: &[u8]) -> bool {
    (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}
