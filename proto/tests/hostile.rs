//! Hostile and broken batches: every one is an error, none a panic, and none unfolds to more
//! memory than stated here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its seed"
)]

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

/// What opening one batch may take at its peak, bytes: what `limits` promises. A batch is opened,
/// used and freed before the next of its stream, so the bound holds for each stream.
const MEMORY_MAX_BYTES: usize = 128 * 1024 * 1024;

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

/// The sample with one thing changed. Its blocks: disk (2 rows), host; two request rows, two
/// networks, one exemplar, one account of sampling; one event.
fn changed(change: impl FnOnce(&mut Payload)) -> Result<Contents, DecodeError> {
    let contents = sample();
    let mut payload = contents.encode();
    change(&mut payload);
    open_payload(&payload, contents.items())
}

fn requests(payload: &mut Payload) -> &mut RequestBlock {
    payload.requests.as_mut().unwrap()
}

fn clients(payload: &mut Payload) -> &mut ClientBlock {
    payload.clients.as_mut().unwrap()
}

fn length(what: &'static str, got: usize, want: usize) -> DecodeError {
    DecodeError::Length { what, got, want }
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

fn any_column() -> impl Strategy<Value = Column> {
    (0..60u32, vec(any::<i64>(), 0..4)).prop_map(|(metric, values)| Column { metric, values })
}

/// A block that is nearly right, so that a part of them gets past each check.
fn any_series() -> impl Strategy<Value = SeriesBlock> {
    (
        prop_oneof![4 => 1..=5u32, 1 => any::<u32>()],
        vec(0..4u32, 0..4),
        vec(any::<i64>(), 0..4),
        vec(any::<u32>(), 0..4),
        prop_oneof![
            vec(any_column(), 0..8),
            vec(any::<i64>(), 1..3).prop_map(|values| {
                (1..=47)
                    .map(|metric| Column {
                        metric,
                        values: values.clone(),
                    })
                    .collect()
            })
        ],
    )
        .prop_map(
            |(kind, labels, timestamps_ms, intervals_ms, columns)| SeriesBlock {
                kind,
                labels,
                timestamps_ms,
                intervals_ms,
                columns,
            },
        )
}

fn any_requests() -> impl Strategy<Value = RequestBlock> {
    (0..4usize).prop_flat_map(|rows| {
        let near = rows.saturating_sub(1)..rows + 2;
        (
            vec(any::<i64>(), rows),
            vec(vec(0..5u32, rows), 4),
            vec(vec(any::<u64>(), rows), 3),
            vec(any::<u64>(), near),
            (
                vec(0..3u32, rows),
                vec(-2..700i32, 0..8),
                vec(any::<u64>(), 0..8),
            ),
            (
                vec(0..3u32, 0..rows + 1),
                vec(vec(any::<u64>(), rows), 2),
                vec(-2..700i32, 0..4),
                vec(any::<u64>(), 0..4),
            ),
        )
            .prop_map(
                |(buckets, small, large, maxima, sketch, upstream)| RequestBlock {
                    buckets,
                    services: small[0].clone(),
                    routes: small[1].clone(),
                    methods: small[2].clone(),
                    status_classes: small[3].clone(),
                    requests: large[0].clone(),
                    bytes: large[1].clone(),
                    latency_sums_us: large[2].clone(),
                    latency_maxima_us: maxima,
                    sketch_lengths: sketch.0,
                    sketch_indexes: sketch.1,
                    sketch_counts: sketch.2,
                    upstream_lengths: upstream.0,
                    upstream_sums_us: upstream.1[0].clone(),
                    upstream_maxima_us: upstream.1[1].clone(),
                    upstream_indexes: upstream.2,
                    upstream_counts: upstream.3,
                },
            )
    })
}

fn any_clients() -> impl Strategy<Value = ClientBlock> {
    (0..4usize).prop_flat_map(|rows| {
        let near = rows.saturating_sub(1)..rows + 2;
        (
            vec(any::<i64>(), rows),
            vec(vec(0..5u32, rows), 2),
            vec(vec(any::<u64>(), rows), 4),
            vec(any::<u64>(), near),
        )
            .prop_map(|(windows, small, large, maxima)| ClientBlock {
                windows,
                services: small[0].clone(),
                networks: small[1].clone(),
                requests: large[0].clone(),
                client_errors: large[1].clone(),
                server_errors: large[2].clone(),
                bytes: large[3].clone(),
                in_other_maxima: maxima,
            })
    })
}

fn any_exemplar() -> impl Strategy<Value = RequestExemplar> {
    (
        any::<i64>(),
        0..4i32,
        vec(0..4u32, 4),
        0..1100u32,
        text(),
        proptest::option::of(any::<u64>()),
    )
        .prop_map(
            |(time_ms, kind, references, status, target, latency_us)| RequestExemplar {
                time_ms,
                kind,
                service: references[0],
                route: references[1],
                method: references[2],
                network: references[3],
                status,
                latency_us,
                target,
                ..RequestExemplar::default()
            },
        )
}

fn any_sampling() -> impl Strategy<Value = ExemplarSampling> {
    (any::<i64>(), 0..4u32, 0..4i32, any::<u64>()).prop_map(|(bucket, service, kind, eligible)| {
        ExemplarSampling {
            bucket: bucket >> 8,
            service,
            kind,
            eligible,
            kept: 1,
        }
    })
}

fn any_payload() -> impl Strategy<Value = Payload> {
    (
        vec(text(), 0..4),
        vec(any_series(), 0..3),
        (
            proptest::option::of(any_requests()),
            proptest::option::of(any_clients()),
            vec(any_exemplar(), 0..2),
            vec(any_sampling(), 0..2),
        ),
        vec(
            (vec(any::<u8>(), 15..18), 0..4u32).prop_map(|(event_id, kind)| SecurityEvent {
                event_id,
                kind,
                ..SecurityEvent::default()
            }),
            0..2,
        ),
        vec(heartbeat(), 0..2),
    )
        .prop_map(
            |(
                dictionary,
                series,
                (requests, clients, exemplars, sampling),
                security_events,
                heartbeats,
            )| Payload {
                dictionary,
                series,
                requests,
                clients,
                exemplars,
                sampling,
                security_events,
                heartbeats,
                drops: Vec::new(),
            },
        )
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..200),
        encoding in -1..4i32,
        payload_bytes in prop_oneof![any::<u32>(), 0..300u32],
        items in 0..3u32,
    ) {
        let batch = Batch { encoding, payload_bytes, items, payload: bytes.clone().into(), ..envelope() };
        if let Ok(contents) = open(&batch) {
            assert_sound(&contents);
        }
        if let Ok(contents) = open(&compressed(&bytes, items as usize)) {
            assert_sound(&contents);
        }
    }

    #[test]
    fn arbitrary_payloads_are_errors_or_sound(payload in any_payload()) {
        if let Ok(contents) = Contents::decode(payload) {
            assert_sound(&contents);
            let opened = open(&seal(&contents, envelope()).unwrap());
            prop_assert_eq!(opened, Ok(contents));
        }
    }

    #[test]
    fn flipped_and_cut_batches_never_panic(
        flips in vec((any::<proptest::sample::Index>(), 0..8u32), 1..6),
        cut in any::<proptest::sample::Index>(),
        raw in any::<bool>(),
    ) {
        let contents = sample();
        let mut batch = seal(&contents, envelope()).unwrap();
        if raw {
            batch.encoding = Encoding::None.into();
            batch.payload = contents.encode().encode_to_vec().into();
        }
        let mut bytes = batch.payload.to_vec();
        bytes.truncate(cut.index(bytes.len() * 4).max(1));
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        batch.payload = bytes.into();
        if let Ok(opened) = open(&batch) {
            assert_sound(&opened);
            prop_assert_eq!(opened.items(), contents.items());
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let contents = sample();
    let batch = seal(&contents, envelope()).unwrap();
    let raw = contents.encode().encode_to_vec();
    for end in 0..batch.payload.len() {
        let payload = batch.payload.slice(..end);
        assert!(
            open(&Batch {
                payload,
                ..batch.clone()
            })
            .is_err(),
            "compressed, cut at {end}"
        );
    }
    for end in 0..raw.len() {
        assert!(
            open(&compressed(&raw[..end], contents.items())).is_err(),
            "raw, cut at {end}"
        );
    }
}

#[test]
fn every_flipped_bit_is_an_error_or_sound() {
    let contents = sample();
    let batch = seal(&contents, envelope()).unwrap();
    let raw = contents.encode().encode_to_vec();
    let check = |batch: &Batch| {
        if let Ok(opened) = open(batch) {
            assert_sound(&opened);
            assert_eq!(opened.items(), contents.items());
        }
    };
    for bit in 0..batch.payload.len() * 8 {
        let mut bytes = batch.payload.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        check(&Batch {
            payload: bytes.into(),
            ..batch.clone()
        });
    }
    for bit in 0..raw.len() * 8 {
        let mut bytes = raw.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        check(&compressed(&bytes, contents.items()));
    }
}

#[test]
fn announced_sizes_must_be_the_real_ones() {
    let batch = seal(&sample(), envelope()).unwrap();
    let announce = |payload_bytes| {
        open(&Batch {
            payload_bytes,
            ..batch.clone()
        })
    };
    let real = batch.payload_bytes;
    assert!(matches!(
        announce(real - 1),
        Err(DecodeError::Compression(_))
    ));
    assert!(matches!(announce(0), Err(DecodeError::Compression(_))));
    assert_eq!(
        announce(real + 1),
        Err(DecodeError::PayloadLength {
            got: real as usize,
            want: real as usize + 1
        })
    );
    for beyond in [u32::try_from(PAYLOAD_MAX_BYTES).unwrap() + 1, u32::MAX] {
        assert_eq!(
            announce(beyond),
            Err(DecodeError::TooLarge {
                what: "payload",
                got: beyond as usize,
                limit: PAYLOAD_MAX_BYTES
            })
        );
    }
}

#[test]
fn announced_sizes_of_uncompressed_payloads_must_be_the_real_ones() {
    let contents = sample();
    let raw = contents.encode().encode_to_vec();
    let announce = |payload_bytes: usize| {
        open(&Batch {
            items: u32::try_from(contents.items()).unwrap(),
            encoding: Encoding::None.into(),
            payload_bytes: u32::try_from(payload_bytes).unwrap(),
            payload: raw.clone().into(),
            ..envelope()
        })
    };
    assert_eq!(announce(raw.len()), Ok(contents.clone()));
    for wrong in [0, raw.len() - 1, raw.len() + 1] {
        assert_eq!(
            announce(wrong),
            Err(DecodeError::PayloadLength {
                got: raw.len(),
                want: wrong
            })
        );
    }
}

#[test]
fn uncompressed_payloads_beyond_the_limit_are_refused() {
    let raw = [0x32, 0].repeat(PAYLOAD_MAX_BYTES / 2 + 1); // empty drop ranges
    let batch = Batch {
        encoding: Encoding::None.into(),
        payload: raw.into(),
        ..envelope()
    };
    assert!(matches!(
        open(&batch),
        Err(DecodeError::TooLarge { .. } | DecodeError::PayloadLength { .. })
    ));
}

#[test]
fn unknown_encodings_are_errors() {
    let batch = seal(&sample(), envelope()).unwrap();
    for encoding in [-1, 2, i32::MIN, i32::MAX] {
        assert_eq!(
            open(&Batch {
                encoding,
                ..batch.clone()
            }),
            Err(DecodeError::Encoding(encoding))
        );
    }
}

#[test]
fn item_counts_must_be_the_real_ones() {
    let batch = seal(&sample(), envelope()).unwrap();
    let real = batch.items;
    for items in [0, real - 1, real + 1, u32::MAX] {
        assert_eq!(
            open(&Batch {
                items,
                ..batch.clone()
            }),
            Err(length("items", real as usize, items as usize))
        );
    }
}

#[test]
fn references_beyond_the_dictionary_are_errors() {
    let entries = sample().encode().dictionary.len();
    for reference in [u32::try_from(entries).unwrap() + 1, u32::MAX] {
        let changes: [fn(&mut Payload, u32); 14] = [
            |payload, reference| payload.series[0].labels[0] = reference,
            |payload, reference| requests(payload).services[1] = reference,
            |payload, reference| requests(payload).routes[0] = reference,
            |payload, reference| requests(payload).methods[1] = reference,
            |payload, reference| clients(payload).services[1] = reference,
            |payload, reference| clients(payload).networks[0] = reference,
            |payload, reference| payload.exemplars[0].service = reference,
            |payload, reference| payload.exemplars[0].route = reference,
            |payload, reference| payload.exemplars[0].method = reference,
            |payload, reference| payload.exemplars[0].network = reference,
            |payload, reference| payload.sampling[0].service = reference,
            |payload, reference| payload.security_events[0].kind = reference,
            |payload, reference| payload.security_events[0].service = reference,
            |payload, reference| payload.security_events[0].method = reference,
        ];
        for change in changes {
            assert_eq!(
                changed(|payload| change(payload, reference)),
                Err(DecodeError::Reference { reference, entries })
            );
        }
    }
}

#[test]
fn malformed_series_are_errors() {
    type Case = (fn(&mut SeriesBlock), DecodeError);
    let cases: [Case; 14] = [
        (|disk| disk.kind = 0, DecodeError::UnknownKind(0)),
        (|disk| disk.kind = 99, DecodeError::UnknownKind(99)),
        (
            |disk| disk.kind = u32::MAX,
            DecodeError::UnknownKind(u32::MAX),
        ),
        (|disk| disk.labels.clear(), length("labels", 0, 1)),
        (|disk| disk.labels.push(1), length("labels", 2, 1)),
        (
            |disk| disk.timestamps_ms.clear(),
            length("timestamps_ms", 0, BATCH_MAX_ITEMS),
        ),
        (
            |disk| disk.intervals_ms.clear(),
            length("intervals_ms", 0, 2),
        ),
        (
            |disk| disk.intervals_ms = vec![1; 3],
            length("intervals_ms", 3, 2),
        ),
        (|disk| disk.columns[0].values.clear(), length("reads", 0, 2)),
        (
            |disk| disk.columns[6].values = vec![1; 3],
            length("in_progress", 3, 2),
        ),
        (
            |disk| disk.columns.push(disk.columns[1].clone()),
            DecodeError::Repeated("read_bytes"),
        ),
        (
            |disk| drop(disk.columns.remove(2)),
            DecodeError::Missing("read_time_us"),
        ),
        (|disk| disk.columns.clear(), DecodeError::Missing("reads")),
        // A metric that became another one leaves its own place empty.
        (
            |disk| disk.columns[8].metric = 99,
            DecodeError::Missing("weighted_io_time_us"),
        ),
    ];
    for (change, error) in cases {
        assert_eq!(
            changed(|payload| change(&mut payload.series[0])),
            Err(error)
        );
    }
}

#[test]
fn metrics_of_newer_agents_are_skipped() {
    for metric in [0, 10, 1000, u32::MAX] {
        for values in [vec![], vec![1], vec![1; 2], vec![1; 1000]] {
            let opened = changed(|payload| {
                let column = Column { metric, values };
                // Twice: nothing is known about it, so nothing is wrong with it.
                payload.series[0].columns.insert(0, column.clone());
                payload.series[0].columns.push(column);
            });
            assert_eq!(opened, Ok(sample()));
        }
    }
}

#[test]
fn fields_of_newer_agents_are_skipped() {
    let contents = sample();
    let mut raw = contents.encode().encode_to_vec();
    raw.extend([0xfa, 0x01, 3, b'n', b'e', b'w']); // field 31, three bytes
    assert_eq!(open(&compressed(&raw, contents.items())), Ok(contents));
}

#[test]
fn missing_optional_columns_are_none() {
    let opened = changed(|payload| payload.series[1].columns.retain(|c| c.metric != 34)).unwrap();
    assert_eq!(
        opened.series[1].columns()[HostMetric::OomKills as usize],
        None
    );
}

#[test]
fn malformed_requests_are_errors() {
    type Case = (fn(&mut RequestBlock), DecodeError);
    let cases: [Case; 29] = [
        (
            |block| block.upstream_sums_us.truncate(1),
            length("upstream_sums_us", 1, 2),
        ),
        (
            |block| block.upstream_maxima_us.clear(),
            length("upstream_maxima_us", 0, 2),
        ),
        (
            |block| block.upstream_lengths.clear(),
            length("upstream_lengths", 0, 2),
        ),
        (
            |block| block.upstream_lengths[1] = 2,
            length("upstream_indexes", 2, 3),
        ),
        (
            |block| block.upstream_counts.truncate(1),
            length("upstream_indexes", 2, 2),
        ),
        (
            |block| block.upstream_indexes[1] = 1201,
            DecodeError::SketchIndex(1201),
        ),
        (
            |block| block.upstream_indexes[0] = -1,
            DecodeError::SketchIndex(-1),
        ),
        (|block| block.services.truncate(1), length("services", 1, 2)),
        (|block| block.routes.push(0), length("routes", 3, 2)),
        (|block| block.methods.clear(), length("methods", 0, 2)),
        (
            |block| block.status_classes.push(0),
            length("status_classes", 3, 2),
        ),
        (|block| block.requests.push(0), length("requests", 3, 2)),
        (|block| block.bytes.truncate(1), length("bytes", 1, 2)),
        (
            |block| block.latency_sums_us.truncate(1),
            length("latency_sums_us", 1, 2),
        ),
        (
            |block| block.latency_maxima_us.push(0),
            length("latency_maxima_us", 3, 2),
        ),
        (
            |block| block.sketch_lengths.clear(),
            length("sketch_lengths", 0, 2),
        ),
        (|block| block.buckets.push(0), length("services", 2, 3)),
        (
            |block| block.sketch_lengths[0] = 3,
            length("sketch_indexes", 4, 5),
        ),
        (
            |block| block.sketch_lengths = vec![u32::MAX; 2],
            length("sketch_indexes", 4, 2 * u32::MAX as usize),
        ),
        (
            |block| block.sketch_indexes.truncate(3),
            length("sketch_indexes", 3, 4),
        ),
        (
            |block| block.sketch_counts.truncate(3),
            length("sketch_indexes", 4, 4),
        ),
        (
            |block| block.sketch_indexes[0] = -1,
            DecodeError::SketchIndex(-1),
        ),
        (
            |block| block.sketch_indexes[1] = 1191,
            DecodeError::SketchIndex(1201),
        ),
        (
            |block| block.sketch_indexes[1] = i32::MAX,
            DecodeError::SketchIndex(i32::MIN + 9),
        ),
        (
            |block| block.sketch_indexes[3] = -11,
            DecodeError::SketchIndex(-1),
        ),
        (
            |block| block.sketch_indexes[2] = 65_536,
            DecodeError::SketchIndex(65_536),
        ),
        (
            |block| block.status_classes[1] = 6,
            DecodeError::StatusClass(6),
        ),
        (
            |block| block.status_classes[0] = 258,
            DecodeError::StatusClass(258),
        ),
        (
            |block| block.buckets[0] = i64::MAX,
            DecodeError::Timestamp(i64::MAX),
        ),
    ];
    for (number, (change, error)) in cases.into_iter().enumerate() {
        assert_eq!(
            changed(|payload| change(requests(payload))),
            Err(error),
            "case {number}"
        );
    }
}

#[test]
fn malformed_networks_are_errors() {
    type Case = (fn(&mut ClientBlock), DecodeError);
    let cases: [Case; 9] = [
        (
            |block| block.services.clear(),
            length("client services", 0, 2),
        ),
        (|block| block.networks.push(0), length("networks", 3, 2)),
        (
            |block| block.requests.truncate(1),
            length("client requests", 1, 2),
        ),
        (
            |block| block.client_errors.push(0),
            length("client_errors", 3, 2),
        ),
        (
            |block| block.server_errors.clear(),
            length("server_errors", 0, 2),
        ),
        (|block| block.bytes.push(0), length("client bytes", 3, 2)),
        (
            |block| block.in_other_maxima.clear(),
            length("in_other_maxima", 0, 2),
        ),
        (
            |block| block.windows.push(0),
            length("client services", 2, 3),
        ),
        (
            |block| block.windows[0] = i64::MAX,
            DecodeError::Timestamp(i64::MAX),
        ),
    ];
    for (number, (change, error)) in cases.into_iter().enumerate() {
        assert_eq!(
            changed(|payload| change(clients(payload))),
            Err(error),
            "case {number}"
        );
    }
}

#[test]
fn malformed_exemplars_are_errors() {
    type Case = (fn(&mut Payload), DecodeError);
    let cases: [Case; 7] = [
        (
            |payload| payload.exemplars[0].kind = 0,
            DecodeError::ExemplarKind(0),
        ),
        (
            |payload| payload.exemplars[0].kind = 3,
            DecodeError::ExemplarKind(3),
        ),
        (
            |payload| payload.exemplars[0].status = 1000,
            DecodeError::Status(1000),
        ),
        (
            |payload| payload.exemplars[0].status = 1 << 16,
            DecodeError::Status(1 << 16),
        ),
        (
            |payload| payload.sampling[0].kind = -1,
            DecodeError::ExemplarKind(-1),
        ),
        (
            |payload| payload.sampling[0].bucket = i64::MIN,
            DecodeError::Timestamp(i64::MIN),
        ),
        (|payload| payload.sampling.clear(), length("items", 10, 11)),
    ];
    for (number, (change, error)) in cases.into_iter().enumerate() {
        assert_eq!(changed(change), Err(error), "case {number}");
    }
}

#[test]
fn malformed_events_are_errors() {
    for (bytes, want) in [(0, 16), (15, 16), (17, 16)] {
        assert_eq!(
            changed(|payload| payload.security_events[0].event_id = vec![0; bytes]),
            Err(length("event_id", bytes, want))
        );
    }
}

#[test]
fn oversized_strings_are_errors() {
    type Change = (&'static str, fn(&mut Payload, String));
    let changes: [Change; 6] = [
        ("target", |payload, text| {
            payload.exemplars[0].target = text;
        }),
        ("a dictionary entry", |payload, text| {
            payload.dictionary[0] = text;
        }),
        ("user", |payload, text| {
            payload.security_events[0].user = text;
        }),
        ("target_user", |payload, text| {
            payload.security_events[0].target_user = text;
        }),
        ("source_address", |payload, text| {
            payload.security_events[0].source_address = text;
        }),
        ("detail", |payload, text| {
            payload.security_events[0].detail = text;
        }),
    ];
    for (what, change) in changes {
        let longest = "x".repeat(STRING_MAX_BYTES);
        assert!(changed(|payload| change(payload, longest.clone())).is_ok());
        assert_eq!(
            changed(|payload| change(payload, longest.clone() + "x")),
            Err(DecodeError::TooLarge {
                what,
                got: STRING_MAX_BYTES + 1,
                limit: STRING_MAX_BYTES
            })
        );
    }
}

#[test]
fn too_many_strings_are_errors() {
    let fill = |entries| changed(|payload| payload.dictionary.resize(entries, String::new()));
    assert!(fill(DICTIONARY_MAX_ENTRIES).is_ok());
    assert_eq!(
        fill(DICTIONARY_MAX_ENTRIES + 1),
        Err(length(
            "dictionary",
            DICTIONARY_MAX_ENTRIES + 1,
            DICTIONARY_MAX_ENTRIES
        ))
    );
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

#[test]
fn rows_of_all_blocks_together_are_limited() {
    let payload = |rows: usize, blocks: usize| Payload {
        series: vec![folded(rows); blocks],
        ..Payload::default()
    };
    assert!(open_payload(&payload(BATCH_MAX_ITEMS, 1), BATCH_MAX_ITEMS).is_ok());
    for (rows, blocks) in [(BATCH_MAX_ITEMS + 1, 1), (BATCH_MAX_ITEMS / 4 + 1, 4)] {
        assert_eq!(
            open_payload(&payload(rows, blocks), rows * blocks),
            Err(length("series rows", rows * blocks, BATCH_MAX_ITEMS))
        );
    }
}

#[test]
fn rows_of_everything_together_are_limited() {
    let mut payload = Payload {
        series: vec![folded(BATCH_MAX_ITEMS)],
        ..Payload::default()
    };
    payload.heartbeats.push(Heartbeat::default());
    assert_eq!(
        open_payload(&payload, BATCH_MAX_ITEMS + 1),
        Err(length("items", BATCH_MAX_ITEMS + 1, BATCH_MAX_ITEMS))
    );
    let payload = Payload {
        requests: Some(RequestBlock {
            buckets: vec![0; BATCH_MAX_ITEMS + 1],
            ..RequestBlock::default()
        }),
        ..Payload::default()
    };
    assert_eq!(
        open_payload(&payload, BATCH_MAX_ITEMS + 1),
        Err(length("buckets", BATCH_MAX_ITEMS + 1, BATCH_MAX_ITEMS))
    );
}

/// The same for the host, whose rows are widest.
fn folded_host(rows: usize) -> SeriesBlock {
    SeriesBlock {
        kind: SeriesKind::Host as u32,
        labels: Vec::new(),
        columns: (1..=u32::try_from(HostMetric::COUNT).unwrap())
            .map(|metric| Column {
                metric,
                values: vec![1],
            })
            .collect(),
        ..folded(rows)
    }
}

/// So many times the field with nothing in it: two bytes each on the wire, much more in memory.
fn empty_fields(number: u8) -> Vec<u8> {
    [number << 3 | 2, 0].repeat(PAYLOAD_MAX_BYTES / 2)
}

/// The field of the payload that holds so many empty fields.
fn nested(number: u8, inner: u8) -> Vec<u8> {
    let mut raw = vec![number << 3 | 2];
    let content = [inner << 3 | 2, 0].repeat(PAYLOAD_MAX_BYTES / 2 - 8);
    prost::encode_length_delimiter(content.len(), &mut raw).unwrap();
    raw.extend(content);
    raw
}

fn long_strings(entries: usize) -> Vec<String> {
    vec!["x".repeat(STRING_MAX_BYTES); entries]
}

/// The payload of a bomb, and the items it announces.
fn bomb(name: &str) -> (Vec<u8>, usize) {
    let all = BATCH_MAX_ITEMS;
    let message = |payload: Payload| payload.encode_to_vec();
    match name {
        "zeros" => (vec![0; PAYLOAD_MAX_BYTES], 0),
        "empty_strings" => (empty_fields(1), 0),
        "empty_series" => (empty_fields(2), 0),
        "empty_events" => (empty_fields(4), 0),
        "empty_heartbeats" => (empty_fields(5), 0),
        "empty_drops" => (empty_fields(6), 0),
        "empty_exemplars" => (empty_fields(8), 0),
        "empty_sampling" => (empty_fields(9), 0),
        "long_exemplars" => {
            let exemplar = RequestExemplar {
                kind: 1,
                service: 1,
                route: 1,
                method: 1,
                network: 1,
                ..RequestExemplar::default()
            };
            let payload = Payload {
                dictionary: long_strings(1),
                exemplars: vec![exemplar; all],
                ..Payload::default()
            };
            (message(payload), all)
        }
        "long_networks" => {
            let block = ClientBlock {
                windows: vec![0; all],
                services: vec![1; all],
                networks: vec![1; all],
                requests: vec![0; all],
                client_errors: vec![0; all],
                server_errors: vec![0; all],
                bytes: vec![0; all],
                in_other_maxima: vec![0; all],
            };
            let payload = Payload {
                dictionary: long_strings(1),
                clients: Some(block),
                ..Payload::default()
            };
            (message(payload), all)
        }
        "sketch_entries" => {
            // Two sketches a row, each of buckets that all differ.
            let rows = 400;
            let steps: Vec<i32> = (0..rows)
                .flat_map(|_| (0..1201).map(|step| i32::from(step > 0)))
                .collect();
            let block = RequestBlock {
                buckets: vec![0; rows],
                services: vec![0; rows],
                routes: vec![0; rows],
                methods: vec![0; rows],
                status_classes: vec![0; rows],
                requests: vec![0; rows],
                bytes: vec![0; rows],
                latency_sums_us: vec![0; rows],
                latency_maxima_us: vec![0; rows],
                sketch_lengths: vec![1201; rows],
                sketch_indexes: steps.clone(),
                sketch_counts: vec![1; steps.len()],
                upstream_sums_us: vec![0; rows],
                upstream_maxima_us: vec![0; rows],
                upstream_lengths: vec![1201; rows],
                upstream_counts: vec![1; steps.len()],
                upstream_indexes: steps,
            };
            let payload = Payload {
                requests: Some(block),
                ..Payload::default()
            };
            (message(payload), rows)
        }
        "empty_columns" => (nested(2, 5), 1),
        "empty_lane_states" => (nested(5, 6), 1),
        "folded_columns" => (
            message(Payload {
                series: vec![folded(all - 1); 20],
                ..Payload::default()
            }),
            (all - 1) * 20,
        ),
        "folded_host" => {
            let block = folded_host(all);
            let payload = Payload {
                series: vec![block],
                ..Payload::default()
            };
            (message(payload), all)
        }
        "single_host_rows" => {
            let block = folded_host(1);
            let blocks = PAYLOAD_MAX_BYTES / (block.encoded_len() + 3);
            let payload = Payload {
                series: vec![block; blocks],
                ..Payload::default()
            };
            (message(payload), blocks)
        }
        "long_labels" => {
            let mut block = folded(1);
            block.kind = SeriesKind::Filesystem as u32;
            block.labels = vec![1; 3];
            block.columns.truncate(FilesystemMetric::COUNT);
            let payload = Payload {
                dictionary: long_strings(1),
                series: vec![block; all],
                ..Payload::default()
            };
            (message(payload), all)
        }
        "long_routes" => {
            let block = RequestBlock {
                buckets: vec![0; all],
                services: vec![1; all],
                routes: vec![1; all],
                methods: vec![1; all],
                status_classes: vec![0; all],
                requests: vec![0; all],
                bytes: vec![0; all],
                latency_sums_us: vec![0; all],
                latency_maxima_us: vec![0; all],
                sketch_lengths: vec![0; all],
                ..RequestBlock::default()
            };
            let payload = Payload {
                dictionary: long_strings(1),
                requests: Some(block),
                ..Payload::default()
            };
            (message(payload), all)
        }
        "long_events" => {
            let event = SecurityEvent {
                event_id: vec![0; 16],
                kind: 1,
                service: 1,
                method: 1,
                ..SecurityEvent::default()
            };
            let payload = Payload {
                dictionary: long_strings(1),
                security_events: vec![event; all],
                ..Payload::default()
            };
            (message(payload), all)
        }
        other => panic!("no bomb {other}"),
    }
}

/// Names the bomb to the process that opens it.
const BOMB_VARIABLE: &str = "CRMSCOPE_TEST_BOMB";

/// Peak of this process's resident memory, bytes, since it was last reset.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.unwrap().parse::<usize>().unwrap() * 1024
}

/// Does nothing unless started by [`assert_defused`], in a process of its own.
#[test]
fn bomb_in_its_own_process() {
    let Ok(name) = std::env::var(BOMB_VARIABLE) else {
        return;
    };
    let batch = {
        let (raw, items) = bomb(&name);
        assert!(raw.len() <= PAYLOAD_MAX_BYTES, "{name}: {}", raw.len());
        compressed(&raw, items)
    };
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak_bytes();
    let error = open(&batch).err().map(|error| error.to_string());
    let took = peak_bytes() - before;
    println!(
        "took={took} sent={} error={}",
        batch.payload.len(),
        error.unwrap_or_default()
    );
}

fn assert_defused(name: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bomb_in_its_own_process", "--nocapture"])
        .env(BOMB_VARIABLE, name)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name}: {stdout}");
    let took = stdout
        .split("took=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|bytes| bytes.parse::<usize>().ok());
    let report = stdout.lines().find(|line| line.contains("took="));
    println!("{name}: {}", report.unwrap_or_default());
    assert!(
        took.unwrap() <= MEMORY_MAX_BYTES,
        "{name} takes more than {MEMORY_MAX_BYTES} bytes: {}",
        report.unwrap_or_default()
    );
}

#[test]
fn bombs_of_zeros_stay_bounded() {
    assert_defused("zeros");
}

#[test]
fn bombs_of_folded_columns_stay_bounded() {
    assert_defused("folded_columns");
    assert_defused("folded_host");
}

#[test]
fn bombs_of_empty_strings_stay_bounded() {
    assert_defused("empty_strings");
}

#[test]
fn bombs_of_empty_series_stay_bounded() {
    assert_defused("empty_series");
}

#[test]
fn bombs_of_empty_columns_stay_bounded() {
    assert_defused("empty_columns");
}

#[test]
fn bombs_of_empty_events_stay_bounded() {
    assert_defused("empty_events");
}

#[test]
fn bombs_of_empty_heartbeats_stay_bounded() {
    assert_defused("empty_heartbeats");
}

#[test]
fn bombs_of_empty_lane_states_stay_bounded() {
    assert_defused("empty_lane_states");
}

#[test]
fn bombs_of_empty_drop_ranges_stay_bounded() {
    assert_defused("empty_drops");
}

#[test]
fn bombs_of_single_host_rows_stay_bounded() {
    assert_defused("single_host_rows");
}

#[test]
fn bombs_of_long_labels_stay_bounded() {
    assert_defused("long_labels");
}

#[test]
fn bombs_of_long_routes_stay_bounded() {
    assert_defused("long_routes");
}

#[test]
fn bombs_of_long_event_words_stay_bounded() {
    assert_defused("long_events");
}

#[test]
fn bombs_of_exemplars_stay_bounded() {
    assert_defused("empty_exemplars");
    assert_defused("empty_sampling");
    assert_defused("long_exemplars");
}

#[test]
fn bombs_of_long_networks_stay_bounded() {
    assert_defused("long_networks");
}

#[test]
fn bombs_of_full_sketches_stay_bounded() {
    assert_defused("sketch_entries");
}
