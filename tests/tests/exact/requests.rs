//! Requests: every cell of every table.

use crmscope_tests::fleet::Fleet;
use crmscope_tests::fleet::generator::{
    Cell, Cells, ClientCell, ClientCells, ClientKey, Key, Truth, roll_up, roll_up_clients,
};

pub(super) fn compare(fleet: &Fleet, truth: &Truth) {
    for (table, time, step) in [
        ("requests_raw", "bucket_start", 60),
        ("requests_1m", "t", 60),
        ("requests_1h", "t", 3_600),
        ("requests_1d", "t", 86_400),
    ] {
        let written = roll_up(&truth.requests, step);
        super::same(fleet, table, &written, &stored(fleet, table, time, step));
    }
    for (table, time, step) in [
        ("request_clients_raw", "window_start", 60),
        ("request_clients_1m", "t", 60),
        ("request_clients_1h", "t", 3_600),
    ] {
        let written = roll_up_clients(&truth.clients, step);
        let stored = stored_clients(fleet, table, time, step);
        super::same(fleet, table, &written, &stored);
    }
}

/// A cell as ClickHouse has it.
#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Row {
    agent_id: String,
    route: String,
    status_class: u8,
    begin: u32,
    requests: u64,
    response_bytes: u64,
    latency_sum_us: u64,
    latency_max_us: u64,
    latency_count: u64,
    indexes: Vec<i16>,
    counts: Vec<u64>,
}

fn stored(fleet: &Fleet, table: &str, time: &str, step: u32) -> Cells {
    let sql = format!(
        "SELECT agent_id::String AS agent_id, route::String AS route, status_class,
            toUInt32(intDiv(toUnixTimestamp({time}), {step}) * {step}) AS begin,
            toUInt64(sum(r.requests)) AS requests, toUInt64(sum(r.response_bytes)) AS response_bytes,
            toUInt64(sum(r.latency_sum_us)) AS latency_sum_us,
            toUInt64(max(r.latency_max_us)) AS latency_max_us,
            toUInt64(sum(r.latency_count)) AS latency_count,
            mapKeys(sumMap(r.latency)) AS indexes, mapValues(sumMap(r.latency)) AS counts
         FROM {table} AS r GROUP BY agent_id, route, status_class, begin"
    );
    let rows = fleet.query::<Row>(&sql);
    let rows = rows.unwrap_or_else(|error| panic!("{table}: {error}"));
    let cells = rows.into_iter().map(|row| {
        assert_eq!(
            row.latency_count, row.requests,
            "every line has a latency: {row:?}"
        );
        let key = Key {
            agent_id: row.agent_id,
            route: row.route,
            status_class: row.status_class,
            begin: row.begin,
        };
        let cell = Cell {
            requests: row.requests,
            response_bytes: row.response_bytes,
            latency_sum_us: row.latency_sum_us,
            latency_max_us: row.latency_max_us,
            latency: row.indexes.into_iter().zip(row.counts).collect(),
        };
        (key, cell)
    });
    cells.collect()
}

/// The same for clients.
#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct ClientRow {
    agent_id: String,
    network: String,
    begin: u32,
    requests: u64,
    client_errors: u64,
    server_errors: u64,
    response_bytes: u64,
}

fn stored_clients(fleet: &Fleet, table: &str, time: &str, step: u32) -> ClientCells {
    let sql = format!(
        "SELECT agent_id::String AS agent_id, network,
            toUInt32(intDiv(toUnixTimestamp({time}), {step}) * {step}) AS begin,
            toUInt64(sum(r.requests)) AS requests, toUInt64(sum(r.client_errors)) AS client_errors,
            toUInt64(sum(r.server_errors)) AS server_errors,
            toUInt64(sum(r.response_bytes)) AS response_bytes
         FROM {table} AS r WHERE network != 'OTHER' OR r.requests > 0
         GROUP BY agent_id, network, begin"
    );
    let rows = fleet.query::<ClientRow>(&sql);
    let rows = rows.unwrap_or_else(|error| panic!("{table}: {error}"));
    let cells = rows.into_iter().map(|row| {
        let key = ClientKey {
            agent_id: row.agent_id,
            network: row.network,
            begin: row.begin,
        };
        let cell = ClientCell {
            requests: row.requests,
            client_errors: row.client_errors,
            server_errors: row.server_errors,
            response_bytes: row.response_bytes,
        };
        (key, cell)
    });
    cells.collect()
}
