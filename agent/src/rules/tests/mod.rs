//! What rules say of events, what is refused, and what hostile rules and lines cost.

mod delivered;
mod hostile;
mod loading;
mod local;
mod sieve;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A rule with an id and a detection.
pub(super) fn rule(id: &str, logsource: &str, detection: &str) -> String {
    format!(
        "title: {id}\nid: {id}\nlogsource:\n  {logsource}\ndetection:\n{detection}\nlevel: high\n"
    )
}

pub(super) fn surroundings() -> Surroundings {
    Surroundings {
        host: "app-01".to_owned(),
        products: vec!["nginx".to_owned(), "odoo".to_owned()],
        reads_access_logs: true,
        ..Surroundings::default()
    }
}

pub(super) fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(super) fn loaded(files: &[(&str, &str)]) -> Loaded {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    load(&[folder.path().to_owned()], &surroundings()).unwrap()
}

/// File name, line and reason of each refusal.
pub(super) fn faults(loaded: &Loaded) -> Vec<(String, usize, String)> {
    let faults = loaded.faults.iter();
    faults
        .map(|fault| {
            let name = fault.path.file_name().unwrap().to_string_lossy();
            (name.into_owned(), fault.line, fault.reason.clone())
        })
        .collect()
}

pub(super) fn matches(
    set: &RuleSet,
    class: Class,
    product: &str,
    record: &Record<'_>,
) -> Vec<String> {
    let origin = Origin {
        class,
        product,
        service: product,
    };
    let matched = set.evaluate(&origin, record);
    matched.map_or_else(Vec::new, |matched| matched.rules)
}

#[test]
fn rules_are_asked_only_about_events_of_their_log_source() {
    let detection = "  selection:\n    user: x\n  condition: selection";
    let sources = [
        ("linux", "product: linux"),
        ("sshd", "service: sshd"),
        ("auth", "product: linux\n  service: auth"),
        ("sudo", "product: linux\n  service: sudo"),
        ("auditd", "product: linux\n  service: auditd"),
        ("application", "category: application"),
        ("odoo", "product: odoo"),
        ("webserver", "category: webserver"),
        ("nginx", "category: webserver\n  product: nginx"),
        ("apache", "category: webserver\n  product: apache"),
        ("windows", "product: windows"),
        ("processes", "category: process_creation\n  product: linux"),
        ("ours", "product: crmscope"),
    ];
    let texts = sources.map(|(id, source)| (format!("{id}.yml"), rule(id, source, detection)));
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    let loaded = loaded(&files);
    assert_eq!(
        (loaded.rules, loaded.refused),
        (13, 0),
        "{:?}",
        loaded.faults
    );
    let set = loaded.set.unwrap();
    let mut record = Record::of("line", false);
    record.text(&["user"], "x");
    for (class, product, expected) in [
        (Class::Auth, "sshd", vec!["auth", "linux", "ours", "sshd"]),
        (Class::Auth, "sudo", vec!["auth", "linux", "ours", "sudo"]),
        (Class::Audit, "", vec!["auditd", "linux", "ours"]),
        (
            Class::Application,
            "odoo",
            vec!["application", "odoo", "ours"],
        ),
        (Class::Application, "other", vec!["application", "ours"]),
        (Class::Web, "nginx", vec!["nginx", "ours", "webserver"]),
    ] {
        assert_eq!(
            matches(&set, class, product, &record),
            expected,
            "{class:?} {product}"
        );
    }
    assert_eq!(set.len(), 10, "the rest is for no event of this host");
}

#[test]
fn an_event_names_so_many_rules_and_counts_the_others() {
    let detection = "  selection:\n    kind: x\n  condition: selection";
    let texts: Vec<String> = (10..30)
        .map(|number| rule(&format!("rule-{number}"), "product: linux", detection))
        .collect();
    let set = loaded(&[("all.yml", &texts.join("---\n"))]).set.unwrap();
    let mut record = Record::of("", false);
    record.text(&["kind"], "X");
    let origin = Origin {
        class: Class::Auth,
        product: "sshd",
        service: "sshd",
    };
    let matched = set.evaluate(&origin, &record).unwrap();
    assert_eq!(matched.rules.len(), 16);
    assert_eq!(
        (matched.rules[0].as_str(), matched.severity, matched.unnamed),
        ("rule-10", 4, 4)
    );
    record = Record::of("", false);
    record.text(&["kind"], "y");
    assert_eq!(set.evaluate(&origin, &record), None);
}

#[test]
fn keywords_are_looked_for_in_the_line_and_filters_leave_out() {
    let keywords = rule(
        "words",
        "product: linux\n  service: sshd",
        "  keywords:\n    - 'Failed'\n    - 'refused*root'\n  condition: keywords",
    );
    let filter = "title: not ours\nlogsource:\n  product: linux\nfilter:\n  rules:\n    - words\n  selection:\n    source_address: 10.0.0.1\n  condition: not selection\n";
    let ask = |files: &[(&str, &str)], line: &str, address: &str| {
        let loaded = loaded(files);
        assert_eq!(loaded.faults, Vec::new());
        let mut record = Record::of(line, false);
        record.text(&["source_address"], address);
        matches(&loaded.set.unwrap(), Class::Auth, "sshd", &record)
    };
    let alone = [("words.yml", keywords.as_str())];
    let both = [("words.yml", keywords.as_str()), ("filter.yml", filter)];
    assert_eq!(ask(&alone, "it failed", "10.0.0.1"), ["words"]);
    assert_eq!(ask(&alone, "refused for root", ""), ["words"]);
    assert!(ask(&alone, "root was refused", "").is_empty());
    assert_eq!(ask(&both, "it failed", "10.0.0.2"), ["words"]);
    assert!(ask(&both, "it failed", "10.0.0.1").is_empty());
}
