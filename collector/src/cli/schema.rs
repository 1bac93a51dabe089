//! `migrate`: the schema in ClickHouse.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::output::print;
use crate::config::Config;
use crate::schema;

/// How the schema is brought up to date.
#[derive(Args, Clone, Debug)]
pub struct MigrateArguments {
    /// Print every statement as it would be sent, by clickhouse.cluster, instead of sending any.
    #[arg(long)]
    pub print: bool,
}

pub(super) async fn migrate(
    config: &Config,
    arguments: &MigrateArguments,
) -> anyhow::Result<ExitCode> {
    if arguments.print {
        return print_statements(config);
    }
    let storage = super::storage(config)?;
    let (client, cluster) = (storage.client(), storage.cluster());
    let place = || format!("ClickHouse at {}", config.clickhouse.url);
    let report = schema::migrate_on(client, cluster)
        .await
        .with_context(place)?;
    let mut text = String::new();
    for file in &report.applied {
        text.push_str(&format!("applied {file}\n"));
    }
    text.push_str(&format!(
        "{} migrations applied, {} were there already\n",
        report.applied.len(),
        report.already_applied
    ));
    if let Some(over) = config.clickhouse.read_cluster()? {
        let made = schema::cluster::distributed::make(client, cluster, &over)
            .await
            .with_context(place)?;
        text.push_str(&format!(
            "{made} tables of {} made\n",
            schema::cluster::distributed::ALL
        ));
    }
    print(&text)
}

fn print_statements(config: &Config) -> anyhow::Result<ExitCode> {
    let cluster = config.clickhouse.cluster()?;
    let mut text = String::new();
    for statement in schema::statements(cluster.as_ref())? {
        text.push_str(&format!(
            "-- {}:{}\n{};\n\n",
            statement.file, statement.line, statement.text
        ));
    }
    print(&text)
}
