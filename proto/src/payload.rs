//! Batches: a payload's dictionary, splitting, sealing and opening within bounds.

use std::collections::HashMap;
use std::fmt;

use prost::Message;
use prost::encoding::message::{encode_repeated, encoded_len_repeated};
use prost::encoding::{DecodeContext, decode_key, skip_field};

use crate::clients::{self, ClientRow};
use crate::compression::{Decompression, compress};
use crate::exemplars::{ExemplarRow, SamplingRow};
use crate::limits::{
    BATCH_MAX_BYTES, BATCH_MAX_ITEMS, DICTIONARY_MAX_ENTRIES, EVENT_RULES_MAX, PAYLOAD_MAX_BYTES,
    RULE_ID_MAX_BYTES, STRING_MAX_BYTES,
};
use crate::requests::{self, RequestRow};
use crate::series::SeriesTable;
use crate::v1::{Batch, DropRange, Encoding, Heartbeat, Payload, SecurityEvent};

/// Numbers of fields of a payload that are encoded one by one; see `uplink.proto`.
const HEARTBEATS_TAG: u32 = 5;
const DROPS_TAG: u32 = 6;

/// Length of an event's id.
const EVENT_ID_BYTES: usize = 16;

/// Why a batch cannot be read. Never worth sending again.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Larger than the limit.
    #[error("{what} has {got} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, bytes.
        got: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// The payload cannot be decompressed.
    #[error("payload does not decompress: {0}")]
    Compression(String),
    /// The decompressed size is not the announced one.
    #[error("payload has {got} bytes where {want} were announced")]
    PayloadLength {
        /// Bytes found.
        got: usize,
        /// Bytes announced.
        want: usize,
    },
    /// Unknown encoding number.
    #[error("unknown payload encoding {0}")]
    Encoding(i32),
    /// Not a valid message.
    #[error("payload is not a valid message: {0}")]
    Message(String),
    /// A reference to a string that is not there.
    #[error("dictionary reference {reference} is beyond the {entries} entries")]
    Reference {
        /// The reference.
        reference: u32,
        /// Entries there are.
        entries: usize,
    },
    /// Unknown series kind.
    #[error("unknown series kind {0}")]
    UnknownKind(u32),
    /// A column of wrong length.
    #[error("{what} has {got} entries where {want} are right")]
    Length {
        /// Which column.
        what: &'static str,
        /// Entries found.
        got: usize,
        /// Entries expected, or the most allowed.
        want: usize,
    },
    /// A required column is missing.
    #[error("the required column {0} is missing")]
    Missing(&'static str),
    /// A column stands twice.
    #[error("the column {0} stands twice")]
    Repeated(&'static str),
    /// A sketch bucket outside of the range.
    #[error("latency bucket {0} is outside of the sketch")]
    SketchIndex(i32),
    /// A status class above 5.
    #[error("status class {0} is not 0 to 5")]
    StatusClass(u32),
    /// An exemplar's status of more than three digits.
    #[error("status {0} is not 0 to 999")]
    Status(u32),
    /// An exemplar of no known kind.
    #[error("unknown kind of exemplar {0}")]
    ExemplarKind(i32),
    /// A time that overflows.
    #[error("time {0} is outside of the range")]
    Timestamp(i64),
}

/// Strings of one batch, each once; references count from 1, the empty string is 0.
#[derive(Debug, Default)]
pub struct Dictionary {
    references: HashMap<String, u32>,
    entries: Vec<String>,
}

impl Dictionary {
    /// Reference to the text, which is cut to [`STRING_MAX_BYTES`] at a character.
    pub fn reference(&mut self, text: &str) -> u32 {
        let text = truncate(text, STRING_MAX_BYTES);
        if text.is_empty() {
            return 0;
        }
        if let Some(&reference) = self.references.get(text) {
            return reference;
        }
        self.entries.push(text.to_owned());
        let reference = u32::try_from(self.entries.len()).unwrap_or(0);
        self.references.insert(text.to_owned(), reference);
        reference
    }

    /// The text behind a reference.
    ///
    /// # Errors
    /// When the reference is beyond the dictionary.
    pub fn resolve(dictionary: &[String], reference: u32) -> Result<&str, DecodeError> {
        match (reference as usize).checked_sub(1) {
            None => Ok(""),
            Some(position) => {
                dictionary
                    .get(position)
                    .map(String::as_str)
                    .ok_or(DecodeError::Reference {
                        reference,
                        entries: dictionary.len(),
                    })
            }
        }
    }

    /// The strings in reference order.
    #[must_use]
    pub fn into_entries(self) -> Vec<String> {
        self.entries
    }
}

/// Cuts text to at most `limit` bytes, at a character.
#[must_use]
pub fn truncate(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A security event before its strings become references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityRow {
    /// Fields of the wire message; `kind`, `service` and `method` are set when encoded.
    pub event: SecurityEvent,
    /// Kind, such as `ssh_login`.
    pub kind: String,
    /// Service, such as `sshd`.
    pub service: String,
    /// Method, such as `password`.
    pub method: String,
}

/// Rows of one batch, in the form both ends work with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Series, lane metrics.
    pub series: Vec<SeriesTable>,
    /// Request counters, lane requests.
    pub requests: Vec<RequestRow>,
    /// Requests by network of the client, lane requests.
    pub clients: Vec<ClientRow>,
    /// Slow and failed requests, lane requests.
    pub exemplars: Vec<ExemplarRow>,
    /// How exemplars were sampled, lane requests.
    pub sampling: Vec<SamplingRow>,
    /// Security events, lane security.
    pub security: Vec<SecurityRow>,
    /// Heartbeats, lane presence.
    pub heartbeats: Vec<Heartbeat>,
    /// Ranges that were dropped, lane presence.
    pub drops: Vec<DropRange>,
}

impl Contents {
    /// Rows, as the ledger counts them.
    #[must_use]
    pub fn items(&self) -> usize {
        self.series.iter().map(SeriesTable::len).sum::<usize>()
            + self.requests.len()
            + self.clients.len()
            + self.exemplars.len()
            + self.sampling.len()
            + self.security.len()
            + self.heartbeats.len()
            + self.drops.len()
    }

    /// Cuts in two halves of rows. With fewer than two rows the second half is empty.
    #[must_use]
    pub fn split(mut self) -> (Self, Self) {
        let mut keep = self.items().div_ceil(2);
        let mut rest = Self::default();
        let mut series = Vec::new();
        for mut table in self.series {
            let rows = table.len();
            if keep == 0 {
                rest.series.push(table);
            } else if rows > keep {
                rest.series.push(table.split_off(keep));
                series.push(table);
                keep = 0;
            } else {
                keep -= rows;
                series.push(table);
            }
        }
        self.series = series;
        rest.requests = split_rows(&mut self.requests, &mut keep);
        rest.clients = split_rows(&mut self.clients, &mut keep);
        rest.exemplars = split_rows(&mut self.exemplars, &mut keep);
        rest.sampling = split_rows(&mut self.sampling, &mut keep);
        rest.security = split_rows(&mut self.security, &mut keep);
        rest.heartbeats = split_rows(&mut self.heartbeats, &mut keep);
        rest.drops = split_rows(&mut self.drops, &mut keep);
        (self, rest)
    }

    /// The wire form. Tables without rows are left out; strings are cut to [`STRING_MAX_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Payload {
        Payload {
            heartbeats: self.heartbeats.clone(),
            drops: self.drops.clone(),
            ..self.encode_columns()
        }
    }

    /// The bytes of the wire form. Rows that are messages already are written from where they are.
    fn encode_to_vec(&self) -> Result<Vec<u8>, DecodeError> {
        let payload = self.encode_columns();
        check_dictionary(&payload.dictionary)?;
        let messages = encoded_len_repeated(HEARTBEATS_TAG, &self.heartbeats)
            + encoded_len_repeated(DROPS_TAG, &self.drops);
        let mut raw = Vec::with_capacity(payload.encoded_len() + messages);
        payload.encode_raw(&mut raw);
        encode_repeated(HEARTBEATS_TAG, &self.heartbeats, &mut raw);
        encode_repeated(DROPS_TAG, &self.drops, &mut raw);
        Ok(raw)
    }

    /// All but heartbeats and drops.
    fn encode_columns(&self) -> Payload {
        let mut dictionary = Dictionary::default();
        let cut = |text: &str| truncate(text, STRING_MAX_BYTES).to_owned();
        let series = self
            .series
            .iter()
            .filter(|table| !table.is_empty())
            .map(|table| table.encode(&mut dictionary))
            .collect();
        let requests =
            (!self.requests.is_empty()).then(|| requests::encode(&self.requests, &mut dictionary));
        let clients =
            (!self.clients.is_empty()).then(|| clients::encode(&self.clients, &mut dictionary));
        let exemplars = self
            .exemplars
            .iter()
            .map(|row| row.encode(&mut dictionary))
            .collect();
        let sampling = self
            .sampling
            .iter()
            .map(|row| row.encode(&mut dictionary))
            .collect();
        let security_events = self
            .security
            .iter()
            .map(|row| SecurityEvent {
                kind: dictionary.reference(&row.kind),
                service: dictionary.reference(&row.service),
                method: dictionary.reference(&row.method),
                user: cut(&row.event.user),
                target_user: cut(&row.event.target_user),
                source_address: cut(&row.event.source_address),
                detail: cut(&row.event.detail),
                ..row.event.clone()
            })
            .collect();
        Payload {
            series,
            requests,
            clients,
            exemplars,
            sampling,
            security_events,
            dictionary: dictionary.into_entries(),
            ..Payload::default()
        }
    }

    /// Reads the wire form, with every check that needs no clock.
    ///
    /// # Errors
    /// When anything in it is malformed or beyond a limit.
    pub fn decode(payload: Payload) -> Result<Self, DecodeError> {
        let dictionary = &payload.dictionary;
        check_dictionary(dictionary)?;
        // Before any column is unfolded: one value may stand for all rows of a block.
        let announced: usize = payload
            .series
            .iter()
            .map(|block| block.timestamps_ms.len())
            .sum();
        if announced > BATCH_MAX_ITEMS {
            return Err(DecodeError::Length {
                what: "series rows",
                got: announced,
                want: BATCH_MAX_ITEMS,
            });
        }
        let series = payload
            .series
            .iter()
            .map(|block| SeriesTable::decode(block, dictionary))
            .collect::<Result<_, _>>()?;
        let requests = match &payload.requests {
            Some(block) => requests::decode(block, dictionary)?,
            None => Vec::new(),
        };
        let clients = match &payload.clients {
            Some(block) => clients::decode(block, dictionary)?,
            None => Vec::new(),
        };
        let exemplars = payload
            .exemplars
            .into_iter()
            .map(|message| ExemplarRow::decode(message, dictionary))
            .collect::<Result<_, _>>()?;
        let sampling = payload
            .sampling
            .iter()
            .map(|message| SamplingRow::decode(message, dictionary))
            .collect::<Result<_, _>>()?;
        let security = payload
            .security_events
            .into_iter()
            .map(|event| security_row(event, dictionary))
            .collect::<Result<_, _>>()?;
        let contents = Self {
            series,
            requests,
            clients,
            exemplars,
            sampling,
            security,
            heartbeats: payload.heartbeats,
            drops: payload.drops,
        };
        if contents.items() > BATCH_MAX_ITEMS {
            return Err(DecodeError::Length {
                what: "items",
                got: contents.items(),
                want: BATCH_MAX_ITEMS,
            });
        }
        Ok(contents)
    }
}

fn split_rows<T>(rows: &mut Vec<T>, keep: &mut usize) -> Vec<T> {
    let here = rows.len().min(*keep);
    *keep -= here;
    rows.split_off(here)
}

fn check_dictionary(dictionary: &[String]) -> Result<(), DecodeError> {
    if dictionary.len() > DICTIONARY_MAX_ENTRIES {
        return Err(DecodeError::Length {
            what: "dictionary",
            got: dictionary.len(),
            want: DICTIONARY_MAX_ENTRIES,
        });
    }
    dictionary
        .iter()
        .try_for_each(|entry| check_string("a dictionary entry", entry))
}

/// Counts the payload's own fields before anything is made of them: an empty message takes two
/// bytes on the wire and a hundred times that in memory.
fn check_counts(raw: &[u8]) -> Result<(), DecodeError> {
    let malformed = |error: prost::DecodeError| DecodeError::Message(error.to_string());
    let (mut rest, mut fields) = (raw, 0);
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(malformed)?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(malformed)?;
        fields += 1;
    }
    let limit = DICTIONARY_MAX_ENTRIES + BATCH_MAX_ITEMS;
    if fields > limit {
        return Err(DecodeError::Length {
            what: "payload",
            got: fields,
            want: limit,
        });
    }
    Ok(())
}

pub(crate) fn check_string(what: &'static str, text: &str) -> Result<(), DecodeError> {
    check_length(what, text.len(), STRING_MAX_BYTES)
}

const fn check_length(what: &'static str, got: usize, limit: usize) -> Result<(), DecodeError> {
    if got > limit {
        return Err(DecodeError::TooLarge { what, got, limit });
    }
    Ok(())
}

fn security_row(
    mut event: SecurityEvent,
    dictionary: &[String],
) -> Result<SecurityRow, DecodeError> {
    check_string("user", &event.user)?;
    check_string("target_user", &event.target_user)?;
    check_string("source_address", &event.source_address)?;
    check_string("detail", &event.detail)?;
    check_length("rules of an event", event.rules.len(), EVENT_RULES_MAX)?;
    for rule in &event.rules {
        check_length("id of a rule", rule.len(), RULE_ID_MAX_BYTES)?;
    }
    if event.event_id.len() != EVENT_ID_BYTES {
        return Err(DecodeError::Length {
            what: "event_id",
            got: event.event_id.len(),
            want: EVENT_ID_BYTES,
        });
    }
    let [kind, service, method] = [event.kind, event.service, event.method]
        .map(|reference| Dictionary::resolve(dictionary, reference).map(str::to_owned));
    // Compared and stored rows carry text only.
    (event.kind, event.service, event.method) = (0, 0, 0);
    Ok(SecurityRow {
        event,
        kind: kind?,
        service: service?,
        method: method?,
    })
}

/// Puts contents into an envelope: fills `items`, `encoding`, `payload_bytes` and `payload`, and
/// leaves the identity as it is in `envelope`.
///
/// # Errors
/// [`DecodeError::TooLarge`] when the batch would pass [`BATCH_MAX_BYTES`] or
/// [`PAYLOAD_MAX_BYTES`]: split the contents then.
pub fn seal(contents: &Contents, envelope: Batch) -> Result<Batch, DecodeError> {
    let items = contents.items();
    if items > BATCH_MAX_ITEMS {
        return Err(DecodeError::Length {
            what: "items",
            got: items,
            want: BATCH_MAX_ITEMS,
        });
    }
    if let Some(row) = contents
        .security
        .iter()
        .find(|row| row.event.event_id.len() != EVENT_ID_BYTES)
    {
        return Err(DecodeError::Length {
            what: "event_id",
            got: row.event.event_id.len(),
            want: EVENT_ID_BYTES,
        });
    }
    let raw = contents.encode_to_vec()?;
    if raw.len() > PAYLOAD_MAX_BYTES {
        return Err(DecodeError::TooLarge {
            what: "payload",
            got: raw.len(),
            limit: PAYLOAD_MAX_BYTES,
        });
    }
    let compressed = compress(&raw).map_err(|error| DecodeError::Compression(error.to_string()))?;
    let batch = Batch {
        items: u32::try_from(items).unwrap_or(u32::MAX),
        encoding: Encoding::Zstd.into(),
        payload_bytes: u32::try_from(raw.len()).unwrap_or(u32::MAX),
        payload: compressed.into(),
        ..envelope
    };
    let encoded = batch.encoded_len();
    if encoded > BATCH_MAX_BYTES {
        return Err(DecodeError::TooLarge {
            what: "batch",
            got: encoded,
            limit: BATCH_MAX_BYTES,
        });
    }
    Ok(batch)
}

/// Opens an envelope within the bounds, and reads what is in it.
///
/// # Errors
/// When it is malformed or beyond a limit; such a batch is never worth sending again.
pub fn open(batch: &Batch) -> Result<Contents, DecodeError> {
    Opener::default().open(batch)
}

/// Opens batch after batch with the same context, for whoever opens many: making one costs as much
/// as a small batch. Holds some 100 kB once it was used.
#[derive(Default)]
pub struct Opener(Decompression);

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

impl Opener {
    /// As [`open`].
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(&mut self, batch: &Batch) -> Result<Contents, DecodeError> {
        let announced = batch.payload_bytes as usize;
        if announced > PAYLOAD_MAX_BYTES {
            return Err(DecodeError::TooLarge {
                what: "payload",
                got: announced,
                limit: PAYLOAD_MAX_BYTES,
            });
        }
        let raw = match Encoding::try_from(batch.encoding) {
            Ok(Encoding::None) => batch.payload.clone(),
            Ok(Encoding::Zstd) => self
                .0
                .decompress(&batch.payload, announced)
                .map_err(|error| DecodeError::Compression(error.to_string()))?
                .into(),
            Err(_) => return Err(DecodeError::Encoding(batch.encoding)),
        };
        if raw.len() != announced {
            return Err(DecodeError::PayloadLength {
                got: raw.len(),
                want: announced,
            });
        }
        check_counts(&raw)?;
        let payload =
            Payload::decode(raw).map_err(|error| DecodeError::Message(error.to_string()))?;
        let contents = Contents::decode(payload)?;
        if contents.items() != batch.items as usize {
            return Err(DecodeError::Length {
                what: "items",
                got: contents.items(),
                want: batch.items as usize,
            });
        }
        Ok(contents)
    }
}
