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
    /// Latencies of the application behind the server, of those requests that tell.
    pub upstream: Sketch,
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
        let (indexes, counts) = (&mut block.sketch_indexes, &mut block.sketch_counts);
        let length = push_sketch(&row.latency, indexes, counts);
        block.sketch_lengths.push(length);
    }
    if rows.iter().any(|row| row.upstream != Sketch::default()) {
        for row in rows {
            block.upstream_sums_us.push(row.upstream.sum_us());
            block.upstream_maxima_us.push(row.upstream.max_us());
            let (indexes, counts) = (&mut block.upstream_indexes, &mut block.upstream_counts);
            let length = push_sketch(&row.upstream, indexes, counts);
            block.upstream_lengths.push(length);
        }
    }
    block
}

/// Appends a sketch's buckets and says how many.
fn push_sketch(sketch: &Sketch, indexes: &mut Vec<i32>, counts: &mut Vec<u64>) -> u32 {
    let mut length = 0;
    let mut previous = 0;
    for (index, count) in sketch.buckets() {
        indexes.push(i32::from(index) - previous);
        counts.push(count);
        previous = i32::from(index);
        length += 1;
    }
    length
}

/// The sketch columns of a block, read row after row.
struct Sketches<'a> {
    lengths: &'a [u32],
    sums_us: &'a [u64],
    maxima_us: &'a [u64],
    entries: std::iter::Zip<std::slice::Iter<'a, i32>, std::slice::Iter<'a, u64>>,
}

impl<'a> Sketches<'a> {
    /// Columns whose lengths agree with each other; those by row were compared with the rows.
    fn new(
        what: &'static str,
        lengths: &'a [u32],
        (sums_us, maxima_us): (&'a [u64], &'a [u64]),
        (indexes, counts): (&'a [i32], &'a [u64]),
    ) -> Result<Self, DecodeError> {
        let entries: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        if entries != indexes.len() as u64 || entries != counts.len() as u64 {
            return Err(DecodeError::Length {
                what,
                got: indexes.len(),
                want: usize::try_from(entries).unwrap_or(usize::MAX),
            });
        }
        Ok(Self {
            lengths,
            sums_us,
            maxima_us,
            entries: indexes.iter().zip(counts),
        })
    }

    /// The next row's sketch.
    fn next(&mut self, row: usize) -> Result<Sketch, DecodeError> {
        let length = self.lengths[row] as usize;
        let mut index = 0i32;
        let mut buckets = Vec::with_capacity(length);
        for (&step, &count) in self.entries.by_ref().take(length) {
            index = index.wrapping_add(step);
            let bucket = i16::try_from(index)
                .ok()
                .filter(|index| (0..=INDEX_MAX).contains(index))
                .ok_or(DecodeError::SketchIndex(index))?;
            buckets.push((bucket, count));
        }
        Ok(Sketch::from_parts(
            buckets,
            self.sums_us[row],
            self.maxima_us[row],
        ))
    }
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
    // Left out as a whole by agents that have no upstream latencies.
    let told = !(block.upstream_lengths.is_empty()
        && block.upstream_sums_us.is_empty()
        && block.upstream_maxima_us.is_empty()
        && block.upstream_indexes.is_empty()
        && block.upstream_counts.is_empty());
    let upstream_rows = if told { rows } else { 0 };
    let lengths = [
        ("services", block.services.len(), rows),
        ("routes", block.routes.len(), rows),
        ("methods", block.methods.len(), rows),
        ("status_classes", block.status_classes.len(), rows),
        ("requests", block.requests.len(), rows),
        ("bytes", block.bytes.len(), rows),
        ("latency_sums_us", block.latency_sums_us.len(), rows),
        ("latency_maxima_us", block.latency_maxima_us.len(), rows),
        ("sketch_lengths", block.sketch_lengths.len(), rows),
        (
            "upstream_sums_us",
            block.upstream_sums_us.len(),
            upstream_rows,
        ),
        (
            "upstream_maxima_us",
            block.upstream_maxima_us.len(),
            upstream_rows,
        ),
        (
            "upstream_lengths",
            block.upstream_lengths.len(),
            upstream_rows,
        ),
    ];
    if let Some((what, got, want)) = lengths.into_iter().find(|&(_, got, want)| got != want) {
        return Err(DecodeError::Length { what, got, want });
    }
    let mut latencies = Sketches::new(
        "sketch_indexes",
        &block.sketch_lengths,
        (&block.latency_sums_us, &block.latency_maxima_us),
        (&block.sketch_indexes, &block.sketch_counts),
    )?;
    let mut upstreams = Sketches::new(
        "upstream_indexes",
        &block.upstream_lengths,
        (&block.upstream_sums_us, &block.upstream_maxima_us),
        (&block.upstream_indexes, &block.upstream_counts),
    )?;
    let buckets = accumulate(&block.buckets);
    let mut decoded = Vec::with_capacity(rows);
    for (row, bucket) in buckets.into_iter().enumerate() {
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
            latency: latencies.next(row)?,
            upstream: if told {
                upstreams.next(row)?
            } else {
                Sketch::default()
            },
        });
    }
    Ok(decoded)
}
