//! One database to read several: Distributed tables over the shards of a cluster, each of which has a
//! whole `crmscope` of its own.
//!
//! Owns database [`ALL`]. Promises: it has a table of the same name and columns for each that holds rows,
//! brought up to date by every [`make`]; nothing is written through it. Leaves what differs where several
//! are read as one to the README of deploy/clickhouse.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::{Cluster, ClusterError, SETTINGS, shards};
use crate::schema::DATABASE;

/// The database that reads all.
pub const ALL: &str = "crmscope_all";

/// A table that is missing, or has other columns than the one it reads.
#[derive(Row, Deserialize)]
struct Behind {
    name: String,
}

/// Tables with rows, whose columns are not those of the table that reads them. Columns are told by name,
/// type and default, in their order.
const BEHIND: &str = "SELECT here.name AS name FROM \
    (SELECT name FROM system.tables WHERE database = 'crmscope' AND endsWith(engine, 'MergeTree')) AS here \
    INNER JOIN (SELECT table, groupArray((name, type, default_kind, default_expression)) AS columns \
        FROM (SELECT * FROM system.columns WHERE database = 'crmscope' ORDER BY table, position) GROUP BY table) AS wanted \
        ON wanted.table = here.name \
    LEFT JOIN (SELECT table, groupArray((name, type, default_kind, default_expression)) AS columns \
        FROM (SELECT * FROM system.columns WHERE database = 'crmscope_all' ORDER BY table, position) GROUP BY table) AS found \
        ON found.table = here.name \
    WHERE wanted.columns != found.columns ORDER BY name";

/// Makes what is missing; returns how many tables that were. `on` is the cluster of this database's own
/// replicas, where it has one.
///
/// # Errors
/// When the cluster is not known, or a statement fails; the next call goes on from there.
pub async fn make(
    client: &Client,
    on: Option<&Cluster>,
    over: &Cluster,
) -> Result<usize, ClusterError> {
    let client = client
        .clone()
        .with_database("system")
        .with_validation(false);
    shards(&client, "read_cluster", over).await?;
    let on = on.map(Cluster::clause).unwrap_or_default();
    let behind: Vec<Behind> = client.query_raw(BEHIND).fetch_all().await?;
    if behind.is_empty() {
        return Ok(0);
    }
    let database = format!("CREATE DATABASE IF NOT EXISTS {ALL}{on} ENGINE = Atomic");
    execute(&client, &database).await?;
    for Behind { name } in &behind {
        execute(&client, &table(name, &on, over)).await?;
    }
    Ok(behind.len())
}

/// The statement that makes a table, or makes it anew: it holds no row.
fn table(name: &str, on: &str, over: &Cluster) -> String {
    let over = over.name();
    format!(
        "CREATE OR REPLACE TABLE {ALL}.`{name}`{on} AS {DATABASE}.`{name}` ENGINE = Distributed('{over}', '{DATABASE}', '{name}')"
    )
}

async fn execute(client: &Client, sql: &str) -> Result<(), ClusterError> {
    let mut query = client.query_raw(sql);
    for (name, value) in SETTINGS {
        query = query.with_setting(name, value);
    }
    Ok(query.execute().await?)
}

/// A query of deploy/clickhouse over [`ALL`] instead of one database.
///
/// It needs `distributed_product_mode = 'global'`, where it joins or looks into sets.
#[must_use]
pub fn over_all(sql: &str) -> String {
    let words = crate::schema::words::words(sql);
    let mut text = String::with_capacity(sql.len() + 256);
    let mut done = 0;
    for pair in words.windows(2) {
        if pair[0].text == DATABASE && pair[1].is_sign(".") {
            text.push_str(&sql[done..pair[0].at]);
            text.push_str(ALL);
            done = pair[0].end();
        }
    }
    text.push_str(&sql[done..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_the_one_of_its_name() {
        let over = Cluster::new("everything").unwrap();
        assert_eq!(
            table("host_raw", " ON CLUSTER `cell`", &over),
            "CREATE OR REPLACE TABLE crmscope_all.`host_raw` ON CLUSTER `cell` AS crmscope.`host_raw` \
             ENGINE = Distributed('everything', 'crmscope', 'host_raw')"
        );
    }

    #[test]
    fn a_query_over_all_names_no_table_of_one_database() {
        assert_eq!(
            over_all(
                "-- crmscope.a\nSELECT crmscope_quantile(x, 1), 'crmscope.a' FROM crmscope.a AS crmscope"
            ),
            "-- crmscope.a\nSELECT crmscope_quantile(x, 1), 'crmscope.a' FROM crmscope_all.a AS crmscope"
        );
    }
}
