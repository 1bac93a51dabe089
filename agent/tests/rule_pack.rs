//! The rules of `deploy/rules` against lines that they must match and lines that they must not.
//!
//! Beside each rule stands `deploy/rules/tests/<name>.txt`: lines `source NAME`, then `match LINE` and
//! `other LINE`. Each line is read alone, by the source that reads such lines, and local time is Berlin's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crmscope_agent::rules::{self, LocalClock, Rules, Surroundings};
use crmscope_agent::sources::requests::{self, Format, From, RequestsSource};
use crmscope_agent::sources::security::{
    self, Condition, Fields, JournalMode, KindOf, LogConfig, LogFormat, SecuritySource,
};
use crmscope_agent::sources::{Moment, Rows, Source, SourceStatistics};
use crmscope_proto::payload::{Contents, SecurityRow};
use tempfile::TempDir;

/// 23 Nov 2026, 03:00 UTC.
const NOW_MS: i64 = 1_795_402_800_000;

fn pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules")
}

/// Folders of rules about single events.
fn folders() -> Vec<PathBuf> {
    ["auth", "application", "web"]
        .map(|folder| pack().join(folder))
        .to_vec()
}

fn surroundings() -> Surroundings {
    Surroundings {
        host: "web-1".to_owned(),
        products: ["nginx", "odoo", "suitecrm", "crm"]
            .map(str::to_owned)
            .to_vec(),
        reads_access_logs: true,
        clock: LocalClock::of("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
    }
}

/// Name, id, level of every rule.
fn rules_of_the_pack() -> Vec<(String, String, String)> {
    let mut rules = Vec::new();
    for folder in folders() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let key = |key: &str| {
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix(&format!("{key}: ")));
                line.unwrap_or_else(|| panic!("{} has no {key}", path.display()))
                    .to_owned()
            };
            assert!(text.contains("Apache-2.0"), "{}", path.display());
            assert_eq!(path.file_stem().unwrap().to_str(), Some(&*key("name")));
            rules.push((key("name"), key("id"), key("level")));
        }
    }
    rules
}

fn application(path: &Path, format: LogFormat) -> LogConfig {
    let some = |text: &str| Some(text.to_owned());
    let kinds = [
        "app_login",
        "app_logout",
        "data_export",
        "data_delete",
        "account_created",
        "group_member_added",
    ];
    let mapped = LogConfig {
        service: some("crm"),
        kinds: kinds
            .map(|kind| KindOf {
                value: kind.to_owned(),
                kind: kind.to_owned(),
            })
            .to_vec(),
        conditions: Vec::<Condition>::new(),
        fields: Fields {
            time: some("time"),
            user: some("user"),
            target_user: some("target"),
            source_address: some("address"),
            outcome: some("result"),
            kind: some("action"),
            records: some("records"),
            detail: some("group"),
            ..Fields::default()
        },
        ..LogConfig::default()
    };
    let base = if format == LogFormat::Json {
        mapped
    } else {
        LogConfig::default()
    };
    LogConfig {
        path: path.to_str().unwrap().to_owned(),
        format,
        zone: Some("+00:00".to_owned()),
        ..base
    }
}

/// What a line becomes.
fn events(source: &str, line: &str, rules: &Arc<Rules>) -> Vec<SecurityRow> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("read.log");
    let named = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut reader: Box<dyn Source> = if matches!(source, "nginx" | "json-access") {
        let format = if source == "nginx" {
            Format::Nginx
        } else {
            Format::Json
        };
        let config = requests::Config {
            from: From::Start,
            logs: vec![requests::LogConfig::new(named("read.log"), format)],
            ..requests::Config::default()
        };
        Box::new(RequestsSource::new(&config).with_rules(rules))
    } else {
        let mut config = security::Config {
            journal: JournalMode::Off,
            auth_logs: Vec::new(),
            auth_log_zone: "+00:00".to_owned(),
            ..security::Config::default()
        };
        match source {
            "auth" => config.auth_logs.push(named("read.log")),
            "audit" => config.audit_logs.push(named("read.log")),
            "odoo" => config.logs.push(application(&path, LogFormat::Odoo)),
            "suitecrm" => config.logs.push(application(&path, LogFormat::SuiteCrm)),
            "json" => config.logs.push(application(&path, LogFormat::Json)),
            other => panic!("no source {other}"),
        }
        config.validate().unwrap();
        Box::new(SecuritySource::new(&config).with_rules(rules))
    };
    let statistics = SourceStatistics::default();
    let mut contents = Contents::default();
    fs::write(&path, "").unwrap();
    let mut now = Instant::now();
    let mut read = |contents: &mut Contents| {
        now += std::time::Duration::from_secs(10);
        let moment = Moment {
            wall_ms: NOW_MS,
            monotonic: now,
        };
        let mut rows = Rows::new(contents, &statistics);
        reader.collect(moment, &mut rows).unwrap();
        reader.drain(moment, &mut rows);
    };
    // Security logs are read from their end at the first run.
    read(&mut contents);
    fs::write(&path, format!("{line}\n")).unwrap();
    read(&mut contents);
    contents.security
}

#[test]
fn every_rule_of_the_pack_matches_what_it_must_and_nothing_else() {
    let loaded = rules::load(&folders(), &surroundings()).unwrap();
    assert_eq!(loaded.faults, Vec::new());
    let pack_rules = rules_of_the_pack();
    assert_eq!(loaded.rules, pack_rules.len());
    let set = loaded.set.as_ref().unwrap();
    assert_eq!(
        set.len(),
        pack_rules.len(),
        "each is for events of an agent"
    );
    assert_eq!(set.sieve().unwrap().rules_of_every_line(), 0);
    let rules = Rules::fixed(loaded);
    for (name, id, _) in &pack_rules {
        let path = pack().join("tests").join(format!("{name}.txt"));
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{name} has no test {}: {error}", path.display()));
        let mut source = "";
        let mut seen = BTreeMap::<bool, usize>::new();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let wanted = match word {
                "source" => {
                    source = rest;
                    continue;
                }
                "match" => true,
                "other" => false,
                _ => panic!("{name}: {line}"),
            };
            let events = events(source, rest, &rules);
            let matched = events.iter().any(|row| row.event.rules.contains(id));
            assert_eq!(matched, wanted, "{name}, {source}: {rest}\n{events:#?}");
            assert!(events.len() <= 1, "{name}: {rest}");
            *seen.entry(wanted).or_default() += 1;
        }
        assert_eq!(seen.len(), 2, "{name} needs lines that match, and others");
    }
    let names: BTreeSet<String> = pack_rules.iter().map(|(name, ..)| name.clone()).collect();
    for entry in fs::read_dir(pack().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        // Those of correlations are checked by the collector.
        if path.is_file() {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(names.contains(name), "{} tests no rule", path.display());
        }
    }
}

/// What the documentation says of it: hours of one's own, and addresses that are left out.
#[test]
fn working_hours_and_exclusions_are_the_operators() {
    const NAME: &str = "web_sensitive_page_after_hours";
    let (_, id, _) = rules_of_the_pack()
        .into_iter()
        .find(|(name, ..)| name == NAME)
        .unwrap();
    let shipped = fs::read_to_string(pack().join("web").join(format!("{NAME}.yml"))).unwrap();
    let hours = "[20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6]";
    let days = "[saturday, sunday]";
    assert!(shipped.contains(hours) && shipped.contains(days));
    let own = TempDir::new().unwrap();
    let changed = shipped
        .replace(hours, "[0, 1, 2]")
        .replace(days, "[friday, saturday]");
    fs::write(own.path().join("hours.yml"), changed).unwrap();
    let filter = format!(
        "title: nightly export\nlogsource:\n  category: webserver\nfilter:\n  rules: [{id}]\n  selection:\n    c-ip: 192.0.2.5\n  condition: not selection\n"
    );
    fs::write(own.path().join("filter.yml"), filter).unwrap();
    let mut directories = folders();
    directories.push(own.path().to_owned());
    let loaded = rules::load(&directories, &surroundings()).unwrap();
    assert_eq!(loaded.faults, Vec::new());
    let rules = Rules::fixed(loaded);
    for (address, time, wanted) in [
        ("192.0.2.4", "23/Nov/2026:01:59:00 +0100", true),
        ("192.0.2.5", "23/Nov/2026:01:59:00 +0100", false),
        ("192.0.2.4", "23/Nov/2026:03:00:00 +0100", false),
        ("192.0.2.4", "20/Nov/2026:12:00:00 +0100", true),
        ("192.0.2.4", "22/Nov/2026:12:00:00 +0100", false),
    ] {
        let line =
            format!("{address} - - [{time}] \"GET /admin/users HTTP/1.1\" 200 1 \"-\" \"-\"");
        let events = events("nginx", &line, &rules);
        let matched = events.iter().any(|row| row.event.rules.contains(&id));
        assert_eq!(matched, wanted, "{line}");
    }
}

/// Correlations, the collector's, name these.
#[test]
fn the_names_and_ids_of_the_pack_stay() {
    let rules = rules_of_the_pack();
    let ids: BTreeMap<&str, &str> = rules
        .iter()
        .map(|(name, id, _)| (name.as_str(), id.as_str()))
        .collect();
    let expected: BTreeMap<&str, &str> = IDS.into_iter().collect();
    assert_eq!(ids, expected);
}

const IDS: [(&str, &str); 19] = [
    ("account_created", "7e8e1dde-fe9e-5f23-8748-55ac24eb5ffe"),
    ("admin_granted", "db442406-1951-5ad5-a68f-252c382347a2"),
    ("app_login_failed", "0098e303-189b-5781-a26a-cdc00f45414c"),
    (
        "app_login_succeeded",
        "07256aa5-9e57-5b83-b437-1fd6a6b2652a",
    ),
    (
        "audit_account_created",
        "5d1c6d5e-2f0b-5c8e-9d55-7a1f0f3c9e21",
    ),
    ("audit_stopped", "40d8ddc0-6a05-54b7-ab64-cf01f009ce59"),
    ("data_deleted", "dab0529d-c912-56d7-ab05-83691b8a3bb4"),
    ("data_deleted_many", "b3923005-b129-5d53-86bf-b8dc109736aa"),
    ("data_exported", "0b3d1466-c14c-5fcc-acb0-69b565972fb0"),
    ("data_exported_many", "393cf096-de46-5e7c-989f-5275a8c6ed5b"),
    ("ssh_invalid_user", "52a17efd-c0b5-53da-aef5-b89f43e53c8d"),
    ("ssh_login_failed", "3d8adb65-212d-5667-b075-b58aadd6f9ea"),
    (
        "ssh_login_succeeded",
        "c066b88d-854e-5a1b-87bd-6c00516ea810",
    ),
    ("web_api_denied", "c1503f66-5613-5ba6-bc2f-a8d102db77ca"),
    ("web_injection", "30f5d10c-8f1d-5ac0-9970-34cb05c445d1"),
    ("web_rate_limited", "8ef196aa-a085-58fa-8ca9-6670dd3c8815"),
    ("web_scan", "6b2819f4-065b-504b-a123-52af2a2b4516"),
    ("web_sensitive_page", "dd08f167-947d-5442-b19a-9a56060a9475"),
    (
        "web_sensitive_page_after_hours",
        "f6753182-1792-58dc-b2a2-41c735811a2f",
    ),
];

/// Public rules, where a copy of them is named; they are not part of this repository.
#[test]
fn public_rules_load_unchanged() {
    let Some(directory) = std::env::var_os("CRMSCOPE_SIGMA_RULES") else {
        return;
    };
    let loaded = rules::load(&[PathBuf::from(directory)], &surroundings()).unwrap();
    assert_eq!(loaded.faults, Vec::new());
    println!("{} rules, {:?}", loaded.rules, loaded.set);
}
