//! What people read of a finding.

use super::super::finding::{self, Figures};
use super::super::rule::{Kind, Level};
use super::rule;
use crate::alerts::{Incident, Severity};

#[test]
fn a_sentence_says_what_the_figures_are() {
    let mut rule = rule(1, Kind::EventCount { at_least: 8 });
    rule.title = "Brute force of SSH logins".to_owned();
    let mut found = finding::of(&rule, &["192.0.2.7".to_owned()], 1);
    found.figures = Figures {
        events: 41,
        hosts_total: 2,
        users_total: 3,
        sources_total: 1,
        from_ms: 0,
        to_ms: 290_000,
        ..Figures::default()
    };
    found.explain(&rule.what);
    assert_eq!(
        found.summary,
        "Brute force of SSH logins: 41 failed logins from 192.0.2.7, for 3 users, on 2 hosts, within 5 minutes."
    );
    found.group_by = vec!["user".to_owned(), "agent_id".to_owned()];
    found.group_key = vec!["anna".to_owned(), "crm-web-01".to_owned()];
    found.figures.sources_total = 2;
    found.figures.distinct_values = 4;
    found.figures.to_ms = 900;
    found.explain("events");
    assert_eq!(
        found.summary,
        "Brute force of SSH logins: 41 events by user anna on host crm-web-01, from 2 addresses, 4 different values, within 1 second."
    );
}

#[test]
fn names_keep_their_apostrophes_and_lose_what_moves_a_terminal() {
    assert_eq!(finding::shown("O'Brien \"Bob\""), "O'Brien \"Bob\"");
    assert_eq!(finding::shown("'\u{1b}['\n\\'"), "'\\u{1b}['\\n\\\\'");
    assert_eq!(finding::shown("\"\u{202e}''"), "\"\\u{202e}''");
}

#[test]
fn what_strangers_wrote_is_cut_and_escaped_and_labels_are_few() {
    let mut rule = rule(1, Kind::EventCount { at_least: 1 });
    rule.group_by = vec!["user".to_owned(), "level".to_owned()];
    let hostile = format!("x from 6.6.6.6\r\n\u{1b}[2J\u{202e}{}", "a".repeat(5_000));
    let key = [hostile, "informational".to_owned()];
    for (level, severity) in [
        (Level::Critical, Some(Severity::Critical)),
        (Level::High, Some(Severity::Critical)),
        (Level::Medium, Some(Severity::Warning)),
        (Level::Low, None),
        (Level::Informational, None),
    ] {
        rule.level = level;
        let mut found = finding::of(&rule, &key, 1);
        found.explain("events");
        assert!(found.summary.len() < 300, "{}", found.summary);
        assert!(!found.summary.contains(char::is_control));
        assert!(!found.summary.contains('\u{202e}'));
        let told = found.incident();
        assert_eq!(told.as_ref().map(Incident::severity), severity);
        // A key of a stranger's choice is no level.
        if let Some(told) = told {
            assert_eq!(told.labels["level"], level.name());
            assert!(told.labels["user"].chars().count() <= 64);
        }
    }
}
