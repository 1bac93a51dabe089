//! About how much memory decoded rows hold.

use crmscope_proto::Sketch;
use crmscope_proto::payload::{Contents, SecurityRow};

pub(super) fn weigh(contents: &Contents) -> usize {
    const VALUE: usize = 8;
    const ROW: usize = 256;
    /// A vector or a string: where it stands, and the least that an allocation takes.
    const LIST: usize = 56;
    const LANE: usize = 64;
    /// Three strings and two sketches.
    const REQUEST: usize = 320;
    /// Five strings, the least that each allocation takes, and numbers.
    const EXEMPLAR: usize = 400;
    let series: usize = contents
        .series
        .iter()
        .map(|table| {
            let labels: usize = table.labels().iter().map(String::len).sum();
            let columns = table.columns().iter().flatten().count() + 2;
            let lists = table.labels().len() + table.columns().len();
            ROW + labels + lists * LIST + table.len() * columns * VALUE
        })
        .sum();
    let requests: usize = contents
        .requests
        .iter()
        .map(|row| {
            let text = row.service.len() + row.route.len() + row.method.len();
            REQUEST + text + weigh_sketch(&row.latency) + weigh_sketch(&row.upstream)
        })
        .sum();
    let clients: usize = contents
        .clients
        .iter()
        .map(|row| ROW + row.service.len() + row.network.len())
        .sum();
    let exemplars: usize = contents
        .exemplars
        .iter()
        .map(|row| {
            let text = row.service.len() + row.route.len() + row.method.len();
            EXEMPLAR + text + row.network.len() + row.target.len()
        })
        .sum();
    let sampling: usize = contents
        .sampling
        .iter()
        .map(|row| ROW + row.service.len())
        .sum();
    let security: usize = contents.security.iter().map(weigh_security).sum();
    let lanes: usize = contents.heartbeats.iter().map(|h| h.lanes.len()).sum();
    let refused: usize = contents
        .heartbeats
        .iter()
        .flat_map(|beat| &beat.refused_rules)
        .map(|rule| ROW + rule.file.len() + rule.reason.len())
        .sum();
    let settings: usize = contents
        .heartbeats
        .iter()
        .filter_map(|beat| beat.settings.as_ref())
        .map(|settings| settings.error.len())
        .sum();
    let presence = (contents.heartbeats.len() + contents.drops.len()) * ROW
        + lanes * LANE
        + refused
        + settings;
    series + requests + clients + exemplars + sampling + security + presence
}

/// A tree's first node has room for eleven buckets.
fn weigh_sketch(sketch: &Sketch) -> usize {
    const NODE: usize = 160;
    const BUCKET: usize = 24;
    match sketch.buckets().len() {
        0 => 0,
        buckets => NODE + buckets * BUCKET,
    }
}

fn weigh_security(row: &SecurityRow) -> usize {
    let event = &row.event;
    512 + row.kind.len()
        + row.service.len()
        + row.method.len()
        + event.user.len()
        + event.target_user.len()
        + event.source_address.len()
        + event.detail.len()
}
