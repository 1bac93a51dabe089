//! Values that try to be more than values, through every parameter of every query.

use serde_json::Value;

use super::common::Engine;
use super::{encoded, get, started};

/// What attackers write, and what breaks what reads it.
fn attempts() -> Vec<String> {
    let mut attempts: Vec<String> = [
        "'",
        "''",
        "\\",
        "\\'",
        "' OR 1=1 -- ",
        "\\' OR 1=1 -- ",
        "'; DROP TABLE crmscope.host_raw; --",
        "') UNION ALL SELECT name FROM system.tables --",
        "{agent:String}",
        "{x:String}",
        "{x:Identifier}",
        "/* */",
        "-- x",
        "\n-- x\n",
        "\0",
        "a\0b",
        "\u{7f}\u{80}\u{202e}",
        "é\u{1f600}\u{10ffff}",
        "\\N",
        "\\x00",
        "\t\r\n",
        "`",
        "\"",
        "$$x$$",
        "%",
        "[1,2]",
        "['a','b']",
        "NULL",
        "1e999",
        "NaN",
        "-1",
        "0",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "1; SELECT 1",
        "1 OR 1=1",
        "(SELECT 1)",
        "now()",
        "--boundary\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nDROP TABLE x",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    attempts.push("x".repeat(1024));
    attempts.push("'".repeat(1025));
    attempts.push("1,".repeat(2000));
    attempts
}

/// A value that the parameter takes.
fn plain(parameter: &Value) -> &'static str {
    match parameter["type"].as_str().unwrap() {
        "String" => "x",
        _ => "1",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_a_value_whatever_it_says() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    let tables = "SELECT count() FROM system.tables WHERE database = 'crmscope'";
    let before = engine.number(tables).await;
    let listed = get(&collector, "/api/v1/queries").await.json();
    let (mut answered, mut refused) = (0, 0);
    for query in listed.as_array().unwrap() {
        let name = query["name"].as_str().unwrap();
        let parameters = query["parameters"].as_array().unwrap();
        for target in parameters {
            let needed = parameters
                .iter()
                .filter(|one| one["required"] == true && one["name"] != target["name"]);
            let given: Vec<String> = needed
                .map(|one| format!("{}={}", one["name"].as_str().unwrap(), plain(one)))
                .collect();
            let own = target["name"].as_str().unwrap();
            for attempt in attempts() {
                let path = format!(
                    "/api/v1/queries/{name}?{}&{own}={}",
                    given.join("&"),
                    encoded(&attempt)
                );
                let reply = get(&collector, &path).await;
                match reply.status {
                    200 => {
                        answered += 1;
                        // It was taken as it is: told back, and matching nothing that it does not name.
                        if target["type"] == "String" {
                            assert_eq!(reply.json()["parameters"][own], attempt, "{path}");
                            let rows = reply.json()["rows"].as_array().unwrap().len();
                            let is_filter = matches!(own, "agent" | "service" | "user");
                            // Some queries have a row of zeros for nobody.
                            let is_always = matches!(
                                name,
                                "service_is_known" | "service_last_run" | "row_count_proof"
                            );
                            if is_filter && !attempt.is_empty() && !is_always {
                                assert_eq!(rows, 0, "{path}: {}", reply.body);
                            }
                        }
                    }
                    400 => {
                        refused += 1;
                        assert_eq!(reply.error().0, "invalid_argument", "{path}");
                    }
                    status => panic!("{status} {path}: {}", reply.body),
                }
            }
        }
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > 1000 && refused > 1000);
    assert_eq!(engine.number(tables).await, before);
    assert!(engine.number("SELECT count() FROM crmscope.host_raw").await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_parameters_and_paths_are_looked_up_and_never_pasted() {
    let engine = Engine::start();
    let collector = started(&engine).await;
    for attempt in attempts() {
        let text = encoded(&attempt);
        for path in [
            format!("/api/v1/queries/host_status?{text}=1"),
            format!("/api/v1/queries/{text}x"),
            format!("/api/v1/queries/host_status?limit={text}x"),
            format!("/api/v1/queries/host_status?format={text}x"),
            format!("/api/v1/ledger?agent={text}"),
            format!("/api/v1/availability?by=service&service={text}"),
            format!("/api/v1/availability?step=day&zone={text}"),
            format!("/assets/{text}x"),
        ] {
            let reply = get(&collector, &path).await;
            assert!(
                matches!(reply.status, 200 | 400 | 404 | 431 | 414),
                "{path}: {reply:?}"
            );
        }
    }
    // Through settings of ClickHouse's own protocol, too.
    for name in [
        "query",
        "database",
        "param_agent",
        "readonly",
        "default_format",
        "user",
    ] {
        let reply = get(&collector, &format!("/api/v1/queries/host_status?{name}=1")).await;
        assert_eq!(reply.status, 400, "{name}");
    }
}
