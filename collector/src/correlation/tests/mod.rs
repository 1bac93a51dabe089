//! Rules, firings and findings without ClickHouse.

mod brute;
mod files;
mod pack;
mod sentences;

use crmscope_proto::Id;

use super::field::Field;
use super::firing::Event;
use super::rule::{Kind, Level, Rule};

/// A rule that looks at so many others, a minute long, with findings that end after two.
fn rule(bases: usize, kind: Kind) -> Rule {
    Rule {
        id: "rule".to_owned(),
        title: "Rule".to_owned(),
        level: Level::High,
        what: "failed logins".to_owned(),
        bases: (0..bases).map(|base| format!("base-{base}")).collect(),
        group_by: vec!["source_address".to_owned()],
        fields: vec![vec![Field::SourceAddress]; bases],
        keeps_empty: false,
        timespan_ms: 60_000,
        suppress_ms: 120_000,
        kind,
    }
}

fn event(at_ms: i64, number: u64, bases: u32, value: &str) -> Event {
    Event {
        at_ms,
        event_id: Id(u128::from(number).to_be_bytes()),
        count: 1,
        bases,
        value: value.to_owned(),
    }
}
