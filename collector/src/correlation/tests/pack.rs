//! The rules that are shipped: each loads, has events at which it fires, and others at which it must not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::firing::{arrange, firings};
use super::super::load::{File, Set, load, read};
use super::super::rule::Rule;
use super::event;

/// The rules of agents that those over many events look at.
const BASES: [&str; 15] = [
    "ssh_login_failed",
    "ssh_login_succeeded",
    "ssh_invalid_user",
    "app_login_failed",
    "app_login_succeeded",
    "account_created",
    "admin_granted",
    "audit_stopped",
    "data_deleted",
    "data_exported",
    "web_scan",
    "web_injection",
    "web_rate_limited",
    "web_api_denied",
    "web_sensitive_page",
];

/// So many events of a rule from a second on, so many seconds apart, each with a value of its own or all
/// with the same.
type Some = (&'static str, u32, i64, i64, bool);

/// Each rule by name, with what it has to find and what it must not.
const EXAMPLES: &[(&str, &[Some], &[Some])] = &[
    (
        "ssh_brute_force_by_address",
        &[("ssh_login_failed", 8, 0, 17, false)],
        &[("ssh_login_failed", 20, 0, 18, false)],
    ),
    (
        "ssh_brute_force_of_user",
        &[("ssh_login_failed", 8, 0, 17, false)],
        &[("ssh_login_failed", 7, 0, 1, false)],
    ),
    (
        "app_brute_force_by_address",
        &[("app_login_failed", 8, 0, 1, false)],
        &[
            ("app_login_failed", 7, 0, 1, false),
            ("ssh_login_failed", 7, 0, 1, false),
        ],
    ),
    (
        "app_brute_force_of_user",
        &[("app_login_failed", 8, 0, 1, false)],
        &[("app_login_failed", 7, 0, 1, false)],
    ),
    (
        "password_spraying",
        &[
            ("ssh_login_failed", 3, 0, 100, true),
            ("app_login_failed", 3, 290, 100, true),
        ],
        &[("ssh_login_failed", 100, 0, 1, false)],
    ),
    (
        "user_enumeration",
        &[("ssh_invalid_user", 5, 0, 140, true)],
        &[
            ("ssh_invalid_user", 50, 0, 1, false),
            ("ssh_login_failed", 9, 0, 1, true),
        ],
    ),
    (
        "ssh_success_after_failures",
        &[
            ("ssh_invalid_user", 1, 0, 1, false),
            ("ssh_login_failed", 1, 60, 1, false),
            ("ssh_login_succeeded", 1, 1_700, 1, false),
        ],
        &[
            ("ssh_login_succeeded", 1, 0, 1, false),
            ("ssh_login_failed", 3, 10, 1, false),
            ("ssh_login_succeeded", 1, 20, 1, false),
            ("ssh_invalid_user", 1, 30, 1, false),
        ],
    ),
    (
        "app_success_after_failures",
        &[
            ("app_login_failed", 1, 0, 1, false),
            ("app_login_succeeded", 1, 299, 1, false),
        ],
        &[
            ("app_login_failed", 1, 0, 1, false),
            ("app_login_succeeded", 1, 300, 1, false),
        ],
    ),
    (
        "new_admin",
        &[
            ("account_created", 1, 0, 1, false),
            ("admin_granted", 1, 3_599, 1, false),
        ],
        &[
            ("admin_granted", 1, 0, 1, false),
            ("account_created", 1, 1, 1, false),
        ],
    ),
    (
        "many_exports",
        &[("data_exported", 10, 0, 60, false)],
        &[("data_exported", 30, 0, 67, false)],
    ),
    (
        "many_deletions",
        &[("data_deleted", 20, 0, 30, false)],
        &[("data_deleted", 60, 0, 32, false)],
    ),
    (
        "rate_limit_storm",
        &[("web_rate_limited", 50, 0, 1, false)],
        &[("web_rate_limited", 100, 0, 2, false)],
    ),
    (
        "path_scanning",
        &[("web_scan", 20, 0, 3, false)],
        &[("web_scan", 60, 0, 4, false)],
    ),
    (
        "injection_campaign",
        &[("web_injection", 5, 0, 70, false)],
        &[("web_injection", 4, 0, 1, false)],
    ),
    (
        "api_denials",
        &[("web_api_denied", 30, 0, 10, false)],
        &[("web_api_denied", 60, 0, 11, false)],
    ),
    (
        "attack_from_network",
        &[
            ("app_login_failed", 1, 0, 1, false),
            ("web_scan", 1, 500, 1, false),
        ],
        &[
            ("web_scan", 30, 0, 1, false),
            ("web_injection", 30, 0, 1, false),
        ],
    ),
];

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules")
}

/// All that is shipped, with a stand-in for each rule of agents that is not there.
fn pack() -> Vec<File> {
    let mut files = read(&[shipped()]).unwrap();
    let texts: Vec<String> = files
        .iter()
        .map(|file| file.text.clone().unwrap())
        .collect();
    for name in BASES {
        let line = format!("name: {name}");
        if texts
            .iter()
            .flat_map(|text| text.lines())
            .all(|has| has.trim() != line)
        {
            let text = format!(
                "title: {name}\nname: {name}\nlogsource: {{product: crm}}\ndetection: {{s: {{kind: x}}, condition: s}}\nlevel: low\n"
            );
            let path = PathBuf::from(format!("{name}.yml"));
            files.push(File {
                path,
                text: Ok(text),
            });
        }
    }
    files
}

fn fires(rule: &Rule, bases: &[String], some: &[Some]) -> bool {
    let mut events = Vec::new();
    for &(base, count, from, step, differs) in some {
        // Events of rules that it does not look at are not read.
        let Some(place) = bases.iter().position(|of| of == base) else {
            continue;
        };
        for number in 0..count {
            let at_ms = 1000 * (from + step * i64::from(number));
            let value = match differs {
                true => format!("{base}-{number}"),
                false => "the same".to_owned(),
            };
            events.push(event(at_ms, events.len() as u64, 1 << place, &value));
        }
    }
    arrange(&mut events);
    !firings(rule, &events).is_empty()
}

#[test]
fn every_shipped_rule_fires_where_it_has_to_and_nowhere_else() {
    let files = pack();
    let set = load(&files, &Set::default());
    assert!(set.refused.is_empty(), "{:#?}", set.refused);
    let correlations: Vec<_> = files
        .iter()
        .filter(|file| file.path.starts_with(shipped().join("correlation")))
        .collect();
    let mut tested = BTreeSet::new();
    for file in correlations {
        let name = file.path.file_stem().unwrap().to_str().unwrap();
        let text = file.text.as_ref().unwrap();
        assert!(text.contains(&format!("\nname: {name}\n")), "{name}");
        let rule = &set
            .rules
            .iter()
            .find(|of| of.file == file.path)
            .unwrap()
            .rule;
        // In the order of the file, as the rule has them.
        let listed = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("rules: ["));
        let listed = listed.unwrap().trim_end_matches(']').split(", ");
        let bases: Vec<String> = listed.map(str::to_owned).collect();
        assert_eq!(bases.len(), rule.bases.len(), "{name}");
        let example = EXAMPLES.iter().find(|(of, ..)| *of == name);
        let (_, positive, negative) = example.unwrap_or_else(|| panic!("{name} has no example"));
        assert!(fires(rule, &bases, positive), "{name} has to fire");
        assert!(!fires(rule, &bases, negative), "{name} must not fire");
        tested.insert(name);
    }
    assert_eq!(tested.len(), EXAMPLES.len());
}
