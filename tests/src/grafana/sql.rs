//! Words in the SQL of the sources that stand for more, so that it is written once:
//!
//! | word | stands for |
//! |---|---|
//! | `@query(name, parameter = expression, …)` | a documented query of `deploy/clickhouse/queries`, in brackets |
//! | `@rollup(table)` | the rows of the range, from the roll-up that fits the step: minutes, hours or days |
//! | `@seconds`, `@step` | the length of a step, as a number and as an interval |
//! | `@time(column)` | the start of the step, named `time` |
//! | `@covered` | how many seconds of the step `time` have passed, for rates |
//! | `@agents` | the chosen roles, groups and agents |
//! | `@services` | the chosen services |
//!
//! Macros of the plugin stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Tables with roll-ups, and whether these go up to days.
const ROLLUPS: [(&str, bool); 14] = [
    ("clock", true),
    ("container", true),
    ("disk", true),
    ("filesystem", true),
    ("host", true),
    ("interface", true),
    ("probe", true),
    ("process", true),
    ("request_clients", false),
    ("requests", true),
    ("security", true),
    ("sensor", true),
    ("source", true),
    ("transport", true),
];

/// A step has whole minutes, and whole hours where minutes are not kept any more.
const SECONDS: &str = "if($__interval_s >= 3600 OR $__fromTime < now() - INTERVAL 89 DAY, \
                       greatest($__interval_s, 3600), greatest($__interval_s, 60))";

/// The documented queries.
#[derive(Debug)]
pub(super) struct Queries {
    folder: PathBuf,
}

impl Queries {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes the words in `sql` out.
    pub(super) fn expand(&self, sql: &str) -> Result<String, String> {
        let mut made = String::with_capacity(sql.len());
        let mut rest = sql;
        while let Some(at) = rest.find('@') {
            made.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let end = rest
                .find(|symbol: char| !symbol.is_ascii_lowercase() && symbol != '_')
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            let mut arguments = Vec::new();
            if matches!(word, "query" | "rollup" | "time") {
                let (found, after) =
                    brackets(rest).ok_or_else(|| format!("@{word} has no (…) after it"))?;
                arguments = split(found);
                rest = after;
            }
            let text = match word {
                "query" => self.query(&arguments)?,
                "rollup" => rollup(&arguments)?,
                "seconds" => SECONDS.to_owned(),
                "step" => format!("toIntervalSecond({SECONDS})"),
                "time" => format!(
                    "toStartOfInterval({}, toIntervalSecond({SECONDS})) AS time",
                    arguments.join(", ")
                ),
                "covered" => format!(
                    "greatest(60, least({SECONDS}, \
                     toUnixTimestamp(least(now(), $__toTime)) - toUnixTimestamp(time)))"
                ),
                "agents" => agents(),
                "services" => {
                    "$__conditionalAll(service IN (${service:singlequote}), $service)".to_owned()
                }
                _ => return Err(format!("@{word} stands for nothing")),
            };
            // What a word stands for may have words itself.
            made.push_str(&self.expand(&text)?);
        }
        made.push_str(rest);
        Ok(made.trim().to_owned())
    }

    fn query(&self, arguments: &[&str]) -> Result<String, String> {
        let (name, given) = arguments.split_first().ok_or("@query() names no query")?;
        let path = self.folder.join(format!("{name}.sql"));
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n");
        let mut values = BTreeMap::new();
        for argument in given {
            let (parameter, value) = argument
                .split_once('=')
                .ok_or_else(|| format!("@query({name}): {argument} is not parameter = value"))?;
            values.insert(parameter.trim(), value.trim());
        }
        let filled = fill(&text, &values).map_err(|error| format!("@query({name}): {error}"))?;
        Ok(format!("(\n{filled}\n)"))
    }
}

/// Puts values into `{parameter:Type}`. Each parameter has one, and each value is used.
fn fill(text: &str, values: &BTreeMap<&str, &str>) -> Result<String, String> {
    let (mut made, mut rest, mut used) = (String::new(), text, BTreeSet::new());
    while let Some((before, after)) = rest.split_once('{') {
        let (parameter, after) = after.split_once('}').ok_or("a parameter without an end")?;
        let name = parameter.split(':').next().unwrap_or_default();
        let value = values
            .get(name)
            .ok_or_else(|| format!("no value for {name}"))?;
        used.insert(name);
        made = made + before + value;
        rest = after;
    }
    match values.keys().find(|name| !used.contains(*name)) {
        Some(name) => Err(format!("it has no parameter {name}")),
        None => Ok(made + rest),
    }
}

/// The rows of a table within the range, by its first step's start, so that no step is cut.
fn rollup(arguments: &[&str]) -> Result<String, String> {
    let name = arguments.first().copied().unwrap_or_default();
    let (_, has_days) = ROLLUPS
        .iter()
        .find(|(table, _)| *table == name)
        .ok_or_else(|| format!("@rollup({name}): no such table"))?;
    let range = "t >= toStartOfInterval($__fromTime, @step) AND t <= $__toTime";
    // The other way round than in SECONDS.
    let minutes = "$__interval_s < 3600 AND $__fromTime >= now() - INTERVAL 89 DAY";
    let below_days = if *has_days {
        " AND $__interval_s < 86400"
    } else {
        ""
    };
    let mut text = format!(
        "(\n    SELECT * FROM crmscope.{name}_1m WHERE {minutes} AND {range}\n    \
         UNION ALL SELECT * FROM crmscope.{name}_1h WHERE NOT ({minutes}){below_days} AND {range}"
    );
    if *has_days {
        text += &format!(
            "\n    UNION ALL SELECT * FROM crmscope.{name}_1d WHERE $__interval_s >= 86400 AND {range}"
        );
    }
    Ok(text + "\n)")
}

/// Hosts that nobody enrolled have no role and no group: they are there while all are chosen.
fn agents() -> String {
    let by = |column: &str, variable: &str| {
        format!(
            "$__conditionalAll(agent_id IN (SELECT agent_id FROM crmscope.host_changes GROUP BY agent_id \
             HAVING argMax({column}, changed_at) IN (${{{variable}:singlequote}})), ${variable})"
        )
    };
    format!(
        "$__conditionalAll(agent_id IN (${{agent:singlequote}}), $agent)\n    AND {}\n    AND {}",
        by("role", "role"),
        by("host_group", "group")
    )
}

/// What is between the bracket that `text` begins with and the one that ends it, and the rest.
pub(super) fn brackets(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('(') {
        return None;
    }
    let mut depth = 0usize;
    for (at, symbol) in text.char_indices() {
        match symbol {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[1..at], &text[at + 1..]));
        }
    }
    None
}

/// Parts between commas that are in no brackets.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0i32, 0, Vec::new());
    for (at, symbol) in text.char_indices() {
        match symbol {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}
