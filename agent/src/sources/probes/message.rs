//! Messages of DNS (RFC 1035): one question, and the addresses in its answer. Pure; every byte of an
//! answer is taken for hostile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses taken from one answer.
const ADDRESSES_MAX: usize = 512;

const HEADER_BYTES: usize = 12;
const CLASS_INTERNET: u16 = 1;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Record {
    A = 1,
    Aaaa = 28,
}

/// An answer to the question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0 is none, 3 no such name.
    pub(super) error: u8,
    /// It did not fit; to be asked again over TCP.
    pub(super) truncated: bool,
    pub(super) addresses: Vec<IpAddr>,
}

/// Why there is no answer in a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Useless {
    /// It answers another question, or nobody's.
    Foreign,
    /// It ends where something must follow.
    Broken,
}

/// A question that asks the server to find out.
pub(super) fn question(id: u16, domain: &str, record: Record) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER_BYTES + domain.len() + 6);
    message.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question, nothing else.
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in domain.split('.') {
        // Settings allow no label beyond 63 bytes.
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&(record as u16).to_be_bytes());
    message.extend_from_slice(&CLASS_INTERNET.to_be_bytes());
    message
}

/// Reads a message that came for `question`.
pub(super) fn answer(question: &[u8], message: &[u8]) -> Result<Answer, Useless> {
    let asked = question.get(HEADER_BYTES..).unwrap_or_default();
    let header = message.get(..HEADER_BYTES).ok_or(Useless::Foreign)?;
    let is_answer = header[2] & 0x80 != 0;
    if question.get(..2) != header.get(..2) || !is_answer {
        return Err(Useless::Foreign);
    }
    let error = header[3] & 0x0f;
    let truncated = header[2] & 0x02 != 0;
    let repeated = message.get(HEADER_BYTES..HEADER_BYTES + asked.len());
    if !repeated.is_some_and(|repeated| repeated.eq_ignore_ascii_case(asked)) {
        // A server that refuses may leave the question out.
        return match error {
            0 => Err(Useless::Foreign),
            _ => Ok(Answer {
                error,
                truncated,
                addresses: Vec::new(),
            }),
        };
    }
    let mut rest = Reader(&message[HEADER_BYTES + asked.len()..]);
    let count = u16::from_be_bytes([header[6], header[7]]);
    let mut addresses = Vec::new();
    for _ in 0..count {
        match rest.record() {
            Some(address) => addresses.extend(address),
            // What was cut off is known to be.
            None if truncated => break,
            None => return Err(Useless::Broken),
        }
        if addresses.len() >= ADDRESSES_MAX {
            break;
        }
    }
    Ok(Answer {
        error,
        truncated,
        addresses,
    })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Passes over a name. Pointers are not followed: whose record it is does not matter, since an
    /// answer to our question holds the records of its aliases too.
    fn name(&mut self) -> Option<()> {
        loop {
            match self.take(1)?[0] {
                0 => return Some(()),
                length @ 1..=63 => _ = self.take(usize::from(length))?,
                192.. => return self.take(1).map(|_| ()),
                _ => return None,
            }
        }
    }

    /// The address in the next record; the inner `None` for other records.
    fn record(&mut self) -> Option<Option<IpAddr>> {
        self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        // How long it may be kept.
        self.take(4)?;
        let length = self.number()?;
        let data = self.take(usize::from(length))?;
        if class != CLASS_INTERNET {
            return Some(None);
        }
        Some(match kind {
            kind if kind == Record::A as u16 => <[u8; 4]>::try_from(data)
                .ok()
                .map(|data| IpAddr::V4(Ipv4Addr::from(data))),
            kind if kind == Record::Aaaa as u16 => <[u8; 16]>::try_from(data)
                .ok()
                .map(|data| IpAddr::V6(Ipv6Addr::from(data))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(question: &[u8], error: u8, count: u8, records: &[u8]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2] |= 0x80;
        message[3] = error;
        message[7] = count;
        message.extend_from_slice(records);
        message
    }

    #[test]
    fn addresses_are_read_past_aliases() {
        let asked = question(0x1234, "Crm.example", Record::A);
        assert_eq!(
            asked,
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03Crm\x07example\0\0\x01\0\x01"
        );
        let records = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01a\xc0\x10\x01a\xc0\x10\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07";
        let message = reply(&asked, 0, 2, records);
        let read = answer(&asked, &message).unwrap();
        assert_eq!(read.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert!(!read.truncated && read.error == 0);
        // Names have no case.
        let lower = question(0x1234, "crm.EXAMPLE", Record::A);
        assert!(answer(&lower, &message).is_ok());

        let cut = &message[..message.len() - 1];
        assert_eq!(answer(&asked, cut), Err(Useless::Broken));
        let mut truncated = cut.to_vec();
        truncated[2] |= 2;
        assert!(answer(&asked, &truncated).unwrap().truncated);
    }

    #[test]
    fn what_answers_another_question_is_foreign() {
        let asked = question(7, "a.example", Record::Aaaa);
        for other in [
            question(8, "a.example", Record::Aaaa),
            question(7, "b.example", Record::Aaaa),
            question(7, "a.example", Record::A),
        ] {
            let message = reply(&other, 0, 0, b"");
            assert_eq!(answer(&asked, &message), Err(Useless::Foreign));
        }
        assert_eq!(answer(&asked, &asked), Err(Useless::Foreign), "no answer");
        assert_eq!(answer(&asked, b"\0\x07"), Err(Useless::Foreign));
        let refused = reply(&asked[..HEADER_BYTES], 5, 0, b"");
        assert_eq!(answer(&asked, &refused).unwrap().error, 5);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(rest in prop::collection::vec(any::<u8>(), 0..600), count: u8, flags: u8) {
            let asked = question(7, "a.example", Record::A);
            let mut message = reply(&asked, 0, count, &rest);
            message[2] = flags;
            if let Ok(read) = answer(&asked, &message) {
                prop_assert!(read.addresses.len() <= ADDRESSES_MAX);
            }
            let _ = answer(&asked, &rest);
        }
    }
}
