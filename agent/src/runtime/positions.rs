//! Where the sources of one lane stand, as one position: a spool keeps one for each lane.
//!
//! Promises that a source's part changes only with a batch that was stored, whichever source of the
//! lane made that batch, and that a part of a source that is not configured any more stays.
//! Pure.
//!
//! Layout: of a lane with the position of one source, which bears the lane's name, that position
//! as it is, as agents before had it. Else [`MAGIC`], then of each source: the length of its name
//! (1 byte), the name, the length of its position (4 bytes, little endian), the position.

use std::collections::BTreeMap;

/// First bytes of a position with parts. No position of a source begins so: they are JSON.
const MAGIC: &[u8] = b"CRMSCOPE-POSITIONS-1\n";

/// Most sources of a lane, which bounds what is kept of those that are gone.
const PARTS_MAX: usize = 16;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions {
    parts: BTreeMap<String, Vec<u8>>,
}

impl Positions {
    /// What a spool kept for the lane of that name.
    pub(super) fn decode(lane: &str, bytes: &[u8]) -> Self {
        let mut parts = BTreeMap::new();
        match bytes.strip_prefix(MAGIC) {
            None if bytes.is_empty() => {}
            None => {
                parts.insert(lane.to_owned(), bytes.to_vec());
            }
            Some(mut rest) => {
                while let Some((name, position, behind)) = part(rest) {
                    if parts.len() >= PARTS_MAX {
                        break;
                    }
                    parts.insert(name.to_owned(), position.to_vec());
                    rest = behind;
                }
            }
        }
        Self { parts }
    }

    /// The position of a source, empty for nowhere.
    pub(super) fn of(&self, source: &str) -> &[u8] {
        self.parts.get(source).map_or(&[], Vec::as_slice)
    }

    /// The same with another position of one source.
    pub(super) fn with(&self, source: &str, position: Vec<u8>) -> Self {
        let mut next = self.clone();
        next.parts.insert(source.to_owned(), position);
        next
    }

    /// For the spool.
    pub(super) fn encode(&self, lane: &str) -> Vec<u8> {
        if self.parts.keys().all(|name| name == lane) {
            return self.of(lane).to_vec();
        }
        let mut bytes = MAGIC.to_vec();
        for (name, position) in &self.parts {
            let lengths = (
                u8::try_from(name.len()),
                u32::try_from(position.len()).map(u32::to_le_bytes),
            );
            if let (Ok(name_bytes), Ok(position_bytes)) = lengths {
                bytes.push(name_bytes);
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(&position_bytes);
                bytes.extend_from_slice(position);
            }
        }
        bytes
    }
}

/// The first part: name, position, and what is behind it.
fn part(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (position, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(name).ok()?, position, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_alone_is_as_agents_before_had_it() {
        assert_eq!(Positions::decode("security", b""), Positions::default());
        assert!(Positions::default().encode("security").is_empty());
        let old = Positions::decode("security", br#"{"version":2}"#);
        assert_eq!(old.of("security"), br#"{"version":2}"#);
        assert_eq!(old.encode("security"), br#"{"version":2}"#);
        assert!(old.of("sql").is_empty());
    }

    #[test]
    fn parts_come_back_and_one_that_is_gone_stays() {
        let both = Positions::decode("security", b"{}").with("sql", b"{\"a\":1}".to_vec());
        let bytes = both.encode("security");
        let again = Positions::decode("security", &bytes);
        assert_eq!(again, both);
        // The next start has no SQL: what it says of the other keeps SQL's.
        let next = again.with("security", b"{\"b\":2}".to_vec());
        let next = Positions::decode("security", &next.encode("security"));
        assert_eq!(
            (next.of("sql"), next.of("security")),
            (&b"{\"a\":1}"[..], &b"{\"b\":2}"[..])
        );
        // Only the other: no old agent may take it for its own.
        let only = Positions::default().with("sql", b"{}".to_vec());
        assert!(only.encode("security").starts_with(MAGIC));
    }

    #[test]
    fn damaged_parts_are_left_out() {
        let bytes = Positions::decode("security", b"{}")
            .with("sql", b"{}".to_vec())
            .encode("security");
        for end in 0..bytes.len() {
            let cut = Positions::decode("security", &bytes[..end]);
            assert!(cut.of("sql").is_empty() || end == bytes.len(), "{end}");
        }
        let mut many = MAGIC.to_vec();
        for name in 0..100 {
            many.extend([1, name, 0, 0, 0, 0]);
        }
        assert!(Positions::decode("security", &many).parts.len() <= PARTS_MAX);
    }
}
