//! What is asked and answered.

use serde_json::Value;

use super::common::Engine;
use super::{AGENT, get, started};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_pages_of_rows_with_what_was_asked() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    let path = format!("/api/v1/queries/host_timeline?agent={AGENT}&step_seconds=1");
    let first = get(&collector, &path).await.json();
    assert_eq!(first["query"], "host_timeline");
    assert_eq!(first["parameters"]["agent"], AGENT);
    assert_eq!(first["parameters"]["step_seconds"], 1);
    assert_eq!(first["columns"][0]["name"], "t");
    let rows = first["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{first}");
    let t = rows[0][0].as_str().unwrap();
    assert!(t.ends_with('Z') && t.contains('T'), "{t}");
    assert_eq!(
        (&first["next_offset"], &first["cached"]),
        (&Value::Null, &false.into())
    );

    // Pages follow each other, also where the query has a limit of its own.
    // The rows of requests are of this minute, which is not over.
    let to = super::common::rows::now_ms() / 1000 + 3600;
    let routes =
        format!("/api/v1/queries/top_routes_by_latency?from=-1h&to={to}&minimum_requests=1");
    for (path, all) in [(path, 5), (routes, 10)] {
        let (mut offset, mut seen) = (0, Vec::new());
        loop {
            let page = get(&collector, &format!("{path}&limit=2&offset={offset}"))
                .await
                .json();
            let rows = page["rows"].as_array().unwrap_or_else(|| panic!("{page}"));
            assert!(rows.len() <= 2);
            seen.extend(rows.iter().map(Value::to_string));
            match page["next_offset"].as_u64() {
                Some(next) => offset = next,
                None => break,
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_is_asked_of_clickhouse_once() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    let path = "/api/v1/queries/host_status";
    let (a, b, c) = tokio::join!(
        get(&collector, path),
        get(&collector, path),
        get(&collector, path)
    );
    let cached = [&a, &b, &c].map(|reply| reply.json()["cached"].clone());
    assert!(cached.contains(&true.into()), "{cached:?}");
    let hits = collector.metric("api_cache_hits_total").await;
    let misses = collector.metric("api_cache_misses_total").await;
    assert!(
        hits >= 1.0 && misses >= 1.0 && hits + misses >= 3.0,
        "{hits} {misses}"
    );
    let past = "/api/v1/queries/fleet_p95?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    assert_eq!(get(&collector, past).await.json()["cached"], false);
    assert_eq!(get(&collector, past).await.json()["cached"], true);
    assert!(collector.metric("api_cache_bytes").await > 0.0);
    let counted = r#"api_query_seconds_count{query="fleet_p95"}"#;
    assert_eq!(collector.metric(counted).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cells_are_for_spreadsheets_and_errors_for_people() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    let csv = get(&collector, "/api/v1/queries/host_status?format=csv").await;
    assert_eq!(csv.status, 200);
    assert_eq!(
        csv.header("content-disposition"),
        Some("attachment; filename=\"host_status.csv\"")
    );
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    let mut lines = csv.body.split("\r\n");
    assert!(lines.next().unwrap().starts_with("agent_id,role,"));
    assert!(lines.next().unwrap().starts_with(AGENT));
    for (path, status, code, parameter) in [
        ("/queries/host_timelin?agent=a", 404, "not_found", None),
        ("/queries/baseline_news?after_ms=0", 404, "not_found", None),
        ("/queries/%FF", 404, "not_found", None),
        ("/nothing", 404, "not_found", None),
        (
            "/queries/host_timeline",
            400,
            "invalid_argument",
            Some("agent"),
        ),
        (
            "/queries/host_timeline?agent=a&from=-500d&step_seconds=86400",
            400,
            "invalid_argument",
            Some("from"),
        ),
        (
            "/queries/host_timeline?agent=a&agent=b",
            400,
            "invalid_argument",
            Some("agent"),
        ),
        (
            "/availability?by=nobody",
            400,
            "invalid_argument",
            Some("by"),
        ),
        ("/availability?agent=nobody", 400, "invalid_argument", None),
        (
            "/availability?by=service&agent=x",
            400,
            "invalid_argument",
            None,
        ),
        (
            "/availability?zone=Nowhere&step=day",
            400,
            "invalid_argument",
            None,
        ),
    ] {
        let reply = get(&collector, &format!("/api/v1{path}")).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let want = (code.to_owned(), parameter.map(str::to_owned));
        assert_eq!(reply.error(), want, "{path}: {reply:?}");
        assert!(!reply.body.contains("--"), "{path}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_offered_query_answers_with_the_columns_that_its_header_tells() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    let listed = get(&collector, "/api/v1/queries").await.json();
    let listed = listed.as_array().unwrap();
    assert!(listed.len() > 50);
    let mut lacking = Vec::new();
    for query in listed {
        let name = query["name"].as_str().unwrap();
        let needed = query["parameters"].as_array().unwrap().iter();
        let needed = needed.filter(|parameter| parameter["required"] == true);
        let given: Vec<String> = needed
            .map(|parameter| {
                let value = match parameter["type"].as_str().unwrap() {
                    "String" => "x",
                    _ => "1",
                };
                format!("{}={value}", parameter["name"].as_str().unwrap())
            })
            .collect();
        let path = format!("/api/v1/queries/{name}?{}", given.join("&"));
        let reply = get(&collector, &path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let told: Vec<&str> = query["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        let is_told = |column: &str| {
            told.iter().any(|pattern| match pattern.split_once('*') {
                Some((before, after)) => column.starts_with(before) && column.ends_with(after),
                None => column == *pattern,
            })
        };
        for column in reply.json()["columns"].as_array().unwrap() {
            let column = column["name"].as_str().unwrap();
            if !is_told(column) {
                lacking.push(format!("{name}: {column}"));
            }
        }
    }
    assert!(lacking.is_empty(), "headers lack columns: {lacking:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_those_of_the_commands() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    let ledger = get(&collector, "/api/v1/ledger?lane=metrics").await.json();
    assert_eq!(
        (&ledger["whole"], &ledger["rows"][0]["stored"]),
        (&true.into(), &1.into())
    );
    let (_, text) = collector.command(&["ledger", "--lane", "metrics", "--json"]);
    let same: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(ledger["rows"][0]["emitted"], same["emitted"]);
    let hosts = get(&collector, "/api/v1/hosts").await.json();
    assert_eq!(hosts["rows"][0]["agent_id"], AGENT);
    for path in [
        "/availability",
        "/availability?by=all&step=hour",
        "/availability?intervals=true",
        "/availability?by=service",
    ] {
        let reply = get(&collector, &format!("/api/v1{path}")).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(reply.json()["rows"].is_array(), "{path}");
    }
    let page = get(&collector, "/presence").await;
    assert!(page.status == 200 && page.body.contains("<!doctype html>"));
    let tag = page.header("etag").unwrap().to_owned();
    let again = super::ask(&collector, "GET", "/host", &[("If-None-Match", &tag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}
