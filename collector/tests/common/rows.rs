//! Batches with known figures in them.

use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::payload::{Contents, SecurityRow, seal};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{Batch, ClockReading, Heartbeat, LaneState, SecurityEvent};
use crmscope_proto::{Lane, SeriesKind, Sketch};

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("in range")
}

/// A table of rows one second apart that end at `end_ms`. Metric m of row r is m · 100 + r.
pub(crate) fn series(
    kind: SeriesKind,
    label: &str,
    rows: u64,
    end_ms: i64,
    optional: bool,
) -> SeriesTable {
    use crmscope_proto::catalog::Presence;
    let labels = kind.labels().iter().map(|name| format!("{name} {label}"));
    let mut table = SeriesTable::new(kind, labels.collect());
    for row in 0..rows {
        let values: Vec<Option<u64>> = kind
            .metrics()
            .iter()
            .enumerate()
            .map(|(position, metric)| {
                let there = optional || metric.presence == Presence::Required;
                there.then_some(position as u64 * 100 + row)
            })
            .collect();
        let time_ms = end_ms - i64::try_from(rows - 1 - row).expect("few rows") * 1000;
        table.push(time_ms, 1000, &values).expect("a row that fits");
    }
    table
}

/// Ten rows of what the lane carries.
pub(crate) fn contents(lane: Lane, sequence: u64, next_sequence: u64) -> Contents {
    let time_ms = now_ms();
    match lane {
        Lane::Metrics => Contents {
            series: vec![
                series(SeriesKind::Host, "", 5, time_ms, true),
                series(SeriesKind::Disk, "sda", 5, time_ms, true),
            ],
            ..Contents::default()
        },
        Lane::Requests => Contents {
            requests: (0..10)
                .map(|row| {
                    let mut latency = Sketch::default();
                    latency.record(1000 * (row + 1));
                    latency.record(sequence);
                    let mut upstream = Sketch::default();
                    upstream.record(900 * (row + 1));
                    RequestRow {
                        bucket_start_ms: time_ms.div_euclid(10_000) * 10_000,
                        service: "crm".to_owned(),
                        route: format!("/account/{row}"),
                        method: "GET".to_owned(),
                        status_class: if row == 0 { 5 } else { 2 },
                        requests: 2,
                        response_bytes: 100,
                        latency,
                        upstream,
                    }
                })
                .collect(),
            ..Contents::default()
        },
        Lane::Security => Contents {
            security: (0..10)
                .map(|row| SecurityRow {
                    event: SecurityEvent {
                        event_id: vec![row; 16],
                        time_ms,
                        class_uid: 3002,
                        activity_id: 1,
                        status_id: 2,
                        severity_id: 3,
                        user: "o'brien\u{0}<b>é".to_owned(),
                        source_address: "192.0.2.7".to_owned(),
                        source_port: 65_535,
                        process_id: 42,
                        records: u64::MAX - u64::from(row),
                        rules: (0..row % 3).map(|rule| format!("rule-{rule}")).collect(),
                        ..SecurityEvent::default()
                    },
                    kind: "ssh_login".to_owned(),
                    service: "sshd".to_owned(),
                    method: "password".to_owned(),
                })
                .collect(),
            ..Contents::default()
        },
        _ => Contents {
            heartbeats: (0..10)
                .map(|beat| Heartbeat {
                    clock: Some(ClockReading {
                        wall_ms: time_ms - 9 + beat,
                        boottime_ms: 5,
                        monotonic_ms: 4,
                    }),
                    beat: sequence,
                    lanes: vec![LaneState {
                        lane: Lane::Metrics.into(),
                        next_sequence,
                        ..LaneState::default()
                    }],
                    clock_offset_ms: (beat == 0).then_some(-7),
                    ..Heartbeat::default()
                })
                .collect(),
            ..Contents::default()
        },
    }
}

/// Two networks, two exemplars and their sampling.
pub(crate) fn clients_and_exemplars() -> Contents {
    let time_ms = now_ms();
    let client = |network: &str, requests, in_other_max| ClientRow {
        window_start_ms: time_ms.div_euclid(60_000) * 60_000,
        service: "crm".to_owned(),
        network: network.to_owned(),
        requests,
        client_errors: 2,
        server_errors: 1,
        response_bytes: 300,
        in_other_max,
    };
    let exemplar = |kind, status, latency_us| ExemplarRow {
        time_ms,
        kind,
        service: "crm".to_owned(),
        route: "/account/{id}".to_owned(),
        method: "GET".to_owned(),
        status,
        response_bytes: 5,
        latency_us,
        upstream_latency_us: latency_us.map(|latency: u64| latency - 1),
        network: "192.0.2.0/24".to_owned(),
        target: "/account/{id}".to_owned(),
    };
    Contents {
        clients: vec![client("192.0.2.0/24", 7, 1), client("OTHER", 4, 2)],
        exemplars: vec![
            exemplar(ExemplarKind::Slow, 200, Some(5_000_000)),
            exemplar(ExemplarKind::Failed, 503, None),
        ],
        sampling: vec![SamplingRow {
            bucket_start_ms: time_ms.div_euclid(10_000) * 10_000,
            service: "crm".to_owned(),
            kind: ExemplarKind::Failed,
            eligible: 9,
            kept: 1,
        }],
        ..Contents::default()
    }
}

/// A batch of an agent whose ids are made of one byte.
pub(crate) fn batch(agent_id: &str, lane: Lane, sequence: u64, contents: &Contents) -> Batch {
    let envelope = Batch {
        agent_id: agent_id.to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: lane.into(),
        sequence,
        created_ms: now_ms(),
        ..Batch::default()
    };
    seal(contents, envelope).expect("a batch within the limits")
}
