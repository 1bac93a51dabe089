//! The hash chain of an agent's security batches: what is digested, byte by byte.
//!
//! Owns the canonical form of rows and of links. Promises: the digest of a batch's rows is a function of
//! what is stored of them, whatever their order, the dictionary or columns that were added since; every
//! link depends on all links before it. Leaves keeping the newest link to the agent's spool and finding
//! what was changed to the collector's `verify`.
//!
//! A *netstring* of text is its length in bytes as decimal digits, `:`, its bytes, `,`. Numbers are text
//! of decimal digits, with `-` before negative ones; ids have the 8-4-4-4-12 form in lower case; digests
//! are 64 hexadecimal digits in lower case. SHA-256 throughout.
//!
//! | What | Is the SHA-256 of |
//! |---|---|
//! | digest of a row, version 1 | the netstrings of `event_id`, `ts` (Unix ms), `class_uid`, `activity_id`, `status_id`, `severity_id`, `kind`, `service`, `method`, `user`, `target_user`, `source_address`, `source_port`, `process_id`, `count` (at least 1), `records`, `detail`, `rules`, as the columns of `security_events` have them; `rules` is the text of the netstrings of its members |
//! | digest of a batch's rows | the 32-byte digests of its rows in ascending order |
//! | link | the netstrings of `crmscope.chain`, the version, `security`, agent id, boot id, spool id, sequence, `created_ms`, number of rows, digest of the rows, and of the link before: sequence, `created_ms`, digest; `0`, `0` and 64 zeros where the chain begins |
//!
//! Another set of columns is another version. The form of a link is the same in all versions, so that
//! whoever does not know the version of the rows can follow the links.

use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::Id;
use crate::identity::IdentityError;
use crate::lane::Lane;
use crate::limits::STRING_MAX_BYTES;
use crate::payload::{SecurityRow, truncate};
use crate::v1::{Batch, ChainHead, ChainLink};

/// The form in which rows are digested by this version.
pub const VERSION: u32 = 1;

/// A SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// What is no chain.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// A digest of another length.
    #[error("a digest has 32 bytes, the {what} has {got}")]
    Length {
        /// Which one.
        what: &'static str,
        /// Its bytes.
        got: usize,
    },
    /// Text that is no digest.
    #[error("a digest is 64 hexadecimal digits")]
    Text,
    /// Only security batches are chained.
    #[error("a batch of another lane than security has a link")]
    Lane,
    /// A batch that follows itself or a later one.
    #[error("batch {sequence} is to follow batch {previous}")]
    Order {
        /// Sequence of the batch.
        sequence: u64,
        /// Sequence that its link names.
        previous: u64,
    },
    /// An id that is none.
    #[error(transparent)]
    Id(#[from] IdentityError),
}

impl Digest {
    /// Reads the wire form; `what` stands in the error.
    ///
    /// # Errors
    /// Unless there are 32 bytes.
    pub fn from_wire(what: &'static str, bytes: &[u8]) -> Result<Self, ChainError> {
        let got = bytes.len();
        let digest = bytes.try_into().map(Self);
        digest.map_err(|_| ChainError::Length { what, got })
    }

    /// Reads the text form, in either case.
    ///
    /// # Errors
    /// Unless there are 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ChainError> {
        let text = text.trim().as_bytes();
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(ChainError::Text);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            for &digit in pair {
                let value = char::from(digit).to_digit(16).ok_or(ChainError::Text)?;
                *byte = *byte << 4 | u8::try_from(value).map_err(|_| ChainError::Text)?;
            }
        }
        Ok(Self(bytes))
    }

    fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Netstrings, one after the other.
#[derive(Debug, Default)]
struct Netstrings {
    text: Vec<u8>,
    /// A value on its way, so that none needs an allocation of its own: this is done for every event.
    value: String,
}

impl Netstrings {
    fn bytes(&mut self, bytes: &[u8]) {
        self.begin(bytes.len());
        self.text.extend_from_slice(bytes);
        self.text.push(b',');
    }

    fn text(&mut self, text: &str) {
        self.bytes(truncate(text, STRING_MAX_BYTES).as_bytes());
    }

    fn show(&mut self, value: impl fmt::Display) {
        self.value.clear();
        let _ = write!(self.value, "{value}");
        self.begin(self.value.len());
        self.text.extend_from_slice(self.value.as_bytes());
        self.text.push(b',');
    }

    fn begin(&mut self, mut length: usize) {
        let start = self.text.len();
        loop {
            let digit = u8::try_from(length % 10).unwrap_or(0);
            self.text.push(b'0' + digit);
            length /= 10;
            if length == 0 {
                break;
            }
        }
        self.text[start..].reverse();
        self.text.push(b':');
    }
}

/// Digests of rows, one after the other in the same memory.
#[derive(Debug, Default)]
struct Rows {
    row: Netstrings,
    rules: Netstrings,
}

impl Rows {
    fn digest(&mut self, row: &SecurityRow) -> Digest {
        let event = &row.event;
        let form = &mut self.row;
        form.text.clear();
        form.show(Id::from_wire(&event.event_id).unwrap_or_default());
        form.show(event.time_ms);
        for number in [
            event.class_uid,
            event.activity_id,
            event.status_id,
            event.severity_id,
        ] {
            form.show(number);
        }
        for text in [
            &row.kind,
            &row.service,
            &row.method,
            &event.user,
            &event.target_user,
            &event.source_address,
        ] {
            form.text(text);
        }
        form.show(event.source_port);
        form.show(event.process_id);
        // As it is stored: an event that leaves the field out happened once.
        form.show(event.count.max(1));
        form.show(event.records);
        form.text(&event.detail);
        self.rules.text.clear();
        for rule in &event.rules {
            self.rules.bytes(rule.as_bytes());
        }
        form.bytes(&self.rules.text);
        Digest::of(&form.text)
    }
}

/// Digest of one row, version 1.
#[must_use]
pub fn row_digest(row: &SecurityRow) -> Digest {
    Rows::default().digest(row)
}

/// Digest of a batch's rows, whatever their order.
#[must_use]
pub fn rows_digest(rows: &[SecurityRow]) -> Digest {
    let mut form = Rows::default();
    let mut digests: Vec<[u8; 32]> = rows.iter().map(|row| form.digest(row).0).collect();
    digests.sort_unstable();
    Digest::of(digests.as_flattened())
}

/// The newest link of a chain, or the one that a batch follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Sequence of its batch; 0 before the first.
    pub sequence: u64,
    /// When that was sealed, Unix ms of the agent's clock.
    pub created_ms: i64,
    /// The link.
    pub link: Digest,
}

impl Head {
    /// The wire form.
    #[must_use]
    pub fn to_wire(self) -> ChainHead {
        ChainHead {
            sequence: self.sequence,
            created_ms: self.created_ms,
            link: self.link.0.to_vec(),
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// When the link is no digest.
    pub fn from_wire(head: &ChainHead) -> Result<Self, ChainError> {
        Ok(Self {
            sequence: head.sequence,
            created_ms: head.created_ms,
            link: Digest::from_wire("link", &head.link)?,
        })
    }
}

/// Everything a link is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Form in which the rows were digested.
    pub version: u32,
    /// Agent.
    pub agent_id: String,
    /// Boot in which the batch was made.
    pub boot_id: Id,
    /// Spool.
    pub spool_id: Id,
    /// Sequence.
    pub sequence: u64,
    /// When it was sealed, as the agent says, Unix ms.
    pub created_ms: i64,
    /// Number of rows.
    pub rows: u64,
    /// Digest of the rows, as the agent says.
    pub rows_digest: Digest,
    /// What it follows; all zero where the chain begins.
    pub previous: Head,
}

impl Link {
    /// The link of a batch; `None` where it is not chained.
    ///
    /// # Errors
    /// When what it says of the chain cannot be.
    pub fn of(batch: &Batch) -> Result<Option<Self>, ChainError> {
        let Some(chain) = &batch.chain else {
            return Ok(None);
        };
        if batch.lane() != Lane::Security {
            return Err(ChainError::Lane);
        }
        let previous = match &chain.previous {
            Some(previous) => Head::from_wire(previous)?,
            None => Head::default(),
        };
        if previous.sequence >= batch.sequence
            || (previous.sequence == 0) != chain.previous.is_none()
        {
            return Err(ChainError::Order {
                sequence: batch.sequence,
                previous: previous.sequence,
            });
        }
        Ok(Some(Self {
            version: chain.version,
            agent_id: batch.agent_id.clone(),
            boot_id: Id::from_wire(&batch.boot_id)?,
            spool_id: Id::from_wire(&batch.spool_id)?,
            sequence: batch.sequence,
            created_ms: batch.created_ms,
            rows: batch.items.into(),
            rows_digest: Digest::from_wire("digest of rows", &chain.rows_digest)?,
            previous,
        }))
    }

    /// The link itself.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut form = Netstrings::default();
        form.text("crmscope.chain");
        form.show(self.version);
        form.text("security");
        form.text(&self.agent_id);
        form.show(self.boot_id);
        form.show(self.spool_id);
        form.show(self.sequence);
        form.show(self.created_ms);
        form.show(self.rows);
        form.show(self.rows_digest);
        form.show(self.previous.sequence);
        form.show(self.previous.created_ms);
        form.show(self.previous.link);
        Digest::of(&form.text)
    }

    /// The head of the chain that ends with this link.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            created_ms: self.created_ms,
            link: self.digest(),
        }
    }
}

/// What a batch carries of its link.
#[must_use]
pub fn wire_link(rows_digest: Digest, previous: Option<Head>) -> ChainLink {
    ChainLink {
        version: VERSION,
        rows_digest: rows_digest.0.to_vec(),
        previous: previous.map(Head::to_wire),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::SecurityEvent;

    fn row(user: &str) -> SecurityRow {
        SecurityRow {
            event: SecurityEvent {
                event_id: (0..16).collect(),
                time_ms: 1_790_000_000_123,
                class_uid: 3002,
                activity_id: 1,
                status_id: 2,
                severity_id: 3,
                user: user.to_owned(),
                source_address: "192.0.2.7".to_owned(),
                source_port: 4000,
                process_id: 42,
                records: 7,
                rules: vec!["a".to_owned(), "b,1:c".to_owned()],
                ..SecurityEvent::default()
            },
            kind: "ssh_login".to_owned(),
            service: "sshd".to_owned(),
            method: "password".to_owned(),
        }
    }

    fn batch(sequence: u64, previous: Option<Head>) -> Batch {
        Batch {
            agent_id: "crm-web-01".to_owned(),
            boot_id: vec![1; 16],
            spool_id: vec![3; 16],
            lane: Lane::Security.into(),
            sequence,
            created_ms: -5,
            items: 1,
            chain: Some(wire_link(rows_digest(&[row("eve")]), previous)),
            ..Batch::default()
        }
    }

    /// Digests of other programs, so that the form is what its description says: made with another
    /// program.
    #[test]
    fn the_form_is_the_described_one() {
        let text = "36:00010203-0405-0607-0809-0a0b0c0d0e0f,13:1790000000123,4:3002,1:1,1:2,1:3,9:ssh_login,4:sshd,8:password,3:eve,0:,9:192.0.2.7,4:4000,2:42,1:1,1:7,0:,12:1:a,5:b,1:c,,";
        assert_eq!(row_digest(&row("eve")), Digest::of(text.as_bytes()));
        assert_eq!(
            row_digest(&row("eve")).to_string(),
            "6c4d443759d1b091be0db93317709243349c912645d85f6913b33db099dc686e"
        );
        assert_eq!(
            rows_digest(&[row("eve"), row("adam")]).to_string(),
            "26f9a62b3d96c1d4f0c5031ab7bdcf3aceb4f2f85d9864f149b815a6239f00ca"
        );
        let link = Link::of(&batch(7, None)).unwrap().unwrap();
        assert_eq!(
            link.digest().to_string(),
            "f89a998d194685f9dcb2b3a1a7b9ca790feccf9f3ff09fbfbc1c9a62644c1453"
        );
    }

    #[test]
    fn order_of_rows_is_nothing_and_every_value_is_something() {
        let (a, b) = (row("a"), row("b"));
        let both = rows_digest(&[a.clone(), b.clone()]);
        assert_eq!(rows_digest(&[b.clone(), a.clone()]), both);
        assert_ne!(rows_digest(&[a.clone(), a.clone(), b.clone()]), both);
        assert_ne!(rows_digest(std::slice::from_ref(&a)), both);
        let mut digests = vec![row_digest(&a)];
        let edits: [fn(&mut SecurityRow); 18] = [
            |row| row.event.event_id[0] ^= 1,
            |row| row.event.time_ms += 1,
            |row| row.event.class_uid += 1,
            |row| row.event.activity_id += 1,
            |row| row.event.status_id += 1,
            |row| row.event.severity_id += 1,
            |row| row.kind.push('x'),
            |row| row.service.push('x'),
            |row| row.method.push('x'),
            |row| row.event.user.push('x'),
            |row| row.event.target_user.push('x'),
            |row| row.event.source_address.push('x'),
            |row| row.event.source_port += 1,
            |row| row.event.process_id += 1,
            |row| row.event.count += 2,
            |row| row.event.records += 1,
            |row| row.event.detail.push('x'),
            |row| row.event.rules.swap(0, 1),
        ];
        for edit in edits {
            let mut edited = a.clone();
            edit(&mut edited);
            digests.push(row_digest(&edited));
        }
        // What moves from one value to the next is another row.
        let mut moved = a.clone();
        (moved.event.user, moved.event.target_user) = (String::new(), "a".to_owned());
        digests.push(row_digest(&moved));
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
        // What is stored is what is digested: cut, and counted once.
        let (mut long, mut cut) = (a.clone(), a);
        long.event.user = "é".repeat(STRING_MAX_BYTES);
        cut.event.user = truncate(&long.event.user, STRING_MAX_BYTES).to_owned();
        cut.event.count = 1;
        assert_eq!(row_digest(&long), row_digest(&cut));
    }

    #[test]
    fn a_link_is_of_all_it_says_and_nonsense_is_refused() {
        let first = Link::of(&batch(1, None)).unwrap().unwrap();
        let second = Link::of(&batch(2, Some(first.head()))).unwrap().unwrap();
        assert_eq!(second.previous, first.head());
        let edits: [fn(&mut Link); 10] = [
            |link| link.version += 1,
            |link| link.agent_id.push('x'),
            |link| link.boot_id.0[0] ^= 1,
            |link| link.spool_id.0[0] ^= 1,
            |link| link.sequence += 1,
            |link| link.created_ms += 1,
            |link| link.rows += 1,
            |link| link.rows_digest.0[31] ^= 1,
            |link| link.previous.sequence += 1,
            |link| link.previous.link.0[0] ^= 1,
        ];
        for edit in edits {
            let mut edited = second.clone();
            edit(&mut edited);
            assert_ne!(edited.digest(), second.digest());
        }
        let bad: [fn(&mut Batch); 5] = [
            |batch| batch.lane = Lane::Metrics.into(),
            |batch| batch.sequence = 1,
            |batch| batch.chain.as_mut().unwrap().rows_digest.truncate(31),
            |batch| batch.chain.as_mut().unwrap().previous = Some(ChainHead::default()),
            |batch| batch.boot_id.clear(),
        ];
        for spoil in bad {
            let mut spoilt = batch(2, Some(first.head()));
            spoil(&mut spoilt);
            assert!(Link::of(&spoilt).is_err(), "{spoilt:?}");
        }
        let unchained = Batch {
            chain: None,
            ..batch(2, None)
        };
        assert_eq!(Link::of(&unchained), Ok(None));
    }

    #[test]
    fn digests_survive_their_text() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            Digest::parse(&digest.to_string().to_uppercase()),
            Ok(digest)
        );
        for bad in ["", "e3", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Digest::parse(bad), Err(ChainError::Text), "{bad}");
        }
    }
}
