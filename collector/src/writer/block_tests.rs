use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::payload::SecurityRow;
use crmscope_proto::payload::{Contents, seal};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{
    Batch, ClockReading, DropRange, DropReason, Heartbeat, LaneState, SecurityEvent,
};
use crmscope_proto::{Lane, Sketch};
use proptest::prelude::*;

use super::*;
use crate::judge::{Verdict, judge};
use crate::storage::JournalRow;
use crate::writer::journal;

const NOW: i64 = 1_790_000_000_000;

fn series(device: u8, rows: u8, start: i64) -> SeriesTable {
    let kind = [SeriesKind::Disk, SeriesKind::Filesystem, SeriesKind::Host][device as usize % 3];
    let labels = kind.labels().iter().map(|label| format!("{label}{device}"));
    let mut table = SeriesTable::new(kind, labels.collect());
    for row in 0..=rows {
        let values: Vec<Option<u64>> = (0..kind.metrics().len())
            .map(|metric| Some(metric as u64 * 1000 + u64::from(row)))
            .collect();
        table
            .push(start + i64::from(row) * 1000, 1000, &values)
            .unwrap();
    }
    table
}

fn contents(lane: Lane, seed: u8, rows: u8, skew: i64) -> Contents {
    let time_ms = NOW - 60_000 + skew;
    match lane {
        Lane::Requests => Contents {
            requests: (0..=rows)
                .map(|row| RequestRow {
                    bucket_start_ms: time_ms.div_euclid(10_000) * 10_000,
                    service: format!("s{}", seed % 2),
                    route: format!("/r/{row}"),
                    method: "GET".to_owned(),
                    status_class: row % 6,
                    requests: row.into(),
                    response_bytes: 7,
                    latency: Sketch::from_parts([(i16::from(seed), 3)], 9, 9),
                    upstream: Sketch::from_parts([(i16::from(seed), 2)], 8, 8),
                })
                .collect(),
            clients: (0..=rows)
                .map(|row| ClientRow {
                    window_start_ms: time_ms.div_euclid(60_000) * 60_000,
                    service: format!("s{}", seed % 2),
                    network: format!("10.0.{row}.0/24"),
                    requests: row.into(),
                    ..ClientRow::default()
                })
                .collect(),
            exemplars: (0..=rows)
                .map(|row| ExemplarRow {
                    time_ms,
                    kind: [ExemplarKind::Slow, ExemplarKind::Failed][usize::from(row % 2)],
                    service: format!("s{}", seed % 2),
                    route: format!("/r/{row}"),
                    method: "GET".to_owned(),
                    status: 500,
                    response_bytes: 7,
                    latency_us: (row > 1).then_some(9),
                    upstream_latency_us: None,
                    network: "10.0.0.0/24".to_owned(),
                    target: format!("/r/{row}"),
                })
                .collect(),
            sampling: vec![SamplingRow {
                bucket_start_ms: time_ms.div_euclid(10_000) * 10_000,
                service: format!("s{}", seed % 2),
                kind: ExemplarKind::Failed,
                eligible: 9,
                kept: 1,
            }],
            ..Contents::default()
        },
        Lane::Security => Contents {
            security: (0..=rows)
                .map(|row| SecurityRow {
                    event: SecurityEvent {
                        event_id: vec![row; 16],
                        time_ms,
                        class_uid: 3002,
                        user: format!("u\u{0}{seed}'"),
                        ..SecurityEvent::default()
                    },
                    kind: "ssh_login".to_owned(),
                    service: "sshd".to_owned(),
                    method: String::new(),
                })
                .collect(),
            ..Contents::default()
        },
        Lane::Presence => Contents {
            heartbeats: vec![Heartbeat {
                clock: Some(ClockReading {
                    wall_ms: time_ms,
                    ..ClockReading::default()
                }),
                lanes: vec![LaneState {
                    lane: Lane::Metrics.into(),
                    next_sequence: 3,
                    ..LaneState::default()
                }],
                ..Heartbeat::default()
            }],
            drops: vec![DropRange {
                spool_id: vec![3; 16],
                lane: Lane::Metrics.into(),
                first_sequence: 1,
                last_sequence: 2,
                items: 5,
                reason: DropReason::SpoolFull.into(),
                ..DropRange::default()
            }],
            ..Contents::default()
        },
        _ => Contents {
            series: vec![
                series(seed, rows, time_ms),
                series(seed / 2, rows, time_ms - 5000),
            ],
            ..Contents::default()
        },
    }
}

prop_compose! {
    fn batch()(
        agent in 0u8..3, lane in 0usize..4, sequence in 1u64..100, seed: u8, rows in 0u8..5,
        skew in prop_oneof![9 => -1000i64..1000, 1 => Just(-366 * 86_400_000)],
        damaged in prop::bool::weighted(0.1),
    ) -> Batch {
        let lane = Lane::BY_URGENCY[lane];
        let envelope = Batch {
            agent_id: format!("agent-{agent}"),
            boot_id: vec![1; 16],
            start_id: vec![2; 16],
            spool_id: vec![agent; 16],
            lane: lane.into(),
            sequence,
            created_ms: NOW,
            ..Batch::default()
        };
        let mut batch = seal(&contents(lane, seed, rows, skew), envelope).unwrap();
        if damaged {
            batch.payload = batch.payload.slice(1..);
        }
        batch
    }
}

/// What a block's journal rows are turned into, after a restart.
fn replayed(block: u64, entries: &[Entry]) -> Vec<Insert> {
    let rows = entries.iter().map(|entry| JournalRow {
        received_ms: entry.received_ms,
        batch: entry.encoded.clone(),
    });
    build(block, &journal::replay(block, rows.collect()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_replay_builds_the_same_bytes_however_batches_arrived(
        batches in prop::collection::vec(batch(), 1..20),
        cuts in prop::collection::vec(0usize..20, 0..4),
    ) {
        let at_once: Vec<Entry> = batches.iter().map(|batch| judge(batch, NOW).unwrap()).collect();
        // The same rows, gathered in several goes.
        let mut in_pieces = Vec::new();
        let mut rest = &batches[..];
        for cut in cuts {
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            in_pieces.extend(piece.iter().map(|batch| judge(batch, NOW).unwrap()));
            rest = later;
        }
        in_pieces.extend(rest.iter().map(|batch| judge(batch, NOW).unwrap()));

        let built = build(7, &at_once);
        prop_assert_eq!(&built, &build(7, &in_pieces));
        prop_assert_eq!(&built, &replayed(7, &at_once));
        prop_assert_eq!(journal::insert(7, &at_once), journal::insert(7, &in_pieces));
    }

    #[test]
    fn every_batch_is_in_the_ledger_once(batches in prop::collection::vec(batch(), 1..20)) {
        let entries: Vec<Entry> = batches.iter().map(|batch| judge(batch, NOW).unwrap()).collect();
        let built = build(7, &entries);
        let rows = |table: &str| built.iter().find(|insert| insert.table == table).map_or(0, |insert| insert.rows);
        let drops: usize = entries.iter().filter_map(Entry::contents).map(|contents| contents.drops.len()).sum();
        let rejected = entries.iter().filter(|entry| matches!(entry.verdict, Verdict::Rejected(_))).count();
        prop_assert_eq!(rows("ledger"), entries.len() + drops);
        prop_assert_eq!(rows("dead_letters"), rejected);
        prop_assert_eq!(built.last().map(|insert| insert.table), Some("ledger"));
        let items: usize = entries.iter().filter_map(Entry::contents).map(Contents::items).sum();
        let stored: usize = built.iter().filter(|insert| !matches!(insert.table, "ledger" | "dead_letters" | "lane_states" | "refused_rules" | "arrivals" | "security_arrivals" | "baseline_arrivals")).map(|insert| insert.rows).sum();
        prop_assert_eq!(stored + drops, items);
    }
}

#[test]
fn tokens_name_table_and_block() {
    let envelope = Batch {
        agent_id: "a".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: Lane::Metrics.into(),
        sequence: 1,
        created_ms: NOW,
        ..Batch::default()
    };
    let batch = seal(&contents(Lane::Metrics, 0, 1, 0), envelope).unwrap();
    let built = build(41, &[judge(&batch, NOW).unwrap()]);
    let tokens: Vec<&str> = built.iter().map(|insert| insert.token.as_str()).collect();
    assert_eq!(tokens, ["disk_raw-41", "ledger-41"]);
    assert!(
        built[1]
            .statement
            .starts_with("INSERT INTO crmscope.ledger (agent_id, boot_id,")
    );
}

#[test]
fn uuids_sort_by_their_second_half_first() {
    let id = |first: u8, second: u8| {
        let mut bytes = [first; 16];
        bytes[8..].fill(second);
        Id(bytes)
    };
    assert!(uuid_order(id(9, 1)) < uuid_order(id(1, 2)));
    assert!(uuid_order(id(1, 1)) < uuid_order(id(2, 1)));
}
