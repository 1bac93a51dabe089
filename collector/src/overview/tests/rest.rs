//! The strip, the pipeline, next steps, and names of others.

use super::super::host::State;
use super::super::next_step::{of_finding, of_incident, of_state};
use super::super::pipeline::{Flow, judge};
use super::super::strip::{Hour, MINUTES};
use super::super::{Hosts, Level, Overview, age, clock};
use super::{NOW_MS, named};
use crate::alerts::Kind;

const MINUTE_MS: i64 = 60_000;

fn hour() -> Hour {
    Hour {
        newest_ms: NOW_MS,
        now_ms: NOW_MS + 35_000,
        received: std::iter::once(0..NOW_MS + 33_000).collect(),
    }
}

#[test]
fn a_strip_says_what_was_heard_and_what_nobody_could_hear() {
    let mut slots = vec![6; MINUTES];
    slots[0] = 0;
    slots[1] = 3;
    slots[59] = 3;
    let strip = hour().strip(&slots, 0);
    assert_eq!(strip.len(), MINUTES);
    assert_eq!(strip[..3], [Some(0.0), Some(0.5), Some(1.0)]);
    // Three slots of the newest minute are over.
    assert_eq!(strip[59], Some(1.0));
    assert_eq!(hour().strip(&[], 0)[59], Some(0.0));

    // Expected for ten minutes: nothing is held against it before that.
    let young = hour().strip(&[], NOW_MS - 10 * MINUTE_MS);
    assert_eq!(young.iter().filter(|minute| minute.is_none()).count(), 49);
    assert_eq!(young[49..], [Some(0.0); 11]);

    // A collector was away for five minutes; what comes late out of spools fills the hole.
    let away = Hour {
        received: vec![
            0..NOW_MS - 10 * MINUTE_MS,
            NOW_MS - 5 * MINUTE_MS..NOW_MS + 33_000,
        ],
        ..hour()
    };
    let strip = away.strip(&[], 0);
    assert_eq!(strip.iter().filter(|minute| minute.is_none()).count(), 5);
    assert_eq!(away.strip(&[6; MINUTES], 0), vec![Some(1.0); MINUTES]);

    // The newest minute has just begun.
    let begun = Hour {
        now_ms: NOW_MS + 3_000,
        ..hour()
    };
    assert_eq!(begun.strip(&[], 0)[59], None);
}

#[test]
fn the_pipeline_is_good_only_where_something_is_stored() {
    let flow = Flow {
        now_ms: NOW_MS,
        is_received: true,
        agents: 212,
        stored_ms: NOW_MS - 500,
        insert_delay_ms: Some(900),
        queued_batches: Some(3),
        ..Flow::default()
    };
    let told = |flow: Flow| {
        let pipeline = judge(&flow);
        (pipeline.level, pipeline.text)
    };
    let (level, text) = told(flow);
    assert_eq!(level, Level::Good);
    assert_eq!(
        text,
        "212 agents heard, stored 0.9 s after receiving, 3 batches in spools"
    );
    let cases = [
        (
            Flow {
                kafka_partitions: 8,
                kafka_lag_batches: Some(12),
                ..flow
            },
            Level::Good,
            "212 agents heard, stored 0.9 s after receiving, 3 batches in spools, 12 in Kafka",
        ),
        (
            Flow {
                kafka_partitions: 8,
                ..flow
            },
            Level::Good,
            "212 agents heard, stored 0.9 s after receiving, 3 batches in spools, how many in Kafka is not known",
        ),
        (
            Flow {
                missing_batches: 7,
                ..flow
            },
            Level::Bad,
            "7 batches are missing; ",
        ),
        (
            Flow {
                dropped_items: 9,
                ..flow
            },
            Level::Warn,
            "9 items were dropped; ",
        ),
        (
            Flow {
                agents_behind: 1,
                ..flow
            },
            Level::Warn,
            "1 agent behind with sending; ",
        ),
        (
            Flow {
                insert_delay_ms: Some(20_000),
                ..flow
            },
            Level::Warn,
            "storing is 20 s behind; ",
        ),
        (
            Flow {
                insert_delay_ms: Some(90_000),
                ..flow
            },
            Level::Bad,
            "storing is 90 s behind; ",
        ),
        (
            Flow {
                insert_delay_ms: None,
                stored_ms: NOW_MS - 120_000,
                ..flow
            },
            Level::Bad,
            "nothing was stored since 10:58 UTC; 212 agents heard, nothing stored for 2 min",
        ),
        (
            Flow {
                is_received: false,
                ..flow
            },
            Level::Unknown,
            "no collector receives; ",
        ),
        (
            Flow {
                is_received: true,
                now_ms: NOW_MS,
                ..Flow::default()
            },
            Level::Unknown,
            "nothing is stored; no heartbeat was stored within five minutes",
        ),
    ];
    for (flow, level, text) in cases {
        let (is, says) = told(flow);
        assert!(is == level && says.starts_with(text), "{is:?} {says}");
    }
}

#[test]
fn everything_has_a_next_step_and_no_name_becomes_a_command() {
    let hostile = "x; rm -rf / #\u{1b}[2J";
    for kind in Kind::ALL.iter().copied().map(Some).chain([None]) {
        let step = of_incident(kind, hostile);
        assert!(step.len() > 20 && !step.contains("rm -rf"), "{step}");
        assert!(
            step.contains('`') || step.contains("/") || step.contains("query"),
            "{step}"
        );
    }
    for state in State::ALL {
        let step = of_state(state, hostile);
        assert!(step.len() > 20 && !step.contains("rm -rf"), "{step}");
        assert!(of_state(State::Never, "crm-db-02").contains("hosts retire crm-db-02"));
    }
    for level in [
        "critical",
        "high",
        "medium",
        "low",
        "informational",
        "later",
    ] {
        assert!(of_finding(level).contains("/security"));
    }
}

#[test]
fn lists_are_cut_and_counts_are_of_all() {
    let hosts: Vec<_> = (0..3_000)
        .map(|number| {
            let state = State::ALL[number % State::ALL.len()];
            named(&format!("h{number}"), state, Level::Good, "")
        })
        .collect();
    let hosts = Hosts::of(hosts);
    assert_eq!((hosts.total, hosts.list.len()), (3_000, 1_000));
    let sum = hosts.live + hosts.stale + hosts.offline + hosts.never + hosts.maintenance;
    assert_eq!(sum, hosts.total);
}

#[test]
fn documents_have_the_words_of_the_contract() {
    let mut overview = Overview::unanswered(NOW_MS, "refused", "crmscope-agent run".to_owned());
    overview.hosts = Hosts::of(vec![named("crm-db-02", State::Down, Level::Bad, "down")]);
    let document = serde_json::to_value(&overview).unwrap();
    assert_eq!(document["verdict"]["level"], "unknown");
    assert_eq!(document["hosts"]["offline"], 1);
    assert_eq!(document["hosts"]["list"][0]["state"], "down");
    assert_eq!(document["hosts"]["list"][0]["level"], "bad");
    assert_eq!(
        document["pipeline"]["kafka_lag_batches"],
        serde_json::Value::Null
    );
    for state in State::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
    for level in Level::ALL {
        assert_eq!(serde_json::to_value(level).unwrap(), level.name());
    }
}

#[test]
fn times_are_short_where_the_day_is_plain() {
    assert_eq!(clock(NOW_MS - 18 * MINUTE_MS, NOW_MS), "10:42 UTC");
    assert_eq!(
        clock(NOW_MS - 24 * 60 * MINUTE_MS, NOW_MS),
        "2026-11-28 11:00 UTC"
    );
    let ages: Vec<String> = [0.94, -1.0, 31.4, 600.0, 7_300.0, 1e6].map(age).into();
    assert_eq!(ages, ["0.9 s", "0.0 s", "31 s", "10 min", "2 h", "12 days"]);
}
