//! Requests that rules match become events: which, how many, and with what in them.

use std::fs;
use std::sync::Arc;

use crmscope_proto::payload::SecurityRow;

use super::*;
use crate::rules::{self, Rules, Surroundings};

const RULES: &str = "title: probe\nid: probe\nlogsource:\n  category: webserver\ndetection:\n  a:\n    cs-uri-stem|contains: /.env\n  condition: a\nlevel: medium\n---\ntitle: agent\nid: agent\nlogsource:\n  category: webserver\n  product: nginx\ndetection:\n  a:\n    cs-user-agent|startswith: sqlmap\n    cs-referer: https://crm.example.com/\n  condition: a\nlevel: critical\n---\ntitle: limited\nid: limited\nlogsource:\n  category: webserver\ndetection:\n  a:\n    sc-status: 429\n  condition: a\n";

fn rules() -> Arc<Rules> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    let surroundings = Surroundings {
        host: "web-1".to_owned(),
        products: vec!["nginx".to_owned()],
        reads_access_logs: true,
        ..Surroundings::default()
    };
    let loaded = rules::load(&[folder.path().to_owned()], &surroundings).unwrap();
    assert_eq!((loaded.rules, loaded.faults.len()), (3, 0));
    Rules::fixed(loaded)
}

fn bench(rules: &Arc<Rules>) -> Bench {
    let mut bench = Bench::new(Config::default());
    bench.source = RequestsSource::new(&bench.config).with_rules(rules);
    bench
}

fn logged(client: &str, second: u32, request: &str, status: u16, tail: &str) -> String {
    format!("{client} - - [23/Nov/2025:02:29:5{second} +0000] \"{request}\" {status} 10 {tail}\n")
}

fn read(bench: &mut Bench) -> Vec<SecurityRow> {
    bench.collect();
    bench.drain_all().security
}

#[test]
fn a_request_that_matches_is_an_event_without_its_query() {
    let mut bench = bench(&rules());
    let tail = "\"https://crm.example.com/\" \"sqlmap/1.7\"";
    let text = logged(
        "203.0.113.9",
        0,
        "GET /contacts/4711/.env?token=secret HTTP/1.1",
        404,
        tail,
    ) + &logged(
        "2001:db8::1",
        1,
        "POST /a?x=/.env HTTP/1.1",
        200,
        "\"-\" \"sqlmap/1.7\"",
    ) + &logged("-", 2, "BREW /x HTTP/1.1", 429, "\"-\" \"-\"");
    bench.append("crm-access.log", text.as_bytes());
    let rows = read(&mut bench);
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let event = &row.event;
            (
                (row.kind.as_str(), row.service.as_str(), row.method.as_str()),
                (
                    event.class_uid,
                    event.activity_id,
                    event.status_id,
                    event.severity_id,
                ),
                event.source_address.as_str(),
                event.detail.as_str(),
                event.rules.join(","),
                event.count,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                ("web_request", "crm", "GET"),
                (4002, 3, 2, 5),
                "203.0.113.9",
                "404 /contacts/{id}/.env \"sqlmap/1.7\"",
                "agent,probe".to_owned(),
                1
            ),
            (
                ("web_request", "crm", "OTHER"),
                (4002, 99, 2, 1),
                "",
                "429 /x",
                "limited".to_owned(),
                1
            ),
        ]
    );
    assert!(rows.iter().all(|row| row.event.event_id.len() == 16));
}

#[test]
fn a_flood_of_one_client_is_counted_in_one_event() {
    let rules = rules();
    let mut bench = bench(&rules);
    let mut text = String::new();
    for number in 0..1000 {
        let client = if number % 10 == 0 {
            "203.0.113.7"
        } else {
            "203.0.113.9"
        };
        text += &logged(
            client,
            number / 200,
            &format!("GET /{number}/.env HTTP/1.1"),
            404,
            "\"-\" \"x\"",
        );
    }
    bench.append("access.log", text.as_bytes());
    let rows = read(&mut bench);
    let counts = |address: &str| -> Vec<u32> {
        let rows = rows
            .iter()
            .filter(|row| row.event.source_address == address);
        rows.map(|row| row.event.count).collect()
    };
    let folded = |rest: u32| [vec![1; 10], vec![rest]].concat();
    assert_eq!(counts("203.0.113.7"), folded(90));
    assert_eq!(counts("203.0.113.9"), folded(890));
    // In the same ten seconds, after the events were handed over.
    bench.append(
        "access.log",
        logged("203.0.113.9", 9, "GET /.env HTTP/1.1", 404, "\"-\" \"x\"")
            .repeat(3)
            .as_bytes(),
    );
    let later = read(&mut bench);
    assert_eq!((later.len(), later[0].event.count), (1, 3));
}

#[test]
fn clients_beyond_the_bound_share_an_event() {
    let mut bench = bench(&rules());
    let mut text = String::new();
    for number in 0..5000_u32 {
        let client = format!("10.1.{}.{}", number / 250, number % 250);
        text += &logged(&client, 0, "GET /.env HTTP/1.1", 404, "\"-\" \"x\"");
    }
    bench.append("access.log", text.as_bytes());
    let rows = read(&mut bench);
    let requests: u32 = rows.iter().map(|row| row.event.count).sum();
    assert_eq!(requests, 5000);
    assert_eq!(rows.len(), 4096 + 11);
}

#[test]
fn a_line_that_is_read_again_is_the_same_event() {
    let rules = rules();
    let mut first = bench(&rules);
    let text: String = (0..5)
        .map(|second| {
            logged(
                "203.0.113.9",
                second,
                "GET /.env HTTP/1.1",
                404,
                "\"-\" \"x\"",
            )
        })
        .collect();
    first.append("access.log", text.as_bytes());
    let ids = |rows: Vec<SecurityRow>| -> Vec<Vec<u8>> {
        rows.into_iter().map(|row| row.event.event_id).collect()
    };
    let found = ids(read(&mut first));
    assert_eq!(found.len(), 5);
    first.source = RequestsSource::new(&first.config).with_rules(&rules);
    assert_eq!(ids(read(&mut first)), found);
}

#[test]
fn hostile_lines_are_looked_at_and_nothing_more() {
    let mut bench = bench(&rules());
    let long = "a".repeat(900_000);
    let mut bytes = logged(
        "203.0.113.9",
        0,
        &format!("GET /.env{long} HTTP/1.1"),
        404,
        "\"-\" \"x\"",
    )
    .into_bytes();
    bytes.extend(b"203.0.113.9 - - [23/Nov/2025:02:00:00 +0000] \"GET /.env\0\xff\xfe HTTP/1.1\" 404 1 \"-\" \"\x1b[2J\xff\"\n");
    bytes.extend(
        b"203.0.113.9 - - [23/Nov/2025:02:00:00 +0000] \"\x16\x03\x01/.env\" 400 1 \"-\" \"-\"\n",
    );
    bytes.extend(b"203.0.113.9 - - [23/Nov/2025:02:00:00 +0000] \"GET /.env HTTP/1.1\" 404 1 \"\\\"\\\\\" \"unclosed\\\"\n");
    bench.append("access.log", &bytes);
    let rows = read(&mut bench);
    assert!(rows.len() >= 3, "{rows:#?}");
    for row in rows {
        assert!(row.event.detail.len() <= 256);
        assert!(
            !row.event.detail.contains(char::is_control),
            "{:?}",
            row.event.detail
        );
    }
}
