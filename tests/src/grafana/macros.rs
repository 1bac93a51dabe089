//! What becomes of a panel's SQL on its way to ClickHouse: what the data source plugin and Grafana
//! put in, by what their documentation says, so that the SQL can be run without them.
//!
//! Owns the macros and forms of variables that our SQL uses, and refuses all others: the plugin
//! would leave what it does not know as it is.

use std::collections::BTreeMap;

use super::sql::{brackets, split};

/// What a person chose.
#[derive(Clone, Debug)]
pub enum Choice {
    /// The entry "All".
    All,
    /// These values.
    Values(Vec<String>),
}

/// What a panel is asked with.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Start of the range, Unix s.
    pub from_seconds: i64,
    /// Its end, Unix s.
    pub to_seconds: i64,
    /// What Grafana thinks a step should be, from the range and the width of the panel.
    pub interval_seconds: u64,
    /// Variables, by name.
    pub choices: BTreeMap<String, Choice>,
}

/// `sql` as ClickHouse gets it.
///
/// # Errors
/// For a macro or variable that is not known, and for one with the wrong arguments.
pub fn expand(sql: &str, scope: &Scope) -> Result<String, String> {
    let sql = conditional_all(sql, scope)?;
    let mut made = String::with_capacity(sql.len());
    let mut rest = sql.as_str();
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            let (inner, after) = after.split_once('}').ok_or("${ without }")?;
            let (name, form) = inner.split_once(':').unwrap_or((inner, ""));
            made += &variable(name, form, scope)?;
            rest = after;
            continue;
        }
        let end = rest
            .find(|symbol: char| !symbol.is_ascii_alphanumeric() && symbol != '_')
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let Some(name) = word.strip_prefix("__") else {
            made += &variable(word, "", scope)?;
            continue;
        };
        let (arguments, after) = match brackets(rest) {
            Some((found, after)) => (split(found), after),
            None => (Vec::new(), rest),
        };
        // Some have no arguments and may stand before a bracket of the SQL.
        let (text, takes_arguments) = expanded(name, &arguments, scope)?;
        made += &text;
        if takes_arguments {
            rest = after;
        }
    }
    made.push_str(rest);
    Ok(made)
}

/// The text of a macro, and whether its brackets are part of it.
fn expanded(name: &str, arguments: &[&str], scope: &Scope) -> Result<(String, bool), String> {
    let moment = |seconds: i64| format!("toDateTime({seconds})");
    let moment_ms = |seconds: i64| format!("fromUnixTimestamp64Milli({})", seconds * 1000);
    let (from, to) = (scope.from_seconds, scope.to_seconds);
    let step = scope.interval_seconds.max(1);
    let one = || match arguments {
        [column] if !column.is_empty() => Ok(*column),
        _ => Err(format!("$__{name} takes one argument, not {arguments:?}")),
    };
    let between = |column: &str, low: String, high: String| {
        format!("{column} >= {low} AND {column} <= {high}")
    };
    Ok(match name {
        "fromTime" => (moment(from), false),
        "toTime" => (moment(to), false),
        "fromTime_ms" => (moment_ms(from), false),
        "toTime_ms" => (moment_ms(to), false),
        "interval_s" => (step.to_string(), false),
        "timeFilter" => (between(one()?, moment(from), moment(to)), true),
        "timeFilter_ms" => (between(one()?, moment_ms(from), moment_ms(to)), true),
        "timeInterval" => {
            let column = one()?;
            let text = format!("toStartOfInterval(toDateTime({column}), INTERVAL {step} second)");
            (text, true)
        }
        _ => return Err(format!("there is no macro $__{name}")),
    })
}

fn variable(name: &str, form: &str, scope: &Scope) -> Result<String, String> {
    let choice = scope
        .choices
        .get(name)
        .ok_or_else(|| format!("there is no variable {name}"))?;
    let Choice::Values(values) = choice else {
        return Err(format!("{name} is used as it is while all are chosen"));
    };
    match form {
        "" if values.len() == 1 => Ok(values[0].clone()),
        "singlequote" => {
            let quoted = |value: &String| format!("'{}'", value.replace('\'', "\\'"));
            Ok(values.iter().map(quoted).collect::<Vec<_>>().join(","))
        }
        _ => Err(format!("{name}: form {form:?} of {} values", values.len())),
    }
}

/// `$__conditionalAll(condition, $variable)`: the condition, or what is always true while all are
/// chosen. The innermost first, as the plugin does it.
fn conditional_all(sql: &str, scope: &Scope) -> Result<String, String> {
    const MACRO: &str = "$__conditionalAll";
    let mut sql = sql.to_owned();
    while let Some(at) = sql.rfind(MACRO) {
        let (inner, after) =
            brackets(&sql[at + MACRO.len()..]).ok_or("$__conditionalAll without (…)")?;
        let [condition, name] = split(inner)[..] else {
            return Err(format!(
                "$__conditionalAll takes two arguments, not {inner}"
            ));
        };
        let name = name.trim_start_matches('$').trim_matches(['{', '}']);
        let text = match scope.choices.get(name) {
            Some(Choice::All) => "1=1",
            Some(Choice::Values(_)) => condition,
            None => return Err(format!("there is no variable {name}")),
        };
        sql = format!("{}{text}{after}", &sql[..at]);
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let choices = [
            ("all", Choice::All),
            ("one", Choice::Values(vec!["a'b".to_owned()])),
            ("two", Choice::Values(vec!["a".to_owned(), "b".to_owned()])),
        ];
        Scope {
            from_seconds: 1_700_000_000,
            to_seconds: 1_700_003_600,
            interval_seconds: 90,
            choices: choices
                .map(|(name, choice)| (name.to_owned(), choice))
                .into(),
        }
    }

    #[test]
    fn macros_are_what_the_plugin_documents() {
        for (sql, expected) in [
            (
                "$__timeFilter(t)",
                "t >= toDateTime(1700000000) AND t <= toDateTime(1700003600)",
            ),
            (
                "$__timeFilter(toDateTime(at))",
                "toDateTime(at) >= toDateTime(1700000000) AND toDateTime(at) <= toDateTime(1700003600)",
            ),
            ("t > $__fromTime", "t > toDateTime(1700000000)"),
            ("($__toTime)", "(toDateTime(1700003600))"),
            ("$__toTime_ms", "fromUnixTimestamp64Milli(1700003600000)"),
            (
                "$__timeFilter_ms(ts)",
                "ts >= fromUnixTimestamp64Milli(1700000000000) AND ts <= fromUnixTimestamp64Milli(1700003600000)",
            ),
            (
                "$__timeInterval(t)",
                "toStartOfInterval(toDateTime(t), INTERVAL 90 second)",
            ),
            ("greatest($__interval_s, 60)", "greatest(90, 60)"),
            ("$__interval_s (1)", "90 (1)"),
        ] {
            assert_eq!(expand(sql, &scope()).as_deref(), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn variables_are_quoted_and_all_is_no_condition() {
        for (sql, expected) in [
            ("x IN (${two:singlequote})", "x IN ('a','b')"),
            ("x = ${one:singlequote}", r"x = 'a\'b'"),
            ("$__conditionalAll(x IN (${all:singlequote}), $all)", "1=1"),
            (
                "$__conditionalAll(f(x, y) IN (${two:singlequote}), $two) AND z",
                "f(x, y) IN ('a','b') AND z",
            ),
            (
                "$__conditionalAll(a OR $__conditionalAll(b, ${all}), $two)",
                "a OR 1=1",
            ),
        ] {
            assert_eq!(expand(sql, &scope()).as_deref(), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for sql in [
            "$__timeGroup(t, '5m')",
            "$__timeFilter()",
            "$__timeFilter(a, b)",
            "$nobody",
            "x IN (${all:singlequote})",
            "${two}",
            "$__conditionalAll(x)",
        ] {
            assert!(expand(sql, &scope()).is_err(), "{sql}");
        }
    }
}
