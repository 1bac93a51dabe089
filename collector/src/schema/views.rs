//! Renewing views whose query was changed.
//!
//! After `ALTER TABLE <view> MODIFY QUERY`, ClickHouse (26.7) makes other deduplication tokens for what
//! the view writes than before, and than after its next restart: a block inserted then and repeated
//! after a restart would count twice in every roll-up behind the view. Renaming the view away and back
//! gives it the tokens of a restart at once, so [`renew`] does that right after each such statement.
//! While it is renamed, inserts still go through the view, with tokens of its other name.
//!
//! Promises: a view is never left under its other name. A migration is recorded only after its views
//! were renewed, and [`finish`] renames back, at every start, what a crash left in between.
//! Leaves open: a block inserted between `MODIFY QUERY` and the renewal, whose outcome is unknown and
//! which is repeated after it. A collector migrates before it writes, so this takes one of an older
//! version that writes meanwhile.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::{Cluster, DATABASE, SchemaError, execute};

/// What a view's name ends with while it is renamed.
const AWAY: &str = "_renewed";

#[derive(Row, Deserialize)]
struct Name {
    name: String,
}

/// The view whose query the statement changes, without the database.
pub(super) fn modified_by(statement: &str) -> Option<&str> {
    let mut words = statement.split_whitespace();
    let mut next_is = |word: &str| {
        words
            .next()
            .is_some_and(|next| next.eq_ignore_ascii_case(word))
    };
    if !(next_is("ALTER") && next_is("TABLE")) {
        return None;
    }
    let view = words.next()?.strip_prefix(DATABASE)?.strip_prefix('.')?;
    let mut next_is = |word: &str| {
        words
            .next()
            .is_some_and(|next| next.eq_ignore_ascii_case(word))
    };
    (next_is("MODIFY") && next_is("QUERY")).then_some(view)
}

/// Renames the view away and back.
pub(super) async fn renew(
    client: &Client,
    cluster: Option<&Cluster>,
    view: &str,
) -> Result<(), SchemaError> {
    rename(client, cluster, view, &format!("{view}{AWAY}")).await?;
    give_back(client, cluster, view).await
}

/// Renames the view back, wherever it has its other name.
pub(super) async fn give_back(
    client: &Client,
    cluster: Option<&Cluster>,
    view: &str,
) -> Result<(), SchemaError> {
    rename(client, cluster, &format!("{view}{AWAY}"), view).await
}

/// Whether a view has its other name: another collector renews it now, or one did not come to the end.
pub(super) async fn is_one_away(client: &Client) -> Result<bool, SchemaError> {
    away(client).await.map(|names| !names.is_empty())
}

/// Renames back what an earlier run left under its other name.
pub(super) async fn finish(client: &Client, cluster: Option<&Cluster>) -> Result<(), SchemaError> {
    for Name { name } in away(client).await? {
        let view = name.strip_suffix(AWAY).unwrap_or(&name);
        tracing::warn!(
            view,
            "an upgrade was interrupted: the view gets its name back"
        );
        rename(client, cluster, &name, view).await?;
    }
    Ok(())
}

async fn away(client: &Client) -> Result<Vec<Name>, SchemaError> {
    let sql = format!(
        "SELECT name FROM system.tables WHERE database = '{DATABASE}' AND endsWith(name, '{AWAY}') ORDER BY name"
    );
    let names = client.query_raw(&sql).fetch_all().await;
    names.map_err(SchemaError::History)
}

/// Nothing happens where `from` is not there.
async fn rename(
    client: &Client,
    cluster: Option<&Cluster>,
    from: &str,
    to: &str,
) -> Result<(), SchemaError> {
    let on = cluster.map(Cluster::clause).unwrap_or_default();
    let sql = format!("RENAME TABLE IF EXISTS {DATABASE}.{from} TO {DATABASE}.{to}{on}");
    execute(client, cluster, &sql)
        .await
        .map_err(|source| SchemaError::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::modified_by;

    #[test]
    fn only_a_changed_query_asks_for_a_renewal() {
        for (statement, view) in [
            (
                "ALTER TABLE crmscope.a_view MODIFY QUERY\nSELECT 1",
                Some("a_view"),
            ),
            (
                "alter  table crmscope.a_view\n modify query SELECT 1",
                Some("a_view"),
            ),
            (
                "ALTER TABLE crmscope.a ADD COLUMN IF NOT EXISTS b UInt8",
                None,
            ),
            ("ALTER TABLE crmscope.a MODIFY SETTING x = 1", None),
            ("ALTER TABLE other.a_view MODIFY QUERY SELECT 1", None),
            (
                "CREATE MATERIALIZED VIEW crmscope.a_view TO crmscope.a AS SELECT 1",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(modified_by(statement), view, "{statement}");
        }
    }
}
