//! `deploy/grafana` is what its source gives, and has the form that Grafana reads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crmscope_tests::grafana::source::Unknown;
use crmscope_tests::grafana::{DATASOURCE_TYPE, DATASOURCE_UID, Sources, deploy_directory};
use serde_json::Value;

fn sources() -> Sources {
    Sources::read(&deploy_directory()).unwrap()
}

fn dashboards() -> BTreeMap<String, Value> {
    let files = sources().files().unwrap();
    files
        .into_iter()
        .filter(|(name, _)| name.ends_with(".json"))
        .map(|(name, text)| (name, serde_json::from_str(&text).unwrap()))
        .collect()
}

fn list<'a>(value: &'a Value, path: &str) -> &'a Vec<Value> {
    value.pointer(path).and_then(Value::as_array).unwrap()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap()
}

/// Each text in a value, with the key that it stands under.
fn texts(value: &Value, key: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| texts(inner, key, found)),
        Value::Array(items) => items.iter().for_each(|inner| texts(inner, key, found)),
        Value::String(text) => found.push((key.to_owned(), text.clone())),
        _ => {}
    }
}

#[test]
fn what_is_committed_is_what_the_source_gives() {
    let folder = deploy_directory().join("grafana");
    let files = sources().files().unwrap();
    for (name, text) in &files {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *text,
            "deploy/grafana/{name} is not what its source gives: cargo run --bin crmscope-grafana"
        );
    }
    for kind in ["dashboards", "provisioning/alerting"] {
        for entry in fs::read_dir(folder.join(kind)).unwrap() {
            let name = format!("{kind}/{}", entry.unwrap().file_name().display());
            assert!(
                files.contains_key(&name),
                "deploy/grafana/{name} has no source"
            );
        }
    }
}

#[test]
fn panels_are_numbered_and_stand_beside_each_other() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert!(number(&dashboard, "/schemaVersion") >= 39, "{name}");
        let uid = dashboard["uid"].as_str().unwrap().to_owned();
        assert!(uid.len() <= 40 && uids.insert(uid), "{name}: uid");
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard, "/panels") {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(number(panel, "/id")), "{name}: {title}: id");
            let [x, y, width, height] =
                ["x", "y", "w", "h"].map(|side| number(panel, &format!("/gridPos/{side}")));
            assert!(
                width > 0 && height > 0 && x + width <= 24,
                "{name}: {title}: place"
            );
            for column in x..x + width {
                for line in y..y + height {
                    assert!(
                        taken.insert((column, line)),
                        "{name}: {title} lies over another"
                    );
                }
            }
        }
    }
    assert_eq!(uids.len(), 6);
}

#[test]
fn panels_say_what_they_mean_and_draw_nothing_that_is_not_known() {
    let known = ["row", "stat", "table", "timeseries", "status-history"];
    for (name, dashboard) in dashboards() {
        for panel in list(&dashboard, "/panels") {
            let title = panel["title"].as_str().unwrap();
            let kind = panel["type"].as_str().unwrap();
            assert!(known.contains(&kind), "{name}: {title}: {kind}");
            if kind == "row" {
                continue;
            }
            let description = panel["description"].as_str().unwrap();
            assert!(
                description.contains("rom "),
                "{name}: {title}: from which table?"
            );
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(
                defaults["noValue"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            if kind == "timeseries" {
                assert_eq!(defaults["custom"]["spanNulls"], false, "{name}: {title}");
            }
            // What is missing has the colour of the lowest step.
            let mut steps = vec![&defaults["thresholds"]["steps"]];
            for special in list(panel, "/fieldConfig/overrides") {
                for property in list(special, "/properties") {
                    if property["id"] == "thresholds" {
                        steps.push(&property["value"]["steps"]);
                    }
                }
            }
            for steps in steps {
                let lowest = &steps[0];
                assert!(
                    lowest["value"].is_null() && lowest["color"] == "text",
                    "{name}: {title}"
                );
                let values: Vec<f64> = steps
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|step| step["value"].as_f64())
                    .collect();
                assert!(values.is_sorted(), "{name}: {title}: {values:?}");
            }
        }
    }
}

#[test]
fn no_data_source_is_written_down_and_every_name_is_known() {
    let made = dashboards();
    for (name, dashboard) in &made {
        let mut variables: BTreeSet<String> = list(dashboard, "/templating/list")
            .iter()
            .map(|variable| variable["name"].as_str().unwrap().to_owned())
            .collect();
        let mut found = Vec::new();
        texts(&dashboard["panels"], "", &mut found);
        texts(&dashboard["templating"], "", &mut found);
        texts(&dashboard["annotations"], "", &mut found);
        variables.insert("field".to_owned());
        for (key, text) in &found {
            if key == "uid" {
                assert_eq!(text, "${datasource}", "{name}");
            }
            if let Some(link) = text.strip_prefix("/d/") {
                let (uid, rest) = link.split_once('?').unwrap();
                let target = made.values().find(|other| other["uid"] == *uid).unwrap();
                let given = rest
                    .rsplit_once("&var-")
                    .unwrap()
                    .1
                    .split('=')
                    .next()
                    .unwrap();
                let takes = list(target, "/templating/list");
                assert!(
                    takes.iter().any(|variable| variable["name"] == given),
                    "{name}: {text}"
                );
                assert!(rest.contains("${__url_time_range}"), "{name}: {text}");
            }
            for part in text.split("${").skip(1) {
                let variable = part.split(['}', ':', '.']).next().unwrap();
                let is_known = variables.contains(variable) || variable.starts_with("__");
                assert!(is_known, "{name}: ${{{variable}}} in {text}");
            }
        }
    }
}

#[test]
fn rules_say_what_no_data_and_a_failure_mean_and_what_to_do() {
    let sources = sources();
    let mut names = BTreeSet::new();
    for rule in &sources.alerts.rules {
        assert!(names.insert(&rule.name), "{}: twice", rule.name);
        assert!(
            ["warn", "bad"].contains(&rule.level.as_str()),
            "{}",
            rule.name
        );
        assert!(
            rule.description.contains("No rows") || rule.description.contains("always has a row"),
            "{}",
            rule.name
        );
        assert!(rule.runbook.trim().starts_with("1. "), "{}", rule.name);
        // Provisioning would put environment variables in.
        assert!(!rule.sql.contains('$'), "{}: a macro", rule.name);
    }
    let writer = sources
        .alerts
        .rules
        .iter()
        .find(|rule| rule.name == "collector-not-writing")
        .unwrap();
    assert_eq!(
        (writer.no_data, writer.failed),
        (Unknown::Alerting, Unknown::Alerting)
    );
}

#[test]
fn provisioning_reads_as_yaml_and_names_the_same_data_source() {
    let folder = deploy_directory().join("grafana/provisioning");
    let read = |name: &str| -> Value {
        yaml_serde::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let source = &read("datasources/crmscope.yaml")["datasources"][0];
    assert_eq!(source["uid"], DATASOURCE_UID);
    assert_eq!(source["type"], DATASOURCE_TYPE);
    let provider = &read("dashboards/crmscope.yaml")["providers"][0];
    let group = &read("alerting/crmscope.yaml")["groups"][0];
    assert_eq!(provider["folder"], group["folder"]);
    let made = dashboards();
    let sources = sources();
    let rules = list(group, "/rules");
    assert_eq!(rules.len(), sources.alerts.rules.len());
    for (rule, source) in rules.iter().zip(&sources.alerts.rules) {
        assert_eq!(rule["data"][0]["datasourceUid"], DATASOURCE_UID);
        // The SQL comes through as it was.
        assert_eq!(
            rule["data"][0]["model"]["rawSql"], source.sql,
            "{}",
            source.name
        );
        assert_eq!(
            rule["data"][1]["model"]["conditions"][0]["evaluator"]["params"][0],
            source.above
        );
        let dashboard = made
            .values()
            .find(|made| made["uid"] == rule["dashboardUid"])
            .unwrap();
        let panel = list(dashboard, "/panels")
            .iter()
            .find(|panel| panel["id"] == rule["panelId"]);
        assert_eq!(panel.unwrap()["title"], source.panel.1, "{}", source.name);
    }
}
