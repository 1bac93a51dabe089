//! The SQL files against the catalog, the headers and the rules that exactness rests on.

use std::collections::BTreeSet;
use std::path::Path;

use crmscope_proto::catalog::{Behaviour, Metric, Presence, SeriesKind};

use super::migrations::{MIGRATIONS, Migration};
use super::{DASHBOARDS, Recorded, SchemaError, plan, queries, statements};

fn all_statements() -> Vec<(&'static str, &'static str)> {
    MIGRATIONS
        .iter()
        .flat_map(|file| {
            let statements = statements::split(file.sql).unwrap();
            statements.into_iter().map(move |one| (file.name, one.text))
        })
        .collect()
}

fn statement(prefix: &str) -> &'static str {
    all_statements()
        .into_iter()
        .map(|(_, text)| text)
        .find(|text| text.starts_with(prefix))
        .unwrap_or_else(|| panic!("no statement starts with {prefix}"))
}

/// Name and definition of each column of a table.
fn columns(table: &str) -> Vec<(String, String)> {
    let text = statement(&format!("CREATE TABLE IF NOT EXISTS crmscope.{table} (\n"));
    let (_, body) = text.split_once("(\n").unwrap();
    let (body, _) = body.split_once("\n)").unwrap();
    let added = format!("ALTER TABLE crmscope.{table} ADD COLUMN IF NOT EXISTS ");
    let added = all_statements()
        .into_iter()
        .filter_map(move |(_, text)| text.strip_prefix(&added));
    body.lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| !line.starts_with("--") && !line.starts_with("INDEX"))
        .chain(added)
        .map(|line| {
            let (name, definition) = line.split_once(' ').unwrap();
            (name.to_owned(), definition.trim().to_owned())
        })
        .collect()
}

/// What a view selects at last, by the names it gives.
fn selected(view: &str) -> Vec<String> {
    let changed = format!("ALTER TABLE crmscope.{view} MODIFY QUERY\n");
    let changed = all_statements()
        .into_iter()
        .rfind(|(_, text)| text.starts_with(&changed))
        .map(|(_, text)| text);
    let text = changed.unwrap_or_else(|| {
        statement(&format!(
            "CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.{view} "
        ))
    });
    let (_, select) = text.split_once("SELECT").unwrap();
    let (select, _) = select.split_once("\nFROM").unwrap();
    select
        .split(" AS ")
        .skip(1)
        .map(|part| part.split([',', '\n']).next().unwrap().trim().to_owned())
        .collect()
}

fn column(name: &str, definition: &str) -> (String, String) {
    (name.to_owned(), definition.to_owned())
}

fn keys(kind: SeriesKind) -> Vec<(String, String)> {
    [&["agent_id"], kind.labels()]
        .concat()
        .into_iter()
        .map(|name| column(name, "LowCardinality(String) CODEC(ZSTD(1))"))
        .collect()
}

const fn value_type(metric: &Metric) -> &'static str {
    match metric.presence {
        Presence::Required => "UInt64",
        Presence::Optional => "Nullable(UInt64)",
    }
}

#[test]
fn raw_tables_have_the_columns_of_the_catalog_in_its_order() {
    for kind in SeriesKind::ALL {
        let mut want = keys(kind);
        want.push(column("ts", "DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))"));
        want.push(column("interval_ms", "UInt32 CODEC(T64, ZSTD(1))"));
        want.extend(kind.metrics().iter().map(|metric| {
            let codec = match metric.behaviour {
                Behaviour::Increment => "T64",
                Behaviour::Gauge => "Delta",
            };
            column(
                metric.name,
                &format!("{} CODEC({codec}, ZSTD(1))", value_type(metric)),
            )
        }));
        let mut found = columns(kind.table());
        found.retain(|(_, definition)| !definition.contains(" ALIAS "));
        assert_eq!(found, want, "{kind:?}");
    }
}

#[test]
fn roll_ups_hold_every_figure_of_the_catalog() {
    for kind in SeriesKind::ALL {
        let aggregate = |function: &str, value: &str, codec: &str| {
            format!("SimpleAggregateFunction({function}, {value}) CODEC({codec}, ZSTD(1))")
        };
        let mut want = keys(kind);
        want.push(column("t", "DateTime('UTC') CODEC(Delta, ZSTD(1))"));
        want.push(column("ticks", &aggregate("sum", "UInt64", "T64")));
        want.push(column("interval_ms", &aggregate("sum", "UInt64", "T64")));
        want.push(column(
            "last_ts",
            &aggregate("max", "DateTime64(3, 'UTC')", "Delta"),
        ));
        for metric in kind.metrics() {
            let (name, value) = (metric.name, value_type(metric));
            if metric.behaviour == Behaviour::Increment {
                want.push(column(name, &aggregate("sum", value, "T64")));
                continue;
            }
            for function in ["min", "max", "sum"] {
                want.push(column(
                    &format!("{name}_{function}"),
                    &aggregate(function, value, "Delta"),
                ));
            }
            if metric.presence == Presence::Optional {
                want.push(column(
                    &format!("{name}_ticks"),
                    &aggregate("sum", "UInt64", "T64"),
                ));
            }
        }
        let base = kind.table().trim_end_matches("_raw");
        assert_eq!(columns(&format!("{base}_1m")), want, "{kind:?}");

        let names: Vec<_> = want.into_iter().map(|(name, _)| name).collect();
        for level in ["1m", "1h", "1d"] {
            assert_eq!(
                selected(&format!("{base}_{level}_view")),
                names,
                "{kind:?} {level}"
            );
        }
        for level in ["1h", "1d"] {
            statement(&format!(
                "CREATE TABLE IF NOT EXISTS crmscope.{base}_{level} AS crmscope.{base}_1m\n"
            ));
        }
    }
}

#[test]
fn every_statement_is_safe_to_repeat_and_every_table_remembers_its_blocks() {
    for (file, text) in all_statements() {
        // A new query of a view takes effect in one step and is the same the second time.
        let alters = text.starts_with("ALTER TABLE crmscope.");
        let new_query = alters && text.contains("_view MODIFY QUERY\n");
        let adds = text.matches("ADD COLUMN ").count();
        let adds_once = alters
            && adds > 0
            && text.matches("ADD COLUMN IF NOT EXISTS ").count() == adds
            && !["DROP", "MODIFY", "RENAME", "DELETE", "UPDATE"]
                .iter()
                .any(|word| text.contains(word));
        let creates = text.starts_with("CREATE ") && text.contains("IF NOT EXISTS");
        // The latest row of a roll-up holds, and a later one only leaves more to the tables before it.
        let says_since =
            text.starts_with("INSERT INTO crmscope.rollup_starts (name, since)\nSELECT ");
        // A maximum of a maximum: told twice it is the same.
        let says_maxima = text.starts_with("INSERT INTO crmscope.lane_ends ")
            && !["sum(", "count("].iter().any(|word| text.contains(word));
        assert!(
            creates || adds_once || new_query || says_since || says_maxima,
            "{file}: {text}"
        );
        if text.starts_with("CREATE TABLE") {
            assert!(
                text.contains("non_replicated_deduplication_window = 10000"),
                "{file}: {text}"
            );
        }
        if text.starts_with("CREATE MATERIALIZED VIEW") || new_query {
            // A scalar subquery in a view leaves its target empty under streamed inserts.
            assert!(!text.contains("(SELECT"), "{file}: {text}");
        }
        if text.starts_with("CREATE MATERIALIZED VIEW") {
            assert!(text.contains(" TO crmscope."), "{file}: {text}");
        }
    }
    let dashboards = statements::split(DASHBOARDS.sql).unwrap();
    assert_eq!(dashboards.len(), 1);
    assert!(dashboards[0].text.starts_with("CREATE OR REPLACE VIEW"));
}

/// `reconcile` and queries have to know that a roll-up does not hold what was stored before it was there.
#[test]
fn a_roll_up_that_came_later_than_its_base_rows_says_since_when_it_is_whole() {
    /// What came with the first collector.
    const FIRST: u32 = 14;
    let made = |table: &str| {
        let text = format!("CREATE TABLE IF NOT EXISTS crmscope.{table} ");
        MIGRATIONS.iter().find(|file| file.sql.contains(&text))
    };
    let starts: Vec<_> = all_statements()
        .into_iter()
        .filter(|(_, text)| text.starts_with("INSERT INTO crmscope.rollup_starts "))
        .collect();
    for (file, text) in all_statements() {
        let Some(view) = text.strip_prefix("CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.")
        else {
            continue;
        };
        let after = |word: &str| {
            let (_, rest) = view.split_once(word).unwrap();
            rest.split_whitespace().next().unwrap()
        };
        let (target, source) = (after(" TO crmscope."), after("\nFROM crmscope."));
        let (target_made, source_made) = (made(target).unwrap(), made(source).unwrap());
        if target_made.version <= FIRST || target_made.version == source_made.version {
            continue;
        }
        // As `reconcile` looks for it.
        let levels = ["_1m", "_1h", "_1d"];
        let name = levels.iter().find_map(|level| target.strip_suffix(level));
        let name = name.unwrap_or(target);
        let says = |text: &str| text.contains(&format!("'{name}'"));
        // What may be added twice was added: it holds what was before.
        let added = format!("INSERT INTO crmscope.{target} ");
        let is_added = all_statements()
            .iter()
            .any(|(_, text)| text.starts_with(&added));
        assert!(
            is_added || starts.iter().any(|(_, text)| says(text)),
            "{file}: {target} is younger than {source}, and no migration says in rollup_starts since when it is whole"
        );
    }
}

fn names_in(folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/clickhouse")
        .join(folder);
    let mut names: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_file_is_compiled_in_under_its_number() {
    let embedded: Vec<_> = MIGRATIONS.iter().map(|file| file.name).collect();
    assert_eq!(embedded, names_in("migrations"));
    assert!(
        MIGRATIONS.is_sorted_by(|before, file| before.version < file.version),
        "in the order of their numbers, each number once"
    );
    for file in MIGRATIONS {
        assert!(
            file.name.starts_with(&format!("{:04}_", file.version)),
            "{}",
            file.name
        );
        assert!(!file.name.contains(['\'', '\\']), "{}", file.name);
    }
    let embedded: Vec<_> = queries::ALL
        .iter()
        .map(|query| format!("{}.sql", query.name))
        .collect();
    assert_eq!(embedded, names_in("queries"));
}

#[test]
fn headers_of_queries_name_every_parameter_with_its_type() {
    for query in queries::ALL {
        let header: String = query
            .sql
            .lines()
            .take_while(|line| line.starts_with("--"))
            .collect();
        assert!(header.starts_with("-- Question: "), "{}", query.name);
        assert!(header.contains("-- Columns:"), "{}", query.name);
        let used: BTreeSet<_> = query
            .sql
            .split('{')
            .skip(1)
            .map(|part| part.split_once('}').unwrap().0)
            .collect();
        for parameter in &used {
            let (name, kind) = parameter.split_once(':').unwrap();
            assert!(
                header.contains(&format!(" {name} {kind}")),
                "{}: {parameter}",
                query.name
            );
        }
        assert_eq!(
            statements::split(query.sql).unwrap().len(),
            1,
            "{}",
            query.name
        );
    }
    assert!(queries::find("ledger_proof").is_some());
    assert!(queries::find("no_such_query").is_none());
}

#[test]
fn only_what_is_not_recorded_is_applied_and_an_edit_is_an_error() {
    let files = [1, 2].map(|version| Migration {
        version,
        name: ["0001_a.sql", "0002_b.sql"][version as usize - 1],
        sql: "SELECT 1",
    });
    let row = |version, checksum: &str| Recorded {
        version,
        name: format!("{version:04}_x.sql"),
        checksum: checksum.to_owned(),
    };
    let same = files[0].checksum();
    assert_eq!(same.len(), 16);

    let (pending, report) = plan(&files, &[]).unwrap();
    assert_eq!((pending.len(), report.already_applied), (2, 0));

    let (pending, report) = plan(&files, &[row(1, &same), row(7, "x")]).unwrap();
    assert_eq!(pending[0].name, "0002_b.sql");
    assert_eq!((pending.len(), report.already_applied), (1, 1));
    assert_eq!(report.newer, ["0007_x.sql"]);

    let error = plan(&files, &[row(1, &same), row(2, &same), row(2, "old")]).unwrap_err();
    assert!(
        matches!(&error, SchemaError::Edited { version: 2, recorded, .. } if recorded == "old"),
        "{error}"
    );
    assert!(error.to_string().contains("0002_b.sql"), "{error}");
}

/// What users.sql grants: what, on what, to whom.
fn grants() -> Vec<(Vec<String>, String, String)> {
    let users = include_str!("../../../deploy/clickhouse/users.sql");
    let grant = |text: &str| {
        let text = text.strip_prefix("GRANT ")?;
        let (what, rest) = text.split_once(" ON ")?;
        let (place, user) = rest.rsplit_once(" TO ")?;
        let what = what.split(", ").map(str::to_owned).collect();
        Some((what, place.to_owned(), user.to_owned()))
    };
    statements::split(users)
        .unwrap()
        .iter()
        .filter_map(|statement| match statement.text.starts_with("CREATE ") {
            true => None,
            false => Some(grant(statement.text).unwrap_or_else(|| panic!("{}", statement.text))),
        })
        .collect()
}

#[test]
fn the_writer_may_insert_where_no_view_and_no_migration_does_and_the_reader_nowhere() {
    let mut tables = BTreeSet::new();
    let mut written_by_views = BTreeSet::new();
    for (_, text) in all_statements() {
        let after = |prefix: &str| {
            let (_, rest) = text.split_once(prefix)?;
            rest.split_whitespace().next()
        };
        if text.starts_with("CREATE TABLE") {
            tables.extend(after("crmscope."));
        } else if text.starts_with("CREATE MATERIALIZED VIEW") {
            written_by_views.extend(after(" TO crmscope."));
        }
    }
    let not_written = ["schema_migrations", "rollup_starts"];
    let wanted: BTreeSet<String> = tables
        .difference(&written_by_views)
        .filter(|table| !not_written.contains(table))
        .map(|table| format!("crmscope.{table}"))
        .collect();
    let may_insert: BTreeSet<String> = grants()
        .into_iter()
        .filter(|(what, place, user)| {
            user == "crmscope_writer" && what.contains(&"INSERT".to_owned()) && !place.contains('*')
        })
        .map(|(_, place, _)| place)
        .collect();
    assert_eq!(may_insert, wanted);
    for (what, place, user) in grants() {
        if user == "crmscope_reader" {
            assert_eq!(what, ["SELECT"], "{place}");
        }
        assert!(!what.contains(&"ALL".to_owned()), "{user}: {place}");
    }
}
