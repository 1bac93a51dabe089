//! `request_exemplars`, and `request_sampling` that says what they were chosen from.

use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};

use super::requests::seconds;
use crate::judge::Entry;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

const KIND: &str = "Enum8('slow' = 1, 'failed' = 2)";

const HOUR_MS: i64 = 3_600_000;

/// The exemplars.
#[must_use]
pub fn exemplars(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&str, &ExemplarRow)> = entries
        .iter()
        .filter_map(|entry| Some((entry.identity.agent_id.as_str(), entry.contents()?)))
        .flat_map(|(agent_id, contents)| contents.exemplars.iter().map(move |row| (agent_id, row)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|(agent_a, a), (agent_b, b)| {
        a.service
            .cmp(&b.service)
            .then_with(|| number(a.kind).cmp(&number(b.kind)))
            .then_with(|| {
                let hour = |row: &ExemplarRow| row.time_ms.div_euclid(HOUR_MS);
                hour(a).cmp(&hour(b))
            })
            .then_with(|| agent_a.cmp(agent_b))
            .then_with(|| a.time_ms.cmp(&b.time_ms))
    });
    let each = || rows.iter().map(|(_, row)| *row);
    let mut native = Block::new(rows.len(), 160);
    native.text("agent_id", rows.iter().map(|(agent_id, _)| *agent_id));
    native.text("service", each().map(|row| row.service.as_str()));
    native.enum8("kind", KIND, each().map(|row| number(row.kind)));
    native.datetime_ms("ts", each().map(|row| row.time_ms));
    native.text("route", each().map(|row| row.route.as_str()));
    native.text("method", each().map(|row| row.method.as_str()));
    native.u16("status", each().map(|row| row.status));
    native.u64("response_bytes", each().map(|row| row.response_bytes));
    native.nullable_u64("latency_us", each().map(|row| row.latency_us));
    native.nullable_u64(
        "upstream_latency_us",
        each().map(|row| row.upstream_latency_us),
    );
    native.string("network", each().map(|row| row.network.as_bytes()));
    native.string("target", each().map(|row| row.target.as_bytes()));
    Some(Insert::new("request_exemplars", origin, rows.len(), native))
}

/// How they were sampled.
#[must_use]
pub fn sampling(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&str, &SamplingRow)> = entries
        .iter()
        .filter_map(|entry| Some((entry.identity.agent_id.as_str(), entry.contents()?)))
        .flat_map(|(agent_id, contents)| contents.sampling.iter().map(move |row| (agent_id, row)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|(agent_a, a), (agent_b, b)| {
        a.service
            .cmp(&b.service)
            .then_with(|| number(a.kind).cmp(&number(b.kind)))
            .then_with(|| agent_a.cmp(agent_b))
            .then_with(|| a.bucket_start_ms.cmp(&b.bucket_start_ms))
    });
    let each = || rows.iter().map(|(_, row)| *row);
    let mut native = Block::new(rows.len(), 40);
    native.text("agent_id", rows.iter().map(|(agent_id, _)| *agent_id));
    native.text("service", each().map(|row| row.service.as_str()));
    native.enum8("kind", KIND, each().map(|row| number(row.kind)));
    native.datetime(
        "bucket_start",
        each().map(|row| seconds(row.bucket_start_ms)),
    );
    native.u64("eligible", each().map(|row| row.eligible));
    native.u64("kept", each().map(|row| row.kept));
    Some(Insert::new("request_sampling", origin, rows.len(), native))
}

/// The number in the table's enum; decoding left no kind unspecified.
const fn number(kind: ExemplarKind) -> i8 {
    match kind {
        ExemplarKind::Failed => 2,
        ExemplarKind::Slow | ExemplarKind::Unspecified => 1,
    }
}
