use crmscope_proto::payload::{Contents, seal};
use crmscope_proto::v1::{ClockReading, Heartbeat};
use proptest::prelude::*;

use super::*;
use crate::judge::Verdict;

const NOW: i64 = 1_790_000_000_000;

fn entry(agent_id: &str, sequence: u64, received_ms: i64) -> Entry {
    let beat = Heartbeat {
        clock: Some(ClockReading {
            wall_ms: NOW,
            boottime_ms: 5,
            monotonic_ms: 4,
        }),
        beat: sequence,
        ..Heartbeat::default()
    };
    let contents = Contents {
        heartbeats: vec![beat],
        ..Contents::default()
    };
    let envelope = Batch {
        agent_id: agent_id.to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: Lane::Presence.into(),
        sequence,
        created_ms: NOW,
        ..Batch::default()
    };
    judge(&seal(&contents, envelope).unwrap(), received_ms).unwrap()
}

fn parts<'a>(entry: &'a Entry, received_ms: &'a str) -> Parts<'a> {
    Parts {
        key: Some(entry.identity.agent_id.as_bytes()),
        value: Some(&entry.encoded),
        schema: Some(SCHEMA.as_bytes()),
        lane: Some(entry.identity.lane.name().as_bytes()),
        received_ms: Some(received_ms.as_bytes()),
    }
}

fn decode_headers(entry: &Entry) -> Result<Entry, Poison> {
    let headers = headers(entry);
    let message = rdkafka::message::OwnedMessage::new(
        Some(entry.encoded.to_vec()),
        Some(entry.identity.agent_id.clone().into_bytes()),
        "crmscope.presence.v1".to_owned(),
        rdkafka::Timestamp::NotAvailable,
        0,
        0,
        Some(headers),
    );
    decode_message(Lane::Presence, &message)
}

#[test]
fn each_fault_has_its_word() {
    let entry = entry("crm-web-01", 7, NOW);
    let now = NOW.to_string();
    let good = parts(&entry, &now);
    assert_eq!(decode(Lane::Presence, good), Ok(entry.clone()));
    let large = vec![0; VALUE_MAX_BYTES + 1];
    let mut anonymous = Batch::decode(&*entry.encoded).unwrap();
    anonymous.agent_id.clear();
    let anonymous = anonymous.encode_to_vec();
    let mut other_lane = Batch::decode(&*entry.encoded).unwrap();
    other_lane.lane = Lane::Metrics.into();
    let other_lane = other_lane.encode_to_vec();
    for (word, bad) in [
        (
            "value_missing",
            Parts {
                value: None,
                ..good
            },
        ),
        (
            "value_too_large",
            Parts {
                value: Some(&large),
                ..good
            },
        ),
        (
            "header",
            Parts {
                schema: None,
                ..good
            },
        ),
        ("header", Parts { lane: None, ..good }),
        (
            "header",
            Parts {
                received_ms: None,
                ..good
            },
        ),
        (
            "schema",
            Parts {
                schema: Some(b"crmscope.v1.Batch/2"),
                ..good
            },
        ),
        (
            "lane",
            Parts {
                lane: Some(b"metrics"),
                ..good
            },
        ),
        (
            "lane",
            Parts {
                value: Some(&other_lane),
                ..good
            },
        ),
        (
            "received_ms",
            Parts {
                received_ms: Some(b""),
                ..good
            },
        ),
        (
            "received_ms",
            Parts {
                received_ms: Some(b"-1"),
                ..good
            },
        ),
        (
            "received_ms",
            Parts {
                received_ms: Some(b"+1"),
                ..good
            },
        ),
        (
            "received_ms",
            Parts {
                received_ms: Some(b"01"),
                ..good
            },
        ),
        (
            "received_ms",
            Parts {
                received_ms: Some(b"10000000000000"),
                ..good
            },
        ),
        (
            "received_ms",
            Parts {
                received_ms: Some(b"\xff<b>"),
                ..good
            },
        ),
        (
            "undecodable",
            Parts {
                value: Some(b"\xff\xff\xff"),
                ..good
            },
        ),
        (
            "envelope",
            Parts {
                value: Some(b""),
                ..good
            },
        ),
        (
            "envelope",
            Parts {
                value: Some(&anonymous),
                ..good
            },
        ),
        ("key", Parts { key: None, ..good }),
        (
            "key",
            Parts {
                key: Some(b"crm-web-02"),
                ..good
            },
        ),
    ] {
        let poison = decode(Lane::Presence, bad).unwrap_err();
        assert_eq!(poison.reason, word, "{}", poison.detail);
        assert!(poison.detail.is_ascii(), "{}", poison.detail);
    }
    let poison = decode(Lane::Metrics, good).unwrap_err();
    assert_eq!(poison.reason, "lane");
}

#[test]
fn a_header_of_ours_stands_once_and_others_do_not_matter() {
    let entry = entry("crm-web-01", 7, NOW);
    let message = |name| {
        let more = headers(&entry).insert(Header {
            key: name,
            value: Some("presence"),
        });
        rdkafka::message::OwnedMessage::new(
            Some(entry.encoded.to_vec()),
            Some(b"crm-web-01".to_vec()),
            String::new(),
            rdkafka::Timestamp::NotAvailable,
            0,
            0,
            Some(more),
        )
    };
    assert_eq!(
        decode_message(Lane::Presence, &message("traceparent")),
        Ok(entry.clone())
    );
    let poison = decode_message(Lane::Presence, &message("lane")).unwrap_err();
    assert_eq!(poison.reason, "header");
}

#[test]
fn what_the_door_rejected_is_rejected_again() {
    let late = entry("crm-web-01", 7, NOW + 400 * 86_400_000);
    assert!(matches!(late.verdict, Verdict::Rejected(_)));
    assert_eq!(decode_headers(&late), Ok(late.clone()));
}

proptest! {
    #[test]
    fn any_entry_comes_back_as_it_was(
        agent_id in "[A-Za-z0-9][A-Za-z0-9._-]{0,127}",
        sequence in 1..u64::MAX >> 2,
        received_ms in 0..=RECEIVED_MAX_MS,
    ) {
        let entry = entry(&agent_id, sequence, received_ms);
        prop_assert_eq!(decode_headers(&entry), Ok(entry));
    }

    #[test]
    fn no_bytes_are_a_panic(
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..400)),
        schema in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        received_ms in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
    ) {
        let whole = Parts {
            key: key.as_deref(),
            value: value.as_deref(),
            schema: Some(SCHEMA.as_bytes()),
            lane: Some(b"presence"),
            received_ms: Some(b"1790000000000"),
        };
        let _ = decode(Lane::Presence, whole);
        let broken = Parts {
            schema: schema.as_deref(),
            received_ms: received_ms.as_deref(),
            ..whole
        };
        prop_assert!(decode(Lane::Presence, broken).is_err());
    }

    #[test]
    fn no_broken_batch_is_a_panic(
        at in 0usize..1000,
        byte in any::<u8>(),
        end in 0usize..1000,
    ) {
        let entry = entry("crm-web-01", 7, NOW);
        let mut value = entry.encoded.to_vec();
        let at = at % value.len();
        value[at] = byte;
        let end = end % (value.len() + 1);
        let now = NOW.to_string();
        for value in [&value[..], &value[..end]] {
            let _ = decode(Lane::Presence, Parts { value: Some(value), ..parts(&entry, &now) });
        }
    }
}
