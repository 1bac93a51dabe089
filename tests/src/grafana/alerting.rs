//! Alert rules as Grafana's file provisioning has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::source::{Alerts, Dashboard, Rule, Unknown};
use super::{DATASOURCE_TYPE, DATASOURCE_UID, dashboard_uid};

pub(super) fn make(
    alerts: &Alerts,
    dashboards: &BTreeMap<String, Dashboard>,
) -> Result<Value, String> {
    let rules = alerts
        .rules
        .iter()
        .map(|source| rule(source, dashboards))
        .collect::<Result<Vec<Value>, String>>()?;
    Ok(json!({
        "apiVersion": 1,
        "groups": [{"orgId": 1, "name": "crmscope", "folder": "crmscope", "interval": "1m", "rules": rules}]
    }))
}

fn rule(source: &Rule, dashboards: &BTreeMap<String, Dashboard>) -> Result<Value, String> {
    let (dashboard, title) = &source.panel;
    let panel = dashboards
        .get(dashboard)
        .and_then(|found| found.panels.iter().position(|panel| panel.title == *title))
        .ok_or_else(|| format!("rule {}: no panel {title} in {dashboard}", source.name))?;
    // Panels are numbered from 1 in their order.
    let (uid, panel) = (dashboard_uid(dashboard), panel + 1);
    let (no_data, failed) = states(source);
    Ok(json!({
        "uid": format!("crmscope-{}", source.name),
        "title": source.title,
        "condition": "fires",
        "for": source.lasts,
        "noDataState": no_data,
        "execErrState": failed,
        "dashboardUid": uid,
        "panelId": panel,
        "labels": {"system": "crmscope", "level": source.level},
        "annotations": {
            "summary": source.summary, "description": source.description.trim(), "runbook": source.runbook.trim(),
            "__dashboardUid__": uid, "__panelId__": panel.to_string()
        },
        "data": [asked(source), condition(source)],
    }))
}

fn states(source: &Rule) -> (&'static str, &'static str) {
    let no_data = match source.no_data {
        Unknown::Alerting => "Alerting",
        Unknown::Apart => "NoData",
    };
    let failed = match source.failed {
        Unknown::Alerting => "Alerting",
        Unknown::Apart => "Error",
    };
    (no_data, failed)
}

/// A table with one column of numbers is a number for each row, and its other columns are labels: no
/// reduction is needed.
fn asked(source: &Rule) -> Value {
    json!({
        "refId": "asked",
        "queryType": "",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": DATASOURCE_UID,
        "model": {
            "refId": "asked", "datasource": {"type": DATASOURCE_TYPE, "uid": DATASOURCE_UID},
            "pluginVersion": "4.0.0", "editorType": "sql", "queryType": "table", "format": 1,
            "intervalMs": 60000, "maxDataPoints": 1000, "rawSql": source.sql
        }
    })
}

fn condition(source: &Rule) -> Value {
    json!({
        "refId": "fires",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "fires", "type": "threshold", "expression": "asked",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "conditions": [{"type": "query", "evaluator": {"type": "gt", "params": [source.above]}}]
        }
    })
}
