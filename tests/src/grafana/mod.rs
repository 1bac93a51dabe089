//! What `deploy/grafana/` has for Grafana, made from one source.
//!
//! `deploy/grafana/source/` says what is special of each panel and each alert rule: a question, its
//! SQL, a unit, limits. What all of them have in common is here, once: the data source, which
//! roll-up a range is read from, how a hole is drawn, colours, links, layout. What is made is
//! committed, so that whoever runs Grafana needs no generator, and `tests/tests/grafana.rs` fails
//! where it is not what the source gives.
//!
//! Leaves to others: running the SQL (`tests/tests/queries/`), and `provisioning/datasources` and
//! `provisioning/dashboards`, which are written by hand.

mod alerting;
mod dashboard;
pub mod macros;
mod panel;
pub mod source;
mod sql;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Alerts, Dashboard, Shared};

/// The uid of the data source in `provisioning/datasources`, which alert rules name.
pub const DATASOURCE_UID: &str = "crmscope-clickhouse";
/// The id of the plugin of the data source.
pub const DATASOURCE_TYPE: &str = "grafana-clickhouse-datasource";

/// Everything under `deploy/grafana/source/`, with its SQL written out.
#[derive(Debug)]
pub struct Sources {
    /// Variables and annotations that dashboards share.
    pub shared: Shared,
    /// Dashboards, by the name of their file.
    pub dashboards: BTreeMap<String, Dashboard>,
    /// Alert rules.
    pub alerts: Alerts,
}

/// `deploy/` of this repository.
#[must_use]
pub fn deploy_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

impl Sources {
    /// Reads the sources below `deploy` and writes their SQL out.
    ///
    /// # Errors
    /// With the file, and what is wrong there.
    pub fn read(deploy: &Path) -> Result<Self, String> {
        let folder = deploy.join("grafana/source");
        let queries = sql::Queries::new(deploy.join("clickhouse/queries"));
        let mut shared: Shared = read_toml(&folder.join("shared.toml"))?;
        shared.expand(&queries)?;
        let mut alerts: Alerts = read_toml(&folder.join("alerts.toml"))?;
        alerts.expand(&queries)?;
        let mut dashboards = BTreeMap::new();
        let entries = fs::read_dir(folder.join("dashboards"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let mut dashboard: Dashboard = read_toml(&path)?;
            dashboard
                .expand(&queries)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            dashboards.insert(name.into_owned(), dashboard);
        }
        Ok(Self {
            shared,
            dashboards,
            alerts,
        })
    }

    /// The files that they make: paths below `deploy/grafana`, and texts.
    ///
    /// # Errors
    /// When a name is used that nothing has.
    pub fn files(&self) -> Result<BTreeMap<String, String>, String> {
        let mut files = BTreeMap::new();
        for (name, source) in &self.dashboards {
            let made = dashboard::make(name, source, &self.shared)?;
            let text = serde_json::to_string_pretty(&made).map_err(|error| error.to_string())?;
            files.insert(format!("dashboards/{name}.json"), text + "\n");
        }
        let rules = alerting::make(&self.alerts, &self.dashboards)?;
        let head = "# Made by crmscope-grafana from source/alerts.toml: change that.\n";
        files.insert(
            "provisioning/alerting/crmscope.yaml".to_owned(),
            format!("{head}{}", yaml::write(&rules)),
        );
        Ok(files)
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The uid of a dashboard, by the name of its file.
#[must_use]
pub fn dashboard_uid(name: &str) -> String {
    format!("crmscope-{name}")
}
