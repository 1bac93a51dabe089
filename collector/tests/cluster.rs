//! What a cluster gets, as far as the embedded engine can tell: that ClickHouse's own parser takes every
//! statement, and that Distributed tables over several databases say what one database says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;

use clickhouse::Client;
use common::agent::connect;
use common::rows::{batch, contents, now_ms};
use common::{Collector, Engine};
use crmscope_collector::schema::cluster::distributed::{ALL, make, over_all};
use crmscope_collector::schema::{self, Cluster, ClusterError, SchemaError, queries};
use crmscope_proto::Lane;
use serde_json::{Value, json};

/// One server that is two shards: what a shard has is decided by [`split`].
const TWO_SHARDS: &str = "<clickhouse><tcp_port>9000</tcp_port><remote_servers>\
    <everything>\
      <shard><internal_replication>true</internal_replication>\
        <replica><host>127.0.0.1</host><port>9000</port></replica></shard>\
      <shard><internal_replication>true</internal_replication>\
        <replica><host>127.0.0.1</host><port>9000</port></replica></shard>\
    </everything>\
    <cell>\
      <shard><internal_replication>true</internal_replication>\
        <replica><host>127.0.0.1</host><port>9000</port></replica></shard>\
    </cell>\
    </remote_servers></clickhouse>";

fn cluster(name: &str) -> Cluster {
    Cluster::new(name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_reads_every_statement_of_a_cluster() {
    let engine = Engine::start();
    let client = engine.client();
    let statements = schema::statements(Some(&cluster("cell"))).unwrap();
    assert!(statements.len() > 200, "{}", statements.len());
    let mut tables = 0;
    for statement in &statements {
        let asked = client
            .query_raw("SELECT formatQuerySingleLine({statement:String})")
            .param("statement", &statement.text);
        let read: String = asked
            .fetch_one()
            .await
            .unwrap_or_else(|error| panic!("{}:{}: {error}", statement.file, statement.line));
        let place = format!("{}:{}: {read}", statement.file, statement.line);
        let every_replica = read.starts_with("CREATE") || read.contains("MODIFY QUERY ");
        assert_eq!(read.contains(" ON CLUSTER "), every_replica, "{place}");
        if read.starts_with("CREATE TABLE") {
            tables += 1;
            assert!(read.contains(" ENGINE = Replicated"), "{place}");
            assert!(
                read.contains("('/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"),
                "{place}"
            );
            assert!(
                read.contains("replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 2592000"),
                "{place}"
            );
        }
    }
    assert!(tables > 100, "{tables}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_exact_is_refused_before_anything_is_made() {
    let engine = Engine::start_with(TWO_SHARDS);
    let client = engine.client();
    let refused = async |name: &str| {
        let asked = schema::migrate_on(&client, Some(&cluster(name))).await;
        match asked.unwrap_err() {
            SchemaError::Cluster(error) => error,
            other => panic!("{other}"),
        }
    };
    let unknown = refused("nobody").await;
    assert!(matches!(unknown, ClusterError::Unknown { .. }), "{unknown}");
    let shards = refused("everything").await;
    assert!(
        matches!(shards, ClusterError::Shards { shards: 2, .. }),
        "{shards}"
    );
    let macros = refused("cell").await;
    assert!(matches!(macros, ClusterError::Macros), "{macros}");
    let made = "SELECT count() FROM system.tables WHERE database = 'crmscope'";
    assert_eq!(engine.number(made).await, 0);
    drop(engine);

    let macros = "<macros><shard>1</shard><replica>a</replica></macros></clickhouse>";
    let engine = Engine::start_with(&TWO_SHARDS.replace("</clickhouse>", macros));
    schema::migrate(&engine.client()).await.unwrap();
    let plain = schema::migrate_on(&engine.client(), Some(&cluster("cell"))).await;
    let told = plain.unwrap_err().to_string();
    assert!(told.contains("was made without a cluster"), "{told}");
}

/// Values for the parameters that a query names.
fn parameters(sql: &str) -> BTreeMap<&str, Value> {
    let second = now_ms() / 1000;
    let named = sql.split('{').skip(1).filter_map(|part| {
        let (inner, _) = part.split_once('}')?;
        inner.split_once(':')
    });
    named
        .filter(|(name, _)| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
        .map(|(name, kind)| {
            let value = match (name, kind) {
                ("from", _) => json!(second - 7200),
                ("to", _) => json!(second + 7200),
                ("seconds", _) => json!(7200),
                ("step_seconds" | "rounding", _) => json!(60),
                ("service", _) => json!("crm"),
                (_, "Int64") => json!(0),
                (_, "Array(String)") => json!(["rule-0", "rule-1"]),
                (_, "Array(Array(String))") => json!([["user"], ["user"]]),
                (_, kind) if kind.starts_with("Array") => json!([1]),
                (_, kind) if kind.starts_with("UInt") => json!(50),
                (_, "String") => json!(""),
                (_, kind) if kind.starts_with("Float") => json!(0.95),
                (name, kind) => panic!("the test has no value for {{{name}:{kind}}}; add one"),
            };
            (name, value)
        })
        .collect()
}

/// What gives each agent's rows to one of the two shards, and all others to the first: the setting
/// `additional_table_filters`.
async fn split(engine: &Engine) -> String {
    let tables = engine
        .text(
            "SELECT t.name, toUInt8(countIf(c.name = 'agent_id') > 0) FROM system.tables AS t \
             INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name \
             WHERE t.database = 'crmscope' AND endsWith(t.engine, 'MergeTree') GROUP BY t.name",
        )
        .await;
    let filters: Vec<String> = tables
        .lines()
        .map(|line| {
            let (table, has_agent) = line.split_once('\t').unwrap();
            let shard = match has_agent {
                "1" => "1 + cityHash64(toString(agent_id)) % 2",
                _ => "1",
            };
            format!("'crmscope.{table}':'shardNum() = {shard}'")
        })
        .collect();
    format!("{{{}}}", filters.join(","))
}

/// Lines of an answer, in an order of their own.
async fn ask(client: &Client, name: &str, sql: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let mut query = client.query_raw(sql);
    for (parameter, value) in parameters(sql) {
        query = query.param(parameter, value);
    }
    for (setting, value) in settings {
        query = query.with_setting(*setting, *value);
    }
    let bytes = query.fetch_bytes("TSV").unwrap().collect().await;
    let bytes = bytes.unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_databases_read_as_one_say_what_one_says() {
    let engine = Engine::start_with(TWO_SHARDS);
    let mut collector = Collector::start(&engine);
    let agents = [
        "crm-db-01",
        "crm-app-01",
        "crm-web-01",
        "crm-web-02",
        "crm-web-03",
    ];
    for agent_id in agents {
        let mut agent = connect(collector.ingest, agent_id).await.unwrap();
        for lane in Lane::BY_URGENCY {
            for sequence in 1..=3 {
                let batch = batch(agent_id, lane, sequence, &contents(lane, sequence, 6));
                agent.send(&batch).await.unwrap();
            }
            agent.acked(lane, 3).await.unwrap();
        }
    }
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());

    let client = engine.client();
    let everything = cluster("everything");
    let made = make(&client, None, &everything).await.unwrap();
    assert!(made > 100, "{made}");
    assert_eq!(make(&client, None, &everything).await.unwrap(), 0);
    let changed = "ALTER TABLE crmscope.host_raw ADD COLUMN later UInt8";
    client.query_raw(changed).execute().await.unwrap();
    assert_eq!(make(&client, None, &everything).await.unwrap(), 1);
    let nobody = make(&client, None, &cluster("nobody")).await;
    assert!(matches!(nobody, Err(ClusterError::Unknown { .. })));

    // Without a split each shard has all: so both are asked, and none is asked twice.
    let rows = engine.number("SELECT count() FROM crmscope.host_raw").await;
    let twice = engine
        .number(&format!("SELECT count() FROM {ALL}.host_raw"))
        .await;
    assert_eq!(twice, 2 * rows);
    let split = split(&engine).await;
    let parts = format!(
        "SELECT shardNum() AS shard, uniqExact(agent_id) AS agents FROM {ALL}.host_raw GROUP BY shard"
    );
    let parts = ask(
        &client,
        "parts",
        &parts,
        &[("additional_table_filters", split.as_str())],
    )
    .await;
    assert!(
        parts.len() == 2,
        "no agents, or all, are on one shard: {parts:?}"
    );

    let settings = [
        ("additional_table_filters", split.as_str()),
        ("distributed_product_mode", "global"),
    ];
    let database = client.clone().with_database("crmscope");
    for query in queries::ALL {
        let one = ask(&database, query.name, query.sql, &[]).await;
        let all = ask(&database, query.name, &over_all(query.sql), &settings).await;
        println!("{}: {} rows", query.name, one.len());
        // What is measured from now on differs by the time between the two.
        if query.sql.contains("now") {
            assert_eq!(all.len(), one.len(), "{}: {one:?} {all:?}", query.name);
        } else {
            assert_eq!(all, one, "{}", query.name);
        }
    }
}

/// The library has a Keeper in memory, but no address at which replicas could fetch from it: tables are
/// made, checked and registered in Keeper, and then are read-only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_makes_every_replicated_table_and_its_views() {
    let engine = Engine::start_with(
        "<clickhouse><zookeeper><implementation>testkeeper</implementation></zookeeper>\
         <macros><shard>7</shard><replica>a</replica></macros></clickhouse>",
    );
    let client = engine.client();
    let cell = cluster("cell");
    let on_cluster = format!(" ON CLUSTER `{}`", cell.name());
    for statement in schema::statements(Some(&cell)).unwrap() {
        // What Keeper would take to replicas is refused by a table that is read-only, and views that are
        // changed or made later name those columns.
        if !statement.text.starts_with("CREATE ") || statement.file > "0015" {
            continue;
        }
        let text = statement.text.replace(&on_cluster, "");
        let made = client.query_raw(&text).execute().await;
        made.unwrap_or_else(|error| panic!("{}:{}: {error}", statement.file, statement.line));
    }
    let tables = "SELECT count() FROM system.tables WHERE database = 'crmscope' AND endsWith(engine, 'MergeTree')";
    let replicas = "SELECT uniqExact(zookeeper_path) FROM system.replicas \
                    WHERE zookeeper_path = '/clickhouse/tables/7/crmscope/' || table AND replica_name = 'a'";
    let tables = engine.number(tables).await;
    assert!(tables > 30, "{tables}");
    assert_eq!(engine.number(replicas).await, tables);
    let text = engine
        .text("SHOW CREATE TABLE crmscope.agents FORMAT TSVRaw")
        .await;
    assert!(
        text.contains("ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmscope/agents', '{replica}', connected_at)"),
        "{text}"
    );
    assert!(
        text.contains("replicated_deduplication_window_seconds = 2592000"),
        "{text}"
    );
}
