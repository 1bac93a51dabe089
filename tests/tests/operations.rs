//! The guide for operations tells of everything that is told to people, and names nothing that is not there.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::fs;
use std::path::{Path, PathBuf};

use crmscope_collector::alerts::Kind;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn guide() -> String {
    read("deploy/operations.md")
}

/// Text of all files with this ending in a folder and below.
fn read_all(folder: &Path, ending: &str) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &read_all(&path, ending);
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            all += &fs::read_to_string(&path).unwrap();
        }
    }
    all
}

/// The names that follow `before`, wherever it stands. A placeholder in capitals is none.
fn named<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let names: Vec<&str> = text
        .split(before)
        .skip(1)
        .map(|rest| rest.split(|c: char| !is_of_name(c)).next().unwrap_or(""))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(!names.is_empty(), "the guide has no {before:?}");
    names
}

#[test]
fn every_incident_has_a_section() {
    let guide = guide();
    for kind in Kind::ALL {
        let heading = format!("\n### `{}`\n", kind.name());
        assert!(guide.contains(&heading), "no section {heading:?}");
    }
}

#[test]
fn every_alert_of_grafana_has_a_section() {
    let guide = guide();
    let source: toml::Table = toml::from_str(&read("deploy/grafana/source/alerts.toml")).unwrap();
    let rules = source["rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    for rule in rules {
        let (title, name) = (rule["title"].as_str(), rule["name"].as_str());
        let heading = format!("\n### {} (`{}`)\n", title.unwrap(), name.unwrap());
        assert!(guide.contains(&heading), "no section {heading:?}");
    }
}

#[test]
fn every_alert_of_the_chart_has_a_section() {
    let guide = guide();
    let template = read("helm/crmscope/templates/prometheusrule.yaml");
    let alerts: Vec<&str> = template
        .split("(dict \"alert\" \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(alerts.contains(&"CrmscopeInsertsFail"), "{alerts:?}");
    for alert in alerts {
        let heading = format!("\n### {alert}\n");
        assert!(guide.contains(&heading), "no section {heading:?}");
    }
}

#[test]
fn every_query_is_there() {
    for name in named(&guide(), "uery `") {
        let file = root().join(format!("deploy/clickhouse/queries/{name}.sql"));
        assert!(file.is_file(), "there is no query {name}");
    }
}

#[test]
fn every_command_is_there() {
    let source = read("collector/src/cli/mod.rs");
    let commands = source.split("pub enum Command {").nth(1).unwrap();
    let commands = commands.split("\n}\n").next().unwrap();
    let known: Vec<String> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| named_at_start(line).to_ascii_lowercase())
        .collect();
    assert!(known.iter().any(|name| name == "ledger"), "{known:?}");
    for name in named(&guide(), "`crmscope-collector ") {
        assert!(
            known.iter().any(|known| known == name),
            "crmscope-collector has no command {name}"
        );
    }
}

/// The letters that a line begins with.
fn named_at_start(line: &str) -> &str {
    line.split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or("")
}

#[test]
fn every_table_and_metric_is_there() {
    let (guide, migrations) = (
        guide(),
        read_all(&root().join("deploy/clickhouse/migrations"), "sql"),
    );
    for name in named(&guide, " crmscope.") {
        let table = format!("CREATE TABLE IF NOT EXISTS crmscope.{name} ");
        assert!(migrations.contains(&table), "there is no table {name}");
    }
    let collector = read_all(&root().join("collector/src"), "rs");
    for name in named(&guide, "etric `") {
        let literal = format!("\"{name}\"");
        assert!(collector.contains(&literal), "there is no metric {name}");
    }
}

/// The guide promises that a retention that was changed stays.
#[test]
fn no_migration_changes_how_long_a_table_is_kept() {
    let migrations = read_all(&root().join("deploy/clickhouse/migrations"), "sql");
    assert!(migrations.contains("TTL "));
    assert!(!migrations.contains("MODIFY TTL"), "a migration sets a TTL");
    let bare = migrations
        .lines()
        .find(|line| line.starts_with("CREATE TABLE") && !line.contains("IF NOT EXISTS"));
    assert_eq!(bare, None);
}
