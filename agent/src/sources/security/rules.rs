//! Events are asked about: how one looks to rules, and what a match adds to its row.

use std::net::IpAddr;
use std::sync::Arc;

use crmscope_proto::payload::SecurityRow;

use crate::rules::{Class, Origin, Record, RuleSet, Rules};

/// The rules in force at the beginning of a run.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    rules: &'a Rules,
    set: Option<Arc<RuleSet>>,
}

impl<'a> Asking<'a> {
    pub(super) fn of(rules: &'a Rules) -> Self {
        Self {
            rules,
            set: rules.current(),
        }
    }

    /// Names the rules that an event matches in its row. The product is the program, or the configured
    /// service of the application's log; the line is what the event was read from.
    pub(super) fn ask(
        &self,
        class: Class,
        product: &str,
        row: Option<&mut SecurityRow>,
        line: &str,
    ) {
        let (Some(set), Some(row)) = (&self.set, row) else {
            return;
        };
        let origin = Origin {
            class,
            product,
            service: &row.service,
        };
        let record = record(row, set, class, line);
        let Some(matched) = set.evaluate(&origin, &record) else {
            return;
        };
        self.rules.count(&matched);
        row.event.severity_id = row.event.severity_id.max(matched.severity);
        row.event.rules = matched.rules;
    }
}

fn record<'a>(row: &'a SecurityRow, set: &'a RuleSet, class: Class, line: &'a str) -> Record<'a> {
    let event = &row.event;
    let mut record = Record::of(line, class == Class::Audit);
    record.happened(event.time_ms, set.clock());
    record.text(&["kind", "event.action"], &row.kind);
    record.text(&["service", "process.name"], &row.service);
    record.text(&["method"], &row.method);
    record.text(&["status", "event.outcome"], outcome(event.status_id));
    record.text(&["event.category"], category(event.class_uid));
    record.text(&["user", "user.name"], &event.user);
    record.text(&["target_user", "user.target.name"], &event.target_user);
    let address = &event.source_address;
    if address.parse::<IpAddr>().is_ok() {
        record.text(&["source_address", "source.address", "source.ip"], address);
    } else {
        record.text(
            &["source_address", "source.address", "source.domain"],
            address,
        );
    }
    record.text(&["detail"], &event.detail);
    record.text(&["host.name"], set.host());
    record.text(&["message"], line);
    record.number(&["records"], event.records);
    record.number(&["count"], event.count.into());
    record.number(&["severity"], event.severity_id.into());
    record.number(&["source_port", "source.port"], event.source_port.into());
    record.number(&["process_id", "process.pid"], event.process_id.into());
    record
}

const fn outcome(status_id: u32) -> &'static str {
    match status_id {
        1 => "success",
        2 => "failure",
        _ => "unknown",
    }
}

/// The Elastic Common Schema's word for a class of OCSF.
const fn category(class_uid: u32) -> &'static str {
    match class_uid {
        1007 => "process",
        2004 => "intrusion_detection",
        3001 | 3006 => "iam",
        3002 | 3003 => "authentication",
        4002 => "web",
        6001 => "database",
        6002 => "configuration",
        _ => "host",
    }
}
