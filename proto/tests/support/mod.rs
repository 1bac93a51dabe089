//! Contents of any kind for the tests of this crate, and the seed they are drawn from.
#![allow(dead_code, reason = "every test file uses its part")]

use crmscope_proto::catalog::{Presence, SeriesKind};
use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::limits::{
    CLIENT_WINDOW_MS, EVENT_RULES_MAX, REQUEST_BUCKET_MS, STRING_MAX_BYTES,
};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::sketch::{INDEX_MAX, Sketch};
use crmscope_proto::v1::{
    Batch, ChainHead, ClockReading, DropRange, Heartbeat, LaneState, RefusedRule, RulesState,
    SecurityEvent, SettingsState,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Repeats a run: the seed a failed one printed.
const SEED_VARIABLE: &str = "CRMSCOPE_TEST_SEED";

/// Nothing is written to the tree; a failed test shows its seed instead.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let seed = std::env::var(SEED_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand_seed);
    println!("repeat with {SEED_VARIABLE}={seed}");
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// An envelope as an agent fills it; `seal` does the rest.
pub(crate) fn envelope() -> Batch {
    Batch {
        agent_id: "crm-web-01".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: 1,
        sequence: 7,
        created_ms: 1_790_000_000_000,
        ..Batch::default()
    }
}

/// Figures: extremes, the sign bit, and small ones that are often equal.
pub(crate) fn figure() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        Just(0),
        Just(u64::MAX),
        Just(i64::MAX.unsigned_abs()),
        Just(i64::MIN.unsigned_abs()),
        0..3u64,
    ]
}

/// Times: extremes and neighbours.
pub(crate) fn time_ms() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        1_790_000_000_000..1_790_000_010_000i64,
    ]
}

/// Texts within the limit, the longest ones included.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => vec(any::<char>(), 0..8).prop_map(String::from_iter),
        4 => "[ab]{0,2}",
        1 => Just("x".repeat(STRING_MAX_BYTES)),
        1 => Just("ä".repeat(STRING_MAX_BYTES / 2)),
    ]
}

/// A column of so many rows: every figure its own, or all equal.
fn column(rows: usize) -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        vec(figure(), rows),
        figure().prop_map(move |one| vec![one; rows]),
    ]
}

/// A table of any kind, with any of its optional figures.
pub(crate) fn table() -> impl Strategy<Value = SeriesTable> {
    (
        proptest::sample::select(SeriesKind::ALL.to_vec()),
        1..6usize,
    )
        .prop_flat_map(|(kind, rows)| {
            let columns: Vec<_> = kind
                .metrics()
                .iter()
                .map(|metric| {
                    let required = metric.presence == Presence::Required;
                    (any::<bool>(), column(rows))
                        .prop_map(move |(here, column)| (here || required).then_some(column))
                })
                .collect();
            (
                vec(text(), kind.labels().len()),
                vec(time_ms(), rows),
                prop_oneof![
                    vec(any::<u32>(), rows),
                    any::<u32>().prop_map(move |one| vec![one; rows])
                ],
                columns,
            )
                .prop_map(move |(labels, times, intervals, columns)| {
                    let mut table = SeriesTable::new(kind, labels);
                    for row in 0..rows {
                        let values: Vec<_> = columns
                            .iter()
                            .map(|column| column.as_ref().map(|values| values[row]))
                            .collect();
                        table
                            .push(times[row], intervals[row], &values)
                            .expect("a row of the table's own shape fits");
                    }
                    table
                })
        })
}

/// Any sketch within the bucket range, counts and totals at their extremes included.
pub(crate) fn sketch() -> impl Strategy<Value = Sketch> {
    (
        btree_map(0..=INDEX_MAX, figure(), 0..14),
        figure(),
        figure(),
    )
        .prop_map(|(buckets, sum_us, max_us)| Sketch::from_parts(buckets, sum_us, max_us))
}

/// Counters with keys that often repeat.
pub(crate) fn request_row() -> impl Strategy<Value = RequestRow> {
    let limit = i64::MAX / REQUEST_BUCKET_MS;
    (
        prop_oneof![0..3i64, -limit..=limit, Just(limit), Just(-limit)],
        text(),
        text(),
        text(),
        0..=5u8,
        figure(),
        figure(),
        [
            sketch().boxed(),
            prop_oneof![Just(Sketch::default()).boxed(), sketch().boxed()].boxed(),
        ],
    )
        .prop_map(
            |(
                bucket,
                service,
                route,
                method,
                status_class,
                requests,
                response_bytes,
                [latency, upstream],
            )| {
                RequestRow {
                    bucket_start_ms: bucket * REQUEST_BUCKET_MS,
                    service,
                    route,
                    method,
                    status_class,
                    requests,
                    response_bytes,
                    latency,
                    upstream,
                }
            },
        )
}

/// Networks with keys that often repeat.
pub(crate) fn client_row() -> impl Strategy<Value = ClientRow> {
    let limit = i64::MAX / CLIENT_WINDOW_MS;
    (
        prop_oneof![0..3i64, -limit..=limit, Just(limit), Just(-limit)],
        [text(), text()],
        vec(figure(), 5),
    )
        .prop_map(|(window, [service, network], figures)| ClientRow {
            window_start_ms: window * CLIENT_WINDOW_MS,
            service,
            network,
            requests: figures[0],
            client_errors: figures[1],
            server_errors: figures[2],
            response_bytes: figures[3],
            in_other_max: figures[4],
        })
}

fn exemplar_kind() -> impl Strategy<Value = ExemplarKind> {
    proptest::sample::select(vec![ExemplarKind::Slow, ExemplarKind::Failed])
}

/// Any exemplar.
pub(crate) fn exemplar_row() -> impl Strategy<Value = ExemplarRow> {
    (
        (time_ms(), exemplar_kind(), 0..=999u16, figure()),
        [text(), text(), text()],
        [text(), text()],
        proptest::option::of(figure()),
        proptest::option::of(figure()),
    )
        .prop_map(
            |(
                (time_ms, kind, status, response_bytes),
                [service, route, method],
                [network, target],
                latency_us,
                upstream_latency_us,
            )| ExemplarRow {
                time_ms,
                kind,
                service,
                route,
                method,
                status,
                response_bytes,
                latency_us,
                upstream_latency_us,
                network,
                target,
            },
        )
}

/// Any account of sampling.
pub(crate) fn sampling_row() -> impl Strategy<Value = SamplingRow> {
    let limit = i64::MAX / REQUEST_BUCKET_MS;
    (-limit..=limit, text(), exemplar_kind(), figure(), figure()).prop_map(
        |(bucket, service, kind, eligible, kept)| SamplingRow {
            bucket_start_ms: bucket * REQUEST_BUCKET_MS,
            service,
            kind,
            eligible,
            kept,
        },
    )
}

/// Any event. References are left at 0, as both ends keep them.
pub(crate) fn security_row() -> impl Strategy<Value = SecurityRow> {
    (
        (
            any::<[u8; 16]>(),
            time_ms(),
            any::<[u32; 7]>(),
            any::<u64>(),
        ),
        [text(), text(), text(), text()],
        [text(), text(), text()],
        vec("[a-z0-9-]{1,40}", 0..=EVENT_RULES_MAX),
    )
        .prop_map(
            |((event_id, time_ms, numbers, records), texts, [kind, service, method], rules)| {
                let [user, target_user, source_address, detail] = texts;
                SecurityRow {
                    event: SecurityEvent {
                        event_id: event_id.to_vec(),
                        time_ms,
                        class_uid: numbers[0],
                        activity_id: numbers[1],
                        status_id: numbers[2],
                        severity_id: numbers[3],
                        source_port: numbers[4],
                        process_id: numbers[5],
                        count: numbers[6],
                        records,
                        user,
                        target_user,
                        source_address,
                        detail,
                        rules,
                        ..SecurityEvent::default()
                    },
                    kind,
                    service,
                    method,
                }
            },
        )
}

fn clock() -> impl Strategy<Value = ClockReading> {
    (time_ms(), figure(), figure()).prop_map(|(wall_ms, boottime_ms, monotonic_ms)| ClockReading {
        wall_ms,
        boottime_ms,
        monotonic_ms,
    })
}

fn chain_head() -> impl Strategy<Value = ChainHead> {
    (figure(), any::<i64>(), any::<[u8; 32]>()).prop_map(|(sequence, created_ms, link)| ChainHead {
        sequence,
        created_ms,
        link: link.to_vec(),
    })
}

fn lane_state() -> impl Strategy<Value = LaneState> {
    let chain = proptest::option::of(chain_head());
    (any::<i32>(), vec(figure(), 6), chain).prop_map(|(lane, figures, chain)| LaneState {
        lane,
        next_sequence: figures[0],
        acked_sequence: figures[1],
        queued_batches: figures[2],
        queued_bytes: figures[3],
        dropped_batches: figures[4],
        dropped_items: figures[5],
        chain,
    })
}

fn rules_state() -> impl Strategy<Value = RulesState> {
    (vec(figure(), 4), any::<[u32; 3]>()).prop_map(|(figures, [rules, usable_rules, refused])| {
        RulesState {
            version: figures[0],
            attempted_version: figures[1],
            rules,
            usable_rules,
            refused,
            matched_events: figures[2],
            unnamed_rules: figures[3],
            takes_delivered: rules % 2 == 0,
            delivered_version: figures[1],
            delivered_attempted_version: figures[2],
            delivered_rules: usable_rules,
        }
    })
}

fn refused_rule() -> impl Strategy<Value = RefusedRule> {
    (
        any::<bool>(),
        any::<String>(),
        any::<u32>(),
        any::<String>(),
    )
        .prop_map(|(delivered, file, line, reason)| RefusedRule {
            delivered,
            file,
            line,
            reason,
        })
}

fn settings_state() -> impl Strategy<Value = SettingsState> {
    (vec(figure(), 2), any::<[bool; 3]>(), any::<String>()).prop_map(
        |(versions, [takes_delivered, on_probation, rolled_back], error)| SettingsState {
            takes_delivered,
            version: versions[0],
            attempted_version: versions[1],
            on_probation,
            rolled_back,
            error,
        },
    )
}

/// Any heartbeat.
pub(crate) fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    (
        proptest::option::of(clock()),
        vec(figure(), 5),
        vec(lane_state(), 0..5),
        proptest::option::of(time_ms()),
        any::<[bool; 2]>(),
        0..7,
        proptest::option::of(rules_state()),
        vec(refused_rule(), 0..3),
        proptest::option::of(settings_state()),
    )
        .prop_map(
            |(
                clock,
                figures,
                lanes,
                clock_offset_ms,
                [goodbye, host_stops],
                spool_state,
                rules,
                refused_rules,
                settings,
            )| {
                Heartbeat {
                    clock,
                    uptime_ms: figures[0],
                    beat: figures[1],
                    agent_cpu_us: figures[2],
                    agent_resident_bytes: figures[3],
                    lanes,
                    clock_offset_ms,
                    config_version: figures[4],
                    goodbye,
                    spool_state,
                    host_stops,
                    rules,
                    refused_rules,
                    settings,
                }
            },
        )
}

/// Any dropped range.
pub(crate) fn drop_range() -> impl Strategy<Value = DropRange> {
    (
        vec(any::<u8>(), 0..20),
        any::<[i32; 2]>(),
        vec(figure(), 3),
        [time_ms(), time_ms()],
    )
        .prop_map(
            |(spool_id, [lane, reason], figures, [first_ms, last_ms])| DropRange {
                spool_id,
                lane,
                first_sequence: figures[0],
                last_sequence: figures[1],
                items: figures[2],
                first_ms,
                last_ms,
                reason,
            },
        )
}

/// Anything of everything, mixed across lanes as no agent would.
pub(crate) fn contents() -> impl Strategy<Value = Contents> {
    (
        vec(table(), 0..5),
        vec(request_row(), 0..8),
        (
            vec(client_row(), 0..6),
            vec(exemplar_row(), 0..4),
            vec(sampling_row(), 0..4),
        ),
        vec(security_row(), 0..5),
        vec(heartbeat(), 0..3),
        vec(drop_range(), 0..3),
    )
        .prop_map(
            |(series, requests, (clients, exemplars, sampling), security, heartbeats, drops)| {
                Contents {
                    series,
                    requests,
                    clients,
                    exemplars,
                    sampling,
                    security,
                    heartbeats,
                    drops,
                }
            },
        )
}
