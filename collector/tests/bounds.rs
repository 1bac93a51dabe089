//! Every limit at the door, met for real: what is beyond it waits or is told, and is counted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::agent::{connect, hello, open, open_silent};
use common::rows::{batch, contents, now_ms};
use common::{Collector, Engine, PATIENCE, TOKEN};
use crmscope_proto::Lane;
use crmscope_proto::limits::PAUSE_METADATA;
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::v1::agent_message::Kind;
use crmscope_proto::v1::collector_message::Kind as Answer;
use crmscope_proto::v1::{AgentMessage, Batch, ClockProbe, SecurityEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

const AGENT: &str = "crm-web-01";

fn metrics(sequence: u64) -> Batch {
    let contents = contents(Lane::Metrics, sequence, sequence + 1);
    batch(AGENT, Lane::Metrics, sequence, &contents)
}

/// A few kilobytes on the way that hold some 50 MB once they are opened.
fn bomb(agent_id: &str) -> Batch {
    repetitive(agent_id, 16_384)
}

/// Some 3 MB once it is opened, and within the limits.
fn heavy(agent_id: &str) -> Batch {
    repetitive(agent_id, 1_024)
}

fn repetitive(agent_id: &str, rows: usize) -> Batch {
    let word = "w".repeat(1024);
    let event = SecurityEvent {
        event_id: vec![7; 16],
        time_ms: now_ms(),
        ..SecurityEvent::default()
    };
    let row = SecurityRow {
        event,
        kind: word.clone(),
        service: word.clone(),
        method: word,
    };
    let contents = Contents {
        security: vec![row; rows],
        ..Contents::default()
    };
    batch(agent_id, Lane::Security, 1, &contents)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_window_is_not_read_on_and_a_crowded_queue_asks_for_a_pause() {
    let mut engine = Engine::stopped();
    let collector = Collector::start_with(
        &engine,
        "writer.flush_interval_ms = 50\nwriter.throttle_percent = 1\n\
         writer.queue_max_bytes = 1048576\ningest.window_batches = 4\n\
         ingest.throttle_pause_ms = 1234\n",
    );
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for sequence in 1..=6 {
        agent.send(&metrics(sequence)).await.unwrap();
    }
    // What can wait first: security and presence go on.
    for lane in [Lane::Metrics, Lane::Requests] {
        let Answer::Throttle(throttle) = agent.next().await.unwrap() else {
            panic!("no throttle");
        };
        assert_eq!((throttle.lane(), throttle.pause_ms), (lane, 1234));
    }
    let received = "ingest_batches_total{lane=\"metrics\"}";
    collector.reaches(received, 4.0).await;
    collector
        .reaches("ingest_windows_exceeded_total", 1.0)
        .await;
    // Another stream is served meanwhile; this one stays where it is.
    let mut other = connect(collector.ingest, "other").await.unwrap();
    for token in 1..=20 {
        let kind = Some(Kind::ClockProbe(ClockProbe { token, sent_ms: 0 }));
        other.outgoing.send(AgentMessage { kind }).await.unwrap();
        other.next().await.unwrap();
    }
    assert_eq!(collector.metric(received).await, 4.0);
    assert_eq!(collector.metric("queue_batches").await, 4.0);
    assert!(collector.metric("queue_bytes").await > 10_000.0);

    engine.resume();
    agent.acked(Lane::Metrics, 6).await.unwrap();
    let throttles = "ingest_throttles_total{lane=\"metrics\"}";
    assert!(collector.metric(throttles).await >= 1.0);
    assert_eq!(collector.metric("queue_batches").await, 0.0);
    assert_eq!(collector.metric("queue_bytes").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_does_not_hold_up_the_others() {
    let engine = Engine::stopped();
    let collector = Collector::start_with(&engine, "ingest.window_batches = 4\n");
    let agent = connect(collector.ingest, AGENT).await.unwrap();
    for sequence in 1..=4 {
        agent.send(&metrics(sequence)).await.unwrap();
    }
    let urgent = contents(Lane::Security, 1, 2);
    let urgent = batch(AGENT, Lane::Security, 1, &urgent);
    agent.send(&urgent).await.unwrap();
    let received = "ingest_batches_total{lane=\"security\"}";
    collector.reaches(received, 1.0).await;
    assert_eq!(
        collector.metric("ingest_windows_exceeded_total").await,
        0.0,
        "the agent kept to its windows"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowded_queue_asks_for_silence_in_every_lane() {
    let engine = Engine::stopped();
    let collector = Collector::start_with(
        &engine,
        "writer.throttle_percent = 1\nwriter.queue_max_bytes = 1048576\n",
    );
    // One batch that takes all of the queue once it is open.
    let first = connect(collector.ingest, "first").await.unwrap();
    first.send(&heavy("first")).await.unwrap();
    collector.reaches("queue_batches", 1.0).await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    agent.send(&metrics(1)).await.unwrap();
    let Answer::Throttle(throttle) = agent.next().await.unwrap() else {
        panic!("no throttle");
    };
    assert_eq!(throttle.lane(), Lane::Unspecified);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_stream_ends_once_what_it_received_is_acknowledged() {
    let engine = Engine::start();
    // The block waits longer than the stream may last.
    let collector = Collector::start_with(
        &engine,
        "writer.flush_interval_ms = 4000\ningest.connection_max_age_ms = 1000\n",
    );
    collector.ready().await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    let mut idle = connect(collector.ingest, "idle").await.unwrap();
    for sequence in 1..=3 {
        agent.send(&metrics(sequence)).await.unwrap();
    }
    assert_eq!(idle.end().await.code(), Code::Aborted);
    agent.acked(Lane::Metrics, 3).await.unwrap();
    let status = agent.end().await;
    assert_eq!(status.code(), Code::Aborted, "{status}");
    let ended = "ingest_streams_refused_total{reason=\"max_age\"}";
    collector.reaches(ended, 2.0).await;
    assert!(!collector.log().contains("WARN"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_streams_are_open_than_allowed() {
    let engine = Engine::stopped();
    let collector = Collector::start_with(&engine, "ingest.streams_max = 1\n");
    let first = connect(collector.ingest, AGENT).await.unwrap();
    let refused = open(collector.ingest, Some(TOKEN), Kind::Hello(hello("b"))).await;
    let status = refused.err().expect("a refusal");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("ingest.streams_max"), "{status}");
    assert!(status.metadata().contains_key(PAUSE_METADATA), "{status:?}");
    assert_eq!(
        collector
            .metric("ingest_streams_refused_total{reason=\"streams_max\"}")
            .await,
        1.0
    );
    drop(first);
    let started = std::time::Instant::now();
    while connect(collector.ingest, "b").await.is_err() {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_shown_out() {
    let engine = Engine::stopped();
    let collector = Collector::start_with(&engine, "ingest.hello_timeout_ms = 200\n");
    let mut silent = open_silent(collector.ingest, Some(TOKEN)).await.unwrap();
    assert_eq!(silent.end().await.code(), Code::DeadlineExceeded);
    assert_eq!(
        collector
            .metric("ingest_streams_refused_total{reason=\"hello_timeout\"}")
            .await,
        1.0
    );
    // Before there is a stream: nothing at all, or a part of what HTTP/2 begins with.
    for start in [&b""[..], b"PRI * HTTP/2"] {
        let mut socket = TcpStream::connect(collector.ingest).await.unwrap();
        socket.write_all(start).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(PATIENCE / 6, socket.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "still open after {start:?}");
    }
    // Whoever said hello may be silent for long.
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let kind = Some(Kind::ClockProbe(ClockProbe::default()));
    agent.outgoing.send(AgentMessage { kind }).await.unwrap();
    assert!(matches!(agent.next().await.unwrap(), Answer::ClockEcho(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_nonsense_is_acknowledged_first() {
    let engine = Engine::start();
    let collector = Collector::start(&engine);
    collector.ready().await;
    let mut oversize = metrics(2);
    oversize.payload = vec![0; 600 * 1024].into();
    let mut nameless = metrics(4);
    nameless.sequence = 0;
    let alien = batch("another", Lane::Metrics, 6, &contents(Lane::Metrics, 6, 7));
    for (sequence, nonsense, reason) in [
        (1, oversize, "frame"),
        (3, nameless, "sequence"),
        (5, alien, "agent_id"),
    ] {
        let mut agent = connect(collector.ingest, AGENT).await.unwrap();
        agent.send(&metrics(sequence)).await.unwrap();
        agent.send(&nonsense).await.unwrap();
        agent.acked(Lane::Metrics, sequence).await.unwrap();
        let status = agent.end().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let name = format!("ingest_streams_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(collector.metric(&name).await, 1.0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_has_sent_nothing_holds_up_the_end() {
    let engine = Engine::stopped();
    let mut collector = Collector::start_with(
        &engine,
        "ingest.hello_timeout_ms = 600000\nshutdown.drain_deadline_ms = 30000\n",
    );
    let _stranger = TcpStream::connect(collector.ingest).await.unwrap();
    let _silent = open_silent(collector.ingest, Some(TOKEN)).await.unwrap();
    let _idle = connect(collector.ingest, AGENT).await.unwrap();
    let stopping = tokio::task::spawn_blocking(move || (collector.terminate(), collector.log()));
    let (code, log) = stopping.await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("left before everything was settled"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_the_token_do_not_fill_the_log() {
    let engine = Engine::stopped();
    let collector = Collector::start(&engine);
    for _ in 0..60 {
        let guess = open(
            collector.ingest,
            Some("a-guess-of-the-token"),
            Kind::Hello(hello(AGENT)),
        );
        assert_eq!(guess.await.err().unwrap().code(), Code::Unauthenticated);
    }
    assert_eq!(
        collector
            .metric("ingest_auth_failures_total{reason=\"wrong\"}")
            .await,
        60.0
    );
    let told = collector.log().matches("an agent is refused").count();
    assert!((1..=10).contains(&told), "{told} lines");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_unfold_are_opened_a_few_at_a_time() {
    let mut engine = Engine::stopped();
    let collector = Collector::start_with(
        &engine,
        "writer.flush_interval_ms = 1\nwriter.queue_max_bytes = 1048576\n",
    );
    let mut agents = Vec::new();
    for number in 0..16 {
        let agent_id = format!("agent-{number}");
        let agent = connect(collector.ingest, &agent_id).await.unwrap();
        agent.send(&bomb(&agent_id)).await.unwrap();
        agents.push(agent);
    }
    collector.reaches("queue_batches", 1.0).await;
    engine.resume();
    for agent in &mut agents {
        agent.acked(Lane::Security, 1).await.unwrap();
        assert_eq!(agent.rejects, []);
    }
    let peak = collector.peak_bytes() >> 20;
    println!("peak {peak} MiB");
    assert!(peak < 600, "{peak} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_inserts_store_the_same() {
    let engine = Engine::start();
    let more = "writer.flush_interval_ms = 50\nclickhouse.compression = \"lz4\"\n";
    let mut collector = Collector::start_with(&engine, more);
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for lane in Lane::BY_URGENCY {
        let batch = batch(AGENT, lane, 1, &contents(lane, 1, 2));
        agent.send(&batch).await.unwrap();
        agent.acked(lane, 1).await.unwrap();
    }
    // What is read is compressed too: the journal at the next start, and the marks.
    collector.kill();
    let collector = Collector::start_with(&engine, more);
    collector
        .reaches("writer_blocks_recovered_total", 1.0)
        .await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    agent.send(&metrics(1)).await.unwrap();
    agent.acked(Lane::Metrics, 1).await.unwrap();
    for (table, rows) in [
        ("host_raw", 5),
        ("disk_raw", 5),
        ("requests_raw", 10),
        ("security_events", 10),
        ("heartbeats", 10),
        ("ledger", 4),
    ] {
        let sql = format!("SELECT count() FROM crmscope.{table}");
        assert_eq!(engine.number(&sql).await, rows, "{table}");
    }
    let difference = "SELECT count() FROM crmscope.ledger_1m";
    assert_eq!(engine.number(difference).await, 4);
}
