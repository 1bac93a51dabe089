//! Every column of every table through the real engine, as it was sent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod common;

use common::Engine;
use common::rows::{batch, clients_and_exemplars, contents, now_ms, series};
use crmscope_collector::judge::{Entry, judge};
use crmscope_collector::storage::{Config, Storage};
use crmscope_collector::{schema, writer};
use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::payload::Contents;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::{Lane, SeriesKind};
use prometheus_client::registry::Registry;

async fn store(engine: &Engine) -> Storage {
    let config = Config {
        url: engine.url(),
        ..Config::default()
    };
    let storage = Storage::new(&config, &mut Registry::default()).unwrap();
    schema::migrate(storage.client()).await.unwrap();
    storage
}

async fn write(storage: &Storage, block: u64, entries: &[Entry]) {
    storage
        .insert(&writer::journal::insert(block, entries))
        .await
        .unwrap();
    for insert in writer::block::build(block, entries) {
        storage.insert(&insert).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_what_is_read() {
    let engine = Engine::start();
    let storage = store(&engine).await;
    let received = now_ms();
    let mut entries = Vec::new();
    // More agents than one byte can number, so that dictionaries need wider indexes.
    for agent in 0..300 {
        let agent_id = format!("agent-{agent:03}");
        let contents = Contents {
            series: SeriesKind::ALL
                .into_iter()
                .map(|kind| series(kind, &format!("é{agent}"), 3, received, agent % 2 == 0))
                .collect(),
            ..Contents::default()
        };
        entries.push(judge(&batch(&agent_id, Lane::Metrics, 1, &contents), received).unwrap());
    }
    for lane in [Lane::Requests, Lane::Security, Lane::Presence] {
        let batch = batch("agent-000", lane, 1, &contents(lane, 1, 9));
        entries.push(judge(&batch, received).unwrap());
    }
    let more = batch("agent-000", Lane::Requests, 2, &clients_and_exemplars());
    entries.push(judge(&more, received).unwrap());
    let mut broken = batch(
        "agent-000",
        Lane::Metrics,
        2,
        &contents(Lane::Metrics, 2, 9),
    );
    broken.payload = broken.payload.slice(3..);
    entries.push(judge(&broken, received).unwrap());
    write(&storage, 7, &entries).await;
    write(&storage, 7, &entries).await;

    for kind in SeriesKind::ALL {
        let table = kind.table();
        assert_eq!(
            engine
                .number(&format!("SELECT count() FROM crmscope.{table}"))
                .await,
            900,
            "{table}"
        );
        for (position, metric) in kind.metrics().iter().enumerate() {
            let name = metric.name;
            let (want, nulls) = match metric.presence {
                crmscope_proto::catalog::Presence::Required => (900, 0),
                crmscope_proto::catalog::Presence::Optional => (450, 450),
            };
            let right = format!(
                "SELECT countIf(assumeNotNull({name}) = {position} * 100 + 2 - intDiv({received} - toUnixTimestamp64Milli(ts), 1000) AND isNotNull({name})), countIf(isNull({name})) FROM crmscope.{table}"
            );
            assert_eq!(
                engine.text(&right).await,
                format!("{want}\t{nulls}\n"),
                "{table}.{name}"
            );
        }
        for label in kind.labels() {
            let right = format!(
                "SELECT countIf({label} = concat('{label} é', toString(toUInt32(substring(agent_id, 7)))) AND interval_ms = 1000) FROM crmscope.{table}"
            );
            assert_eq!(engine.number(&right).await, 900, "{table}.{label}");
        }
    }
    assert_eq!(
        engine.text("SELECT agent_id, boot_id, start_id, spool_id, boottime_ms, monotonic_ms, beat, countIf(clock_offset_ms = -7), countIf(isNull(clock_offset_ms)), sum(goodbye) FROM crmscope.heartbeats GROUP BY ALL").await,
        "agent-000\t01010101-0101-0101-0101-010101010101\t02020202-0202-0202-0202-020202020202\t03030303-0303-0303-0303-030303030303\t5\t4\t1\t1\t9\t0\n"
    );
    assert_eq!(
        engine
            .text("SELECT lane, next_sequence, count() FROM crmscope.lane_states GROUP BY ALL")
            .await,
        "metrics\t9\t10\n"
    );
    assert_eq!(
        engine.text("SELECT kind, service, method, hex(user), source_address, source_port, process_id, type_uid, sum(count), uniqExact(event_id), uniqExact(records), max(records) FROM crmscope.security_events GROUP BY ALL").await,
        "ssh_login\tsshd\tpassword\t6F27627269656E003C623EC3A9\t192.0.2.7\t65535\t42\t300201\t10\t10\t10\t18446744073709551615\n"
    );
    assert_eq!(
        engine
            .text(
                "SELECT rules, count() FROM crmscope.security_events GROUP BY rules ORDER BY rules"
            )
            .await,
        "[]\t4\n['rule-0']\t3\n['rule-0','rule-1']\t3\n"
    );
    assert_eq!(
        engine.text("SELECT a.rule, a.agent_id, a.kind, a.service, a.method, hex(a.user), a.target_user, a.source_address, count(), uniqExact(a.ts = e.ts), countIf(abs(dateDiff('minute', a.stored_at, now())) > 5) FROM crmscope.security_arrivals AS a CROSS JOIN (SELECT any(ts) AS ts FROM crmscope.security_events) AS e GROUP BY ALL ORDER BY a.rule").await,
        "rule-0\tagent-000\tssh_login\tsshd\tpassword\t6F27627269656E003C623EC3A9\t\t192.0.2.7\t6\t1\t0\n\
         rule-1\tagent-000\tssh_login\tsshd\tpassword\t6F27627269656E003C623EC3A9\t\t192.0.2.7\t3\t1\t0\n"
    );
    assert_eq!(
        engine.text("SELECT sum(requests), sum(response_bytes), sum(latency_count), sum(latency_sum_us), max(latency_max_us), sum(arraySum(mapValues(latency))), countIf(status_class = 5) FROM crmscope.requests_raw").await,
        "20\t1000\t20\t55010\t10000\t20\t1\n"
    );
    for table in ["requests_raw", "requests_1m", "requests_1h", "requests_1d"] {
        assert_eq!(
            engine.text(&format!("SELECT sum(upstream_count), sum(upstream_sum_us), max(upstream_max_us), arraySum(mapValues(sumMap(upstream))) FROM crmscope.{table}")).await,
            "10\t49500\t9000\t10\n",
            "{table}"
        );
    }
    for table in [
        "request_clients_raw",
        "request_clients_1m",
        "request_clients_1h",
    ] {
        assert_eq!(
            engine.text(&format!("SELECT agent_id, service, network, sum(requests), sum(client_errors), sum(server_errors), sum(response_bytes), sum(in_other_max) FROM crmscope.{table} GROUP BY ALL ORDER BY network")).await,
            "agent-000\tcrm\t192.0.2.0/24\t7\t2\t1\t300\t1\nagent-000\tcrm\tOTHER\t4\t2\t1\t300\t2\n",
            "{table}"
        );
    }
    assert_eq!(
        engine.text("SELECT agent_id, service, kind, route, method, status, response_bytes, latency_us, upstream_latency_us, network, target FROM crmscope.request_exemplars ORDER BY kind").await,
        "agent-000\tcrm\tslow\t/account/{id}\tGET\t200\t5\t5000000\t4999999\t192.0.2.0/24\t/account/{id}\n\
         agent-000\tcrm\tfailed\t/account/{id}\tGET\t503\t5\t\\N\t\\N\t192.0.2.0/24\t/account/{id}\n"
    );
    assert_eq!(
        engine.text("SELECT agent_id, service, kind, eligible, kept, toUInt32(bucket_start) % 10 FROM crmscope.request_sampling").await,
        "agent-000\tcrm\tfailed\t9\t1\t0\n"
    );
    // Nine hundred rows of each kind, and thirty-five of the other lanes.
    let stored = SeriesKind::ALL.len() * 900 + 35;
    assert_eq!(
        engine.text("SELECT disposition, reason, sum(items), count(), min(block) FROM crmscope.ledger GROUP BY ALL ORDER BY disposition").await,
        format!("stored\t\t{stored}\t304\t7\nrejected\tundecodable\t10\t1\t7\n")
    );
    let dead = engine
        .text("SELECT lane, sequence, hex(batch) FROM crmscope.dead_letters")
        .await;
    let hex: String = entries
        .last()
        .unwrap()
        .encoded
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert_eq!(dead, format!("1\t2\t{hex}\n"));

    // What the journal gives back is what was put in.
    let rows = storage.journal_rows(7).await.unwrap();
    assert_eq!(writer::journal::replay(7, rows).unwrap(), entries);
    let marks = storage
        .high_water(&["agent-000", "agent-299", "nobody"])
        .await
        .unwrap();
    assert_eq!(marks.len(), 5);
    assert!(
        marks
            .iter()
            .any(|mark| mark.lane == Lane::Metrics && mark.sequence == 2)
    );
}

/// Zero failed logins is a claim: it needs a source that looked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_failed_to_log_in_only_where_somebody_watched() {
    let engine = Engine::start();
    let storage = store(&engine).await;
    let received = now_ms();
    let runs = |source: &str, failures: u64| {
        let values: Vec<Option<u64>> = SourceMetric::METRICS
            .iter()
            .map(|metric| match metric.name {
                "runs" => Some(5),
                "failures" => Some(failures),
                _ => Some(0),
            })
            .collect();
        let mut table = SeriesTable::new(SeriesKind::Source, vec![source.to_owned()]);
        table.push(received, 5000, &values).unwrap();
        table
    };
    let mut entries = Vec::new();
    for (agent_id, series) in [
        ("fails", vec![runs("security", 1)]),
        ("off", vec![runs("requests", 0)]),
        ("watches", vec![runs("security", 0)]),
    ] {
        engine
            .text(&format!(
                "INSERT INTO crmscope.agents (agent_id, connected_at) VALUES ('{agent_id}', now64(3))"
            ))
            .await;
        let metrics = Contents {
            series,
            ..Contents::default()
        };
        for (lane, contents) in [
            (Lane::Metrics, &metrics),
            (Lane::Presence, &contents(Lane::Presence, 1, 2)),
        ] {
            entries.push(judge(&batch(agent_id, lane, 1, contents), received).unwrap());
        }
    }
    write(&storage, 1, &entries).await;
    let query = include_str!("../../deploy/clickhouse/queries/overview_hosts.sql");
    let sql = query.replace("{seconds:UInt32}", "300");
    assert_eq!(
        engine
            .text(&format!("SELECT agent_id, failed_logins FROM ({sql})"))
            .await,
        "fails\t\\N\noff\t\\N\nwatches\t0\n"
    );
}
