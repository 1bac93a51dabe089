//! A cluster of ClickHouse servers: one shard, whose replicas hold the same.
//!
//! Owns what the schema is there ([`rewrite`]), and what is looked at before anything is made or written:
//! that the cluster exists, has one shard and what replicas need, that the tables are of the kind that the
//! configuration says, and that one server answers. Promises: what would not be exact is refused, with
//! the reason. More than one shard is: a block whose outcome is unknown is sent again, and counts once only
//! where it lies where it lay before, and a collector knows what is stored only as far as the replica that
//! it asks has caught up. Larger fleets are several databases of one shard each, and [`distributed`] is one
//! database to read them all.

pub mod distributed;
pub(super) mod rewrite;
#[cfg(test)]
mod tests;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::DATABASE;

/// Length of a cluster's name.
const NAME_MAX_BYTES: usize = 200;
/// What statements of the schema are sent with, so that one is done on every replica before the next begins.
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("alter_sync", "2"),
    ("distributed_ddl_task_timeout", "180"),
    // As `throw`, without rows about each server.
    ("distributed_ddl_output_mode", "none"),
    // Where servers keep functions in Keeper, these are on every one without it.
    ("ignore_on_cluster_for_replicated_udf_queries", "1"),
];

/// A cluster by its name in ClickHouse's `remote_servers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster(String);

impl Cluster {
    /// A name of letters, digits and `_ . -`; `None` for any other.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let fits = !name.is_empty() && name.len() <= NAME_MAX_BYTES;
        (fits && name.bytes().all(known)).then(|| Self(name.to_owned()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// ` ON CLUSTER …`. The name has no backtick in it.
    pub(super) fn clause(&self) -> String {
        format!(" ON CLUSTER `{}`", self.0)
    }
}

/// Why a database cannot be a cluster's.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No such cluster.
    #[error(
        "clickhouse.{key} is {name:?}, which ClickHouse has not in system.clusters: write it into remote_servers on every server, or correct the name"
    )]
    Unknown {
        /// The key that names it.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// More than one shard.
    #[error(
        "clickhouse.cluster is {name:?}, which has {shards} shards: blocks would not be exact over more than one (deploy/clickhouse/README.md says why); name a cluster of one shard, give each shard collectors of its own, and name the whole in clickhouse.read_cluster to read it"
    )]
    Shards {
        /// The cluster.
        name: String,
        /// How many.
        shards: u64,
    },
    /// A macro that replicas need.
    #[error(
        "ClickHouse has no macros `shard` and `replica` (system.macros): replicated tables meet in Keeper by them; set both on every server, `replica` different on each"
    )]
    Macros,
    /// Several servers behind one address.
    #[error(
        "clickhouse.url leads to {0} servers in turn: what one has, another may not have yet; name one replica, or a balancer that takes another only where the first one is away"
    )]
    Servers(usize),
    /// Tables of a database without a cluster.
    #[error(
        "clickhouse.cluster is set, but crmscope.{table} is a {engine}: this database was made without a cluster; see \"From one server to a cluster\" in deploy/clickhouse/README.md, or leave the key empty"
    )]
    Plain {
        /// The table.
        table: &'static str,
        /// Its engine.
        engine: String,
    },
    /// Tables of a cluster.
    #[error(
        "clickhouse.cluster is empty, but crmscope.{table} is a {engine}: this database is a cluster's; name the cluster"
    )]
    Replicated {
        /// The table.
        table: &'static str,
        /// Its engine.
        engine: String,
    },
    /// ClickHouse does not answer.
    #[error("ClickHouse's cluster: {0}")]
    Storage(#[from] clickhouse::error::Error),
}

#[derive(Row, Deserialize)]
struct Size {
    shards: u64,
}

#[derive(Row, Deserialize)]
struct Text {
    text: String,
}

/// Looks whether a cluster is one that collectors can write to exactly, by what the server says that
/// answers.
///
/// # Errors
/// What is wrong, and what to do; or that ClickHouse does not answer.
pub async fn check(client: &Client, cluster: &Cluster) -> Result<(), ClusterError> {
    let client = client
        .clone()
        .with_database("system")
        .with_validation(false);
    let shards = shards(&client, "cluster", cluster).await?;
    if shards > 1 {
        return Err(ClusterError::Shards {
            name: cluster.name().to_owned(),
            shards,
        });
    }
    let macros = client
        .query_raw("SELECT uniqExact(macro) FROM system.macros WHERE macro IN ('shard', 'replica')")
        .fetch_one::<u64>()
        .await?;
    if macros < 2 {
        return Err(ClusterError::Macros);
    }
    one_server(&client).await
}

/// How many shards a cluster has; at least one.
pub(super) async fn shards(
    client: &Client,
    key: &'static str,
    cluster: &Cluster,
) -> Result<u64, ClusterError> {
    let name = cluster.name();
    let sql = format!(
        "SELECT uniqExact(shard_num) AS shards FROM system.clusters WHERE cluster = '{name}'"
    );
    let Size { shards } = client.query_raw(&sql).fetch_one().await?;
    match shards {
        0 => Err(ClusterError::Unknown {
            key,
            name: name.to_owned(),
        }),
        shards => Ok(shards),
    }
}

/// Several questions at once have several connections, which a balancer that takes turns gives to
/// several servers.
async fn one_server(client: &Client) -> Result<(), ClusterError> {
    let ask = || async {
        let sql = "SELECT toString(serverUUID()) AS text";
        client.query_raw(sql).fetch_one::<Text>().await
    };
    let answers: [Text; 4] = tokio::try_join!(ask(), ask(), ask(), ask())?.into();
    let mut servers = answers.map(|answer| answer.text).to_vec();
    servers.sort();
    servers.dedup();
    match servers.len() {
        0 | 1 => Ok(()),
        several => Err(ClusterError::Servers(several)),
    }
}

/// Looks whether the history is of the kind that the configuration says; returns whether there is one.
pub(super) async fn has_history(
    client: &Client,
    cluster: Option<&Cluster>,
) -> Result<bool, ClusterError> {
    const TABLE: &str = "schema_migrations";
    let sql = format!(
        "SELECT engine AS text FROM system.tables WHERE database = '{DATABASE}' AND name = '{TABLE}'"
    );
    let found: Option<Text> = client.query_raw(&sql).fetch_optional().await?;
    let Some(Text { text: engine }) = found else {
        return Ok(false);
    };
    match (cluster, engine.starts_with("Replicated")) {
        (Some(_), false) => Err(ClusterError::Plain {
            table: TABLE,
            engine,
        }),
        (None, true) => Err(ClusterError::Replicated {
            table: TABLE,
            engine,
        }),
        _ => Ok(true),
    }
}

/// Waits until the server that answers has every row of a table that was committed on any replica.
pub(crate) fn catch_up(table: &str) -> String {
    // What was merged elsewhere, or changed, need not be waited for.
    format!("SYSTEM SYNC REPLICA {DATABASE}.{table} LIGHTWEIGHT")
}
