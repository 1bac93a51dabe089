//! An agent's chain of security batches, sealed as agents do.

use crmscope_proto::chain::{Head, Link, rows_digest, wire_link};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::v1::{
    Batch, ClockReading, DropRange, DropReason, Heartbeat, LaneState, SecurityEvent,
};
use crmscope_proto::{Lane, seal};
use serde_json::Value;

use super::Collector;
use super::rows::{batch, now_ms};

/// What verify says: exit code and JSON.
pub(crate) fn verify(collector: &Collector, more: &[&str]) -> (Option<i32>, Value) {
    let (code, text) = collector.command(&[&["verify", "--json"], more].concat());
    let json = text.lines().find(|line| line.starts_with('{'));
    let json = json.unwrap_or_else(|| panic!("{text}"));
    (code, serde_json::from_str(json).expect("JSON"))
}

/// The kinds of what it found, and the first sequence of each.
pub(crate) fn kinds(report: &Value) -> Vec<(String, u64)> {
    let findings = report["findings"].as_array().expect("findings");
    let kind = |one: &Value| {
        let kind = one["kind"].as_str().expect("a kind").to_owned();
        (kind, one["first_sequence"].as_u64().expect("a sequence"))
    };
    findings.iter().map(kind).collect()
}

pub(crate) struct Chain {
    pub(crate) agent_id: String,
    pub(crate) head: Option<Head>,
    pub(crate) next: u64,
    /// When batches are said to be made, ms before now.
    pub(crate) age_ms: i64,
}

impl Chain {
    pub(crate) fn of(agent_id: &str) -> Self {
        Self {
            agent_id: agent_id.to_owned(),
            head: None,
            next: 1,
            age_ms: 0,
        }
    }

    /// Events that name their batch, with all that text may be.
    pub(crate) fn rows(&self, count: u64) -> Vec<SecurityRow> {
        let row = |row: u64| SecurityRow {
            event: SecurityEvent {
                event_id: u128::from(self.next * 1000 + row).to_be_bytes().to_vec(),
                time_ms: now_ms() - self.age_ms - row.cast_signed() * 1000,
                class_uid: 3002,
                activity_id: 1,
                status_id: 2,
                severity_id: 3,
                user: format!("o'brien\u{0}<b>é{row}"),
                target_user: "日本\\\n".to_owned(),
                source_address: "192.0.2.7".to_owned(),
                source_port: 65_535,
                process_id: 42,
                count: u32::from(row.is_multiple_of(2)) * 7,
                detail: "x".repeat(2_000),
                records: u64::MAX - row,
                rules: (0..row % 3)
                    .map(|rule| format!("rule-{rule},1:é"))
                    .collect(),
                ..SecurityEvent::default()
            },
            kind: "ssh_login".to_owned(),
            service: "sshd".to_owned(),
            method: String::new(),
        };
        (0..count).map(row).collect()
    }

    /// The next batch of the chain.
    pub(crate) fn seal(&mut self, rows: Vec<SecurityRow>) -> Batch {
        let contents = Contents {
            security: rows,
            ..Contents::default()
        };
        let envelope = Batch {
            agent_id: self.agent_id.clone(),
            boot_id: vec![1; 16],
            start_id: vec![2; 16],
            spool_id: vec![3; 16],
            lane: Lane::Security.into(),
            sequence: self.next,
            created_ms: now_ms() - self.age_ms,
            chain: Some(wire_link(rows_digest(&contents.security), self.head)),
            ..Batch::default()
        };
        let batch = seal(&contents, envelope).expect("a batch within the limits");
        self.head = Some(self.link(&batch).head());
        self.next += 1;
        batch
    }

    pub(crate) fn link(&self, batch: &Batch) -> Link {
        Link::of(batch).expect("a link").expect("a chained batch")
    }

    /// A heartbeat that tells of the head.
    pub(crate) fn beat(&self, sequence: u64, acked_sequence: u64) -> Batch {
        let heartbeat = Heartbeat {
            clock: Some(ClockReading {
                wall_ms: now_ms() - self.age_ms,
                boottime_ms: 5,
                monotonic_ms: 4,
            }),
            beat: sequence,
            lanes: vec![LaneState {
                lane: Lane::Security.into(),
                next_sequence: self.next,
                acked_sequence,
                chain: self.head.map(Head::to_wire),
                ..LaneState::default()
            }],
            ..Heartbeat::default()
        };
        let contents = Contents {
            heartbeats: vec![heartbeat],
            ..Contents::default()
        };
        batch(&self.agent_id, Lane::Presence, sequence, &contents)
    }

    /// What says that batches were dropped.
    pub(crate) fn dropped(&self, sequence: u64, first: u64, last: u64) -> Batch {
        let range = DropRange {
            spool_id: vec![3; 16],
            lane: Lane::Security.into(),
            first_sequence: first,
            last_sequence: last,
            items: 1,
            first_ms: now_ms(),
            last_ms: now_ms(),
            reason: DropReason::SpoolFull.into(),
        };
        let contents = Contents {
            drops: vec![range],
            ..Contents::default()
        };
        batch(&self.agent_id, Lane::Presence, sequence, &contents)
    }
}
