//! Incidents for tests, and the names that others rely on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crmscope_proto::Id;

use super::*;

/// One of many, that is still going on.
pub(super) fn incident(number: u32) -> Incident {
    let agent_id = format!("web-{number:03}");
    let labels = [("group", "crm"), ("role", "web")];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Incident {
        incident_id: Id(u128::from(number).to_be_bytes()),
        kind: Kind::HostSilent,
        summary: format!("{agent_id} was not heard for 40 s."),
        agent_id,
        labels: labels.into_iter().map(own).collect(),
        began_ms: 1_700_000_000_000,
        ended_ms: None,
    }
}

pub(super) fn notification(target: Target, phase: Phase, incidents: u32) -> Notification {
    let one = |number| {
        let mut incident = incident(number);
        incident.ended_ms = (phase == Phase::Resolved).then_some(incident.began_ms + 60_000);
        Arc::new(incident)
    };
    Notification {
        target,
        phase,
        kind: Kind::HostSilent,
        incidents: (0..incidents).map(one).collect(),
    }
}

/// What a host may call itself that means harm.
pub(super) fn hostile(kind: Kind) -> Incident {
    let text = "web\r\nBcc: eve@example.com\r\n\r\n.\r\n\"},{\"x\":\"\u{202e}\0\u{1b}[31m</b>";
    let mut labels = BTreeMap::from([
        ("severity".to_owned(), "none".to_owned()),
        ("alertname".to_owned(), String::new()),
        (text.to_owned(), text.to_owned()),
    ]);
    labels.extend((0..100).map(|number| (format!("l{number}\n"), text.repeat(1000))));
    Incident {
        incident_id: Id([7; 16]),
        kind,
        agent_id: text.to_owned(),
        labels,
        began_ms: 1_700_000_000_000,
        ended_ms: None,
        summary: text.repeat(1000),
    }
}

#[test]
fn names_of_kinds_are_fit_for_labels_and_differ() {
    let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    for name in names {
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
    }
}
