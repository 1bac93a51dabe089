use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::limits::{TIMESTAMP_MAX_FUTURE_MS, TIMESTAMP_MAX_PAST_MS};
use crmscope_proto::payload::{SecurityRow, seal};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{ClockReading, Heartbeat, LaneState, SecurityEvent};
use crmscope_proto::{SeriesKind, Sketch};

use super::*;

const NOW: i64 = 1_790_000_000_000;
const YEAR_MS: i64 = 365 * 86_400_000;

fn envelope(lane: Lane) -> Batch {
    Batch {
        agent_id: "crm-web-01".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: lane.into(),
        sequence: 1,
        created_ms: NOW,
        ..Batch::default()
    }
}

fn metrics(timestamp_ms: i64) -> Contents {
    let mut table = SeriesTable::new(SeriesKind::Source, vec!["host".to_owned()]);
    table
        .push(NOW, 1000, &[Some(1); SourceMetric::COUNT])
        .unwrap();
    table
        .push(timestamp_ms, 1000, &[Some(1); SourceMetric::COUNT])
        .unwrap();
    Contents {
        series: vec![table],
        ..Contents::default()
    }
}

fn event(event: SecurityEvent) -> Contents {
    let event = SecurityEvent {
        event_id: vec![4; 16],
        time_ms: NOW,
        ..event
    };
    Contents {
        security: vec![SecurityRow {
            event,
            ..SecurityRow::default()
        }],
        ..Contents::default()
    }
}

fn presence(beat: Heartbeat) -> Contents {
    Contents {
        heartbeats: vec![beat],
        ..Contents::default()
    }
}

fn beat(lanes: &[i32]) -> Heartbeat {
    let lanes = lanes.iter().map(|&lane| LaneState {
        lane,
        ..LaneState::default()
    });
    Heartbeat {
        clock: Some(ClockReading {
            wall_ms: NOW,
            ..ClockReading::default()
        }),
        lanes: lanes.collect(),
        ..Heartbeat::default()
    }
}

fn request(upstream: Sketch) -> Contents {
    Contents {
        requests: vec![RequestRow {
            bucket_start_ms: NOW,
            service: "crm".to_owned(),
            route: "/".to_owned(),
            method: "GET".to_owned(),
            status_class: 2,
            requests: 1,
            response_bytes: 1,
            latency: Sketch::default(),
            upstream,
        }],
        ..Contents::default()
    }
}

fn client(change: fn(&mut ClientRow)) -> Contents {
    let mut row = ClientRow {
        window_start_ms: NOW - NOW % 60_000,
        requests: 5,
        client_errors: 2,
        server_errors: 3,
        ..ClientRow::default()
    };
    change(&mut row);
    Contents {
        clients: vec![row],
        ..Contents::default()
    }
}

fn exemplar(time_ms: i64, network: &str) -> Contents {
    Contents {
        exemplars: vec![ExemplarRow {
            time_ms,
            kind: ExemplarKind::Slow,
            service: "crm".to_owned(),
            route: "/".to_owned(),
            method: "GET".to_owned(),
            status: 200,
            response_bytes: 1,
            latency_us: None,
            upstream_latency_us: None,
            network: network.to_owned(),
            target: "/".to_owned(),
        }],
        ..Contents::default()
    }
}

fn sampling(bucket_start_ms: i64, kept: u64) -> Contents {
    Contents {
        sampling: vec![SamplingRow {
            bucket_start_ms,
            service: "crm".to_owned(),
            kind: ExemplarKind::Slow,
            eligible: 4,
            kept,
        }],
        ..Contents::default()
    }
}

#[test]
fn rows_of_the_lane_requests_are_checked() {
    let (out, far) = (Some("time_out_of_range"), Some("value_out_of_range"));
    let overflow = Sketch::from_parts([(1, u64::MAX), (2, 1)], 0, 0);
    let most = Sketch::from_parts([(1, u64::MAX)], 0, 0);
    let (longest, longer) = ("x".repeat(64), "x".repeat(65));
    for (contents, want) in [
        (request(most), None),
        (request(overflow), far),
        (client(|_| ()), None),
        (client(|row| row.requests = 4), far),
        (client(|row| row.client_errors = u64::MAX), far),
        (client(|row| row.network = "x".repeat(65)), far),
        (client(|row| row.window_start_ms += 60_000 * 60 * 24), out),
        (client(|row| row.window_start_ms = 0), out),
        (exemplar(NOW, &longest), None),
        (exemplar(NOW, &longer), far),
        (exemplar(i64::MAX, ""), out),
        (exemplar(NOW - YEAR_MS, ""), out),
        (sampling(NOW, 4), None),
        (sampling(NOW, 5), far),
        (sampling(NOW - YEAR_MS, 1), out),
    ] {
        assert_eq!(reason(Lane::Requests, &contents), want, "{contents:?}");
        assert!(reason(Lane::Metrics, &contents).is_some());
    }
    for contents in [client(|_| ()), exemplar(NOW, ""), sampling(NOW, 1)] {
        assert_eq!(reason(Lane::Security, &contents), Some("wrong_lane"));
    }
}

#[test]
fn exemplars_weigh_what_they_hold() {
    let contents = Contents {
        exemplars: vec![exemplar(NOW, "192.0.2.0/24").exemplars.remove(0); 100],
        ..Contents::default()
    };
    let entry = judge(&seal(&contents, envelope(Lane::Requests)).unwrap(), NOW).unwrap();
    let least = 100 * (size_of::<ExemplarRow>() + 5 * 32);
    assert!(entry.weight() >= least, "{} < {least}", entry.weight());
}

fn drop_range(first_sequence: u64, last_sequence: u64) -> Contents {
    Contents {
        drops: vec![DropRange {
            spool_id: vec![3; 16],
            lane: Lane::Metrics.into(),
            first_sequence,
            last_sequence,
            ..DropRange::default()
        }],
        ..Contents::default()
    }
}

fn reason(lane: Lane, contents: &Contents) -> Option<&'static str> {
    let batch = seal(contents, envelope(lane)).unwrap();
    match judge(&batch, NOW).unwrap().verdict {
        Verdict::Stored(_) => None,
        Verdict::Rejected(rejection) => Some(rejection.reason),
    }
}

#[test]
fn one_row_out_of_range_rejects_the_batch() {
    let (out, far) = (Some("time_out_of_range"), Some("value_out_of_range"));
    let event_of = |change: fn(&mut SecurityEvent)| {
        let mut changed = SecurityEvent::default();
        change(&mut changed);
        event(changed)
    };
    for (lane, contents, want) in [
        (Lane::Metrics, metrics(NOW + 1000), None),
        (Lane::Metrics, metrics(NOW - YEAR_MS), out),
        (Lane::Metrics, metrics(NOW + YEAR_MS), out),
        (Lane::Metrics, metrics(i64::MIN), out),
        (Lane::Metrics, metrics(NOW - TIMESTAMP_MAX_PAST_MS), None),
        (Lane::Metrics, metrics(NOW - TIMESTAMP_MAX_PAST_MS - 1), out),
        (Lane::Metrics, metrics(NOW + TIMESTAMP_MAX_FUTURE_MS), None),
        (
            Lane::Metrics,
            metrics(NOW + TIMESTAMP_MAX_FUTURE_MS + 1),
            out,
        ),
        (Lane::Requests, metrics(NOW), Some("wrong_lane")),
        (Lane::Security, event_of(|_| ()), None),
        (Lane::Security, event_of(|e| e.source_port = 65_536), far),
        (Lane::Security, event_of(|e| e.class_uid = 70_000), far),
        (Lane::Security, event_of(|e| e.severity_id = 256), far),
        (Lane::Presence, presence(beat(&[1, 2, 3, 4])), None),
        (Lane::Presence, presence(beat(&[1, 1])), far),
        (Lane::Presence, presence(beat(&[0])), far),
        (Lane::Presence, presence(beat(&[9])), far),
        (
            Lane::Presence,
            presence(Heartbeat::default()),
            Some("value_missing"),
        ),
        (Lane::Presence, drop_range(1, 9), None),
        (Lane::Presence, drop_range(0, 9), far),
        (Lane::Presence, drop_range(9, 1), far),
        (Lane::Presence, drop_range(1, u64::MAX), far),
    ] {
        assert_eq!(reason(lane, &contents), want, "{contents:?}");
    }
}

#[test]
fn what_cannot_be_opened_is_rejected_with_what_the_envelope_says() {
    let mut batch = seal(&metrics(NOW), envelope(Lane::Metrics)).unwrap();
    batch.payload = batch.payload.slice(..5);
    batch.created_ms = NOW - YEAR_MS;
    let entry = judge(&batch, NOW).unwrap();
    let Verdict::Rejected(rejection) = &entry.verdict else {
        panic!("stored");
    };
    assert_eq!(rejection.reason, "undecodable");
    assert_eq!((entry.items, entry.created_ms), (2, NOW));
    assert_eq!(Batch::decode(entry.encoded.clone()).unwrap(), batch);
    assert_eq!(judge(&batch, NOW).unwrap(), entry);
}

#[test]
fn an_envelope_without_a_name_is_an_error() {
    for (change, want) in [
        ((|b| b.agent_id.clear()) as fn(&mut Batch), "agent_id"),
        (|b| b.boot_id.clear(), "id"),
        (|b| b.spool_id.push(1), "id"),
        (|b| b.lane = 0, "lane"),
        (|b| b.lane = 7, "lane"),
        (|b| b.sequence = 0, "sequence"),
        (|b| b.sequence = u64::MAX, "sequence"),
    ] {
        let mut batch = envelope(Lane::Metrics);
        change(&mut batch);
        assert_eq!(judge(&batch, NOW).unwrap_err().reason(), want);
    }
}

#[test]
fn a_drop_range_has_the_agents_time_where_it_is_one() {
    let batch = seal(&drop_range(1, 2), envelope(Lane::Presence)).unwrap();
    let entry = judge(&batch, NOW + 5).unwrap();
    let mut range = entry.contents().unwrap().drops[0].clone();
    for (times_ms, want) in [
        ((0, 0), (NOW, NOW)),
        ((0, NOW - 9), (NOW - 9, NOW - 9)),
        ((NOW - 30, NOW - 9), (NOW - 30, NOW - 9)),
        ((NOW - 5, NOW - 9), (NOW - 9, NOW - 9)),
        ((NOW - YEAR_MS, NOW - YEAR_MS), (NOW, NOW)),
        ((NOW - 30, NOW - YEAR_MS), (NOW - 30, NOW)),
    ] {
        (range.first_ms, range.last_ms) = times_ms;
        assert_eq!(drop_times_ms(&range, &entry), want);
    }
}

#[test]
fn many_small_tables_weigh_what_their_lists_take() {
    let mut table = SeriesTable::new(SeriesKind::Source, vec!["host".to_owned()]);
    table
        .push(NOW, 1000, &[Some(1); SourceMetric::COUNT])
        .unwrap();
    let contents = Contents {
        series: vec![table; 100],
        ..Contents::default()
    };
    let entry = judge(&seal(&contents, envelope(Lane::Metrics)).unwrap(), NOW).unwrap();
    let lists = entry.contents().unwrap().series.iter().map(|table| {
        // The smallest allocation of malloc is 32 bytes.
        let slots = size_of_val(table.columns()) + size_of_val(table.labels());
        slots + (table.columns().len() + table.labels().len() + 4) * 32
    });
    let least: usize = lists.sum();
    assert!(entry.weight() >= least, "{} < {least}", entry.weight());
}
