//! Hostile and broken batches: every one is an error, none a panic, and none unfolds to more
//! memory than stated here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its seed"
)]

mod bombs;
mod damaged;
mod malformed;
#[path = "../support/mod.rs"]
mod support;

use crmscope_proto::catalog::{DiskMetric, FilesystemMetric, HostMetric};
use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::limits::{
    BATCH_MAX_ITEMS, DICTIONARY_MAX_ENTRIES, PAYLOAD_MAX_BYTES, STRING_MAX_BYTES,
};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{
    Batch, ClientBlock, Column, Encoding, ExemplarSampling, Heartbeat, Payload, RequestBlock,
    RequestExemplar, SecurityEvent, SeriesBlock,
};
use crmscope_proto::{DecodeError, SeriesKind, Sketch, open, seal};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use support::{config, envelope, heartbeat, text};

/// A batch around these bytes that announces what is true.
fn compressed(raw: &[u8], items: usize) -> Batch {
    Batch {
        items: u32::try_from(items).unwrap(),
        encoding: Encoding::Zstd.into(),
        payload_bytes: u32::try_from(raw.len()).unwrap(),
        payload: zstd::bulk::compress(raw, 1).unwrap().into(),
        ..envelope()
    }
}

fn open_payload(payload: &Payload, items: usize) -> Result<Contents, DecodeError> {
    open(&compressed(&payload.encode_to_vec(), items))
}

/// One of everything that has a dictionary reference or a column.
fn sample() -> Contents {
    let row = |kind: SeriesKind| vec![Some(5); kind.metrics().len()];
    let mut disk = SeriesTable::new(SeriesKind::Disk, vec!["sda".to_owned()]);
    disk.push(1000, 1000, &row(SeriesKind::Disk)).unwrap();
    disk.push(2000, 1000, &[Some(6); DiskMetric::COUNT])
        .unwrap();
    let mut host = SeriesTable::new(SeriesKind::Host, Vec::new());
    host.push(1000, 1000, &row(SeriesKind::Host)).unwrap();
    let request = RequestRow {
        bucket_start_ms: 10_000,
        service: "crm".to_owned(),
        route: "/".to_owned(),
        method: "GET".to_owned(),
        status_class: 2,
        requests: 3,
        response_bytes: 4,
        latency: Sketch::from_parts([(10, 1), (300, 2)], 9, 8),
        upstream: Sketch::from_parts([(5, 1)], 2, 2),
    };
    let client = ClientRow {
        window_start_ms: 60_000,
        service: "crm".to_owned(),
        network: "192.0.2.0/24".to_owned(),
        requests: 3,
        ..ClientRow::default()
    };
    let exemplar = ExemplarRow {
        time_ms: 10_001,
        kind: ExemplarKind::Failed,
        service: "crm".to_owned(),
        route: "/".to_owned(),
        method: "GET".to_owned(),
        status: 500,
        response_bytes: 4,
        latency_us: Some(8),
        upstream_latency_us: None,
        network: "192.0.2.0/24".to_owned(),
        target: "/".to_owned(),
    };
    let sampling = SamplingRow {
        bucket_start_ms: 10_000,
        service: "crm".to_owned(),
        kind: ExemplarKind::Failed,
        eligible: 9,
        kept: 1,
    };
    let event = SecurityRow {
        event: SecurityEvent {
            event_id: vec![9; 16],
            time_ms: 1000,
            user: "root".to_owned(),
            count: 1,
            ..SecurityEvent::default()
        },
        kind: "ssh_login".to_owned(),
        service: "sshd".to_owned(),
        method: "password".to_owned(),
    };
    Contents {
        series: vec![disk, host],
        requests: vec![request.clone(), request],
        clients: vec![client.clone(), client],
        exemplars: vec![exemplar],
        sampling: vec![sampling],
        security: vec![event],
        heartbeats: vec![Heartbeat {
            beat: 1,
            ..Heartbeat::default()
        }],
        drops: Vec::new(),
    }
}

/// What an opened batch promises, whatever it was made of.
fn assert_sound(contents: &Contents) {
    assert!(contents.items() <= BATCH_MAX_ITEMS);
    for table in &contents.series {
        assert!(!table.is_empty());
        assert_eq!(table.labels().len(), table.kind().labels().len());
        assert_eq!(table.intervals_ms().len(), table.len());
        for column in table.columns().iter().flatten() {
            assert_eq!(column.len(), table.len());
        }
    }
    for row in &contents.requests {
        assert!(row.status_class <= 5);
        assert!(row.latency.buckets().all(|(i, _)| (0..=1200).contains(&i)));
        assert!(row.upstream.buckets().all(|(i, _)| (0..=1200).contains(&i)));
    }
    for row in &contents.exemplars {
        assert!(row.status <= 999 && row.kind != ExemplarKind::Unspecified);
        assert!(row.target.len() <= STRING_MAX_BYTES);
    }
    for row in &contents.sampling {
        assert!(row.kind != ExemplarKind::Unspecified);
    }
    for row in &contents.security {
        assert_eq!(row.event.event_id.len(), 16);
    }
}

/// A disk block in which one value stands for every row.
fn folded(rows: usize) -> SeriesBlock {
    SeriesBlock {
        kind: SeriesKind::Disk as u32,
        labels: vec![0],
        timestamps_ms: vec![0; rows],
        intervals_ms: vec![1000],
        columns: (1..=u32::try_from(DiskMetric::COUNT).unwrap())
            .map(|metric| Column {
                metric,
                values: vec![1],
            })
            .collect(),
    }
}
