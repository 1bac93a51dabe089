//! A dashboard as Grafana has it: variables, annotations, links, and where panels stand.

use serde_json::{Value, json};

use super::source::{Annotation, Dashboard, Kind, Panel, Shared, Variable};
use super::{DATASOURCE_TYPE, dashboard_uid, panel};

/// Of Grafana 11. Later versions read it and move it up by themselves.
const SCHEMA_VERSION: u32 = 39;
/// Grafana's grid.
const COLUMNS: u32 = 24;

/// The data source of the dashboard's own choice.
pub(super) fn datasource() -> Value {
    json!({"type": DATASOURCE_TYPE, "uid": "${datasource}"})
}

pub(super) fn make(name: &str, source: &Dashboard, shared: &Shared) -> Result<Value, String> {
    let mut variables = vec![datasource_variable()];
    for wanted in &source.variables {
        let found = shared.variables.iter().find(|known| known.name == *wanted);
        let found = found.ok_or_else(|| format!("{name}: no variable {wanted} in shared.toml"))?;
        variables.push(variable(found));
    }
    let annotations: Vec<Value> = shared.annotations.iter().map(annotation).collect();
    Ok(json!({
        "uid": dashboard_uid(name),
        "title": source.title,
        "description": source.description,
        "tags": ["crmscope"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": source.range, "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m", "1h"]},
        "refresh": "1m",
        "templating": {"list": variables},
        "annotations": {"list": annotations},
        "links": [{
            "type": "dashboards", "title": "crmscope", "tags": ["crmscope"], "asDropdown": false,
            "keepTime": true, "includeVars": true, "targetBlank": false, "icon": "external link",
            "tooltip": "The same range and the same choice there", "url": ""
        }],
        "panels": panels(&source.panels)?,
    }))
}

fn datasource_variable() -> Value {
    json!({
        "type": "datasource", "name": "datasource", "label": "Data source",
        "description": "Which ClickHouse is asked.",
        "query": DATASOURCE_TYPE, "refresh": 1, "regex": "", "hide": 0,
        "multi": false, "includeAll": false, "options": []
    })
}

fn variable(source: &Variable) -> Value {
    let mut made = json!({
        "name": source.name, "label": source.label, "description": source.description,
        "multi": source.multi, "includeAll": source.multi, "hide": 0, "skipUrlSync": false, "options": [],
    });
    if source.multi {
        made["current"] = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    } else if let Some(first) = source.values.first() {
        made["current"] = json!({"selected": true, "text": first, "value": first});
    }
    let more = match &source.sql {
        // A text and no object: every version 4 of the plugin reads it.
        Some(sql) => json!({
            "type": "query", "datasource": datasource(), "query": sql, "definition": sql,
            "refresh": 1, "regex": "", "sort": 1
        }),
        None => json!({"type": "custom", "query": source.values.join(",")}),
    };
    panel::merge(&mut made, more);
    made
}

fn annotation(source: &Annotation) -> Value {
    let mut target = panel::target(&source.sql, false);
    target["refId"] = json!("annotation");
    json!({
        "name": source.name, "datasource": datasource(), "enable": true, "hide": false,
        "iconColor": source.color, "target": target
    })
}

/// Panels from left to right; one that does not fit begins a new line, below the highest so far.
fn panels(sources: &[Panel]) -> Result<Vec<Value>, String> {
    let (mut x, mut y, mut line_height) = (0, 0, 0);
    let mut made = Vec::with_capacity(sources.len());
    for (source, id) in sources.iter().zip(1u32..) {
        let (width, height) = panel::size(source);
        if width > COLUMNS {
            return Err(format!("{}: width is at most {COLUMNS}", source.title));
        }
        if x + width > COLUMNS || source.kind == Kind::Row {
            (x, y, line_height) = (0, y + line_height, 0);
        }
        let place = json!({"x": x, "y": y, "w": width, "h": height});
        made.push(panel::make(source, id, &place)?);
        x += width;
        line_height = line_height.max(height);
    }
    Ok(made)
}
