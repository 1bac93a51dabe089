//! One record of the log: a batch as its agent sent it, and when a collector received it.
//!
//! The key is the agent id, the value the encoded batch. Headers: `schema`, `lane` and
//! `received_ms` (decimal, Unix ms). Promises that decoding judges as the door did, because
//! [`judge`] is a pure function of batch and time, and that whatever stands in a record gives an
//! entry or a [`Poison`], never a panic. No I/O, no clock.

use crmscope_proto::Lane;
use crmscope_proto::v1::Batch;
use prost::Message as _;
use rdkafka::message::{Header, Headers as _, Message, OwnedHeaders};

use crate::judge::{Entry, judge};

/// What the value is; a change that old writers cannot read gets another number.
pub const SCHEMA: &str = "crmscope.v1.Batch/1";

/// Largest value, bytes: more than any message that ingest takes.
pub const VALUE_MAX_BYTES: usize = 640 * 1024;

/// Latest time of receipt, Unix ms: the year 2286, before the tables' times end.
const RECEIVED_MAX_MS: i64 = 9_999_999_999_999;

/// Most of a hostile text that stands in a detail, bytes.
const SHOWN_BYTES: usize = 64;

const _: () = assert!(VALUE_MAX_BYTES > crmscope_proto::limits::MESSAGE_MAX_BYTES);
const _: () = assert!(VALUE_MAX_BYTES + 4096 < super::client::MESSAGE_MAX_BYTES);

/// A record that is no batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// A short word, of which there are few.
    pub reason: &'static str,
    /// The whole sentence.
    pub detail: String,
}

/// What of a record matters, borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// Header `schema`.
    pub schema: Option<&'a [u8]>,
    /// Header `lane`.
    pub lane: Option<&'a [u8]>,
    /// Header `received_ms`.
    pub received_ms: Option<&'a [u8]>,
}

/// Headers of an entry's record. Its key is the agent id, its value `entry.encoded`.
#[must_use]
pub fn headers(entry: &Entry) -> OwnedHeaders {
    let received_ms = entry.received_ms.to_string();
    OwnedHeaders::new_with_capacity(3)
        .insert(Header {
            key: "schema",
            value: Some(SCHEMA),
        })
        .insert(Header {
            key: "lane",
            value: Some(entry.identity.lane.name()),
        })
        .insert(Header {
            key: "received_ms",
            value: Some(&received_ms),
        })
}

/// Reads a record of the topic of `lane`.
///
/// # Errors
/// When it is no batch of this lane.
pub fn decode_message<M: Message>(lane: Lane, message: &M) -> Result<Entry, Poison> {
    let mut parts = Parts {
        key: message.key(),
        value: message.payload(),
        ..Parts::default()
    };
    // Others may add headers of their own; those are not ours to judge.
    for header in message.headers().iter().flat_map(|headers| headers.iter()) {
        let slot = match header.key {
            "schema" => &mut parts.schema,
            "lane" => &mut parts.lane,
            "received_ms" => &mut parts.received_ms,
            _ => continue,
        };
        if slot.is_some() {
            return poison("header", format!("header {} stands twice", header.key));
        }
        *slot = header.value;
    }
    decode(lane, parts)
}

/// Reads the parts of a record of the topic of `lane`.
///
/// # Errors
/// When they are no batch of this lane.
pub fn decode(lane: Lane, parts: Parts<'_>) -> Result<Entry, Poison> {
    let Some(value) = parts.value else {
        return poison("value_missing", "the record has no value".to_owned());
    };
    if value.len() > VALUE_MAX_BYTES {
        let text = format!(
            "the value has {} bytes, the limit is {VALUE_MAX_BYTES}",
            value.len()
        );
        return poison("value_too_large", text);
    }
    let schema = header("schema", parts.schema)?;
    if schema != SCHEMA.as_bytes() {
        let text = format!(
            "the schema is {}, this version reads {SCHEMA}",
            shown(schema)
        );
        return poison("schema", text);
    }
    let named = header("lane", parts.lane)?;
    if named != lane.name().as_bytes() {
        let text = format!(
            "a record of lane {} is in the topic of {}",
            shown(named),
            lane.name()
        );
        return poison("lane", text);
    }
    let received_ms = received(header("received_ms", parts.received_ms)?)?;
    let batch = match Batch::decode(value) {
        Ok(batch) => batch,
        Err(error) => return poison("undecodable", format!("the value is no batch: {error}")),
    };
    let entry = match judge(&batch, received_ms) {
        Ok(entry) => entry,
        Err(error) => return poison("envelope", error.to_string()),
    };
    if entry.identity.lane != lane {
        let text = format!(
            "a batch of lane {} is in the topic of {}",
            entry.identity.lane.name(),
            lane.name()
        );
        return poison("lane", text);
    }
    // Another key may be in another partition, where the order of the agent's batches is lost.
    if parts.key != Some(entry.identity.agent_id.as_bytes()) {
        let text = format!(
            "the key is {}, the batch is of agent {}",
            parts.key.map_or_else(|| "missing".to_owned(), shown),
            entry.identity.agent_id
        );
        return poison("key", text);
    }
    Ok(entry)
}

fn poison<T>(reason: &'static str, detail: String) -> Result<T, Poison> {
    Err(Poison { reason, detail })
}

fn header<'a>(name: &str, value: Option<&'a [u8]>) -> Result<&'a [u8], Poison> {
    value.map_or_else(|| poison("header", format!("header {name} is missing")), Ok)
}

/// Digits only, without a sign and without zeros in front: one text for one time.
fn received(text: &[u8]) -> Result<i64, Poison> {
    let digits = std::str::from_utf8(text).ok().filter(|text| {
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        plain && text.len() <= 13 && (*text == "0" || !text.starts_with('0'))
    });
    let time_ms = digits.and_then(|text| text.parse::<i64>().ok());
    time_ms
        .filter(|time_ms| (0..=RECEIVED_MAX_MS).contains(time_ms))
        .map_or_else(
            || {
                let text = format!("header received_ms is {}, no time in Unix ms", shown(text));
                poison("received_ms", text)
            },
            Ok,
        )
}

/// A piece of hostile text, short and with everything odd escaped.
fn shown(bytes: &[u8]) -> String {
    let piece = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let more = if piece.len() < bytes.len() { "…" } else { "" };
    format!("\"{}\"{more}", piece.escape_ascii())
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
