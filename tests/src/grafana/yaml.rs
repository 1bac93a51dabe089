//! Writes JSON values as YAML that people can read: long texts as blocks, all else quoted as in JSON.

use serde_json::Value;

/// `value` as a document.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    put(value, 0, &mut text);
    text
}

fn put(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                *text += &format!("{indent}{key}:");
                field(inner, depth, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                put(item, depth + 1, &mut inner);
                *text += &format!("{indent}- {}", inner.trim_start());
            }
        }
        plain => *text += &format!("{indent}{plain}\n"),
    }
}

fn field(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            put(value, depth + 1, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            put(value, depth, text);
        }
        Value::String(lines) if lines.contains('\n') => {
            *text += " |-\n";
            for line in lines.lines() {
                let line = format!("{}{line}", "  ".repeat(depth + 1));
                *text += &format!("{}\n", line.trim_end());
            }
        }
        plain => *text += &format!(" {plain}\n"),
    }
}
