//! Messages that say what cannot be.

use super::*;

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
