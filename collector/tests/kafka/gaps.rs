//! Records that a real broker's retention took before they were written.
//!
//! They are lost, and so they are counted, told of, and shown as missing by the ledger; everything
//! behind them is written, each batch once.

use crmscope_collector::kafka::plan::Plan;
use crmscope_local::kafka::Cluster;
use crmscope_proto::Lane;

use crate::common::exact::{append, is_exact, is_stored_once, ledger, metrics, wait_number};
use crate::common::log::Log;
use crate::common::{Collector, Engine};

const GONE: &str = "log_offsets_gone_total{lane=\"metrics\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_took_is_counted_and_missing_and_the_rest_is_written() {
    if !crmscope_local::kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(directory.path(), 1)).unwrap();
    let log = Log::on(cluster.bootstrap(), 1).await;
    let engine = Engine::start();
    let mut collector = Collector::start_with(&engine, &log.config(""));
    append(&log, 1, 10, 1).await;
    is_exact(&engine, &collector, 30).await;
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    // Three agents, every fifth twice.
    assert_eq!(log.committed(Lane::Metrics, 0).0, Some(36));

    println!("records go while nobody reads");
    append(&log, 11, 20, 1).await;
    log.take_away(Lane::Metrics, 0, 54).await;
    let mut collector = Collector::start_with(&engine, &log.config(""));
    is_stored_once(&engine, &collector, 45).await;
    assert_eq!(collector.metric(GONE).await, 18.0, "{}", collector.log());
    let said = collector.log();
    assert!(
        said.contains("offsets of the log are gone")
            && said.contains("from_offset=36 to_offset=54"),
        "{said}"
    );
    let (code, text) = ledger(&collector);
    assert_eq!(code, 1, "{text}");
    assert_eq!(missing(&engine).await, 15, "{text}");

    println!("records of an announced block go before it is repeated");
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    let plan = Plan {
        begin: 72,
        end: 78,
        announced_ms: 1_790_000_000_000,
    };
    for sequence in 21..=30 {
        assert_eq!(
            log.append(&metrics("app-01", sequence, 30), 0).await,
            i64::try_from(sequence).unwrap() + 51
        );
    }
    log.commit(Lane::Metrics, 0, plan.begin, &plan.to_string());
    log.take_away(Lane::Metrics, 0, 75).await;
    let mut collector = Collector::start_with(&engine, &log.config(""));
    is_stored_once(&engine, &collector, 52).await;
    assert_eq!(collector.metric(GONE).await, 3.0, "{}", collector.log());
    assert_eq!(collector.metric("log_blocks_repeated_total").await, 1.0);
    let said = collector.log();
    assert!(
        said.contains("records of an announced block are gone") && said.contains("missing=3"),
        "{said}"
    );
    assert_eq!(missing(&engine).await, 18);
    assert_eq!(ledger(&collector).0, 1);

    println!("the log is not written twice by the next one");
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
    assert_eq!(log.committed(Lane::Metrics, 0), (Some(82), String::new()));
    let collector = Collector::start_with(&engine, &log.config(""));
    log.append(&metrics("app-01", 31, 31), 0).await;
    wait_number(
        &engine,
        &collector,
        "SELECT count() FROM crmscope.ledger",
        53,
    )
    .await;
    is_stored_once(&engine, &collector, 53).await;
}

/// Sequences below an agent's highest that the ledger does not have.
async fn missing(engine: &Engine) -> u64 {
    engine
        .number(
            "SELECT toUInt64(sum(highest - known)) FROM (
                SELECT max(last_sequence) AS highest, uniqExact(first_sequence) AS known
                FROM crmscope.ledger GROUP BY agent_id, spool_id, lane)",
        )
        .await
}
