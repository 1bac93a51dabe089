//! What agents and people meet at the collector's door, with the real engine behind it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use common::agent::{connect, hello, open};
use common::rows::{batch, contents, now_ms, series};
use common::{Collector, Engine, TOKEN};
use crmscope_collector::schema::queries::ROW_COUNT_PROOF;
use crmscope_proto::payload::Contents;
use crmscope_proto::v1::agent_message::Kind;
use crmscope_proto::v1::collector_message::Kind as Answer;
use crmscope_proto::v1::{AgentMessage, ClockProbe, Config, RejectCode};
use crmscope_proto::{Lane, SeriesKind};
use tonic::Code;

const AGENT: &str = "crm-web-01";
const YEAR_MS: i64 = 365 * 86_400_000;

async fn roll_ups_are_exact(engine: &Engine, collector: &Collector) {
    let (code, text) = collector.command(&["reconcile", "--from", "1d"]);
    assert_eq!(code, Some(0), "{text}");
    let from = u64::try_from(now_ms() / 1000 - 86_400).unwrap();
    let query = engine
        .client()
        .query_raw(ROW_COUNT_PROOF)
        .param("agent", "");
    let query = query.param("from", from).param("to", from + 2 * 86_400);
    let answer = query
        .fetch_bytes("JSONEachRow")
        .unwrap()
        .collect()
        .await
        .unwrap();
    let rows = serde_json::Deserializer::from_slice(&answer).into_iter::<serde_json::Value>();
    for row in rows.map(Result::unwrap) {
        assert!(row["difference"] == 0 || row["difference"] == "0", "{row}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lane_is_stored_once_and_accounted_for() {
    let engine = Engine::start();
    let collector = Collector::start(&engine);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    let mut second = connect(collector.ingest, AGENT).await.unwrap();
    let mut sent = Vec::new();
    for lane in Lane::BY_URGENCY {
        for sequence in 1..=5 {
            sent.push(batch(AGENT, lane, sequence, &contents(lane, sequence, 6)));
        }
    }
    for batch in &sent {
        agent.send(batch).await.unwrap();
        // A half-open stream of before may still deliver the same.
        second.send(batch).await.unwrap();
    }
    for lane in Lane::BY_URGENCY {
        agent.acked(lane, 5).await.unwrap();
        second.acked(lane, 5).await.unwrap();
    }
    for (table, rows) in [
        ("host_raw", 25),
        ("disk_raw", 25),
        ("requests_raw", 50),
        ("security_events", 50),
        ("heartbeats", 50),
        ("lane_states", 50),
        ("ledger", 20),
        ("dead_letters", 0),
    ] {
        assert_eq!(
            engine
                .number(&format!("SELECT count() FROM crmscope.{table}"))
                .await,
            rows,
            "{table}"
        );
    }
    roll_ups_are_exact(&engine, &collector).await;
    assert_eq!(
        collector
            .metric("writer_batches_total{lane=\"metrics\",disposition=\"duplicate\"}")
            .await,
        5.0
    );
    assert_eq!(
        collector
            .metric("ingest_batches_total{lane=\"metrics\"}")
            .await,
        10.0
    );

    let (code, text) = collector.command(&["ledger"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) =
        collector.command(&["ledger", "--json", "--lane", "metrics", "--since", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    let account: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&account["emitted"], &account["stored"]),
        (&5.into(), &5.into()),
        "{text}"
    );

    // A hole is found. The agent never does this; a lost disk would.
    agent
        .send(&batch(
            AGENT,
            Lane::Metrics,
            8,
            &contents(Lane::Metrics, 8, 9),
        ))
        .await
        .unwrap();
    agent.acked(Lane::Metrics, 8).await.unwrap();
    let (code, text) = collector.command(&["ledger", "--agent", AGENT]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT WHOLE"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_is_a_dead_letter_and_goes_no_further() {
    let engine = Engine::start();
    let mut collector = Collector::start(&engine);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    let old = Contents {
        series: vec![series(SeriesKind::Host, "", 3, now_ms() - YEAR_MS, true)],
        ..Contents::default()
    };
    let old = batch(AGENT, Lane::Metrics, 1, &old);
    let mut corrupt = batch(AGENT, Lane::Metrics, 2, &contents(Lane::Metrics, 2, 4));
    corrupt.payload = corrupt.payload.slice(..9);
    let good = batch(AGENT, Lane::Metrics, 3, &contents(Lane::Metrics, 3, 4));
    for batch in [&old, &corrupt, &good] {
        agent.send(batch).await.unwrap();
    }
    agent.acked(Lane::Metrics, 3).await.unwrap();
    let told: Vec<(u64, RejectCode)> = agent
        .rejects
        .iter()
        .map(|reject| (reject.sequence, reject.code()))
        .collect();
    assert_eq!(told, [(1, RejectCode::Discard), (2, RejectCode::Discard)]);
    assert!(
        agent.rejects[0]
            .reason
            .contains("ms away from the collector's clock")
    );
    assert_eq!(
        engine
            .text("SELECT sequence, bytes > 0 FROM crmscope.dead_letters ORDER BY sequence")
            .await,
        "1\t1\n2\t1\n"
    );
    assert_eq!(
        engine
            .text("SELECT disposition, reason, items FROM crmscope.ledger ORDER BY first_sequence")
            .await,
        "rejected\ttime_out_of_range\t3\nrejected\tundecodable\t10\nstored\t\t10\n"
    );
    assert_eq!(collector.command(&["ledger"]).0, Some(0));

    // Another start of the collector knows what is settled.
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    let collector = Collector::start(&engine);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for batch in [&old, &corrupt, &good] {
        agent.send(batch).await.unwrap();
    }
    agent.acked(Lane::Metrics, 3).await.unwrap();
    assert_eq!(agent.rejects, []);
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.ledger").await,
        3
    );
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.host_raw").await,
        5
    );
    assert_eq!(
        engine
            .number("SELECT count() FROM crmscope.dead_letters")
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_nonsense_are_turned_away_with_a_reason() {
    let engine = Engine::start();
    let collector = Collector::start_with(
        &engine,
        "writer.flush_interval_ms = 50\n[agent_settings]\nversion = 3\nheartbeat_interval_ms = 5000\n",
    );
    let address = collector.ingest;
    for token in [None, Some("wrong-token-of-some-length"), Some("")] {
        let refused = open(address, token, Kind::Hello(hello(AGENT))).await;
        let status = refused.err().expect("a refusal");
        assert_eq!(status.code(), Code::Unauthenticated, "{token:?}");
        assert!(!status.message().contains(TOKEN) && status.message().contains("token"));
    }
    assert_eq!(
        collector
            .metric("ingest_auth_failures_total{reason=\"wrong\"}")
            .await,
        2.0
    );

    let mut other_version = hello(AGENT);
    other_version.protocol_version = 99;
    let mut hostile_name = hello(AGENT);
    hostile_name.agent_id = "../../etc".to_owned();
    let probe = ClockProbe {
        token: 1,
        sent_ms: 2,
    };
    for (first, code) in [
        (Kind::Hello(other_version), Code::FailedPrecondition),
        (Kind::Hello(hostile_name), Code::InvalidArgument),
        (Kind::ClockProbe(probe), Code::InvalidArgument),
    ] {
        let mut agent = open(address, Some(TOKEN), first).await.unwrap();
        assert_eq!(agent.end().await.code(), code);
    }

    let mut agent = connect(address, AGENT).await.unwrap();
    let pushed = agent.next().await.unwrap();
    let want = Config {
        version: 3,
        heartbeat_interval_ms: 5000,
        ..Config::default()
    };
    assert_eq!(pushed, Answer::Config(want));
    let kind = Some(Kind::ClockProbe(probe));
    agent.outgoing.send(AgentMessage { kind }).await.unwrap();
    let Answer::ClockEcho(echo) = agent.next().await.unwrap() else {
        panic!("no echo");
    };
    assert_eq!((echo.token, echo.agent_sent_ms), (1, 2));
    assert!((echo.collector_received_ms - now_ms()).abs() < 60_000);

    // What came before the nonsense is acknowledged before the stream ends.
    let good = batch(AGENT, Lane::Security, 1, &contents(Lane::Security, 1, 1));
    let alien = batch(
        "another-agent",
        Lane::Security,
        2,
        &contents(Lane::Security, 2, 1),
    );
    agent.send(&good).await.unwrap();
    agent.acked(Lane::Security, 1).await.unwrap();
    agent.send(&alien).await.unwrap();
    let status = agent.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("another-agent"), "{status}");
    assert_eq!(
        engine.number("SELECT count() FROM crmscope.ledger").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_collector_acknowledges_what_it_received() {
    let engine = Engine::start();
    // Without the signal, the block would wait far longer than the test does.
    let mut collector = Collector::start_with(&engine, "writer.flush_interval_ms = 60000\n");
    collector.ready().await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for sequence in 1..=3 {
        let contents = contents(Lane::Security, sequence, 1);
        agent
            .send(&batch(AGENT, Lane::Security, sequence, &contents))
            .await
            .unwrap();
    }
    collector
        .reaches("ingest_batches_total{lane=\"security\"}", 3.0)
        .await;
    let stopping = tokio::task::spawn_blocking(move || (collector.terminate(), collector.log()));
    agent.acked(Lane::Security, 3).await.unwrap();
    assert_eq!(agent.end().await.code(), Code::Unavailable);
    drop(agent);
    let (code, log) = stopping.await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("left before everything was settled"), "{log}");
    assert_eq!(
        engine
            .number("SELECT count() FROM crmscope.security_events")
            .await,
        30
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_replaced_while_it_runs() {
    let engine = Engine::stopped();
    let collector = Collector::start(&engine);
    let new = "another-token-of-tests";
    collector.replace_token(new);
    let started = std::time::Instant::now();
    while open(collector.ingest, Some(new), Kind::Hello(hello(AGENT)))
        .await
        .is_err()
    {
        assert!(started.elapsed() < common::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let refused = open(collector.ingest, Some(TOKEN), Kind::Hello(hello(AGENT))).await;
    assert_eq!(
        refused.err().map(|status| status.code()),
        Some(Code::Unauthenticated)
    );
    assert!(!collector.log().contains(new) && !collector.log().contains(TOKEN));
}
