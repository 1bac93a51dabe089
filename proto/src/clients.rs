//! Requests by network of the client, and their columns on the wire.
//!
//! An agent keeps the busiest networks of each service apart, by the space-saving algorithm
//! (Metwally, Agrawal, El Abbadi: "Efficient computation of frequent and top-k elements in data
//! streams", ICDT 2005). Each request stands in one row, so sums over networks are exact; what a
//! network had before it was kept apart, or after, stands under [`OTHER`], and
//! [`ClientRow::in_other_max`] bounds it.

use crate::limits::{BATCH_MAX_ITEMS, CLIENT_WINDOW_MS};
use crate::payload::{DecodeError, Dictionary};
use crate::series::{accumulate, differences};
use crate::v1::ClientBlock;

/// The network of every request that is not kept apart.
pub const OTHER: &str = "OTHER";

/// The network of requests whose line has no address.
pub const UNKNOWN: &str = "UNKNOWN";

/// Requests of one (window, service, network). Rows of equal key add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRow {
    /// Start of the window, Unix ms, a multiple of [`CLIENT_WINDOW_MS`].
    pub window_start_ms: i64,
    /// Service the requests went to.
    pub service: String,
    /// Network, such as `203.0.113.0/24`; [`OTHER`] or [`UNKNOWN`].
    pub network: String,
    /// How many; of a network that is kept apart, at least so many.
    pub requests: u64,
    /// Those answered with 4xx.
    pub client_errors: u64,
    /// Those answered with 5xx.
    pub server_errors: u64,
    /// Response body bytes.
    pub response_bytes: u64,
    /// How many requests of this network [`OTHER`] holds at most; for [`OTHER`] itself, how many of
    /// any network, listed or not.
    pub in_other_max: u64,
}

/// The wire form of rows; strings go into `dictionary`.
#[must_use]
pub fn encode(rows: &[ClientRow], dictionary: &mut Dictionary) -> ClientBlock {
    let mut block = ClientBlock {
        windows: differences(
            rows.iter()
                .map(|row| row.window_start_ms.div_euclid(CLIENT_WINDOW_MS)),
        )
        .collect(),
        ..ClientBlock::default()
    };
    for row in rows {
        block.services.push(dictionary.reference(&row.service));
        block.networks.push(dictionary.reference(&row.network));
        block.requests.push(row.requests);
        block.client_errors.push(row.client_errors);
        block.server_errors.push(row.server_errors);
        block.bytes.push(row.response_bytes);
        block.in_other_maxima.push(row.in_other_max);
    }
    block
}

/// Reads the wire form.
///
/// # Errors
/// When columns disagree in length or a reference leads nowhere.
pub fn decode(block: &ClientBlock, dictionary: &[String]) -> Result<Vec<ClientRow>, DecodeError> {
    let rows = block.windows.len();
    if rows > BATCH_MAX_ITEMS {
        return Err(DecodeError::Length {
            what: "windows",
            got: rows,
            want: BATCH_MAX_ITEMS,
        });
    }
    let lengths = [
        ("client services", block.services.len()),
        ("networks", block.networks.len()),
        ("client requests", block.requests.len()),
        ("client_errors", block.client_errors.len()),
        ("server_errors", block.server_errors.len()),
        ("client bytes", block.bytes.len()),
        ("in_other_maxima", block.in_other_maxima.len()),
    ];
    if let Some((what, got)) = lengths.into_iter().find(|&(_, length)| length != rows) {
        return Err(DecodeError::Length {
            what,
            got,
            want: rows,
        });
    }
    accumulate(&block.windows)
        .into_iter()
        .enumerate()
        .map(|(row, window)| {
            Ok(ClientRow {
                window_start_ms: window
                    .checked_mul(CLIENT_WINDOW_MS)
                    .ok_or(DecodeError::Timestamp(window))?,
                service: Dictionary::resolve(dictionary, block.services[row])?.to_owned(),
                network: Dictionary::resolve(dictionary, block.networks[row])?.to_owned(),
                requests: block.requests[row],
                client_errors: block.client_errors[row],
                server_errors: block.server_errors[row],
                response_bytes: block.bytes[row],
                in_other_max: block.in_other_maxima[row],
            })
        })
        .collect()
}
