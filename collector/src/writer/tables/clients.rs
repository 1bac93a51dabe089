//! `request_clients_raw`: requests by network of the client.

use crmscope_proto::clients::ClientRow;

use super::requests::seconds;
use crate::judge::Entry;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// The networks' rows.
#[must_use]
pub fn insert(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&str, &ClientRow)> = entries
        .iter()
        .filter_map(|entry| Some((entry.identity.agent_id.as_str(), entry.contents()?)))
        .flat_map(|(agent_id, contents)| contents.clients.iter().map(move |row| (agent_id, row)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|(agent_a, a), (agent_b, b)| {
        a.service
            .cmp(&b.service)
            .then_with(|| a.network.cmp(&b.network))
            .then_with(|| agent_a.cmp(agent_b))
            .then_with(|| a.window_start_ms.cmp(&b.window_start_ms))
    });
    let each = || rows.iter().map(|(_, row)| *row);
    let mut native = Block::new(rows.len(), 80);
    native.text("agent_id", rows.iter().map(|(agent_id, _)| *agent_id));
    native.text("service", each().map(|row| row.service.as_str()));
    native.string("network", each().map(|row| row.network.as_bytes()));
    native.datetime(
        "window_start",
        each().map(|row| seconds(row.window_start_ms)),
    );
    native.u64("requests", each().map(|row| row.requests));
    native.u64("client_errors", each().map(|row| row.client_errors));
    native.u64("server_errors", each().map(|row| row.server_errors));
    native.u64("response_bytes", each().map(|row| row.response_bytes));
    native.u64("in_other_max", each().map(|row| row.in_other_max));
    Some(Insert::new(
        "request_clients_raw",
        origin,
        rows.len(),
        native,
    ))
}
