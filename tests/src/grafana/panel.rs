//! A panel as Grafana has it.

use serde_json::{Value, json};

use super::dashboard::datasource;
use super::dashboard_uid;
use super::source::{Column, Kind, Panel};

/// What stands for a value that is not known.
const UNKNOWN: &str = "text";
/// Cells of a line.
const CELLS_MAX: u32 = 120;

/// Width and height on the grid.
pub(super) fn size(source: &Panel) -> (u32, u32) {
    let (width, height) = match source.kind {
        Kind::Row => return (24, 1),
        Kind::Stat => (24, 4),
        Kind::Lines | Kind::Bars => (12, 8),
        Kind::Cells => (24, 8),
        Kind::Table => (24, 9),
    };
    let or = |given, otherwise| if given == 0 { otherwise } else { given };
    (or(source.width, width), or(source.height, height))
}

pub(super) fn make(source: &Panel, id: u32, place: &Value) -> Result<Value, String> {
    if source.kind == Kind::Row {
        return Ok(json!({
            "type": "row", "id": id, "title": source.title, "gridPos": place,
            "collapsed": false, "panels": []
        }));
    }
    if source.sql.is_empty() || source.description.is_empty() {
        return Err(format!(
            "panel {}: it needs sql and description",
            source.title
        ));
    }
    let (kind, custom, options) = look(source);
    let mut overrides = Vec::new();
    for (name, column) in &source.columns {
        overrides.push(json!({
            "matcher": {"id": "byName", "options": name},
            "properties": properties(source, column)?
        }));
    }
    let mut defaults = json!({
        "custom": custom,
        "color": {"mode": color_mode(source)},
        "unit": source.unit,
        "noValue": source.empty.as_deref().unwrap_or("no data"),
        "thresholds": thresholds(&source.steps),
        "mappings": [no_value()],
    });
    if let Some(max) = source.max {
        merge(&mut defaults, json!({"min": 0, "max": max}));
    }
    if !source.by.is_empty() {
        let label = |name: &String| format!("${{__field.labels.{name}}}");
        let labels: Vec<String> = source.by.iter().map(label).collect();
        defaults["displayName"] = json!(labels.join(" "));
    }
    let mut made = json!({
        "type": kind, "id": id, "title": source.title, "description": source.description,
        "gridPos": place, "datasource": datasource(),
        // Tables hold minutes: a finer step only shows the gaps between them.
        "interval": if source.kind.is_over_time() { "1m" } else { "" },
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": options,
        "targets": [target(&source.sql, source.kind.is_over_time())],
    });
    if source.kind == Kind::Cells {
        // With a cell to a few pixels Grafana draws none at all.
        made["maxDataPoints"] = json!(CELLS_MAX);
    }
    Ok(made)
}

/// A query of the plugin, version 4.
pub(super) fn target(sql: &str, over_time: bool) -> Value {
    json!({
        "refId": "A", "datasource": datasource(), "pluginVersion": "4.0.0", "editorType": "sql",
        "queryType": if over_time { "timeseries" } else { "table" },
        "format": if over_time { 0 } else { 1 },
        "rawSql": sql
    })
}

/// Grafana's name of the kind, and how it looks.
fn look(source: &Panel) -> (&'static str, Value, Value) {
    let over_time = json!({
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"}
    });
    match source.kind {
        Kind::Stat => (
            "stat",
            json!({}),
            json!({
                // All fields: some are words.
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": false},
                "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
                "orientation": "auto", "textMode": "auto"
            }),
        ),
        Kind::Table | Kind::Row => (
            "table",
            json!({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": true, "inspect": true}),
            json!({"showHeader": true, "cellHeight": "sm"}),
        ),
        Kind::Cells => (
            "status-history",
            json!({"fillOpacity": 80, "lineWidth": 1}),
            json!({
                "showValue": "never", "rowHeight": 0.9, "colWidth": 0.9,
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
                "tooltip": {"mode": "single", "sort": "none"}
            }),
        ),
        Kind::Lines | Kind::Bars => {
            let is_bars = source.kind == Kind::Bars;
            let custom = json!({
                "drawStyle": if is_bars { "bars" } else { "line" },
                "lineInterpolation": "linear", "lineWidth": 1,
                "fillOpacity": if is_bars || source.stack { 60 } else { 5 },
                "showPoints": "auto", "pointSize": 4, "spanNulls": false, "axisSoftMin": 0,
                "stacking": {"group": "A", "mode": if is_bars || source.stack { "normal" } else { "none" }},
                "thresholdsStyle": {"mode": if source.steps.is_empty() { "off" } else { "dashed" }}
            });
            ("timeseries", custom, over_time)
        }
    }
}

fn color_mode(source: &Panel) -> &'static str {
    match source.kind {
        Kind::Lines | Kind::Bars => "palette-classic",
        _ => "thresholds",
    }
}

/// The colour below the first step, and of what is not known, is none.
fn thresholds(steps: &[(f64, String)]) -> Value {
    let mut made = vec![json!({"color": UNKNOWN, "value": null})];
    made.extend(
        steps
            .iter()
            .map(|(value, color)| json!({"color": color, "value": value})),
    );
    json!({"mode": "absolute", "steps": made})
}

fn no_value() -> Value {
    json!({
        "type": "special",
        "options": {"match": "null+nan", "result": {"text": "no data", "color": UNKNOWN, "index": 0}}
    })
}

fn properties(panel: &Panel, column: &Column) -> Result<Vec<Value>, String> {
    let mut made = Vec::new();
    let mut add = |id: &str, value: Value| made.push(json!({"id": id, "value": value}));
    if panel.kind == Kind::Table && !(column.steps.is_empty() && column.words.is_none()) {
        add("custom.cellOptions", json!({"type": "color-text"}));
    }
    if let Some(title) = &column.title {
        add("displayName", json!(title));
    }
    if let Some(unit) = &column.unit {
        add("unit", json!(unit));
    }
    if !column.steps.is_empty() {
        add("thresholds", thresholds(&column.steps));
    }
    if let Some(words) = &column.words {
        let known = words_of(words)
            .ok_or_else(|| format!("panel {}: there are no words {words}", panel.title))?;
        let options: serde_json::Map<String, Value> = known
            .iter()
            .zip(1..)
            .map(|((word, text, color), index)| {
                (
                    (*word).to_owned(),
                    json!({"text": text, "color": color, "index": index}),
                )
            })
            .collect();
        add(
            "mappings",
            json!([no_value(), {"type": "value", "options": options}]),
        );
    }
    if let Some((dashboard, variable)) = &column.link {
        add(
            "links",
            json!([{
                "title": format!("Open {dashboard}"),
                "targetBlank": false,
                "url": format!(
                    "/d/{}?${{__url_time_range}}&var-datasource=${{datasource}}&var-{variable}=${{__value.raw:percentencode}}",
                    dashboard_uid(dashboard)
                )
            }]),
        );
    }
    Ok(made)
}

/// Values, how they are shown, and their colours. The word stays: colour is never the only sign.
fn words_of(name: &str) -> Option<&'static [(&'static str, &'static str, &'static str)]> {
    Some(match name {
        "state" => &[
            ("up", "up", "green"),
            ("suspect", "suspect", "orange"),
            ("down", "down", "red"),
            ("maintenance", "maintenance", "blue"),
            ("retired", "retired", UNKNOWN),
            ("unknown", "unknown", UNKNOWN),
        ],
        "level" => &[
            ("critical", "critical", "dark-red"),
            ("high", "high", "red"),
            ("medium", "medium", "orange"),
            ("low", "low", "yellow"),
            ("informational", "informational", "blue"),
        ],
        "unit" => &[
            ("active", "active", "green"),
            ("reloading", "reloading", "green"),
            ("inactive", "inactive", "orange"),
            ("failed", "failed", "red"),
        ],
        "yes" => &[("0", "no", UNKNOWN), ("1", "yes", "orange")],
        "good" => &[("0", "no", "red"), ("1", "yes", "green")],
        _ => return None,
    })
}

/// Adds the keys of `more`.
pub(super) fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
