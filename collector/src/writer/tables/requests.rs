//! `requests_raw`: counters of 10-second buckets with their sketches of whole and upstream latency.

use crmscope_proto::requests::RequestRow;

use crate::judge::Entry;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// The request rows.
#[must_use]
pub fn insert(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&str, &RequestRow)> = entries
        .iter()
        .filter_map(|entry| Some((entry.identity.agent_id.as_str(), entry.contents()?)))
        .flat_map(|(agent_id, contents)| contents.requests.iter().map(move |row| (agent_id, row)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|(agent_a, a), (agent_b, b)| {
        a.service
            .cmp(&b.service)
            .then_with(|| a.route.cmp(&b.route))
            .then_with(|| a.method.cmp(&b.method))
            .then_with(|| a.status_class.cmp(&b.status_class))
            .then_with(|| agent_a.cmp(agent_b))
            .then_with(|| a.bucket_start_ms.cmp(&b.bucket_start_ms))
    });
    let each = || rows.iter().map(|(_, row)| *row);
    let mut native = Block::new(rows.len(), 240);
    native.text("agent_id", rows.iter().map(|(agent_id, _)| *agent_id));
    native.text("service", each().map(|row| row.service.as_str()));
    native.text("route", each().map(|row| row.route.as_str()));
    native.text("method", each().map(|row| row.method.as_str()));
    native.u8("status_class", each().map(|row| row.status_class));
    native.datetime(
        "bucket_start",
        each().map(|row| seconds(row.bucket_start_ms)),
    );
    native.u64("requests", each().map(|row| row.requests));
    native.u64("response_bytes", each().map(|row| row.response_bytes));
    native.u64("latency_count", each().map(|row| row.latency.count()));
    native.u64("latency_sum_us", each().map(|row| row.latency.sum_us()));
    native.u64("latency_max_us", each().map(|row| row.latency.max_us()));
    native.sketches("latency", each().map(|row| &row.latency));
    native.u64("upstream_count", each().map(|row| row.upstream.count()));
    native.u64("upstream_sum_us", each().map(|row| row.upstream.sum_us()));
    native.u64("upstream_max_us", each().map(|row| row.upstream.max_us()));
    native.sketches("upstream", each().map(|row| &row.upstream));
    Some(Insert::new("requests_raw", origin, rows.len(), native))
}

/// Seconds of a time that was checked at the door.
pub(super) fn seconds(time_ms: i64) -> u32 {
    u32::try_from(time_ms.div_euclid(1000)).unwrap_or_default()
}
