//! What people and monitors see, and what starting wrong looks like.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use common::agent::connect;
use common::rows::{batch, contents};
use common::{Collector, Engine, TOKEN};
use crmscope_proto::Lane;

const AGENT: &str = "crm-web-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_health_and_metrics_say_how_it_is() {
    let mut engine = Engine::stopped();
    let collector = Collector::start(&engine);
    assert_eq!(collector.get("/healthz").await.0, 200);
    let (status, _, body) = collector.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(
        body.contains("not ready: bringing the schema up to date"),
        "{body}"
    );
    let (status, _, body) = collector.get("/plain").await;
    assert!(
        status == 503 && body.contains("ClickHouse does not answer"),
        "{body}"
    );

    // An agent is welcome meanwhile; what it sends waits.
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    agent
        .send(&batch(
            AGENT,
            Lane::Metrics,
            1,
            &contents(Lane::Metrics, 1, 2),
        ))
        .await
        .unwrap();
    agent
        .send(&batch(
            AGENT,
            Lane::Presence,
            1,
            &contents(Lane::Presence, 1, 2),
        ))
        .await
        .unwrap();
    engine.resume();
    agent.acked(Lane::Metrics, 1).await.unwrap();
    collector.ready().await;

    let (status, head, body) = collector.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(
        body.ends_with("# EOF\n") && body.contains("crmscope_collector_writer_blocks_total "),
        "{body}"
    );
    let started = std::time::Instant::now();
    let body = loop {
        let (status, head, body) = collector.get("/plain").await;
        assert_eq!(status, 200, "{body}");
        assert!(
            head.contains("content-security-policy: default-src 'none'"),
            "{head}"
        );
        if body.contains(AGENT) || started.elapsed() > common::PATIENCE {
            break body;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(
        body.contains("reports") && body.contains("&lt;b&gt;host&lt;/b&gt;"),
        "{body}"
    );

    engine.kill();
    let (status, _, body) = collector.get("/plain").await;
    assert!(
        status == 503 && body.contains("ClickHouse does not answer"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_wrong_is_told_with_the_key_that_mends_it() {
    let engine = Engine::stopped();
    let collector = Collector::start(&engine);
    let taken = collector.web.to_string();
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_crmscope-collector"));
    run.env("CRMSCOPE_COLLECTOR__INGEST__LISTEN", &taken);
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), TOKEN).unwrap();
    run.env("CRMSCOPE_COLLECTOR__INGEST__TOKEN_FILE", token.path());
    let output = run.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text.contains(&format!("{taken} is in use")) && text.contains("change ingest.listen"),
        "{text}"
    );
    assert_eq!(collector.command(&["validate"]).0, Some(0));
    let (code, text) = collector.command(&["ledger"]);
    assert_eq!(code, Some(2), "{text}");
}
