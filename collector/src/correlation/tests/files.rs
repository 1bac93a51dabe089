//! Rules out of files: what is refused and why, and what goes on.

use std::path::PathBuf;

use super::super::load::{File, Set, load};
use super::super::rule::{Kind, Wanted};

const BASES: &str = "title: SSH login failed\nname: ssh_login_failed\nid: 00000000-0000-0000-0000-000000000001\nlogsource: {category: authentication}\ndetection: {s: {kind: ssh_login}, condition: s}\nlevel: low\n---\ntitle: Invalid user\nname: ssh_invalid_user\nlogsource: {category: authentication}\ndetection: {s: {kind: ssh_login}, condition: s}\n---\ntitle: Audit stopped\nname: audit_stopped\nlogsource: {category: audit}\ndetection: {s: {kind: audit}, condition: s}\nlevel: high\n";

fn file(name: &str, text: &str) -> File {
    File {
        path: PathBuf::from(name),
        text: Ok(text.to_owned()),
    }
}

fn correlation(more: &str) -> String {
    format!("title: Many\nname: many\nlevel: high\ncorrelation:\n{more}\n")
}

fn loaded(text: &str) -> Set {
    load(
        &[file("bases.yml", BASES), file("rule.yml", text)],
        &Set::default(),
    )
}

/// The rule, or why there is none.
fn told(text: &str) -> Result<super::Rule, String> {
    let set = loaded(text);
    let made = set.rules.iter().find(|loaded| loaded.rule.id == "many");
    match set.refused.first() {
        Some(refused) => {
            assert_eq!(refused.file, PathBuf::from("rule.yml"));
            Err(refused.reason.clone())
        }
        None => Ok((*made.unwrap().rule).clone()),
    }
}

const COUNT: &str = "  type: event_count\n  rules: [ssh_login_failed]\n  group-by: [source.ip]\n  timespan: 2m\n  condition: {gte: 8}";

#[test]
fn a_rule_is_what_its_file_says() {
    let rule = told(&correlation(COUNT)).unwrap();
    assert_eq!(rule.bases, ["00000000-0000-0000-0000-000000000001"]);
    assert_eq!(rule.group_by, ["source_address"]);
    assert_eq!((rule.timespan_ms, rule.suppress_ms), (120_000, 3_600_000));
    assert_eq!(rule.kind, Kind::EventCount { at_least: 8 });
    let more = correlation(&COUNT.replace("gte: 8", "gt: 8"))
        + "crmscope.suppress: 5m\ncrmscope.events: failed logins\n";
    let rule = told(&more).unwrap();
    assert_eq!(rule.kind, Kind::EventCount { at_least: 9 });
    assert_eq!(
        (rule.suppress_ms, rule.what.as_str()),
        (300_000, "failed logins")
    );
    // By id as well; an alias leads to a column for each rule.
    let aliases = "  type: temporal_ordered\n  rules: [00000000-0000-0000-0000-000000000001, ssh_invalid_user]\n  group-by: [who]\n  timespan: 1h\n  aliases:\n    who: {ssh_login_failed: user, ssh_invalid_user: target_user}";
    let rule = told(&correlation(aliases)).unwrap();
    let columns: Vec<_> = rule.fields.iter().map(|of| of[0].name()).collect();
    assert_eq!(
        (columns, rule.kind),
        (vec!["user", "target_user"], Kind::Ordered)
    );
    assert_eq!(rule.group_by, ["who"]);
    let temporal = "  type: temporal\n  rules: [ssh_login_failed, ssh_invalid_user, audit_stopped]\n  timespan: 1h\n";
    let all = Wanted::All((0..3).map(Wanted::Base).collect());
    assert_eq!(
        told(&correlation(temporal)).unwrap().kind,
        Kind::Temporal(all)
    );
    let condition =
        format!("{temporal}  condition: audit_stopped and (ssh_login_failed or ssh_invalid_user)");
    let some = Wanted::All(vec![
        Wanted::Base(2),
        Wanted::AtLeast(1, vec![Wanted::Base(0), Wanted::Base(1)]),
    ]);
    assert_eq!(
        told(&correlation(&condition)).unwrap().kind,
        Kind::Temporal(some)
    );
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    for (from, to, reason) in [
        (
            "gte: 8",
            "lt: 8",
            "condition lt cannot be kept: an event that comes late",
        ),
        ("gte: 8", "neq: 8", "condition neq cannot be kept"),
        ("gte: 8", "gte: 50000", "up to 5000 can be"),
        (
            "event_count",
            "value_sum",
            "type value_sum is not looked for; there are event_count",
        ),
        (
            "event_count",
            "value_count",
            "value_count needs `condition` with `field`",
        ),
        (
            "event_count",
            "event_cuont",
            "Unknown correlation type: event_cuont",
        ),
        (
            "timespan: 2m",
            "timespan: 2m\n  window: tumbling",
            "window \"tumbling\" is not looked for",
        ),
        (
            "timespan: 2m",
            "timespan: 8d",
            "timespan 8d is not within 1s and 7d",
        ),
        ("timespan: 2m", "timespan: 2x", "Invalid timespan '2x'"),
        ("source.ip", "source.ipp", "did you mean \"source.ip\"?"),
        (
            "ssh_login_failed",
            "ssh_login_faild",
            "did you mean \"ssh_login_failed\"?",
        ),
        ("[ssh_login_failed]", "[]", "it looks at 0 rules"),
        (
            "[ssh_login_failed]",
            "[ssh_login_failed, 00000000-0000-0000-0000-000000000001]",
            "stands twice in `rules`",
        ),
        (
            "  condition: {gte: 8}",
            "  condition: not ssh_login_failed",
            "needs a number",
        ),
    ] {
        let text = correlation(COUNT).replace(from, to);
        let refused = told(&text).unwrap_err();
        assert!(refused.contains(reason), "{to}: {refused}");
    }
    let temporal = "  type: temporal\n  rules: [ssh_login_failed, ssh_invalid_user]\n  timespan: 1h\n  condition: ssh_login_failed and not ssh_invalid_user";
    let refused = told(&correlation(temporal)).unwrap_err();
    assert!(
        refused.contains("condition `not` cannot be kept"),
        "{refused}"
    );
    let nameless = correlation(COUNT).replace("name: many\n", "");
    let refused = told(&nameless).unwrap_err();
    assert!(refused.contains("neither id nor name"), "{refused}");
    let hostile = correlation(COUNT).replace("name: many", "name: \"a'b\\\\c\"");
    assert!(told(&hostile).unwrap_err().contains("does not fit"));
    let taken = correlation(COUNT).replace("name: many", "name: baseline.new_network");
    assert!(told(&taken).unwrap_err().contains("learned baselines"));
    let suppress = correlation(COUNT) + "suppress: soon\n";
    assert!(
        told(&suppress)
            .unwrap_err()
            .contains("suppress \"soon\" is not a time")
    );
}

#[test]
fn a_broken_file_stops_nothing_and_keeps_what_was_read_of_it() {
    let good = file("good.yml", &correlation(COUNT).replace("many", "good"));
    let before = load(
        &[
            file("bases.yml", BASES),
            file("rule.yml", &correlation(COUNT)),
            good.clone(),
        ],
        &Set::default(),
    );
    let ids = |set: &Set| {
        let mut ids: Vec<_> = set.rules.iter().map(|of| of.rule.id.clone()).collect();
        ids.sort();
        ids
    };
    // What is bad enough is a finding by itself, unless others look at it.
    assert_eq!(ids(&before), ["audit_stopped", "good", "many"]);
    assert_eq!((before.bases, before.refused.len()), (3, 0));
    for broken in ["title: [", "- a\n- b\n", "title: Many\ncorrelation: x\n"] {
        let files = [
            file("bases.yml", BASES),
            file("rule.yml", broken),
            good.clone(),
        ];
        let after = load(&files, &before);
        assert_eq!(ids(&after), ["audit_stopped", "good", "many"], "{broken}");
        assert_eq!(after.refused.len(), 1, "{broken}: {:?}", after.refused);
        assert_eq!(after.refused[0].file, PathBuf::from("rule.yml"));
        // At a start there is nothing to keep.
        assert_eq!(
            ids(&load(&files, &Set::default())),
            ["audit_stopped", "good"]
        );
        assert_ne!(after.checksum, before.checksum);
    }
    // A file that is gone takes its rules along.
    let gone = load(&[file("bases.yml", BASES), good.clone()], &before);
    assert_eq!(ids(&gone), ["audit_stopped", "good"]);
    let twice = load(
        &[
            file("bases.yml", BASES),
            good.clone(),
            file("rule.yml", good.text.as_ref().unwrap()),
        ],
        &Set::default(),
    );
    assert!(
        twice.refused[0].reason.contains("same id"),
        "{:?}",
        twice.refused
    );
}

#[test]
fn a_rule_that_others_look_at_speaks_for_itself_only_where_it_is_to() {
    let of = |generate: &str| {
        let text = correlation(COUNT).replace("ssh_login_failed", "audit_stopped") + generate;
        let mut ids: Vec<_> = loaded(&text)
            .rules
            .iter()
            .map(|of| of.rule.id.clone())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(of(""), ["many"]);
    assert_eq!(of("generate: true\n"), ["audit_stopped", "many"]);
}
