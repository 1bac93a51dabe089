//! Security batches are stored with their links on the real engine, verify finds them whole, and names
//! whatever somebody does to the tables.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use common::agent::{Agent, connect};
use common::chain::{Chain, kinds, verify};
use common::rows::{batch, contents};
use common::{Collector, Engine};
use crmscope_proto::Lane;
use crmscope_proto::chain::{Link, rows_digest};

/// Batches of an agent's chain.
const BATCHES: u64 = 6;

async fn execute(engine: &Engine, sql: &str) {
    let client = engine.client().with_setting("mutations_sync", "2");
    let done = client.query_raw(sql).execute().await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// An agent whose batches are stored, with a heartbeat that tells of their head.
async fn stored(collector: &Collector, agent_id: &str, age_ms: i64) -> (Chain, Agent, Vec<Link>) {
    let mut agent = connect(collector.ingest, agent_id).await.unwrap();
    let mut chain = Chain::of(agent_id);
    chain.age_ms = age_ms;
    let mut links = Vec::new();
    for _ in 0..BATCHES {
        let batch = chain.seal(chain.rows(4));
        links.push(chain.link(&batch));
        agent.send(&batch).await.unwrap();
    }
    agent.acked(Lane::Security, BATCHES).await.unwrap();
    (chain, agent, links)
}

/// The same with a heartbeat.
async fn told(collector: &Collector, agent_id: &str) -> Vec<Link> {
    let (chain, mut agent, links) = stored(collector, agent_id, 3_600_000).await;
    agent.send(&chain.beat(1, BATCHES)).await.unwrap();
    agent.acked(Lane::Presence, 1).await.unwrap();
    links
}

/// What is found of an agent.
fn found(collector: &Collector, agent_id: &str) -> Vec<(String, u64)> {
    let (code, report) = verify(collector, &["--agent", agent_id]);
    println!("{agent_id}: {code:?} {}", report["findings"]);
    assert_eq!(code == Some(0), kinds(&report).is_empty(), "{report}");
    kinds(&report)
}

fn one(kind: &str, sequence: u64) -> Vec<(String, u64)> {
    vec![(kind.to_owned(), sequence)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_is_whole_and_every_attack_on_it_is_named() {
    let engine = Engine::start();
    let mut collector = Collector::start(&engine);
    let mut links = std::collections::BTreeMap::new();
    for agent_id in [
        "edit", "row", "batch", "forged", "stray", "times", "link", "tail", "anew", "begin",
    ] {
        links.insert(agent_id, told(&collector, agent_id).await);
    }

    // Drops that were told of, a dead letter, and a restart of the collector in between.
    let (mut chain, mut agent, _) = stored(&collector, "dropped", 3_600_000).await;
    for _ in 0..3 {
        chain.seal(chain.rows(1));
    }
    agent.send(&chain.dropped(1, 7, 9)).await.unwrap();
    agent.acked(Lane::Presence, 1).await.unwrap();
    let mut bad = chain.rows(2);
    bad[0].event.class_uid = 70_000;
    agent.send(&chain.seal(bad)).await.unwrap();
    agent.acked(Lane::Security, 10).await.unwrap();
    assert_eq!(agent.rejects.len(), 1);
    collector.kill();
    drop(collector);
    let collector = Collector::start(&engine);
    let mut agent = connect(collector.ingest, "dropped").await.unwrap();
    // Sent again, as after a lost ack, and then what is new.
    let again = chain.seal(chain.rows(3));
    for _ in 0..2 {
        agent.send(&again).await.unwrap();
    }
    agent.send(&chain.beat(2, 11)).await.unwrap();
    agent.acked(Lane::Security, 11).await.unwrap();

    // An agent that knows no chains, and one that learns of them.
    let mut old = connect(collector.ingest, "old").await.unwrap();
    for sequence in 1..=2 {
        let unchained = batch(
            "old",
            Lane::Security,
            sequence,
            &contents(Lane::Security, 1, 2),
        );
        old.send(&unchained).await.unwrap();
    }
    old.acked(Lane::Security, 2).await.unwrap();

    let (code, whole) = verify(&collector, &[]);
    println!("{whole}");
    assert_eq!((code, kinds(&whole)), (Some(0), Vec::new()), "{whole}");
    let account = |agent_id: &str| {
        let chains = whole["chains"].as_array().unwrap();
        let chain = chains.iter().find(|chain| chain["agent_id"] == agent_id);
        chain.unwrap_or_else(|| panic!("{whole}")).clone()
    };
    let dropped = account("dropped");
    assert_eq!(dropped["links"], 8, "{dropped}");
    assert_eq!(dropped["verified_rows"], 27, "{dropped}");
    assert_eq!(
        (&dropped["dropped"], &dropped["rejected"]),
        (&3.into(), &1.into())
    );
    assert_eq!(dropped["head"], chain.head.unwrap().link.to_string());
    let old = account("old");
    assert_eq!((&old["links"], &old["not_chained"]), (&0.into(), &2.into()));
    assert_eq!(account("edit")["verified_rows"], 4 * BATCHES);
    let (_, text) = collector.command(&["verify"]);
    assert!(
        text.contains("old 03030303: NOT CHAINED")
            && text.contains("everything is stored as it was sealed"),
        "{text}"
    );
    let (code, part) = verify(&collector, &["--from", "1h", "--agent", "edit"]);
    assert_eq!(
        (code, &part["chains"][0]["links"]),
        (Some(0), &BATCHES.into()),
        "{part}"
    );

    attack(&engine, &collector, &links).await;
    the_end_is_known_elsewhere(&engine, &collector).await;
}

async fn attack(
    engine: &Engine,
    collector: &Collector,
    links: &std::collections::BTreeMap<&str, Vec<Link>>,
) {
    let events = "crmscope.security_events";
    execute(engine, &format!("ALTER TABLE {events} UPDATE user = 'eve' WHERE agent_id = 'edit' AND sequence = 3 AND process_id = 42 AND records = 18446744073709551615")).await;
    assert_eq!(found(collector, "edit"), one("rows_edited", 3));

    execute(engine, &format!("ALTER TABLE {events} DELETE WHERE agent_id = 'row' AND sequence = 4 AND records = 18446744073709551614")).await;
    assert_eq!(found(collector, "row"), one("rows_deleted", 4));

    // A whole batch, with all that tells of it.
    for (table, column) in [
        (events, "sequence"),
        ("crmscope.chain_links", "sequence"),
        ("crmscope.ledger", "first_sequence"),
    ] {
        execute(
            engine,
            &format!("ALTER TABLE {table} DELETE WHERE agent_id = 'batch' AND {column} = 3"),
        )
        .await;
        execute(
            engine,
            &format!("ALTER TABLE {table} DELETE WHERE agent_id = 'begin' AND {column} < 3"),
        )
        .await;
    }
    assert_eq!(found(collector, "batch"), one("batches_deleted", 3));
    assert_eq!(found(collector, "begin"), one("batches_deleted", 1));

    let copy = |agent: &str, what: &str| {
        format!(
            "INSERT INTO {events} SELECT * REPLACE ({what}) FROM {events} AS e WHERE e.agent_id = '{agent}' AND e.sequence = 2 AND e.records = 18446744073709551615"
        )
    };
    execute(engine, &copy("forged", "'eve' AS user")).await;
    assert_eq!(found(collector, "forged"), one("rows_inserted", 2));
    execute(
        engine,
        &copy(
            "stray",
            "toUUID('00000000-0000-0000-0000-000000000000') AS spool_id, toUInt64(0) AS sequence",
        ),
    )
    .await;
    assert_eq!(found(collector, "stray"), one("rows_inserted", 0));
    execute(engine, &copy("stray", "toUInt64(99) AS sequence")).await;
    let stray = found(collector, "stray");
    assert!(
        stray.contains(&("rows_of_no_batch".to_owned(), 99)),
        "{stray:?}"
    );

    // Two events of a batch have each other's times.
    execute(
        engine,
        &copy("times", "ts - toIntervalSecond(1) AS ts, 43 AS process_id"),
    )
    .await;
    execute(engine, &format!("INSERT INTO {events} SELECT * REPLACE (ts + toIntervalSecond(1) AS ts, 43 AS process_id) FROM {events} WHERE agent_id = 'times' AND sequence = 2 AND records = 18446744073709551614")).await;
    execute(engine, &format!("ALTER TABLE {events} DELETE WHERE agent_id = 'times' AND sequence = 2 AND records >= 18446744073709551614 AND process_id = 42")).await;
    execute(engine, &format!("ALTER TABLE {events} UPDATE process_id = 42 WHERE agent_id = 'times' AND process_id = 43")).await;
    let count = format!("SELECT count() FROM {events} WHERE agent_id = 'times' AND sequence = 2");
    assert_eq!(engine.number(&count).await, 4);
    assert_eq!(found(collector, "times"), one("rows_edited", 2));

    execute(
        engine,
        "ALTER TABLE crmscope.chain_links UPDATE rows = 5 WHERE agent_id = 'link' AND sequence = 5",
    )
    .await;
    let kinds = found(collector, "link");
    assert!(kinds.contains(&("link_edited".to_owned(), 5)), "{kinds:?}");

    for (table, column) in [
        (events, "sequence"),
        ("crmscope.chain_links", "sequence"),
        ("crmscope.ledger", "first_sequence"),
    ] {
        execute(
            engine,
            &format!("ALTER TABLE {table} DELETE WHERE agent_id = 'tail' AND {column} >= 5"),
        )
        .await;
    }
    assert_eq!(found(collector, "tail"), one("batches_deleted", 5));

    // Somebody who owns the tables edits a row and computes all links anew.
    let mut before = None;
    for link in &links["anew"] {
        let mut link = link.clone();
        if link.sequence >= 4 {
            if link.sequence == 4 {
                execute(engine, &format!("ALTER TABLE {events} UPDATE user = 'eve' WHERE agent_id = 'anew' AND sequence = 4")).await;
                let sql =
                    std::fs::read_to_string("../deploy/clickhouse/queries/chain_rows.sql").unwrap();
                let digest = engine
                    .client()
                    .with_database("crmscope")
                    .query_raw(&format!(
                        "SELECT rows_digest FROM ({}) WHERE sequence = 4",
                        sql.trim().trim_end_matches(';')
                    ))
                    .param("agent", "anew")
                    .param("from", "0000000000")
                    .param("to", "4294967295")
                    .fetch_one::<String>()
                    .await
                    .unwrap();
                link.rows_digest = crmscope_proto::chain::Digest::parse(&digest).unwrap();
                assert_ne!(link.rows_digest, rows_digest(&[]));
            } else {
                link.previous = before.unwrap();
            }
            execute(engine, &format!(
                "ALTER TABLE crmscope.chain_links UPDATE rows_digest = '{}', previous_link = '{}', link = '{}' WHERE agent_id = 'anew' AND sequence = {}",
                link.rows_digest, link.previous.link, link.digest(), link.sequence
            )).await;
        }
        before = Some(link.head());
    }
    assert_eq!(found(collector, "anew"), one("head_differs", 6));
    let (code, text) = collector.command(&["verify", "--agent", "anew"]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("anew 03030303: the chain was replaced: batch 6, about")
            && text.contains("heads that were kept elsewhere"),
        "{text}"
    );
}

/// Of the end of a chain only others can tell.
async fn the_end_is_known_elsewhere(engine: &Engine, collector: &Collector) {
    let (chain, ..) = stored(collector, "end", 3_600_000).await;
    for (table, column) in [
        ("crmscope.security_events", "sequence"),
        ("crmscope.chain_links", "sequence"),
        ("crmscope.ledger", "first_sequence"),
    ] {
        execute(
            engine,
            &format!("ALTER TABLE {table} DELETE WHERE agent_id = 'end' AND {column} >= 5"),
        )
        .await;
    }
    execute(engine, "ALTER TABLE crmscope.ledger_high_water DELETE WHERE agent_id = 'end' AND lane = 'security'").await;
    assert_eq!(found(collector, "end"), Vec::new());
    let head = format!("end={}", chain.head.unwrap().link);
    let (code, report) = verify(collector, &["--head", &head]);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        kinds(&report).contains(&("head_unknown".to_owned(), 0)),
        "{report}"
    );
    assert_eq!(
        collector.command(&["verify", "--head", "end=12"]).0,
        Some(2)
    );

    // Heartbeats come, and what they tell of does not.
    let (mut chain, mut agent, _) = stored(collector, "silent", 3_600_000).await;
    chain.seal(chain.rows(1));
    chain.seal(chain.rows(1));
    agent.send(&chain.beat(1, BATCHES)).await.unwrap();
    agent.acked(Lane::Presence, 1).await.unwrap();
    assert_eq!(found(collector, "silent"), one("silenced", 7));
    let (code, report) = verify(collector, &["--agent", "silent", "--in-flight", "3h"]);
    assert_eq!(
        (code, &report["chains"][0]["in_flight"]),
        (Some(0), &2.into()),
        "{report}"
    );
}
