//! About how much memory decoded rows hold.

use crmscope_proto::payload::{Contents, SecurityRow};

pub(super) fn weigh(contents: &Contents) -> usize {
    const VALUE: usize = 8;
    const BUCKET: usize = 24;
    const ROW: usize = 256;
    let series: usize = contents
        .series
        .iter()
        .map(|table| {
            let labels: usize = table.labels().iter().map(String::len).sum();
            let columns = table.columns().iter().flatten().count() + 2;
            ROW + labels + table.len() * columns * VALUE
        })
        .sum();
    let requests: usize = contents
        .requests
        .iter()
        .map(|row| {
            let text = row.service.len() + row.route.len() + row.method.len();
            ROW + text + row.latency.buckets().len() * BUCKET
        })
        .sum();
    let security: usize = contents.security.iter().map(weigh_security).sum();
    series + requests + security + (contents.heartbeats.len() + contents.drops.len()) * ROW
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
