//! The schema in ClickHouse: migrations, the queries of pages and proofs, and the charts.
//!
//! Owns every SQL file under `deploy/clickhouse`, compiled in, so that a collector and its schema
//! cannot be of different versions. Promises: [`migrate`] may run at every start, twice, from
//! several collectors together, which take turns, and after a crash in the middle; it never drops or
//! rewrites data, so ingest goes on meanwhile; a migration that was edited after it was applied is an error.
//! With a cluster the same files are applied, rewritten ([`mod@cluster`]); without one, as they stand.
//! Leaves connecting, retries and rows to `storage` and `writer`.

pub mod cluster;
mod migrations;
pub mod queries;
mod statements;
mod views;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use clickhouse::{Client, Row};
use serde::Deserialize;

pub use self::cluster::{Cluster, ClusterError};
use crate::turn::{self, Turn, TurnError};
use migrations::{FOUNDATION, MIGRATIONS, Migration};

/// Database of every table. The SQL files name it, so it cannot be configured.
pub const DATABASE: &str = "crmscope";

/// The view that ClickHouse's own /dashboard page reads; replaced at every [`migrate`].
const DASHBOARDS: Migration = Migration {
    version: 0,
    name: "dashboards.sql",
    sql: include_str!("../../../deploy/clickhouse/dashboards.sql"),
};

/// What [`migrate`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files applied now, in order.
    pub applied: Vec<&'static str>,
    /// How many had been applied before.
    pub already_applied: usize,
    /// Recorded migrations that this binary does not know: a newer collector was here.
    pub newer: Vec<String>,
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The server refused a statement.
    #[error("{file}, statement {statement} (line {line}): {source}")]
    Statement {
        /// The SQL file.
        file: &'static str,
        /// Number of the statement in it, from 1.
        statement: usize,
        /// Line on which it starts.
        line: usize,
        /// What the server said.
        source: clickhouse::error::Error,
    },
    /// A quote, comment or heredoc does not end.
    #[error("{file}, line {line}: a quote or comment that starts here does not end")]
    Unterminated {
        /// The SQL file.
        file: &'static str,
        /// Line on which it starts.
        line: usize,
    },
    /// A statement that no cluster can be given.
    #[error(
        "{file}, line {line}: this statement cannot be applied to a cluster: {reason}; teach collector/src/schema/cluster/rewrite.rs what it is there"
    )]
    NotForCluster {
        /// The SQL file.
        file: &'static str,
        /// Line on which it starts.
        line: usize,
        /// What is not understood.
        reason: String,
    },
    /// The cluster, or tables that are of another kind than the configuration says.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A migration is not what was applied under its number.
    #[error(
        "migration {version} was applied as {recorded_name} with checksum {recorded}, but this \
         binary holds {file} with checksum {embedded}; applied migrations are never edited: \
         restore the file and put the change into a new one"
    )]
    Edited {
        /// Its number.
        version: u32,
        /// The file in this binary.
        file: &'static str,
        /// Checksum of the file in this binary.
        embedded: String,
        /// The file that was applied.
        recorded_name: String,
        /// Checksum of what was applied.
        recorded: String,
    },
    /// A view whose query was changed cannot be renamed, and must be: see `views`.
    #[error(
        "rename crmscope.{from} to crmscope.{to}: {source}; if both exist, compare them and drop the \
         one whose name ends with _renewed, then start again"
    )]
    Rename {
        /// The name it has.
        from: String,
        /// The name it should get.
        to: String,
        /// What the server said.
        source: clickhouse::error::Error,
    },
    /// The turn to change the schema.
    #[error("{0}; what was applied stays, and the next try goes on from there")]
    Turn(#[from] TurnError),
    /// Functions cannot be listed or made.
    #[error("functions of the schema: {0}")]
    Functions(#[source] clickhouse::error::Error),
    /// `crmscope.schema_migrations` cannot be read or written.
    #[error("crmscope.schema_migrations: {0}")]
    History(#[source] clickhouse::error::Error),
}

/// A row of `crmscope.schema_migrations`.
#[derive(Clone, Debug, Row, Deserialize)]
struct Recorded {
    version: u32,
    name: String,
    checksum: String,
}

/// Brings the database up to this binary's schema and refreshes the charts.
///
/// The client's own database is not used: it need not exist yet.
///
/// # Errors
/// When a statement fails, when an applied migration was edited, when a view cannot be renewed, or
/// when the history cannot be read or written. What was applied until then stays, and the next run goes on from there.
pub async fn migrate(client: &Client) -> Result<Report, SchemaError> {
    migrate_on(client, None).await
}

/// The same on every replica of a cluster; without one it is [`migrate`].
///
/// A cluster's replicas have to be up for what is new; where nothing is, one is enough.
///
/// # Errors
/// Also when the cluster cannot be written to exactly, or a replica does not answer.
pub async fn migrate_on(client: &Client, cluster: Option<&Cluster>) -> Result<Report, SchemaError> {
    // `system` exists everywhere; the embedded engine's `default` would also find files by name.
    // Without validation rows come as bare RowBinary, whose pieces can be put together; libchdb
    // repeats the header of the validated format with every block it streams.
    let client = client
        .clone()
        .with_database("system")
        .with_validation(false);
    match cluster {
        None => {
            cluster::has_history(&client, None).await?;
            run(&client, None, &FOUNDATION).await?;
        }
        // A statement for every replica fails while one is away, so it is sent only where it is needed.
        Some(cluster) => {
            cluster::check(&client, cluster).await?;
            if !cluster::has_history(&client, Some(cluster)).await? {
                run(&client, Some(cluster), &FOUNDATION).await?;
            }
        }
    }
    let (pending, mut report) = plan(MIGRATIONS, &recorded(&client, cluster).await?)?;
    if !pending.is_empty() || views::is_one_away(&client).await? {
        let turn = Turn::take(&client, turn::SCHEMA).await?;
        let done = in_turn(&client, cluster, &turn).await;
        // What went wrong first says more.
        let ended = turn.end().await;
        report = done?;
        ended?;
    }
    make_functions(&client, cluster).await?;
    if cluster.is_none() {
        run(&client, None, &DASHBOARDS).await?;
    } else if recorded_charts(&client).await? != DASHBOARDS.checksum() {
        run(&client, cluster, &DASHBOARDS).await?;
        record(&client, &DASHBOARDS).await?;
    }
    if !report.newer.is_empty() {
        tracing::warn!(newer = ?report.newer, "the schema is newer than this collector");
    }
    Ok(report)
}

/// Makes functions that are not there. They live beside the database, so that a backup of the database
/// does not hold them, and their migrations stay recorded.
async fn make_functions(client: &Client, cluster: Option<&Cluster>) -> Result<(), SchemaError> {
    const CREATE: &str = "CREATE FUNCTION IF NOT EXISTS ";
    let sql = "SELECT name FROM system.functions WHERE startsWith(name, 'crmscope_')";
    let there: Vec<String> = client
        .query_raw(sql)
        .fetch_all()
        .await
        .map_err(SchemaError::Functions)?;
    for statement in statements(None)? {
        let Some(text) = statement.text.strip_prefix(CREATE) else {
            continue;
        };
        let name = text.split_whitespace().next().unwrap_or_default();
        if there.iter().any(|there| there == name) {
            continue;
        }
        let (file, line) = (statement.file, statement.line);
        let text = for_cluster(&statement.text, cluster)
            .map_err(|reason| SchemaError::NotForCluster { file, line, reason })?;
        execute(client, cluster, &text)
            .await
            .map_err(SchemaError::Functions)?;
        tracing::info!(name, "function made again");
    }
    Ok(())
}

/// A statement of the schema, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The SQL file.
    pub file: &'static str,
    /// Line on which it starts.
    pub line: usize,
    /// As it is sent.
    pub text: String,
}

/// Every statement of the schema in its order, as one server or a cluster takes it.
///
/// # Errors
/// When a file or a statement is not understood.
pub fn statements(cluster: Option<&Cluster>) -> Result<Vec<Printed>, SchemaError> {
    let mut all = Vec::new();
    for migration in MIGRATIONS.iter().chain([&DASHBOARDS]) {
        let file = migration.name;
        let split = statements::split(migration.sql)
            .map_err(|line| SchemaError::Unterminated { file, line })?;
        for statement in split {
            let line = statement.line;
            let text = for_cluster(statement.text, cluster)
                .map_err(|reason| SchemaError::NotForCluster { file, line, reason })?
                .into_owned();
            all.push(Printed { file, line, text });
        }
    }
    Ok(all)
}

/// Does what is left to do when the turn came.
async fn in_turn(
    client: &Client,
    cluster: Option<&Cluster>,
    turn: &Turn,
) -> Result<Report, SchemaError> {
    views::finish(client, cluster).await?;
    let (pending, mut report) = plan(MIGRATIONS, &recorded(client, cluster).await?)?;
    for migration in pending {
        turn.check().await?;
        run(client, cluster, migration).await?;
        record(client, migration).await?;
        tracing::info!(file = migration.name, "migration applied");
        report.applied.push(migration.name);
    }
    Ok(report)
}

/// What was applied.
async fn recorded(
    client: &Client,
    cluster: Option<&Cluster>,
) -> Result<Vec<Recorded>, SchemaError> {
    if cluster.is_some() {
        let caught_up = client.query_raw(&cluster::catch_up("schema_migrations"));
        caught_up.execute().await.map_err(SchemaError::History)?;
    }
    client
        .query_raw("SELECT DISTINCT version, name, checksum FROM crmscope.schema_migrations ORDER BY version")
        .fetch_all()
        .await
        .map_err(SchemaError::History)
}

/// Checksum of the charts that a cluster got last, empty where it has none.
async fn recorded_charts(client: &Client) -> Result<String, SchemaError> {
    let version = DASHBOARDS.version;
    let sql = format!(
        "SELECT argMax(checksum, applied_at) FROM crmscope.schema_migrations WHERE version = {version}"
    );
    let checksum = client.query_raw(&sql).fetch_one();
    checksum.await.map_err(SchemaError::History)
}

/// What is still to be applied, given what was.
fn plan<'a>(
    migrations: &'a [Migration],
    recorded: &[Recorded],
) -> Result<(Vec<&'a Migration>, Report), SchemaError> {
    let mut pending = Vec::new();
    let mut report = Report::default();
    for migration in migrations {
        let embedded = migration.checksum();
        let mut rows = recorded
            .iter()
            .filter(|row| row.version == migration.version)
            .peekable();
        if rows.peek().is_none() {
            pending.push(migration);
            continue;
        }
        if let Some(row) = rows.find(|row| row.checksum != embedded) {
            return Err(SchemaError::Edited {
                version: migration.version,
                file: migration.name,
                embedded,
                recorded_name: row.name.clone(),
                recorded: row.checksum.clone(),
            });
        }
        report.already_applied += 1;
    }
    report.newer = recorded
        .iter()
        .filter(|row| row.version != DASHBOARDS.version)
        .filter(|row| migrations.iter().all(|known| known.version != row.version))
        .map(|row| row.name.clone())
        .collect();
    Ok((pending, report))
}

/// Runs every statement of a file, in order, and renews the views whose query it changes.
async fn run(
    client: &Client,
    cluster: Option<&Cluster>,
    migration: &Migration,
) -> Result<(), SchemaError> {
    let file = migration.name;
    let statements = statements::split(migration.sql)
        .map_err(|line| SchemaError::Unterminated { file, line })?;
    for (position, statement) in statements.iter().enumerate() {
        let line = statement.line;
        let text = for_cluster(statement.text, cluster)
            .map_err(|reason| SchemaError::NotForCluster { file, line, reason })?;
        let modified = views::modified_by(statement.text);
        if let (Some(view), Some(_)) = (modified, cluster) {
            // Where a replica was away in the middle of an earlier try.
            views::give_back(client, cluster, view).await?;
        }
        execute(client, cluster, &text)
            .await
            .map_err(|source| SchemaError::Statement {
                file,
                statement: position + 1,
                line,
                source,
            })?;
        if let Some(view) = modified {
            views::renew(client, cluster, view).await?;
        }
    }
    Ok(())
}

/// The statement as it stands, or as a cluster takes it.
fn for_cluster<'a>(statement: &'a str, cluster: Option<&Cluster>) -> Result<Cow<'a, str>, String> {
    match cluster {
        None => Ok(Cow::Borrowed(statement)),
        Some(cluster) => cluster::rewrite::rewrite(statement, cluster).map(Cow::Owned),
    }
}

/// Sends a statement of the schema.
async fn execute(
    client: &Client,
    cluster: Option<&Cluster>,
    sql: &str,
) -> clickhouse::error::Result<()> {
    // Raw, because `?` is a placeholder otherwise.
    let mut query = client.query_raw(sql);
    if cluster.is_some() {
        for (name, value) in cluster::SETTINGS {
            query = query.with_setting(name, value);
        }
    }
    query.execute().await
}

/// Notes that the migration is applied. A crash before this only repeats statements that are safe
/// to repeat.
async fn record(client: &Client, migration: &Migration) -> Result<(), SchemaError> {
    // All three are constants of this binary, without quotes in them (a test checks the names).
    let insert = format!(
        "INSERT INTO crmscope.schema_migrations (version, name, checksum) SELECT {}, '{}', '{}'",
        migration.version,
        migration.name,
        migration.checksum()
    );
    client
        .query_raw(&insert)
        .with_setting("async_insert", "0")
        .execute()
        .await
        .map_err(SchemaError::History)
}
