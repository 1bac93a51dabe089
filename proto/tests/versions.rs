//! Batches written by older versions must decode to the rows they were made of, for ever.
//!
//! `fixtures/v<version>_<lane>.bin` each hold one encoded `Batch`. They stay as they were written: when the
//! contract grows, add files of the new version and leave these. `CRMSCOPE_WRITE_FIXTURES=1` writes
//! those that are missing from the rows stated here, and never replaces one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;

use crmscope_proto::chain::{Digest, Head, Link, rows_digest, wire_link};
use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarKind, ExemplarRow, SamplingRow};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{
    Batch, ClockReading, DropRange, DropReason, Heartbeat, LaneState, SecurityEvent,
};
use crmscope_proto::{Lane, SeriesKind, Sketch, open, seal};
use prost::Message;

const START_MS: i64 = 1_790_000_000_000;

/// Figures by name, one for each row, as version 1 knew them; a later version may know more.
struct Stated {
    kind: SeriesKind,
    labels: &'static [&'static str],
    timestamps_ms: &'static [i64],
    intervals_ms: &'static [u32],
    figures: &'static [(&'static str, &'static [u64])],
}

const TABLES: [Stated; 6] = [
    Stated {
        kind: SeriesKind::Host,
        labels: &[],
        timestamps_ms: &[START_MS, START_MS + 1000, START_MS + 2001],
        intervals_ms: &[1000, 1000, 1001],
        figures: &[
            ("cpu_user_us", &[120_000, 130_000, 90_000]),
            ("cpu_nice_us", &[0, 0, 0]),
            ("cpu_system_us", &[40_000, 30_000, 50_000]),
            ("cpu_idle_us", &[1_840_000, 1_830_000, 1_860_000]),
            ("cpu_iowait_us", &[0, 10_000, 0]),
            ("cpu_irq_us", &[0, 0, 0]),
            ("cpu_softirq_us", &[0, 0, 1]),
            ("cpu_steal_us", &[0, 0, 0]),
            ("cpu_count", &[2, 2, 2]),
            ("context_switches", &[4211, 3998, 4120]),
            ("interrupts", &[2201, 2150, 2300]),
            ("forks", &[3, 0, 1]),
            ("tasks_running", &[1, 2, 1]),
            ("tasks_blocked", &[0, 1, 0]),
            ("tasks", &[312, 313, 311]),
            ("load1_x100", &[42, 42, 38]),
            ("load5_x100", &[51, 51, 50]),
            ("load15_x100", &[60, 60, 60]),
            (
                "mem_total_bytes",
                &[16_777_216_000, 16_777_216_000, 16_777_216_000],
            ),
            (
                "mem_free_bytes",
                &[1_073_741_824, 1_073_737_728, 1_073_758_208],
            ),
            (
                "mem_available_bytes",
                &[8_589_934_592, 8_589_930_496, 8_589_950_976],
            ),
            ("mem_buffers_bytes", &[4096, 4096, 8192]),
            ("mem_cached_bytes", &[7_000_000, 7_004_096, 6_999_999]),
            ("mem_shared_bytes", &[1, 1, 1]),
            ("mem_slab_bytes", &[2, 1, 2]),
            ("mem_dirty_bytes", &[0, 4096, 0]),
            ("mem_committed_bytes", &[u64::MAX, 0, u64::MAX]),
            ("swap_total_bytes", &[0, 0, 0]),
            ("swap_free_bytes", &[0, 0, 0]),
            ("swap_in_pages", &[0, 0, 0]),
            ("swap_out_pages", &[0, 0, 0]),
            ("page_faults", &[900, 1200, 17]),
            ("major_page_faults", &[0, 0, u64::MAX]),
            ("oom_kills", &[0, 0, 1]),
            ("file_descriptors_used", &[2048, 2049, 2047]),
            (
                "file_descriptors_max",
                &[9_223_372_036_854_775_807, 9_223_372_036_854_775_807, 1],
            ),
            ("uptime_ms", &[86_400_000, 86_401_000, 86_402_001]),
            ("pressure_cpu_some_us", &[100, 0, 2000]),
        ],
    },
    // The optional figures of the control group, without pressure.
    Stated {
        kind: SeriesKind::Host,
        labels: &[],
        timestamps_ms: &[START_MS + 3000],
        intervals_ms: &[999],
        figures: &[
            ("cpu_user_us", &[1]),
            ("cpu_nice_us", &[2]),
            ("cpu_system_us", &[3]),
            ("cpu_idle_us", &[4]),
            ("cpu_iowait_us", &[5]),
            ("cpu_irq_us", &[6]),
            ("cpu_softirq_us", &[7]),
            ("cpu_steal_us", &[8]),
            ("cpu_count", &[9]),
            ("context_switches", &[10]),
            ("interrupts", &[11]),
            ("forks", &[12]),
            ("tasks_running", &[13]),
            ("tasks_blocked", &[14]),
            ("tasks", &[15]),
            ("load1_x100", &[16]),
            ("load5_x100", &[17]),
            ("load15_x100", &[18]),
            ("mem_total_bytes", &[19]),
            ("mem_free_bytes", &[20]),
            ("mem_available_bytes", &[21]),
            ("mem_buffers_bytes", &[22]),
            ("mem_cached_bytes", &[23]),
            ("mem_shared_bytes", &[24]),
            ("mem_slab_bytes", &[25]),
            ("mem_dirty_bytes", &[26]),
            ("mem_committed_bytes", &[27]),
            ("swap_total_bytes", &[28]),
            ("swap_free_bytes", &[29]),
            ("swap_in_pages", &[30]),
            ("swap_out_pages", &[31]),
            ("page_faults", &[32]),
            ("major_page_faults", &[33]),
            ("file_descriptors_used", &[35]),
            ("file_descriptors_max", &[36]),
            ("processes", &[37]),
            ("uptime_ms", &[38]),
            ("pressure_memory_some_us", &[40]),
            ("pressure_memory_full_us", &[41]),
            ("pressure_io_some_us", &[42]),
            ("pressure_io_full_us", &[43]),
            ("cgroup_memory_max_bytes", &[44]),
            ("cgroup_memory_used_bytes", &[45]),
            ("cgroup_cpu_max_us", &[46]),
            ("cgroup_throttled_us", &[47]),
        ],
    },
    Stated {
        kind: SeriesKind::Disk,
        labels: &["nvme0n1"],
        timestamps_ms: &[START_MS, START_MS + 1000],
        intervals_ms: &[1000, 1000],
        figures: &[
            ("reads", &[1, 10]),
            ("read_bytes", &[4096, 40_960]),
            ("read_time_us", &[300, 2900]),
            ("writes", &[7, 8]),
            ("write_bytes", &[65_536, 131_072]),
            ("write_time_us", &[1200, 1300]),
            ("in_progress", &[1, 0]),
            ("io_time_us", &[4000, 8000]),
            ("weighted_io_time_us", &[5000, 9000]),
        ],
    },
    Stated {
        kind: SeriesKind::Filesystem,
        labels: &["/srv/crm daten/ö", "nvme0n1", "ext4"],
        timestamps_ms: &[START_MS, START_MS + 10_000],
        intervals_ms: &[10_000, 10_000],
        figures: &[
            ("size_bytes", &[107_374_182_400, 107_374_182_400]),
            ("free_bytes", &[53_687_091_200, 53_687_087_104]),
            ("available_bytes", &[48_318_382_080, 48_318_377_984]),
            ("inodes", &[6_553_600, 6_553_600]),
            ("inodes_free", &[6_000_000, 5_999_999]),
            ("read_only", &[0, 1]),
        ],
    },
    Stated {
        kind: SeriesKind::Interface,
        labels: &["eth0"],
        timestamps_ms: &[START_MS],
        intervals_ms: &[1000],
        figures: &[
            ("receive_bytes", &[1_250_000]),
            ("receive_packets", &[1200]),
            ("receive_errors", &[0]),
            ("receive_drops", &[1]),
            ("transmit_bytes", &[640_000]),
            ("transmit_packets", &[900]),
            ("transmit_errors", &[2]),
            ("transmit_drops", &[0]),
        ],
    },
    Stated {
        kind: SeriesKind::Source,
        labels: &["host"],
        timestamps_ms: &[START_MS - 1, START_MS, START_MS - 2],
        intervals_ms: &[1000, 0, u32::MAX],
        figures: &[
            ("runs", &[1, 1, 1]),
            ("failures", &[0, 1, 0]),
            ("timeouts", &[0, 0, 1]),
            ("duration_us", &[213, 173, 2_000_000]),
            ("items", &[47, 0, 46]),
            ("unparsed", &[0, 0, 3]),
            ("dropped", &[0, 0, 0]),
        ],
    },
];

fn stated_table(stated: &Stated) -> SeriesTable {
    let labels = stated.labels.iter().map(|&label| label.to_owned());
    let mut table = SeriesTable::new(stated.kind, labels.collect());
    for (row, &timestamp_ms) in stated.timestamps_ms.iter().enumerate() {
        let values: Vec<_> = stated
            .kind
            .metrics()
            .iter()
            .map(|metric| {
                let figure = stated.figures.iter().find(|(name, _)| *name == metric.name);
                figure.map(|(_, values)| values[row])
            })
            .collect();
        table
            .push(timestamp_ms, stated.intervals_ms[row], &values)
            .unwrap();
    }
    table
}

fn request_rows() -> Vec<RequestRow> {
    let row = |bucket, route: &str, method: &str, status_class, requests, latency| RequestRow {
        bucket_start_ms: bucket,
        service: "crm-web".to_owned(),
        route: route.to_owned(),
        method: method.to_owned(),
        status_class,
        requests,
        response_bytes: requests * 1024,
        latency,
        upstream: Sketch::default(),
    };
    let latency = Sketch::from_parts(
        [(0, 1), (345, 20), (350, 100), (351, 3), (1200, 1 << 40)],
        123_456_789,
        26_600_000_000,
    );
    vec![
        row(START_MS, "/account/{id}", "GET", 2, 125, latency),
        row(START_MS, "/account/{id}", "GET", 5, 2, Sketch::default()),
        row(
            START_MS - 10_000,
            "OTHER",
            "POST",
            0,
            1,
            Sketch::from_parts([(400, 1)], 3000, 3000),
        ),
        row(
            START_MS + 10_000,
            "",
            "",
            3,
            u64::MAX / 1024,
            Sketch::default(),
        ),
    ]
}

fn security_rows() -> Vec<SecurityRow> {
    vec![
        SecurityRow {
            event: SecurityEvent {
                event_id: (0..16).collect(),
                time_ms: START_MS,
                class_uid: 3002,
                activity_id: 1,
                status_id: 2,
                severity_id: 3,
                user: "root".to_owned(),
                source_address: "2001:db8::1".to_owned(),
                source_port: 65_535,
                process_id: 4711,
                count: 12,
                detail: "<script>'; DROP TABLE 日本\n".to_owned(),
                ..SecurityEvent::default()
            },
            kind: "ssh_login".to_owned(),
            service: "sshd".to_owned(),
            method: "password".to_owned(),
        },
        SecurityRow {
            event: SecurityEvent {
                event_id: vec![255; 16],
                time_ms: START_MS - 1,
                class_uid: 3003,
                activity_id: 1,
                status_id: 1,
                severity_id: 1,
                user: "deploy".to_owned(),
                target_user: "root".to_owned(),
                count: 1,
                ..SecurityEvent::default()
            },
            kind: "sudo_command".to_owned(),
            service: "sudo".to_owned(),
            method: String::new(),
        },
    ]
}

fn heartbeats() -> Vec<Heartbeat> {
    vec![
        Heartbeat {
            clock: Some(ClockReading {
                wall_ms: START_MS,
                boottime_ms: 86_400_000,
                monotonic_ms: 86_000_000,
            }),
            uptime_ms: 60_000,
            beat: 12,
            agent_cpu_us: 7_200,
            agent_resident_bytes: 6_000_000,
            lanes: vec![
                LaneState {
                    lane: Lane::Security.into(),
                    next_sequence: 4,
                    acked_sequence: 3,
                    ..LaneState::default()
                },
                LaneState {
                    lane: Lane::Metrics.into(),
                    next_sequence: 100,
                    acked_sequence: 80,
                    queued_batches: 18,
                    queued_bytes: 40_000,
                    dropped_batches: 1,
                    dropped_items: 10,
                    ..LaneState::default()
                },
            ],
            clock_offset_ms: Some(-15),
            config_version: 3,
            goodbye: false,
            ..Heartbeat::default()
        },
        Heartbeat {
            goodbye: true,
            ..Heartbeat::default()
        },
    ]
}

fn drops() -> Vec<DropRange> {
    vec![DropRange {
        spool_id: vec![3; 16],
        lane: Lane::Metrics.into(),
        first_sequence: 81,
        last_sequence: 82,
        items: 200,
        first_ms: START_MS - 2000,
        last_ms: START_MS - 1000,
        reason: DropReason::SpoolFull.into(),
    }]
}

fn envelope(lane: Lane) -> Batch {
    Batch {
        agent_id: "crm-web-01".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: lane.into(),
        sequence: 42,
        created_ms: START_MS + 5,
        ..Batch::default()
    }
}

/// The batch in the file, after its envelope was compared; writes the file first when asked to.
fn fixture(lane: Lane, contents: &Contents) -> Contents {
    fixture_of("v1", lane, contents)
}

fn fixture_of(version: &str, lane: Lane, contents: &Contents) -> Contents {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(format!("{version}_{}.bin", lane.name()));
    if std::env::var("CRMSCOPE_WRITE_FIXTURES").is_ok_and(|value| value == "1") && !path.exists() {
        let batch = seal(contents, envelope(lane)).unwrap();
        std::fs::write(&path, batch.encode_to_vec()).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; CRMSCOPE_WRITE_FIXTURES=1 writes missing ones",
            path.display()
        )
    });
    let batch = Batch::decode(bytes.as_slice()).unwrap();
    let identity = Batch {
        items: 0,
        encoding: 0,
        payload_bytes: 0,
        payload: Default::default(),
        ..batch.clone()
    };
    assert_eq!(identity, envelope(lane));
    open(&batch).unwrap()
}

#[test]
fn metrics_of_version_1_decode_to_the_stated_rows() {
    let opened = fixture(
        Lane::Metrics,
        &Contents {
            series: TABLES.iter().map(stated_table).collect(),
            ..Contents::default()
        },
    );
    assert_eq!(opened.series.len(), TABLES.len());
    for (table, stated) in opened.series.iter().zip(&TABLES) {
        assert_eq!(table.kind(), stated.kind);
        assert_eq!(table.labels(), stated.labels);
        assert_eq!(table.timestamps_ms(), stated.timestamps_ms);
        assert_eq!(table.intervals_ms(), stated.intervals_ms);
        let mut found = 0;
        for (metric, column) in stated.kind.metrics().iter().zip(table.columns()) {
            let figure = stated.figures.iter().find(|(name, _)| *name == metric.name);
            assert_eq!(
                column.as_deref(),
                figure.map(|(_, values)| *values),
                "{:?} {}",
                stated.kind,
                metric.name
            );
            found += usize::from(column.is_some());
        }
        assert_eq!(found, stated.figures.len(), "a metric lost its name");
    }
    let rest = Contents {
        series: Vec::new(),
        ..opened
    };
    assert_eq!(rest, Contents::default());
}

#[test]
fn requests_of_version_1_decode_to_the_stated_rows() {
    let stated = Contents {
        requests: request_rows(),
        ..Contents::default()
    };
    assert_eq!(fixture(Lane::Requests, &stated), stated);
}

/// With upstream latencies, networks and exemplars.
#[test]
fn requests_of_version_2_decode_to_the_stated_rows() {
    let mut requests = request_rows();
    requests[0].upstream = Sketch::from_parts([(340, 100), (1200, 25)], 99_000_000, 25_000_000_000);
    requests[2].upstream = Sketch::from_parts([(0, 1)], 1, 1);
    let client = |window_start_ms, network: &str, requests, in_other_max| ClientRow {
        window_start_ms,
        service: "crm-web".to_owned(),
        network: network.to_owned(),
        requests,
        client_errors: 3,
        server_errors: 1,
        response_bytes: 4096,
        in_other_max,
    };
    let exemplar = ExemplarRow {
        time_ms: START_MS + 7,
        kind: ExemplarKind::Slow,
        service: "crm-web".to_owned(),
        route: "/account/{id}".to_owned(),
        method: "GET".to_owned(),
        status: 200,
        response_bytes: 1024,
        latency_us: Some(26_600_000_000),
        upstream_latency_us: Some(25_000_000_000),
        network: "2001:db8:1::/48".to_owned(),
        target: "/account/{id}?page={…}".to_owned(),
    };
    let stated = Contents {
        requests,
        clients: vec![
            client(START_MS - START_MS % 60_000, "203.0.113.0/24", 100, 2),
            client(START_MS - START_MS % 60_000, "2001:db8:1::/48", 20, 0),
            client(START_MS - START_MS % 60_000 - 60_000, "OTHER", 8, 3),
        ],
        exemplars: vec![
            exemplar.clone(),
            ExemplarRow {
                kind: ExemplarKind::Failed,
                status: 503,
                latency_us: None,
                upstream_latency_us: None,
                ..exemplar
            },
        ],
        sampling: vec![SamplingRow {
            bucket_start_ms: START_MS,
            service: "crm-web".to_owned(),
            kind: ExemplarKind::Failed,
            eligible: 125,
            kept: 1,
        }],
        ..Contents::default()
    };
    assert_eq!(fixture_of("v2", Lane::Requests, &stated), stated);
}

#[test]
fn security_events_of_version_1_decode_to_the_stated_rows() {
    let stated = Contents {
        security: security_rows(),
        ..Contents::default()
    };
    assert_eq!(fixture(Lane::Security, &stated), stated);
}

/// With the number of records, field 17.
#[test]
fn security_events_of_version_2_decode_to_the_stated_rows() {
    let mut rows = security_rows();
    for (row, records) in rows.iter_mut().zip([50_000, u64::MAX]) {
        row.event.records = records;
        row.kind = "data_export".to_owned();
    }
    let stated = Contents {
        security: rows,
        ..Contents::default()
    };
    assert_eq!(fixture_of("v2", Lane::Security, &stated), stated);
}

/// With its place in a chain, field 12 of a batch. What came before it is in none.
#[test]
fn a_batch_of_version_3_has_its_link_and_those_before_have_none() {
    let contents = Contents {
        security: security_rows(),
        ..Contents::default()
    };
    let previous = Head {
        sequence: 40,
        created_ms: START_MS,
        link: Digest([7; 32]),
    };
    let mut batch = seal(&contents, envelope(Lane::Security)).unwrap();
    batch.chain = Some(wire_link(rows_digest(&contents.security), Some(previous)));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v3_security.bin");
    if std::env::var("CRMSCOPE_WRITE_FIXTURES").is_ok_and(|value| value == "1") && !path.exists() {
        std::fs::write(&path, batch.encode_to_vec()).unwrap();
    }
    let stored = Batch::decode(std::fs::read(&path).unwrap().as_slice()).unwrap();
    assert_eq!(stored.chain, batch.chain);
    let opened = open(&stored).unwrap();
    assert_eq!(opened, contents);
    let link = Link::of(&stored).unwrap().unwrap();
    assert_eq!(link.rows_digest, rows_digest(&opened.security));
    assert_eq!(
        link.digest().to_string(),
        "b9a67139864ebc2a0fce4e983cfaf24433304c53048c18cacdd974f30cf8abc0"
    );
    for before in ["v1_security.bin", "v2_security.bin"] {
        let bytes = std::fs::read(path.with_file_name(before)).unwrap();
        let batch = Batch::decode(bytes.as_slice()).unwrap();
        assert_eq!(Link::of(&batch), Ok(None));
    }
}

#[test]
fn presence_of_version_1_decodes_to_the_stated_rows() {
    let stated = Contents {
        heartbeats: heartbeats(),
        drops: drops(),
        ..Contents::default()
    };
    assert_eq!(fixture(Lane::Presence, &stated), stated);
}

/// The messages of a stream as they were before collectors delivered rules, as far as they matter here.
mod before_delivery {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Hello {
        #[prost(uint32, tag = "1")]
        pub(crate) protocol_version: u32,
        #[prost(string, tag = "2")]
        pub(crate) agent_id: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ClockEcho {
        #[prost(uint64, tag = "1")]
        pub(crate) token: u64,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Down {
        #[prost(message, tag = "6")]
        ClockEcho(ClockEcho),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct CollectorMessage {
        #[prost(oneof = "Down", tags = "6")]
        pub(crate) kind: Option<Down>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Up {
        #[prost(message, tag = "1")]
        Hello(Hello),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct AgentMessage {
        #[prost(oneof = "Up", tags = "1")]
        pub(crate) kind: Option<Up>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct RulesState {
        #[prost(fixed64, tag = "1")]
        pub(crate) version: u64,
        #[prost(uint64, tag = "7")]
        pub(crate) unnamed_rules: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Heartbeat {
        #[prost(uint64, tag = "3")]
        pub(crate) beat: u64,
        #[prost(message, optional, tag = "12")]
        pub(crate) rules: Option<RulesState>,
    }
}

#[test]
fn agents_and_collectors_of_before_the_delivery_of_rules_understand_each_other() {
    use before_delivery as old;
    use crmscope_proto::v1;

    // An agent of before takes no rules, which is told from one that has none.
    let hello = old::Hello {
        protocol_version: 1,
        agent_id: "app-01".to_owned(),
    };
    let said = v1::Hello::decode(hello.encode_to_vec().as_slice()).unwrap();
    assert_eq!(said.delivered_rules_version, None);
    let new = v1::Hello {
        delivered_rules_version: Some(0),
        ..said
    };
    let heard = v1::Hello::decode(new.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.delivered_rules_version, Some(0));
    // A collector of before hears the same hello as ever.
    let message = v1::AgentMessage {
        kind: Some(v1::agent_message::Kind::Hello(new)),
    };
    let heard = old::AgentMessage::decode(message.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.kind, Some(old::Up::Hello(hello)));

    // What either does not know is a message without a kind, which both pass over.
    let piece = v1::CollectorMessage {
        kind: Some(v1::collector_message::Kind::RulesPiece(v1::RulesPiece {
            version: 7,
            files_bytes: 100,
            frame_bytes: 3,
            offset: 0,
            data: vec![1, 2, 3].into(),
        })),
    };
    let heard = old::CollectorMessage::decode(piece.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.kind, None);
    let status = v1::AgentMessage {
        kind: Some(v1::agent_message::Kind::RulesStatus(v1::RulesStatus {
            attempted_version: 7,
            ..v1::RulesStatus::default()
        })),
    };
    let heard = old::AgentMessage::decode(status.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.kind, None);

    // Heartbeats are the same batch rows to both.
    let beat = Heartbeat {
        beat: 5,
        rules: Some(v1::RulesState {
            version: 7,
            unnamed_rules: 1,
            takes_delivered: true,
            delivered_version: 8,
            delivered_attempted_version: 9,
            delivered_rules: 2,
            ..v1::RulesState::default()
        }),
        refused_rules: vec![v1::RefusedRule {
            delivered: true,
            file: "crm/a.yml".to_owned(),
            line: 3,
            reason: "x".to_owned(),
        }],
        ..Heartbeat::default()
    };
    let heard = old::Heartbeat::decode(beat.encode_to_vec().as_slice()).unwrap();
    let rules = old::RulesState {
        version: 7,
        unnamed_rules: 1,
    };
    assert_eq!((heard.beat, heard.rules.as_ref()), (5, Some(&rules)));
    let said = Heartbeat::decode(heard.encode_to_vec().as_slice()).unwrap();
    assert!(said.refused_rules.is_empty() && !said.rules.unwrap().takes_delivered);
}

#[test]
fn agents_and_collectors_of_before_the_delivery_of_settings_understand_each_other() {
    use before_delivery as old;
    use crmscope_proto::v1;

    let hello = old::Hello {
        protocol_version: 1,
        agent_id: "app-01".to_owned(),
    };
    // An agent of before has no version of settings, which is told from one that has none yet, and from
    // one whose host refuses them.
    let said = v1::Hello::decode(hello.encode_to_vec().as_slice()).unwrap();
    assert_eq!(
        (said.settings_version, said.refuses_settings),
        (None, false)
    );
    let new = v1::Hello {
        settings_version: Some(0),
        ..said
    };
    let heard = v1::Hello::decode(new.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.settings_version, Some(0));
    let message = v1::AgentMessage {
        kind: Some(v1::agent_message::Kind::Hello(new)),
    };
    let heard = old::AgentMessage::decode(message.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.kind, Some(old::Up::Hello(hello)));

    let settings = v1::CollectorMessage {
        kind: Some(v1::collector_message::Kind::Settings(v1::Settings {
            version: 7,
            overlay: b"{}".to_vec(),
        })),
    };
    let heard = old::CollectorMessage::decode(settings.encode_to_vec().as_slice()).unwrap();
    assert_eq!(heard.kind, None);

    let beat = Heartbeat {
        beat: 5,
        settings: Some(v1::SettingsState {
            takes_delivered: true,
            version: 7,
            attempted_version: 8,
            rolled_back: true,
            error: "x".to_owned(),
            ..v1::SettingsState::default()
        }),
        ..Heartbeat::default()
    };
    let heard = old::Heartbeat::decode(beat.encode_to_vec().as_slice()).unwrap();
    assert_eq!((heard.beat, heard.rules.as_ref()), (5, None));
    let said = Heartbeat::decode(heard.encode_to_vec().as_slice()).unwrap();
    assert_eq!(said.settings, None);
}
