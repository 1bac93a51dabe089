//! Bytes that were cut, flipped or made up.

use super::*;

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
