//! The form of the files in `deploy/grafana/source/`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::sql::Queries;

/// `shared.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Variables, of which dashboards name those that they have.
    pub variables: Vec<Variable>,
    /// Annotations, which all dashboards have.
    pub annotations: Vec<Annotation>,
}

/// A variable of dashboards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// As the SQL names it.
    pub name: String,
    /// As people see it.
    pub label: String,
    /// What choosing does.
    pub description: String,
    /// Where the values come from, in a column; else they are `values`.
    pub sql: Option<String>,
    /// Values to choose from.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether several may be chosen, and all, which is the default then.
    #[serde(default)]
    pub multi: bool,
    /// Why it is right when there is nothing to choose.
    pub empty: Option<String>,
}

/// What is marked on the time axis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annotation {
    /// As people see it.
    pub name: String,
    /// Of the mark.
    pub color: String,
    /// Gives `time`, `timeEnd`, `title`, `text` and `tags`.
    pub sql: String,
    /// Why it is right when there is none.
    pub empty: String,
}

/// A file of `dashboards/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    /// As people see it.
    pub title: String,
    /// What it answers.
    pub description: String,
    /// The range that it opens with, back from now.
    pub range: String,
    /// Names of variables in `shared.toml`.
    pub variables: Vec<String>,
    /// From left to right, then down.
    pub panels: Vec<Panel>,
}

/// How a panel draws.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A heading.
    Row,
    /// A large figure for each column of one row.
    Stat,
    /// Lines over time.
    Lines,
    /// Bars over time, one on the other.
    Bars,
    /// A cell for each step and label.
    Cells,
    /// Rows.
    Table,
}

impl Kind {
    /// Whether it draws time series.
    #[must_use]
    pub fn is_over_time(self) -> bool {
        matches!(self, Self::Lines | Self::Bars | Self::Cells)
    }
}

/// A panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// How it draws.
    pub kind: Kind,
    /// As people see it.
    pub title: String,
    /// What it means, and from which table it is. Empty for a row.
    #[serde(default)]
    pub description: String,
    /// Of 24.
    #[serde(default)]
    pub width: u32,
    /// In Grafana's units; 0 for the default of its kind.
    #[serde(default)]
    pub height: u32,
    /// Grafana's name of the unit.
    #[serde(default)]
    pub unit: String,
    /// The query; over time, without an order.
    #[serde(default)]
    pub sql: String,
    /// Over time: columns of text that make a line each.
    #[serde(default)]
    pub by: Vec<String>,
    /// What may be highest; 1 for shares.
    pub max: Option<f64>,
    /// Lines on each other.
    #[serde(default)]
    pub stack: bool,
    /// Where colours begin, and their names.
    #[serde(default)]
    pub steps: Vec<(f64, String)>,
    /// Figures of tables and stats that differ from the rest.
    #[serde(default)]
    pub columns: BTreeMap<String, Column>,
    /// Why it is right when it has no rows; shown instead of "no data".
    pub empty: Option<String>,
}

/// A column that is special.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// As people see it.
    pub title: Option<String>,
    /// Grafana's name of the unit.
    pub unit: Option<String>,
    /// Where colours begin, and their names.
    #[serde(default)]
    pub steps: Vec<(f64, String)>,
    /// Words with colours: `state`, `level`, `unit`, `yes` or `good`.
    pub words: Option<String>,
    /// The dashboard that a click on the value opens, and the variable that it fills.
    pub link: Option<(String, String)>,
}

/// `alerts.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What becomes of a rule without data, or whose query failed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Unknown {
    /// It fires like the rule itself.
    Alerting,
    /// It fires as an alert of its own that says so.
    Apart,
}

/// An alert rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its uid is `crmscope-` and this.
    pub name: String,
    /// As people see it.
    pub title: String,
    /// `warn` or `bad`, as in the API and on the pages.
    pub level: String,
    /// Gives one number, and text columns that become labels. Without macros: it is always about now.
    pub sql: String,
    /// Fires above it.
    pub above: f64,
    /// How long it has to last.
    pub lasts: String,
    /// What no rows mean.
    pub no_data: Unknown,
    /// What a failed query means.
    pub failed: Unknown,
    /// In a line, with Grafana's templates.
    pub summary: String,
    /// What it means, why no rows and a failed query are taken as they are.
    pub description: String,
    /// What to do, step by step.
    pub runbook: String,
    /// The dashboard and the title of the panel to look at.
    pub panel: (String, String),
    /// Why it is right when the query has no rows on a system that is well.
    pub empty: Option<String>,
}

impl Shared {
    pub(super) fn expand(&mut self, queries: &Queries) -> Result<(), String> {
        for variable in &mut self.variables {
            if let Some(sql) = &mut variable.sql {
                *sql = queries.expand(sql)?;
            }
        }
        for annotation in &mut self.annotations {
            annotation.sql = queries.expand(&annotation.sql)?;
        }
        Ok(())
    }
}

impl Alerts {
    pub(super) fn expand(&mut self, queries: &Queries) -> Result<(), String> {
        for rule in &mut self.rules {
            rule.sql = queries
                .expand(&rule.sql)
                .map_err(|error| format!("rule {}: {error}", rule.name))?;
        }
        Ok(())
    }
}

impl Dashboard {
    pub(super) fn expand(&mut self, queries: &Queries) -> Result<(), String> {
        for panel in &mut self.panels {
            let sql = if panel.kind.is_over_time() {
                over_time(&panel.sql, &panel.by)
            } else {
                panel.sql.trim().to_owned()
            };
            panel.sql = queries
                .expand(&sql)
                .map_err(|error| format!("panel {}: {error}", panel.title))?;
        }
        Ok(())
    }
}

/// Steps in which nothing was heard become rows without a value, so that a hole is drawn and no line
/// across it. Of several lines each is filled by itself, between its own ends.
fn over_time(sql: &str, by: &[String]) -> String {
    let sql = sql.trim();
    if by.is_empty() {
        return format!("{sql}\nORDER BY time WITH FILL STEP @step");
    }
    let labels = by.join(", ");
    format!(
        "SELECT * FROM (\n{sql}\nORDER BY {labels}, time WITH FILL STEP @step\n)\nORDER BY time, {labels}"
    )
}
