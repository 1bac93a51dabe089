//! Every statement of the migrations for a cluster, and what is refused.

use proptest::prelude::*;

use super::rewrite::{KEEPER_PATH, WINDOW_SECONDS, rewrite};
use super::*;
use crate::schema::migrations::MIGRATIONS;
use crate::schema::words::words;
use crate::schema::{DASHBOARDS, statements};

fn cell() -> Cluster {
    Cluster::new("crm-cell_1.a").unwrap()
}

fn rewritten(statement: &str) -> Result<String, String> {
    rewrite(statement, &cell())
}

/// What stands in every file, with where it stands.
fn all() -> Vec<(String, &'static str)> {
    MIGRATIONS
        .iter()
        .chain([&DASHBOARDS])
        .flat_map(|file| {
            let statements = statements::split(file.sql).unwrap();
            let place = |line| format!("{}:{line}", file.name);
            statements
                .into_iter()
                .map(move |one| (place(one.line), one.text))
        })
        .collect()
}

#[test]
fn only_what_a_name_is_made_of_names_a_cluster() {
    for name in ["crmscope", "a", "Cell-1_b.c"] {
        assert_eq!(Cluster::new(name).unwrap().name(), name);
    }
    let long = "a".repeat(201);
    for name in ["", "a b", "a`", "a'b", "{cluster}", "é", long.as_str()] {
        assert_eq!(Cluster::new(name), None, "{name}");
    }
}

#[test]
fn each_form_becomes_what_a_cluster_takes() {
    let path = KEEPER_PATH;
    let on = "ON CLUSTER `crm-cell_1.a`";
    for (statement, want) in [
        (
            "CREATE DATABASE IF NOT EXISTS crmscope ENGINE = Atomic",
            format!("CREATE DATABASE IF NOT EXISTS crmscope {on} ENGINE = Atomic"),
        ),
        (
            "create function if not exists f as (a, b) -> a + b",
            format!("create function if not exists f {on} as (a, b) -> a + b"),
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (\n    b UInt8 CODEC(T64, ZSTD(1)) -- ENGINE = c (\n)\n\
             ENGINE = MergeTree\nORDER BY b\nSETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1",
            format!(
                "CREATE TABLE IF NOT EXISTS crmscope.a {on} (\n    b UInt8 CODEC(T64, ZSTD(1)) -- ENGINE = c (\n)\n\
                 ENGINE = ReplicatedMergeTree({path})\nORDER BY b\nSETTINGS replicated_deduplication_window = 10000, \
                 replicated_deduplication_window_seconds = {WINDOW_SECONDS}, ttl_only_drop_parts = 1"
            ),
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a AS crmscope.b ENGINE = ReplacingMergeTree(version) \
             SETTINGS non_replicated_deduplication_window = 10000",
            format!(
                "CREATE TABLE IF NOT EXISTS crmscope.a {on} AS crmscope.b ENGINE = \
                 ReplicatedReplacingMergeTree({path}, version) SETTINGS replicated_deduplication_window = 10000, \
                 replicated_deduplication_window_seconds = {WINDOW_SECONDS}"
            ),
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (b UInt8) ENGINE = AggregatingMergeTree() ORDER BY b \
             SETTINGS non_replicated_deduplication_window = 1",
            format!(
                "CREATE TABLE IF NOT EXISTS crmscope.a {on} (b UInt8) ENGINE = ReplicatedAggregatingMergeTree({path}) \
                 ORDER BY b SETTINGS replicated_deduplication_window = 1, \
                 replicated_deduplication_window_seconds = {WINDOW_SECONDS}"
            ),
        ),
        (
            "CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.a_view TO crmscope.a AS\nSELECT 1 FROM crmscope.b",
            format!(
                "CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.a_view {on} TO crmscope.a AS\nSELECT 1 FROM crmscope.b"
            ),
        ),
        (
            "CREATE OR REPLACE VIEW crmscope.c AS SELECT 1",
            format!("CREATE OR REPLACE VIEW crmscope.c {on} AS SELECT 1"),
        ),
        (
            "ALTER TABLE crmscope.a_view MODIFY QUERY\nSELECT 2",
            format!("ALTER TABLE crmscope.a_view {on} MODIFY QUERY\nSELECT 2"),
        ),
        // Keeper takes these to every replica.
        (
            "ALTER TABLE crmscope.a\n    ADD COLUMN IF NOT EXISTS b Map(Int16, UInt64),\n    ADD COLUMN IF NOT EXISTS c UInt8 DEFAULT f(1, 2)",
            "ALTER TABLE crmscope.a\n    ADD COLUMN IF NOT EXISTS b Map(Int16, UInt64),\n    ADD COLUMN IF NOT EXISTS c UInt8 DEFAULT f(1, 2)"
                .to_owned(),
        ),
        (
            "ALTER TABLE crmscope.a MODIFY TTL t + INTERVAL 9 DAY",
            "ALTER TABLE crmscope.a MODIFY TTL t + INTERVAL 9 DAY".to_owned(),
        ),
        (
            "INSERT INTO crmscope.a (b) SELECT 1",
            "INSERT INTO crmscope.a (b) SELECT 1".to_owned(),
        ),
    ] {
        assert_eq!(rewritten(statement), Ok(want), "{statement}");
    }
}

#[test]
fn what_is_not_known_is_refused_with_what_it_is() {
    for (statement, reason) in [
        ("", "nothing is known of \"\""),
        ("DROP TABLE crmscope.a", "DROP TABLE crmscope ."),
        ("TRUNCATE TABLE crmscope.a", "TRUNCATE TABLE"),
        ("RENAME TABLE crmscope.a TO crmscope.b", "RENAME TABLE"),
        ("SYSTEM STOP MERGES", "SYSTEM STOP MERGES"),
        (
            "CREATE TABLE crmscope.a (b UInt8) ENGINE = MergeTree",
            "CREATE TABLE crmscope",
        ),
        (
            "CREATE VIEW IF NOT EXISTS crmscope.a AS SELECT 1",
            "CREATE VIEW",
        ),
        (
            "CREATE DATABASE IF NOT EXISTS other ENGINE = Atomic",
            "\"other\" is not crmscope",
        ),
        (
            "CREATE DATABASE IF NOT EXISTS crmscope ENGINE = Memory",
            "\"Memory\" stands",
        ),
        (
            "CREATE TABLE IF NOT EXISTS other.a (b UInt8) ENGINE = MergeTree",
            "\"other\"",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.`a` (b UInt8)",
            "a table is understood",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a ON CLUSTER c (b UInt8)",
            "\"ON\" stands",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (b UInt8",
            "a bracket does not end",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (b UInt8) ENGINE = Memory",
            "engine \"Memory\" is none of MergeTree, ReplacingMergeTree, AggregatingMergeTree",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (b UInt8) ENGINE = SummingMergeTree ORDER BY b \
             SETTINGS non_replicated_deduplication_window = 1",
            "\"SummingMergeTree\"",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (b UInt8) ENGINE = MergeTree ORDER BY b",
            "sets non_replicated_deduplication_window 0 times",
        ),
        (
            "CREATE TABLE IF NOT EXISTS crmscope.a (b UInt8) ENGINE = MergeTree ORDER BY b \
             SETTINGS non_replicated_deduplication_window = 'x'",
            "a number of blocks is understood",
        ),
        (
            "CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.a ENGINE = MergeTree AS SELECT 1",
            "\"ENGINE\" stands where TO",
        ),
        (
            "ALTER TABLE crmscope.a DROP COLUMN b",
            "the change \"DROP COLUMN b\"",
        ),
        (
            "ALTER TABLE crmscope.a MODIFY SETTING ttl_only_drop_parts = 0",
            "the change \"MODIFY SETTING",
        ),
        (
            "ALTER TABLE crmscope.a ADD COLUMN IF NOT EXISTS b UInt8, DROP COLUMN c",
            "the change \"DROP COLUMN c\"",
        ),
        ("INSERT INTO other.a SELECT 1", "\"other\""),
    ] {
        let told = rewritten(statement).unwrap_err();
        assert!(told.contains(reason), "{statement}: {told}");
    }
}

/// Whatever else changes in a statement, taking these out gives it back.
#[test]
fn every_statement_of_every_file_is_known_and_nothing_else_of_it_changes() {
    let clause = cell().clause();
    let mut tables = 0;
    for (place, statement) in all() {
        let cluster = rewritten(statement).unwrap_or_else(|error| panic!("{place}: {error}"));
        let back = cluster
            .replace(&clause, "")
            .replace(&format!("({KEEPER_PATH}, "), "(")
            .replace(&format!("({KEEPER_PATH})"), "")
            .replace(
                &format!(", replicated_deduplication_window_seconds = {WINDOW_SECONDS}"),
                "",
            )
            .replace(
                " replicated_deduplication_window",
                " non_replicated_deduplication_window",
            )
            .replace("ENGINE = Replicated", "ENGINE = ");
        assert_eq!(back, statement, "{place}");

        let is = |prefix: &str| statement.starts_with(prefix);
        let on_every_replica = is("CREATE") || statement.contains("_view MODIFY QUERY");
        assert_eq!(
            cluster.matches(&clause).count(),
            usize::from(on_every_replica),
            "{place}"
        );
        let made = usize::from(is("CREATE TABLE"));
        tables += made;
        assert_eq!(cluster.matches(KEEPER_PATH).count(), made, "{place}");
        assert!(!cluster.contains("non_replicated"), "{place}");
    }
    assert!(tables > 100, "{tables}");
}

/// Of two tables that meet in Keeper at one place, the second could not be made.
#[test]
fn no_two_tables_have_one_name() {
    let mut names = std::collections::BTreeSet::new();
    for (place, statement) in all() {
        let words = words(statement);
        if words.len() > 7 && words[1].is("TABLE") && words[0].is("CREATE") {
            assert!(names.insert(words[7].text), "{place}: {}", words[7].text);
        }
    }
    assert!(names.contains("host_raw") && names.len() > 100);
}

proptest! {
    /// Texts and pieces of statements in any order: an answer, and never a panic.
    #[test]
    fn anything_is_an_answer(pieces in prop::collection::vec(prop_oneof![
        "\\PC{0,12}",
        Just("CREATE TABLE IF NOT EXISTS crmscope.a".to_owned()),
        Just("ALTER TABLE crmscope.a ADD COLUMN IF NOT EXISTS".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just(", 'é".to_owned()),
        Just("ENGINE = MergeTree".to_owned()),
        Just("SETTINGS non_replicated_deduplication_window = 1".to_owned()),
    ], 0..8)) {
        let statement = pieces.join(" ");
        if let Ok(text) = rewritten(&statement) {
            prop_assert!(text.len() >= statement.len());
        }
    }
}
