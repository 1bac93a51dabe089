//! Request counters of 10-second buckets, and their columns on the wire.

use crate::limits::{BATCH_MAX_ITEMS, REQUEST_BUCKET_MS};
use crate::payload::{DecodeError, Dictionary};
use crate::series::{accumulate, differences};
use crate::sketch::{INDEX_MAX, Sketch};
use crate::v1::RequestBlock;

/// Counters of one (bucket, service, route, method, status class). Rows of equal key add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Start of the bucket, Unix ms, a multiple of [`REQUEST_BUCKET_MS`].
    pub bucket_start_ms: i64,
    /// Service the requests went to.
    pub service: String,
    /// Route template, such as `/account/{id}`.
    pub route: String,
    /// HTTP method in capitals.
    pub method: String,
    /// 1 to 5 for 1xx to 5xx; 0 when unknown.
    pub status_class: u8,
    /// How many.
    pub requests: u64,
    /// Response body bytes.
    pub response_bytes: u64,
    /// Latencies of those requests that have one.
    pub latency: Sketch,
}

/// The wire form of rows; strings go into `dictionary`.
#[must_use]
pub fn encode(rows: &[RequestRow], dictionary: &mut Dictionary) -> RequestBlock {
    let mut block = RequestBlock {
        buckets: differences(
            rows.iter()
                .map(|row| row.bucket_start_ms.div_euclid(REQUEST_BUCKET_MS)),
        )
        .collect(),
        ..RequestBlock::default()
    };
    for row in rows {
        block.services.push(dictionary.reference(&row.service));
        block.routes.push(dictionary.reference(&row.route));
        block.methods.push(dictionary.reference(&row.method));
        block.status_classes.push(u32::from(row.status_class));
        block.requests.push(row.requests);
        block.bytes.push(row.response_bytes);
        block.latency_sums_us.push(row.latency.sum_us());
        block.latency_maxima_us.push(row.latency.max_us());
        let mut length = 0;
        let mut previous = 0;
        for (index, count) in row.latency.buckets() {
            block.sketch_indexes.push(i32::from(index) - previous);
            block.sketch_counts.push(count);
            previous = i32::from(index);
            length += 1;
        }
        block.sketch_lengths.push(length);
    }
    block
}

/// Reads the wire form.
///
/// # Errors
/// When columns disagree in length, a reference leads nowhere, or a sketch is malformed.
pub fn decode(block: &RequestBlock, dictionary: &[String]) -> Result<Vec<RequestRow>, DecodeError> {
    let rows = block.buckets.len();
    if rows > BATCH_MAX_ITEMS {
        return Err(DecodeError::Length {
            what: "buckets",
            got: rows,
            want: BATCH_MAX_ITEMS,
        });
    }
    let lengths = [
        ("services", block.services.len()),
        ("routes", block.routes.len()),
        ("methods", block.methods.len()),
        ("status_classes", block.status_classes.len()),
        ("requests", block.requests.len()),
        ("bytes", block.bytes.len()),
        ("latency_sums_us", block.latency_sums_us.len()),
        ("latency_maxima_us", block.latency_maxima_us.len()),
        ("sketch_lengths", block.sketch_lengths.len()),
    ];
    if let Some((what, got)) = lengths.into_iter().find(|&(_, length)| length != rows) {
        return Err(DecodeError::Length {
            what,
            got,
            want: rows,
        });
    }
    let entries: u64 = block
        .sketch_lengths
        .iter()
        .map(|&length| u64::from(length))
        .sum();
    if entries != block.sketch_indexes.len() as u64 || entries != block.sketch_counts.len() as u64 {
        return Err(DecodeError::Length {
            what: "sketch_indexes",
            got: block.sketch_indexes.len(),
            want: usize::try_from(entries).unwrap_or(usize::MAX),
        });
    }
    let mut sketch_entries = block.sketch_indexes.iter().zip(&block.sketch_counts);
    let buckets = accumulate(&block.buckets);
    let mut decoded = Vec::with_capacity(rows);
    for (row, bucket) in buckets.into_iter().enumerate() {
        let mut index = 0i32;
        let mut sketch = Vec::with_capacity(block.sketch_lengths[row] as usize);
        for (&step, &count) in sketch_entries
            .by_ref()
            .take(block.sketch_lengths[row] as usize)
        {
            index = index.wrapping_add(step);
            let bucket_index = i16::try_from(index)
                .ok()
                .filter(|index| (0..=INDEX_MAX).contains(index))
                .ok_or(DecodeError::SketchIndex(index))?;
            sketch.push((bucket_index, count));
        }
        decoded.push(RequestRow {
            bucket_start_ms: bucket
                .checked_mul(REQUEST_BUCKET_MS)
                .ok_or(DecodeError::Timestamp(bucket))?,
            service: Dictionary::resolve(dictionary, block.services[row])?.to_owned(),
            route: Dictionary::resolve(dictionary, block.routes[row])?.to_owned(),
            method: Dictionary::resolve(dictionary, block.methods[row])?.to_owned(),
            status_class: u8::try_from(block.status_classes[row])
                .ok()
                .filter(|class| *class <= 5)
                .ok_or(DecodeError::StatusClass(block.status_classes[row]))?,
            requests: block.requests[row],
            response_bytes: block.bytes[row],
            latency: Sketch::from_parts(
                sketch,
                block.latency_sums_us[row],
                block.latency_maxima_us[row],
            ),
        });
    }
    Ok(decoded)
}
