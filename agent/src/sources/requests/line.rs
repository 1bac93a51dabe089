//! What a line of an access log says, whatever its format.

/// One request, as its line tells it. Texts are a stranger's: bounded by the line, not by sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When the request ended, Unix ms; when it began, if the line says that and no latency.
    pub time_ms: i64,
    /// Method and target.
    pub request: Request<'a>,
    /// Response status; 0 to 999, 0 when none was sent.
    pub status: u16,
    /// Response body bytes, or those of the whole response where the format knows only these.
    pub response_bytes: u64,
    /// How long it took, µs.
    pub latency_us: Option<u64>,
    /// How long the application behind the server took, µs; all attempts together.
    pub upstream_latency_us: Option<u64>,
    /// Address of the client, as logged; empty when the line has none.
    pub client: &'a [u8],
    /// Virtual host, backend or site the request was for; empty when the line has none.
    pub site: &'a [u8],
}

/// The request of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A request line, `METHOD target HTTP/x.y`, with `\xHH` for bytes that are not printable.
    Line(&'a [u8]),
    /// Logged in parts.
    Parts {
        /// As sent.
        method: &'a [u8],
        /// Path and query, as sent; bytes may be escaped as `\xHH`.
        target: &'a [u8],
    },
}

/// When a request ended that began at `began_ms`.
pub(super) fn end_ms(began_ms: i64, latency_us: Option<u64>) -> i64 {
    began_ms.saturating_add_unsigned(latency_us.unwrap_or(0) / 1000)
}
