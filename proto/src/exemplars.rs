//! Examples of slow and failed requests, how they were sampled, and both on the wire.

use crate::limits::{REQUEST_BUCKET_MS, STRING_MAX_BYTES};
use crate::payload::{DecodeError, Dictionary, check_string, truncate};
use crate::v1::{ExemplarSampling, RequestExemplar};

pub use crate::v1::ExemplarKind;

/// Highest status a row may have: three digits.
pub const STATUS_MAX: u16 = 999;

/// One slow or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExemplarRow {
    /// When the request ended, Unix ms.
    pub time_ms: i64,
    /// Why it was kept; never unspecified.
    pub kind: ExemplarKind,
    /// Service it went to.
    pub service: String,
    /// Route template it was counted under.
    pub route: String,
    /// HTTP method in capitals.
    pub method: String,
    /// Status, 0 to [`STATUS_MAX`].
    pub status: u16,
    /// Response body bytes.
    pub response_bytes: u64,
    /// How long it took, µs.
    pub latency_us: Option<u64>,
    /// How long the application behind the server took, µs.
    pub upstream_latency_us: Option<u64>,
    /// Network of the client.
    pub network: String,
    /// Target without what names a record, a person or a session.
    pub target: String,
}

/// How many requests of a bucket could have become exemplars, and how many did. Rows of equal key
/// add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingRow {
    /// Start of the bucket, Unix ms, a multiple of [`REQUEST_BUCKET_MS`].
    pub bucket_start_ms: i64,
    /// Service.
    pub service: String,
    /// Which exemplars; never unspecified.
    pub kind: ExemplarKind,
    /// How many requests were slow or failed enough.
    pub eligible: u64,
    /// How many of them became exemplars.
    pub kept: u64,
}

impl ExemplarRow {
    /// The wire form; strings that repeat go into `dictionary`.
    #[must_use]
    pub fn encode(&self, dictionary: &mut Dictionary) -> RequestExemplar {
        RequestExemplar {
            time_ms: self.time_ms,
            kind: self.kind.into(),
            service: dictionary.reference(&self.service),
            route: dictionary.reference(&self.route),
            method: dictionary.reference(&self.method),
            status: self.status.into(),
            bytes: self.response_bytes,
            latency_us: self.latency_us,
            upstream_latency_us: self.upstream_latency_us,
            network: dictionary.reference(&self.network),
            target: truncate(&self.target, STRING_MAX_BYTES).to_owned(),
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// When a reference leads nowhere, or the kind, status or target is out of bounds.
    pub fn decode(message: RequestExemplar, dictionary: &[String]) -> Result<Self, DecodeError> {
        check_string("target", &message.target)?;
        let text = |reference| Dictionary::resolve(dictionary, reference).map(str::to_owned);
        Ok(Self {
            time_ms: message.time_ms,
            kind: kind(message.kind)?,
            service: text(message.service)?,
            route: text(message.route)?,
            method: text(message.method)?,
            status: u16::try_from(message.status)
                .ok()
                .filter(|status| *status <= STATUS_MAX)
                .ok_or(DecodeError::Status(message.status))?,
            response_bytes: message.bytes,
            latency_us: message.latency_us,
            upstream_latency_us: message.upstream_latency_us,
            network: text(message.network)?,
            target: message.target,
        })
    }
}

impl SamplingRow {
    /// The wire form; the service goes into `dictionary`.
    #[must_use]
    pub fn encode(&self, dictionary: &mut Dictionary) -> ExemplarSampling {
        ExemplarSampling {
            bucket: self.bucket_start_ms.div_euclid(REQUEST_BUCKET_MS),
            service: dictionary.reference(&self.service),
            kind: self.kind.into(),
            eligible: self.eligible,
            kept: self.kept,
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// When the reference leads nowhere, the kind is unknown, or the time overflows.
    pub fn decode(message: &ExemplarSampling, dictionary: &[String]) -> Result<Self, DecodeError> {
        Ok(Self {
            bucket_start_ms: message
                .bucket
                .checked_mul(REQUEST_BUCKET_MS)
                .ok_or(DecodeError::Timestamp(message.bucket))?,
            service: Dictionary::resolve(dictionary, message.service)?.to_owned(),
            kind: kind(message.kind)?,
            eligible: message.eligible,
            kept: message.kept,
        })
    }
}

fn kind(number: i32) -> Result<ExemplarKind, DecodeError> {
    ExemplarKind::try_from(number)
        .ok()
        .filter(|kind| *kind != ExemplarKind::Unspecified)
        .ok_or(DecodeError::ExemplarKind(number))
}
