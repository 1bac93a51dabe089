//! The users of users.sql on the real engine: each may do all that it is for, and not more.
//!
//! The engine has one user, `default`; here it has the rights of one of users.sql after the other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use common::agent::connect;
use common::rows::{batch, contents};
use common::{Collector, Engine, PATIENCE};
use crmscope_collector::schema::cluster::distributed::make;
use crmscope_collector::schema::{self, Cluster};
use crmscope_proto::Lane;

const USERS: &str = include_str!("../../deploy/clickhouse/users.sql");

/// What the embedded server itself does: it makes the database `default` anew at its start, and goes to the
/// database of a request by a statement, where a server of ClickHouse asks for no right.
const SERVER: [&str; 2] = [
    "GRANT CREATE DATABASE, DROP DATABASE, CREATE TABLE, DROP TABLE ON default.*",
    "GRANT SHOW DATABASES ON system.*",
];

/// Statements that grant a user its rights, without the user.
fn grants(user: &str) -> Vec<&'static str> {
    let end = format!(" TO {user};");
    let grants: Vec<_> = USERS
        .lines()
        .filter(|line| line.starts_with("GRANT "))
        .filter_map(|line| line.strip_suffix(&end))
        .collect();
    assert!(!grants.is_empty(), "{user}");
    grants
}

/// Starts the engine again on its data, with the rights of a user.
fn become_user(engine: &mut Engine, user: &str) {
    engine.kill();
    let mut users = "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default>\
        <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota><grants>"
        .to_owned();
    for grant in grants(user).into_iter().chain(SERVER) {
        let _ = write!(users, "<query>{grant}</query>");
    }
    users.push_str("</grants></default></users></clickhouse>");
    let users = engine.write("users.xml", &users);
    let configuration = format!(
        "<clickhouse><users_config>{}</users_config><tcp_port>9000</tcp_port><remote_servers><everything><shard>\
         <replica><host>127.0.0.1</host><port>9000</port></replica></shard></everything></remote_servers></clickhouse>",
        users.display()
    );
    engine.write("config.xml", &configuration);
    engine.resume();
}

async fn is_refused(engine: &Engine, sql: &str) {
    let asked = engine.client().query_raw(sql).execute().await;
    let told = asked.expect_err(sql).to_string();
    assert!(told.contains("ACCESS_DENIED"), "{sql}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_may_do_what_it_is_for_and_not_more() {
    let mut engine = Engine::stopped();
    become_user(&mut engine, "crmscope_migrator");
    schema::migrate(&engine.client()).await.unwrap();
    let everything = Cluster::new("everything").unwrap();
    make(&engine.client(), None, &everything).await.unwrap();
    let changed = "ALTER TABLE crmscope.ledger ADD COLUMN IF NOT EXISTS later UInt8";
    engine.client().query_raw(changed).execute().await.unwrap();
    assert_eq!(make(&engine.client(), None, &everything).await.unwrap(), 1);
    is_refused(&engine, "CREATE USER somebody").await;
    is_refused(&engine, "DROP DATABASE crmscope").await;
    is_refused(
        &engine,
        "CREATE TABLE default.a (b UInt8) ENGINE = File(CSV)",
    )
    .await;

    become_user(&mut engine, "crmscope_writer");
    let mut collector = Collector::start_with(
        &engine,
        "writer.flush_interval_ms = 50\nclickhouse.migrate = false\n",
    );
    let mut agent = connect(collector.ingest, "crm-db-01").await.unwrap();
    for lane in Lane::BY_URGENCY {
        for sequence in 1..=3 {
            let batch = batch("crm-db-01", lane, sequence, &contents(lane, sequence, 6));
            agent.send(&batch).await.unwrap();
        }
        agent.acked(lane, 3).await.unwrap();
    }
    collector.ready().await;
    for arguments in [
        &["ledger"][..],
        &["hosts", "add", "crm-web-01"],
        &[
            "maintenance",
            "add",
            "--all",
            "--from",
            "in 2h",
            "--for",
            "1h",
            "--note",
            "x",
        ],
        &["reconcile", "--from", "1d"],
        &["verify"],
        &["availability"],
    ] {
        let (code, text) = collector.command(arguments);
        println!("{arguments:?}: {code:?} {text}");
        assert!(!text.contains("ACCESS_DENIED"), "{arguments:?}: {text}");
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
    }
    // Somebody watches, so a turn was taken.
    let turns = "SELECT count() FROM system.tables WHERE database = 'crmscope' AND startsWith(name, 'presence_turn_')";
    let started = Instant::now();
    while engine.number(turns).await == 0 {
        assert!(started.elapsed() < PATIENCE, "{}", collector.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What views write is not the writer's to write.
    let ticks = "SELECT sum(ticks) FROM crmscope.host_1d";
    assert_eq!(engine.number(ticks).await, 15);
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    assert!(
        !collector.log().contains("ACCESS_DENIED"),
        "{}",
        collector.log()
    );
    let partition = "ALTER TABLE crmscope.journal DROP PARTITION 1";
    engine
        .client()
        .query_raw(partition)
        .execute()
        .await
        .unwrap();
    for sql in [
        "INSERT INTO crmscope.host_1d (agent_id) SELECT 'a'",
        "INSERT INTO crmscope.schema_migrations (version) SELECT 1",
        "DROP TABLE crmscope.ledger",
        "TRUNCATE TABLE crmscope.security_events",
        "ALTER TABLE crmscope.security_events DELETE WHERE 1",
        "ALTER TABLE crmscope.ledger DROP PARTITION 202601",
        "ALTER TABLE crmscope.ledger ADD COLUMN a UInt8",
        "CREATE TABLE crmscope.presence (a UInt8) ENGINE = Memory",
        "CREATE DATABASE other",
        "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a UInt8')",
    ] {
        is_refused(&engine, sql).await;
    }

    become_user(&mut engine, "crmscope_reader");
    assert_eq!(engine.number(ticks).await, 15);
    let of_all = ticks.replace("crmscope.", "crmscope_all.");
    assert_eq!(engine.number(&of_all).await, 15);
    for sql in [
        "INSERT INTO crmscope.ledger (items) SELECT 1",
        "CREATE TABLE crmscope.presence_turn_x (a UInt8) ENGINE = Memory",
        "ALTER TABLE crmscope.journal DROP PARTITION 1",
    ] {
        is_refused(&engine, sql).await;
    }
}
